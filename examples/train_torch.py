"""Learn digits with PyTorch, stop in the middle of an epoch, go on there: the weights are the same to the last bit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.datasets import load_digits

import headrace as hr

EPOCHS = 10
CHECKPOINT = Path("digits.pt")


def speckle(record: dict[str, Any], rng: np.random.Generator) -> dict[str, Any]:
    """Augment: a digit differs from epoch to epoch, never from run to run."""
    return {**record, "image": record["image"] + rng.normal(0, 0.1, (8, 8)).astype(np.float32)}


def make_loaders() -> tuple[hr.feeds.torch.Loader, hr.feeds.torch.Loader]:
    raw = load_digits()
    ds = hr.Dataset(image=(raw.images / 16).astype(np.float32), label=raw.target.astype(np.int64))
    train, test = ds.split(train=0.8, test=0.2, seed=0)
    batches = (
        train.shuffle(seed=1).map(speckle, seed=2).batch(64)
    )  # .shard_by_rank() before .batch: one share a process
    return hr.feeds.torch.Loader(batches.stream()), hr.feeds.torch.Loader(test.batch(512).stream())


def new_model() -> torch.nn.Module:
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 64), torch.nn.ReLU(), torch.nn.Linear(64, 10))


def train(stop_at: int | None = None) -> torch.nn.Module:
    """Train to the end, or up to a step; go on where a checkpoint says, if there is one."""
    loader, _ = make_loaders()
    model = new_model()
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    step = 0
    if CHECKPOINT.exists():
        saved = torch.load(CHECKPOINT)
        model.load_state_dict(saved["model"])
        optimizer.load_state_dict(saved["optimizer"])
        loader.load_state_dict(saved["data"])
        step = saved["step"]
        print(f"going on behind step {step}, in epoch {loader.epoch}")
    while loader.epoch < EPOCHS:
        for batch in loader:
            loss = torch.nn.functional.cross_entropy(model(batch["image"]), batch["label"])
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            step += 1
            if step == stop_at:
                states = {"model": model.state_dict(), "optimizer": optimizer.state_dict()}
                torch.save({**states, "data": loader.state_dict(), "step": step}, CHECKPOINT)
                return model
    return model


@torch.no_grad()
def accuracy(model: torch.nn.Module) -> float:
    hits = [(model(batch["image"]).argmax(dim=1) == batch["label"]) for batch in make_loaders()[1]]
    return float(torch.cat(hits).double().mean())


def main() -> None:
    torch.set_num_threads(1)
    unbroken = train()
    print(f"{accuracy(unbroken):.1%} of the test digits are read correctly")

    train(stop_at=50)  # 23 batches an epoch: in the middle of the third
    resumed = train()
    pairs = zip(unbroken.state_dict().values(), resumed.state_dict().values(), strict=True)
    same = all(torch.equal(one, other) for one, other in pairs)
    print("identical" if same else "DIFFERENT")
    if not same:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
