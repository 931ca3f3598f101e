"""A plain PyTorch loop: batches become tensors that share memory with the columns; one checkpoint holds it all."""

from __future__ import annotations

import numpy as np
import torch

import headrace as hr


def make_stream() -> hr.Stream:
    numbers = np.random.default_rng(0)
    x = numbers.normal(size=(4096, 16)).astype(np.float32)
    y = (x.sum(axis=1) > 0).astype(np.int64)
    return hr.Dataset(x=x, y=y).shuffle(seed=0).batch(256).stream(epochs=5)


def main() -> None:
    torch.manual_seed(0)
    torch.set_num_threads(1)
    model = torch.nn.Linear(16, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    iterator = iter(make_stream())
    for step, batch in enumerate(iterator):
        tensors = batch.to_torch()
        loss = torch.nn.functional.cross_entropy(model(tensors["x"]), tensors["y"])
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        if step == 40:
            torch.save({"model": model.state_dict(), "data": iterator.state_dict()}, "checkpoint.pt")
    print(f"loss {loss.item():.3f} after {step + 1} steps")

    checkpoint = torch.load("checkpoint.pt")
    model.load_state_dict(checkpoint["model"])
    left = sum(1 for _ in make_stream().resume(checkpoint["data"]))
    print(f"the checkpoint goes on with the {left} batches that were left")


if __name__ == "__main__":
    main()
