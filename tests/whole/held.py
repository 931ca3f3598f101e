"""How much memory a run with workers takes: ``python -m tests.whole.held KIND MEGABYTES FOLDER`` prints it as JSON.

What is measured is the proportional set size: of a page that three processes share, each counts a third.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import headrace as hr
from headrace import Dataset

ROW = 16_384  # bytes
EPOCHS = 10


def family() -> list[int]:
    """Return this process and all that come from it."""
    found, left = [], [os.getpid()]
    while left:
        number = left.pop()
        found.append(number)
        for path in Path(f"/proc/{number}/task").glob("*/children"):
            left += map(int, path.read_text().split())
    return found


def proportional() -> int:
    """Return the bytes that this process and all that come from it take together."""
    total = 0
    for number in family():
        for line in Path(f"/proc/{number}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1]) * 1024
    return total


def arrays(rows: int, folder: Path) -> Dataset:
    """Return a dataset of arrays in memory, which nobody else holds."""
    return Dataset(x=np.ones((rows, ROW - 8), np.uint8), y=np.arange(rows))


def mapped(rows: int, folder: Path) -> Dataset:
    np.save(folder / "x.npy", np.ones((rows, ROW), np.uint8))
    return Dataset(x=np.load(folder / "x.npy", mmap_mode="r"), y=np.arange(rows))


def stored(rows: int, folder: Path) -> Dataset:
    store = hr.Store(folder / "store")
    store.submit(Dataset(x=np.ones((rows, ROW), np.uint8), y=np.arange(rows)), "data", "one")
    return store.fetch("data", "one")


KINDS: dict[str, Callable[[int, Path], Dataset]] = {"arrays": arrays, "mapped": mapped, "stored": stored}


def main(kind: str, size: int, folder: Path) -> None:
    bare = proportional()
    ds = KINDS[kind](size // ROW, folder).shuffle(0).batch(64)
    before = proportional()
    sizes: list[int] = []
    steps = len(ds)
    for step, batch in enumerate(ds.stream(EPOCHS, workers=4)):
        assert batch["x"][0, 0] == 1
        if step % steps == steps - 6:  # towards the end of an epoch, with all workers in the middle of it
            sizes.append(proportional())
            processes = len(family())
    told: dict[str, Any] = {"bare": bare, "before": before, "epochs": sizes, "processes": processes}
    print(json.dumps(told))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]) * 1_000_000, Path(sys.argv[3]))
