"""A small real training: digits, a network, a checkpoint after some steps. Made to be killed.

``python training.py CHECKPOINT WORKERS`` goes on from a checkpoint, if there is one; prints a digest of the weights.
"""

from __future__ import annotations

import hashlib
import os
import sys
import time
from typing import Any

import numpy as np

import headrace as hr


def augment(record: dict[str, Any], rng: np.random.Generator) -> dict[str, Any]:
    moved = np.roll(record["x"].reshape(8, 8), rng.integers(-1, 2, 2), (0, 1))
    return {"x": moved.ravel() + rng.normal(0, 0.05, 64).astype(np.float32), "y": record["y"]}


def main(checkpoint: str, workers: int) -> None:
    import torch
    from sklearn.datasets import load_digits

    torch.set_num_threads(1)
    torch.manual_seed(0)
    torch.use_deterministic_algorithms(True)
    images, labels = load_digits(return_X_y=True)
    train, val = hr.Dataset(x=(images / 16).astype(np.float32), y=labels).split(train=0.8, val=0.2, seed=0)
    stream = train.shuffle(seed=1).map(augment, seed=2).batch(32).stream(epochs=5, workers=workers).torch()
    model = torch.nn.Sequential(torch.nn.Linear(64, 32), torch.nn.ReLU(), torch.nn.Linear(32, 10))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.2, momentum=0.9)
    if os.path.exists(checkpoint):
        saved = torch.load(checkpoint)
        model.load_state_dict(saved["model"])
        optimizer.load_state_dict(saved["optimizer"])
        stream = stream.resume(saved["data"])

    iterator = iter(stream)
    for step, batch in enumerate(iterator):
        loss = torch.nn.functional.cross_entropy(model(batch["x"]), batch["y"])
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        if step % 10 == 9:
            saved = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "data": iterator.state_dict()}
            torch.save(saved, checkpoint + ".new")
            os.replace(checkpoint + ".new", checkpoint)
        time.sleep(0.002)

    whole = val.collect()
    right = (model(torch.from_numpy(whole["x"])).argmax(1).numpy() == whole["y"]).mean()
    weights = b"".join(weight.detach().numpy().tobytes() for weight in model.parameters())
    print(f"{hashlib.sha256(weights).hexdigest()} {right:.2f}")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
