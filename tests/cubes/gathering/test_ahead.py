"""Chunks that are read before they are asked for: each once, within the bound, and no thread is left."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from headrace.core.errors import DamageError
from headrace.core.source import Indices
from headrace.cubes.cube import Cube
from headrace.cubes.gathering.chunks import Chunks, Grid
from headrace.cubes.geometry import Geometry
from headrace.cubes.source import PatchSource
from headrace.dataset import Dataset


@dataclass(frozen=True, eq=False)
class Slow:
    """A row of 40 chunks of 10 numbers, each of which takes a while; it notes which were read, and together."""

    broken: int = -1
    seconds: float = 0.002
    calls: list[list[int]] = field(default_factory=list)
    name = "x"
    dims = ("i",)
    shape = (400,)
    dtype = np.dtype("int64")

    @property
    def edges(self) -> tuple[Indices, ...]:
        return (np.arange(0, 401, 10),)

    def whole(self) -> NDArray[Any]:
        raise AssertionError("it is read in chunks")

    def read(self, chunks: Sequence[tuple[int, ...]]) -> list[NDArray[Any]]:
        self.calls.append([number for (number,) in chunks])
        time.sleep(self.seconds * len(chunks))
        if any(number == self.broken for (number,) in chunks):
            raise DamageError(f"'x': chunk ({self.broken},) is damaged")
        return [np.arange(number * 10, number * 10 + 10) for (number,) in chunks]

    @property
    def numbers(self) -> list[int]:
        return sorted(number for call in self.calls for number in call)


def no_thread_is_left() -> bool:
    return not any(thread.name == "headrace-chunks-ahead" for thread in threading.enumerate())


def soon(holds: Callable[[], bool], seconds: float = 20) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if holds():
            return True
        time.sleep(0.005)
    return False


def source_of(variable: Slow, cache_bytes: int = 1 << 20) -> PatchSource:
    cube = Cube({"x": variable}, {"i": 400}, identity="slow")
    return PatchSource(cube, Geometry.of(cube.lengths, {"i": 5}), cache_bytes=cache_bytes)


def test_what_is_expected_is_there_when_it_is_asked_for() -> None:
    variable, chunks = Slow(), Chunks(1 << 20)
    grid = Grid(variable.edges, 8)
    chunks.expect([(variable, grid)], [(0, number) for number in (7, 3, 20)])
    assert soon(lambda: chunks.nbytes == 3 * 80)
    assert chunks.get(variable, grid, np.array([3]))[0].tolist() == list(range(30, 40))
    assert variable.calls == [[7, 3, 20]]
    assert soon(no_thread_is_left)


def test_no_more_is_read_ahead_than_there_is_room_for() -> None:
    variable, chunks = Slow(), Chunks(800)
    grid = Grid(variable.edges, 8)
    chunks.expect([(variable, grid)], [(0, number) for number in range(40)])
    assert soon(no_thread_is_left)
    assert chunks.nbytes <= 800
    assert variable.numbers == list(range(8)), "an eighth is left for what nobody expected"
    for number in range(40):
        chunks.expect([(variable, grid)], [(0, later) for later in range(number, 40)])
        assert chunks.get(variable, grid, np.array([number]))[0][0] == number * 10
    chunks.expect([], [])
    assert variable.numbers == list(range(40)), "a chunk was read twice"


@pytest.mark.parametrize("order", ["stored", "blocks", "shuffled"])
def test_a_stream_reads_each_chunk_once_and_leaves_no_thread(order: str) -> None:
    variable = Slow(seconds=0.0005)
    ds = Dataset(source_of(variable))
    ds = {"stored": ds, "blocks": ds.block_shuffle(memory="1 MB", lanes=2), "shuffled": ds.shuffle(seed=0)}[order]
    seen = [batch["x"] for batch in ds.batch(4).stream()]
    assert sorted(np.concatenate(seen).reshape(-1).tolist()) == list(range(400))
    assert variable.numbers == list(range(40))
    assert len(variable.calls) < 40, "nothing was read together"
    assert soon(no_thread_is_left)


def test_leaving_early_ends_the_reading() -> None:
    variable = Slow(seconds=0.05)
    stream = iter(Dataset(source_of(variable)).batch(1).stream())
    next(stream)
    del stream
    assert soon(no_thread_is_left)
    assert len(variable.numbers) < 40


def test_a_damaged_chunk_is_said_by_who_asks_for_it_and_holds_up_nothing_else() -> None:
    variable = Slow(broken=20, seconds=0.0005)
    seen: list[int] = []
    with pytest.raises(DamageError, match=r"chunk \(20,\) is damaged"):
        for batch in Dataset(source_of(variable)).batch(2).stream():
            seen += batch["x"].reshape(-1).tolist()
    assert seen == list(range(200))
    assert soon(no_thread_is_left)
    skipping = Dataset(source_of(variable)).batch(2).stream(on_error="skip")
    rows = sum(len(batch["x"]) for batch in skipping)
    assert rows == 78
    assert [failure.record for failure in skipping.errors] == [40, 41]


def test_arrays_at_hand_expect_nothing() -> None:
    from headrace.cubes.reading.arrays import AtHand

    cube = Cube({"x": AtHand("x", ("i",), np.arange(400))}, {"i": 400})
    assert PatchSource(cube, Geometry.of(cube.lengths, {"i": 5})).expect is None
