"""Runs over muxes, built alike in every process: ``python -m tests.whole.muxed KIND LOG FOLDER`` goes on with one.

A line with the digest of each item and the state behind it is on the disk before the next item is asked for.
"""

from __future__ import annotations

import json
import os
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

import headrace as hr
from tests.whole.pipelines import digests

ITEMS = 60


def records(name: int, length: int, rng: np.random.Generator) -> Iterator[dict[str, Any]]:
    for number in range(length):
        yield {"stream": name, "n": number, "x": rng.random(3)}


def lines(path: str, name: int) -> Iterator[dict[str, Any]]:
    with open(path) as file:
        for number, line in enumerate(file):
            yield {"stream": name, "n": number, "x": np.full(3, float(line))}


def noisy(record: dict[str, Any], rng: np.random.Generator) -> dict[str, Any]:
    return {**record, "x": record["x"] + rng.random(3)}


def doubled(record: dict[str, Any]) -> dict[str, Any]:
    return {**record, "x": record["x"] * 2}


def harder(step: int) -> list[float]:
    return [1, 1, 1, 0, 0, 0] if step < 100 else [1, 1, 1, 1, 1, 1 + step / 100]


def generators(count: int = 6) -> list[Any]:
    return [hr.Stream(records, name, 20 + name, seed=name) for name in range(count)]


def datasets(count: int = 6) -> list[Any]:
    return [
        hr.Dataset(
            stream=np.full(20 + name, name), n=np.arange(20 + name), x=np.arange(60.0 + 3 * name).reshape(-1, 3)
        ).shuffle(name)
        for name in range(count)
    ]


def files(folder: Path, count: int = 6) -> list[Any]:
    made = []
    for name in range(count):
        path = folder / f"{name}.txt"
        if not path.exists():
            path.write_text("".join(f"{100 * name + line}\n" for line in range(15 + name)))
        made.append(hr.Stream(lines, str(path), name))
    return made


def tree(folder: Path) -> hr.Stream:
    inner: list[Any] = [
        hr.StochasticMux(generators(), 2, 5, mode="single_active", seed=1),
        hr.ShuffledMux([one.map(noisy, seed=3) for one in datasets()], np.arange(1, 7), seed=2),
        hr.ChainMux(lambda: iter(files(folder)), "cycle"),
        hr.StochasticMux(datasets(), 3, 4, seed=5),
    ]
    return hr.StochasticMux(inner, 2, 20, [1, 2, 3, 4], seed=4)


KINDS: dict[str, Callable[[Path], hr.Stream]] = {
    "generators": lambda folder: hr.StochasticMux(generators(), 3, 8, np.arange(1, 7), seed=1).batch(5),
    "datasets": lambda folder: hr.StochasticMux(datasets(), 3, 8, np.arange(1, 7), seed=1).batch(5),
    "files": lambda folder: hr.StochasticMux(files(folder), 2, 6, mode="single_active", seed=1).batch(5),
    "a curriculum": lambda folder: hr.ShuffledMux(datasets(), hr.Curriculum(harder, every=25), seed=2).batch(5),
    "a tree": lambda folder: tree(folder).window_shuffle(12, seed=1).batch(5),
    "mapped": lambda folder: tree(folder).map(noisy, seed=7).batch(5),
}


def go_on(kind: str, log: Path, folder: Path) -> None:
    """Go on with a run where its log ends."""
    text = log.read_text() if log.exists() else ""
    text = text[: text.rfind("\n") + 1]
    log.write_text(text)
    saved = text.splitlines()
    stream = KINDS[kind](folder)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", hr.ReplayWarning)
        running = iter(stream.resume(json.loads(saved[-1])["state"]) if saved else stream)
    with log.open("a") as out:
        for item in islice(running, ITEMS - len(saved)):
            out.write(json.dumps({"digest": digests([item])[0], "state": running.state_dict()}) + "\n")
            out.flush()
            os.fsync(out.fileno())
            time.sleep(0.002)
    running.close()


if __name__ == "__main__":
    go_on(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
