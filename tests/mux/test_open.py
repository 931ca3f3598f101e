"""What muxes hold open: no more than is active, nothing that has left, nothing at the end, however it comes."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import headrace as hr
from tests.mux.made import some

pytestmark = pytest.mark.filterwarnings("ignore::headrace.core.errors.ReplayWarning")


def lines(path: Path) -> Iterator[str]:
    with path.open() as file:
        yield from file


@pytest.fixture
def paths(tmp_path: Path) -> list[Path]:
    made = []
    for name in range(12):
        path = tmp_path / f"{name}.txt"
        path.write_text("".join(f"{name} {line}\n" for line in range(8)))
        made.append(path)
    return made


def opened(paths: list[Path]) -> list[str]:
    """Return which of the files this process holds open."""
    found = []
    for link in Path("/proc/self/fd").iterdir():
        try:
            target = os.readlink(link)
        except OSError:  # the listing's own
            continue
        if target.startswith(str(paths[0].parent)):
            found.append(Path(target).stem)
    return sorted(found)


MUXES: dict[str, tuple[int, Callable[[list[Any]], hr.Stream]]] = {
    "stochastic": (3, lambda streams: hr.StochasticMux(streams, 3, 4, seed=1)),
    "single": (3, lambda streams: hr.StochasticMux(streams, 3, 4, mode="single_active", seed=2)),
    "exhaustive": (4, lambda streams: hr.StochasticMux(streams, 4, 5, mode="exhaustive", seed=3)),
    "whole": (2, lambda streams: hr.StochasticMux(streams, 2, None, seed=4)),
    "chained": (1, lambda streams: hr.ChainMux(streams)),
    "chained for ever": (1, lambda streams: hr.ChainMux(streams, "cycle")),
    "chained lazily": (1, lambda streams: hr.ChainMux(lambda: iter(streams))),
    "nested": (
        4,
        lambda streams: hr.StochasticMux([hr.StochasticMux(streams[k::3], 2, 3, seed=k) for k in range(3)], 2, 5),
    ),
    "in turns": (12, lambda streams: hr.RoundRobinMux(streams)),
}


@pytest.mark.parametrize("kind", MUXES)
def test_no_more_files_are_open_than_streams_are_active(kind: str, paths: list[Path]) -> None:
    most, make = MUXES[kind]
    mux = make([hr.Stream(lines, path) for path in paths])
    counts = []
    with iter(mux) as running:
        assert opened(paths) == []  # a stream is started at its first turn
        for _ in range(90):
            if next(running, None) is None:
                break
            counts.append(len(opened(paths)))
        assert max(counts) <= most
        state = running.state_dict()
    assert opened(paths) == []
    if kind != "exhaustive" and len(counts) == 90:
        with iter(mux.resume(state)) as resumed:
            assert len(opened(paths)) <= most
            some(resumed, 10)
        assert opened(paths) == []


def test_a_stream_that_has_given_its_last_record_is_shut_before_the_next(paths: list[Path]) -> None:
    mux = hr.StochasticMux([hr.Stream(lines, path) for path in paths], 1, 3, dist="constant", seed=0)
    with iter(mux) as running:
        for _ in range(12):
            some(running, 2)
            assert len(opened(paths)) == 1
            next(running)
            assert opened(paths) == []


@pytest.mark.parametrize("how", ["close", "del", "with", "end", "error", "ctrl-c"])
@pytest.mark.parametrize("kind", ["stochastic", "in turns", "nested", "chained lazily", "exhaustive"])
def test_all_files_are_shut_however_it_ends(kind: str, how: str, paths: list[Path]) -> None:
    failing: list[BaseException] = []

    def checked(item: str) -> str:
        if failing:
            raise failing[0]
        return item

    _, make = MUXES[kind]
    mux = make([hr.Stream(lines, path) for path in paths]).map(checked)
    running = iter(mux.take(20) if how == "end" else mux)
    some(running, 7)
    assert opened(paths)
    if how == "close":
        running.close()
    elif how == "with":
        with running:
            next(running)
    elif how == "end":
        list(running)
    elif how == "del":
        del running
    else:
        failing.append(OSError("full") if how == "error" else KeyboardInterrupt())
        with pytest.raises((hr.RecordError, KeyboardInterrupt)):
            next(running)
    if how == "end" and kind != "exhaustive":
        del running  # take() leaves what is upstream to whoever holds the iterator
    gc.collect()
    assert opened(paths) == []


def test_streams_are_shut_though_one_cannot_be() -> None:
    closed: list[int] = []

    def stubborn(name: int) -> Iterator[int]:
        try:
            while True:
                yield name
        finally:
            closed.append(name)
            if name == 1:
                raise OSError("it is stuck")

    running = iter(hr.RoundRobinMux([hr.Stream(stubborn, name) for name in range(4)]))
    some(running, 4)
    with pytest.raises(OSError, match="stuck"):
        running.close()
    assert sorted(closed) == [0, 1, 2, 3]


def test_what_a_stream_holds_is_never_copied() -> None:
    table = np.arange(1000.0)
    seen: list[Any] = []

    def rows(held: Any) -> Iterator[float]:
        seen.append(held)
        yield from held[:5]

    mux = hr.StochasticMux([hr.Stream(rows, table) for _ in range(4)], 2, 3, seed=0)
    with iter(mux) as running:
        some(running, 9)
        state = running.state_dict()
    with iter(mux.resume(state)) as running:
        some(running, 9)
    assert len(seen) > 4 and all(held is table for held in seen)
    items = [object() for _ in range(3)]
    assert {id(item) for item in some(hr.ShuffledMux([items, items[:1]]), 20)} == set(map(id, items))


def test_streams_that_have_left_are_let_go_of() -> None:
    class Large:
        alive = 0

        def __init__(self) -> None:
            Large.alive += 1

        def __del__(self) -> None:
            Large.alive -= 1

    def held() -> Iterator[int]:
        large = Large()
        yield from range(100)
        del large

    mux = hr.StochasticMux([hr.Stream(held) for _ in range(50)], 3, 2, seed=0)
    with iter(mux) as running:
        for _ in range(300):
            next(running)
            assert Large.alive <= 3
    assert Large.alive == 0


def test_many_sources_take_the_memory_of_few(tmp_path: Path) -> None:
    """Columns of mapped files are read as they are drawn; no file is held open for it, and none is copied whole."""
    for name in range(40):
        np.save(tmp_path / f"{name}.npy", np.full((50, 4), float(name)))
    streams = [hr.Dataset(x=np.load(tmp_path / f"{name}.npy", mmap_mode="r")) for name in range(40)]
    mux = hr.StochasticMux(streams, 5, 10, seed=0).batch(16)
    before = len(list(Path("/proc/self/fd").iterdir()))
    with iter(mux) as running:
        for batch in some(running, 30):
            assert batch["x"].shape == (16, 4)
            batch["x"][:] = -1  # the caller's own
        assert len(list(Path("/proc/self/fd").iterdir())) <= before + 1
