"""Runs that are cut and resumed: pipelines by name, built alike in every process, and a child that is killed.

``python -m tests.runs rest`` reads ``{name: [state, ...]}`` and prints what is left of each run after each state;
``python -m tests.runs go NAME LOG`` goes on from the last line of a log and adds a line for each item that it sees.
"""

from __future__ import annotations

import json
import random
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import headrace as hr
from headrace import Batch, Dataset, Ragged, Stream
from headrace.core.tensors import is_tensor

N = 23


def flipped(record: dict[str, Any], rng: np.random.Generator) -> dict[str, Any]:
    return {**record, "image": record["image"][:, ::-1] if rng.random() < 0.5 else record["image"]}


def noisy(batch: Batch, rng: Any) -> Batch:
    return batch.with_columns(noise=rng.standard_normal())


def odd(record: Any) -> bool:
    return bool(record["n"] % 3)


def copies(row: dict[str, Any]) -> list[dict[str, Any]]:
    return [row] * (row["n"] % 3)


def scaled(batch: Batch, rng: np.random.Generator) -> Batch:
    return batch.with_columns(image=batch["image"] * rng.integers(1, 9))


def images() -> Dataset:
    numbers = np.arange(N)
    texts = Ragged.from_rows([np.arange(at % 5) for at in range(N)])
    return Dataset(image=numbers.repeat(6).reshape(N, 2, 3).astype(np.uint8), n=numbers, text=texts)


def rows() -> Dataset:
    return Dataset([{"n": at, "name": f"n{at}", "image": np.full((2, 3), at)} for at in range(N)])


PIPELINES: dict[str, Callable[[], Stream]] = {
    "shuffled batches": lambda: images().shuffle(0).batch(4).stream(epochs=3),
    "filtered and augmented": lambda: images().shuffle(1).filter(odd).map(flipped, seed=2).batch(4, pad=0).stream(3),
    "a share of a part": lambda: (
        images()
        .split(train=0.7, val=0.3, seed=1)
        .train.shuffle(0)
        .map(flipped, seed=1)
        .shard(1, 3)
        .batch(2)
        .map(scaled, seed=5)
        .stream(3)
    ),
    "mixed": lambda: hr.mix([images().shuffle(0), images().take(5).shuffle(1)], [2, 1], "longest").batch(5).stream(3),
    "balanced": lambda: rows().map(lambda row: {**row, "k": row["n"] % 3}).shuffle(0).balance("k").batch(4).stream(3),
    "repeats within epochs": lambda: images().shuffle(0).repeat(3).skip(2).batch(7).stream(3),
    "side by side": lambda: hr.zip(images().shuffle(0), rows().shuffle(1)).batch(3).stream(3),
    "one after the other": lambda: (images().shuffle(0).take(4) + images().shuffle(5)).batch(4).stream(3),
    "sampled": lambda: rows().sample(30, seed=0, replace=True).shuffle(0).stream(3),
    "sorted": lambda: rows().sort_by("name").batch(4, drop_remainder=True).stream(3),
    "row-wise": lambda: images().shuffle(0).map_batches(noisy, seed=0).stream(3),
    "an endless one": lambda: images().shuffle(0).repeat().batch(4).stream(1).take(20),
    "a stream that filters and shuffles": lambda: (
        images()
        .shuffle(0)
        .map(flipped, seed=1)
        .batch(4)
        .stream(2)
        .unbatch()
        .filter(odd)
        .window_shuffle(5, seed=0)
        .skip(2)
        .map(lambda record, rng: {**record, "z": rng.random()}, seed=3)
        .batch(3)
        .repeat(2)
        .take(15)
    ),
    "streams one after the other": lambda: images().shuffle(0).stream().take(5) + rows().shuffle(0).stream(2).skip(30),
    "streams side by side": lambda: images().shuffle(0).stream(2).zip(rows().batch(2).stream().unbatch()),
    "long": lambda: (
        images()
        .shuffle(0)
        .filter(odd)
        .map(flipped, seed=1)
        .batch(2)
        .stream(9)
        .unbatch()
        .window_shuffle(5, seed=0)
        .batch(3)
    ),
    "in windows": lambda: rows().shuffle(0).stream(3).window_shuffle(9, seed=1).flat_map(copies),
}


def exact(item: Any) -> Any:
    """Return an item as plain JSON that tells every byte, dtype and shape."""
    if isinstance(item, Batch):
        return ["Batch", len(item), {name: exact(column) for name, column in item.items()}]
    if isinstance(item, dict):
        return {name: exact(value) for name, value in item.items()}
    if isinstance(item, tuple | list):
        return [type(item).__name__, *map(exact, item)]
    if isinstance(item, Ragged):
        return ["Ragged", exact(item.values), exact(item.offsets)]
    if is_tensor(item):
        return ["tensor", str(item.dtype), exact(item.numpy())]
    if isinstance(item, np.ndarray | np.generic):
        content = exact(item.tolist()) if item.dtype == object else item.tobytes().hex()
        return [type(item).__name__, item.dtype.str, list(item.shape), content]
    return [type(item).__name__, item.hex() if isinstance(item, float) else repr(item)]


def rest(name: str, state: Any) -> list[Any]:
    """Return what a run gives after a state."""
    return [exact(item) for item in PIPELINES[name]().resume(state)]


def go(name: str, log: Path) -> None:
    """Go on with a run, a line for each item with the state after it; slowly, so that there is time to be killed."""
    lines = log.read_text().split("\n") if log.exists() else [""]
    stream = PIPELINES[name]()
    if len(lines) > 1:
        stream = stream.resume(json.loads(lines[-2])["state"])  # what is behind the last line break is half a line
    log.write_text("".join(f"{line}\n" for line in lines[:-1]))
    pause = random.Random(len(lines))
    iterator = iter(stream)
    with log.open("a") as out:
        for item in iterator:
            out.write(json.dumps({"item": exact(item), "state": iterator.state_dict()}) + "\n")
            out.flush()
            time.sleep(pause.random() * 0.02)


def main(arguments: list[str]) -> None:
    if arguments[0] == "go":
        go(arguments[1], Path(arguments[2]))
    else:
        asked = json.load(sys.stdin)
        json.dump({name: [rest(name, state) for state in states] for name, states in asked.items()}, sys.stdout)


if __name__ == "__main__":
    main(sys.argv[1:])
