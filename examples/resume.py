"""Fit a line, stop in the middle of an epoch, go on exactly there: the weights are the same to the last bit."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import headrace as hr

Array = NDArray[np.float64]


def add_noise(batch: hr.Batch, rng: hr.RowGenerator) -> hr.Batch:
    """Augment: every row draws its own numbers, the same ones whenever it is read again in this epoch."""
    return batch.with_columns({"x": batch["x"] + rng.normal(0.0, 0.1, size=batch["x"].shape[1:])})


def make_stream() -> hr.Stream:
    numbers = np.random.default_rng(0)
    x = numbers.normal(size=(10_000, 8))
    ds = hr.Dataset(x=x, y=x @ np.arange(8.0))
    return ds.shuffle(seed=1).map_batches(add_noise, seed=2).batch(128).stream(epochs=3)


def train_step(weights: Array, batch: hr.Batch) -> Array:
    error = batch["x"] @ weights - batch["y"]
    gradient: Array = batch["x"].T @ error / len(error)
    return weights - 0.05 * gradient


def main() -> None:
    unbroken = np.zeros(8)
    for batch in make_stream():
        unbroken = train_step(unbroken, batch)

    weights, iterator = np.zeros(8), iter(make_stream())
    for _ in range(100):  # 79 batches an epoch: stopped in the second one
        weights = train_step(weights, next(iterator))
    saved = Path("checkpoint.json")
    saved.write_text(json.dumps({"weights": weights.tolist(), "data": iterator.state_dict()}))

    checkpoint = json.loads(saved.read_text())
    weights, iterator = np.array(checkpoint["weights"]), iter(make_stream())
    iterator.load_state_dict(checkpoint["data"])
    for batch in iterator:
        weights = train_step(weights, batch)

    print(f"state: {len(json.dumps(checkpoint['data']))} bytes")
    print(f"weights: {weights.round(2).tolist()}")
    print("identical" if weights.tobytes() == unbroken.tobytes() else "DIFFERENT")
    if weights.tobytes() != unbroken.tobytes():
        raise SystemExit(1)


if __name__ == "__main__":
    main()
