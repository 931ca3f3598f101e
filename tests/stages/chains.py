"""Chains of stages described by plain JSON, so that another process can build the same; run as a script it does.

A chain is a list: a source, then steps. Items are numbers or tuples of numbers, except right of a batch.
"""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any, TypeAlias

import numpy as np
from hypothesis import strategies as st

from headrace.core.errors import ReplayWarning
from headrace.core.fingerprint import of_record
from headrace.core.flow import Flow
from headrace.core.ragged import Ragged
from headrace.stages.batch import Batched
from headrace.stages.chain import Chain
from headrace.stages.filter import Filter
from headrace.stages.flat_map import FlatMap
from headrace.stages.interleave import Interleave
from headrace.stages.iterate import Iterate
from headrace.stages.map import Map
from headrace.stages.progress import Progress
from headrace.stages.repeat import Repeat
from headrace.stages.take import Skip, Take
from headrace.stages.unbatch import Unbatch
from headrace.stages.window import WindowShuffle
from headrace.stages.zip import Zip

Spec: TypeAlias = list[list[Any]]

LIMIT = 40


def count_up(n: int) -> Iterator[int]:
    yield from range(n)


def draw(n: int, rng: np.random.Generator) -> Iterator[int]:
    for _ in range(n):
        yield int(rng.integers(1000))


def changed(item: Any, change: Callable[[Any], Any]) -> Any:
    """Change an item of any kind: numbers and arrays, in tuples and in rows that differ in length."""
    if isinstance(item, tuple):
        return tuple(changed(one, change) for one in item)
    return Ragged(change(item.values), item.offsets) if isinstance(item, Ragged) else change(item)


def stir(item: Any) -> Any:
    return changed(item, lambda numbers: numbers * 3 + 1)


def scatter(item: Any, rng: np.random.Generator) -> Any:
    return changed(item, lambda numbers: numbers + int(rng.integers(1000)))


def number_of(item: Any) -> int:
    return int(of_record(item), 16)


class Keeps:
    """A predicate on items of any kind."""

    def __init__(self, every: int) -> None:
        self.every = every

    def __call__(self, item: Any) -> bool:
        return number_of(item) % self.every > 0


def several(item: Any) -> Iterator[Any]:
    for _ in range(number_of(item) % 4):
        yield item


def build(spec: Spec) -> Flow:
    """Return the flow that a chain describes."""
    (kind, *settings), *steps = spec
    flow = source(kind, *settings)
    for kind, *settings in steps:
        flow = step(flow, kind, settings)
    return flow


def source(kind: str, n: int, seed: int | None = None) -> Flow:
    if kind == "list":
        return Iterate.of(list(range(n)))
    return Iterate.of(count_up, (n,)) if kind == "generator" else Iterate.of(draw, (n,), seed=seed)


def step(flow: Flow, kind: str, settings: list[Any]) -> Flow:
    match kind:
        case "map":
            return Map.of(flow, stir)
        case "random map":
            return Map.of(flow, scatter, *settings)
        case "filter":
            return Filter.of(flow, Keeps(*settings))
        case "flat_map":
            return FlatMap.of(flow, several)
        case "batch":
            return Batched.of(flow, *settings)
        case "unbatch":
            return Unbatch(flow)
        case "take":
            return Take.of(flow, *settings)
        case "skip":
            return Skip.of(flow, *settings)
        case "repeat":
            return Repeat.of(flow, *settings)
        case "window":
            return WindowShuffle.of(flow, *settings)
        case "progress":
            return Progress.of(flow)
        case "zip":
            return Zip((flow, build(*settings)))
        case "chain":
            return Chain.of(flow, build(*settings))
        case "interleave":
            return Interleave.of([flow, build(*settings)], 2)
    raise ValueError(kind)


SOURCES = st.one_of(
    st.tuples(st.just("list"), st.integers(0, 25)),
    st.tuples(st.just("generator"), st.integers(0, 25)),
    st.tuples(st.just("draws"), st.integers(0, 25), st.integers(0, 9)),
)
ANYWHERE = st.one_of(
    st.tuples(st.just("random map"), st.integers(0, 9)),
    st.tuples(st.just("take"), st.integers(0, 20)),
    st.tuples(st.just("skip"), st.integers(0, 5)),
    st.tuples(st.just("repeat"), st.integers(1, 3)),
    st.tuples(st.just("window"), st.integers(1, 9), st.integers(0, 9)),
    st.sampled_from([("map",), ("progress",), ("filter", 3), ("flat_map",)]),
)
BATCH = st.tuples(st.just("batch"), st.integers(1, 5), st.booleans())


def _plain(parts: Any) -> Spec:
    spec: Spec = json.loads(json.dumps(parts))
    return spec


@st.composite
def chains(pick: st.DrawFn, depth: int = 2) -> Spec:
    """Draw a chain of up to eight steps; a batch is followed by what any item can bear, and maybe by unbatch."""
    spec: list[Any] = [pick(SOURCES)]
    spec += pick(st.lists(ANYWHERE, max_size=3))
    if depth and pick(st.booleans()):
        spec.append((pick(st.sampled_from(["zip", "chain", "interleave"])), pick(chains(depth=depth - 1))))
        if spec[-1][0] != "zip":
            spec[-1] = (spec[-1][0], _without_tuples(spec[-1][1]))
    if depth and pick(st.booleans()):
        spec.append(pick(BATCH))
        spec += pick(st.lists(ANYWHERE, max_size=2))
        if pick(st.booleans()):
            spec.append(("unbatch",))
            spec += pick(st.lists(ANYWHERE, max_size=1))
    return _plain(spec)


def _without_tuples(spec: Spec) -> Spec:
    """A batch of numbers and tuples would not fit together, so streams put into one are of numbers alone."""
    return [one for one in spec if one[0] not in ("zip", "batch", "unbatch")]


def rest(spec: Spec, state: Any) -> list[str]:
    """Return the digests of the items behind a state."""
    cursor = build(spec).start(state)
    digests = [of_record(item) for item in islice(cursor, LIMIT)]
    cursor.close()
    return digests


if __name__ == "__main__":
    warnings.simplefilter("ignore", ReplayWarning)
    print(json.dumps([rest(spec, state) for spec, state in json.load(sys.stdin)]))
