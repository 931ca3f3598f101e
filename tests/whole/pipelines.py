"""Whole pipelines, each a function of who works: what they give must not depend on that."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

import numpy as np

import headrace as hr
from headrace import Batch, Dataset, Ragged, Stream
from tests.runs import exact

N = 61
EPOCHS = 3

Build: TypeAlias = Callable[[dict[str, Any]], Stream]
"""Makes a stream, given what ``stream()`` is told beside the number of epochs."""


def columns() -> dict[str, Any]:
    numbers = np.arange(N)
    return {
        "n": numbers,
        "image": numbers.repeat(48).reshape(N, 4, 4, 3).astype(np.uint8),
        "text": np.array([f"record {at}" * (at % 3) for at in range(N)], dtype=object),
        "fixed": np.array([f"n{at}" for at in range(N)]),
        "tokens": Ragged.from_rows([np.arange(at % 7) for at in range(N)]),
        "when": numbers.astype("datetime64[D]"),
    }


def flipped(record: dict[str, Any], rng: np.random.Generator) -> dict[str, Any]:
    image = record["image"][:, ::-1] if rng.random() < 0.5 else record["image"]
    return {**record, "image": image, "drawn": rng.random()}


def noisy(batch: Batch, rng: Any) -> Batch:
    return batch.with_columns(noise=rng.standard_normal(3).astype(np.float32))


def scaled(batch: Batch, rng: np.random.Generator) -> Batch:
    return batch.with_columns(image=batch["image"] * rng.integers(1, 5))


def odd(record: dict[str, Any]) -> bool:
    return bool(record["n"] % 3)


def nested(record: dict[str, Any], rng: np.random.Generator) -> dict[str, Any]:
    return {"meta": {"n": record["n"], "tags": ["a"] * int(record["n"] % 3)}, "pair": (record["n"], rng.random())}


def as_tensors(record: dict[str, Any], rng: np.random.Generator) -> dict[str, Any]:
    import torch

    return {"x": torch.from_numpy(record["image"].copy()) / 255, "y": torch.tensor(rng.integers(9))}


def labelled(record: tuple[Any, Any], rng: np.random.Generator) -> tuple[Any, Any, float]:
    return record[0], record[1], rng.random()


def jittered(item: Any, rng: np.random.Generator) -> Any:
    return item, rng.random(2)


def with_share(batch: Batch, rng: np.random.Generator) -> Batch:
    return batch.with_columns(share=np.full(len(batch), rng.random()))


def base() -> Dataset:
    return Dataset(**columns())


def divided(given: dict[str, Any]) -> Stream:
    train = base().split(train=0.8, val=0.2, seed=1).train.shuffle(3)
    return train.map(flipped, seed=1).shard(1, 3, "pad").batch(4).map(scaled, seed=5).stream(EPOCHS, **given)


def mixed(given: dict[str, Any]) -> Stream:
    parts = [base().shuffle(0), base().take(7).shuffle(1).map(flipped, seed=3).drop("drawn")]
    return hr.mix(parts, [3, 1], "longest").batch(5).stream(EPOCHS, **given)


PIPELINES: dict[str, Build] = {
    "a shuffle": lambda given: base().shuffle(0).batch(8).stream(EPOCHS, **given),
    "a shuffle by key": lambda given: base().shuffle(0, method="keyed").batch(8).stream(EPOCHS, **given),
    "random maps of records": lambda given: (
        base().shuffle(0).filter(odd).map(flipped, seed=1).batch(8, pad={"tokens": -1}).stream(EPOCHS, **given)
    ),
    "random maps of columns": lambda given: (
        base().shuffle(0).map_batches(noisy, seed=1).batch(8, drop_remainder=True).stream(EPOCHS, **given)
    ),
    "a padded share of a part": divided,
    "mixed": mixed,
    "nested": lambda given: base().shuffle(0).map(nested, seed=0).batch(6).stream(EPOCHS, **given),
    "lists and objects": lambda given: (
        base().shuffle(0).map(nested, seed=0).batch(6, collate=list).stream(EPOCHS, **given)
    ),
    "tuples": lambda given: (
        base().select_tuple("image", "text").shuffle(0).map(labelled, seed=0).batch(6).stream(EPOCHS, **given)
    ),
    "values": lambda given: Dataset(range(N)).shuffle(0).map(lambda n: n * n).batch(6).stream(EPOCHS, **given),
    "single records": lambda given: base().shuffle(0).map(flipped, seed=1).stream(EPOCHS, **given),
    "tensors": lambda given: base().shuffle(0).map(as_tensors, seed=0).batch(6).stream(EPOCHS, **given),
    "right of the crossing": lambda given: (
        base()
        .shuffle(0)
        .map(flipped, seed=1)
        .batch(4)
        .stream(EPOCHS, **given)
        .unbatch()
        .window_shuffle(9, seed=0)
        .map(jittered, seed=3, **given)
        .batch(5)
    ),
    "batches of another size": lambda given: (
        base().shuffle(0).batch(4).stream(EPOCHS, **given).map(with_share, seed=2, **given).rebatch(7)
    ),
}

IN_BACKGROUND = ["right of the crossing", "nested"]


def digests(items: Iterable[Any]) -> list[str]:
    """Return a digest of each item: of its bytes, dtypes and shapes."""
    return [hashlib.sha256(json.dumps(exact(item)).encode()).hexdigest()[:16] for item in items]
