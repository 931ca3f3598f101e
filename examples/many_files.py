"""Learn from many files, a few in memory at a time; stop, and go on exactly there: the weights are the same."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import headrace as hr

Array = NDArray[np.float64]
TRUE = np.linspace(-1, 1, 8)
STEPS = 400


@hr.streamable
def rows(path: Path, rng: np.random.Generator) -> Iterator[dict[str, Array]]:
    """Give the rows of a file in a random order, another one each time that the file is activated."""
    table = np.load(path)
    for place in rng.permutation(len(table)):
        yield {"x": table[place, :8], "y": table[place, 8]}


def write(folder: Path) -> list[Path]:
    """Write 200 files, each around a mean of its own: one after the other, they would be learnt and forgotten."""
    for number in range(200):
        rng = np.random.default_rng(number)
        x = rng.normal(rng.normal(size=8), 1, (500, 8))
        np.save(folder / f"{number:03}.npy", np.column_stack([x, x @ TRUE + 0.1 * rng.normal(size=500)]))
    return sorted(folder.glob("*.npy"))


def make_stream(paths: list[Path]) -> hr.Stream:
    files = [rows(path, seed=number) for number, path in enumerate(paths)]
    mux = hr.StochasticMux(files, n_active=10, rate=64, seed=0)
    return mux.batch(64).take(STEPS).background()


def train_step(weights: Array, batch: hr.Batch) -> Array:
    error = batch["x"] @ weights - batch["y"]
    gradient: Array = batch["x"].T @ error / len(error)
    return weights - 0.05 * gradient


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        paths = write(Path(name))

        unbroken = np.zeros(8)
        for batch in make_stream(paths):
            unbroken = train_step(unbroken, batch)

        weights = np.zeros(8)
        with make_stream(paths) as batches:
            for _ in range(STEPS // 2):
                weights = train_step(weights, next(batches))
            saved = json.dumps({"weights": weights.tolist(), "data": batches.state_dict()})

        checkpoint = json.loads(saved)
        weights = np.array(checkpoint["weights"])
        for batch in make_stream(paths).resume(checkpoint["data"]):  # warns: ten files are gone through up to there
            weights = train_step(weights, batch)

    print(f"state: {len(json.dumps(checkpoint['data']))} bytes")
    print(f"weights: {weights.round(2).tolist()}")
    print("identical" if weights.tobytes() == unbroken.tobytes() else "DIFFERENT")
    if weights.tobytes() != unbroken.tobytes():
        raise SystemExit(1)


if __name__ == "__main__":
    main()
