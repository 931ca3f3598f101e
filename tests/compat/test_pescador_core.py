"""Streamer: copies that go through their own, counts, ends; what is below is closed with them."""

from __future__ import annotations

import copy
import inspect
import os
import pickle
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import cloudpickle
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import headrace as hr
import headrace.compat.pescador as pescador
from headrace.compat.pescador import PescadorError, Streamer, streamable, util


def count(n: int) -> Iterator[int]:
    yield from range(n)


@given(n=st.integers(0, 12), most=st.none() | st.integers(0, 15))
def test_iterate_gives_the_first_items_and_cycle_goes_round(n: int, most: int | None) -> None:
    stream = Streamer(count, n)
    expected = list(range(n))[:most]
    assert list(stream.iterate(most)) == list(stream(most)) == expected
    if n and most is not None:
        rounds = [number % n for number in range(most)]
        assert list(stream.cycle(most)) == list(stream(most, cycle=True)) == rounds


def test_a_cycle_of_nothing_is_an_error_and_no_endless_loop() -> None:
    with pytest.raises(PescadorError, match="gave no item in 100 rounds"):
        next(Streamer([]).cycle())


def test_a_cycle_goes_over_rounds_that_give_nothing_for_the_moment() -> None:
    seldom = iter([*[[]] * 5, [1], *[[]] * 99, [2], [3]])

    def some() -> Iterator[int]:
        yield from next(seldom)

    assert list(Streamer(some).cycle(max_iter=2)) == [1, 2]


def test_what_one_iteration_changes_no_other_sees() -> None:
    def shrink(items: list[int]) -> Iterator[int]:
        while items:
            yield items.pop()

    stream = Streamer(shrink, [1, 2, 3])
    assert list(stream) == list(stream) == [3, 2, 1]
    assert [list(one) for one in (Streamer(iter([1, 2])), Streamer(iter([1, 2])))] == [[1, 2], [1, 2]]


def test_draws_from_a_random_state_that_was_handed_over_are_the_same_each_time() -> None:
    def noise(rng: Any) -> Iterator[float]:
        while True:
            yield rng.rand()

    stream = Streamer(noise, np.random.RandomState(0))
    assert list(stream.iterate(3)) == list(stream.iterate(3))


def test_streams_and_datasets_are_shared_by_copies() -> None:
    dataset, stream = hr.Dataset(range(3)), hr.Stream(range(3))
    for source in (dataset, stream):
        made = Streamer(source)
        assert copy.deepcopy(made).streamer is source
        assert list(made) == list(made) == [0, 1, 2]


def test_several_iterations_at_once_are_counted() -> None:
    stream = Streamer(count, 3)
    one, two = stream.iterate(), stream.iterate()
    assert stream.active == 0
    assert next(one) == next(two) == 0 and stream.active == 2
    one.close()
    assert stream.active == 1
    assert list(two) == [1, 2] and stream.active == 0


def test_an_error_arrives_as_it_is_and_ends_the_iteration() -> None:
    def fails() -> Iterator[int]:
        yield 1
        raise KeyError("lost")

    stream = Streamer(fails)
    items = iter(stream)
    assert next(items) == 1
    with pytest.raises(KeyError, match="lost"):
        next(items)
    assert list(items) == [] and stream.active == 0


def lines(path: Path) -> Iterator[str]:
    with path.open() as file:
        yield from file


def open_files(folder: Path) -> list[str]:
    links = [Path("/proc/self/fd") / name for name in os.listdir("/proc/self/fd")]
    return [os.readlink(link) for link in links if link.is_symlink() and str(folder) in os.readlink(link)]


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="needs /proc")
def test_files_are_open_as_long_as_their_streams_are_active(tmp_path: Path) -> None:
    for number in range(20):
        (tmp_path / f"{number}.txt").write_text("".join(f"{line}\n" for line in range(50)))
    streams = [Streamer(lines, path) for path in sorted(tmp_path.iterdir())]
    for mux in (
        pescador.StochasticMux(streams, 3, rate=4, random_state=0),
        pescador.ChainMux([*streams[:3]]),
        pescador.ChainMux(lambda: iter(streams)),
    ):
        items = mux.iterate(130)
        for _ in items:
            assert len(open_files(tmp_path)) <= 3
        assert open_files(tmp_path) == []
    left = pescador.ShuffledMux(streams).iterate()
    kept = [next(left) for _ in range(100)]
    assert len(kept) == 100 and open_files(tmp_path)
    left.close()
    assert open_files(tmp_path) == []


def test_all_are_closed_even_where_one_fails_at_it() -> None:
    closed = []

    def guarded(name: str, fails: bool) -> Iterator[str]:
        try:
            while True:
                yield name
        finally:
            closed.append(name)
            if fails:
                raise OSError(f"{name} does not close")

    items = pescador.RoundRobinMux([Streamer(guarded, name, name == "b") for name in "abc"]).iterate(3)
    with pytest.raises(OSError, match="b does not close"):
        list(items)
    assert sorted(closed) == ["a", "b", "c"]


@pytest.mark.parametrize("bad", [6, None, len, lambda: [1]])
def test_what_cannot_be_gone_through_is_refused(bad: Any) -> None:
    with pytest.raises(PescadorError, match="goes through a generator function or an iterable"):
        Streamer(bad)


def test_errors_are_of_this_package_too() -> None:
    assert issubclass(PescadorError, hr.HeadraceError) and issubclass(pescador.DataError, ValueError)


def test_one_left_more_often_than_entered_says_so() -> None:
    with pytest.raises(PescadorError, match="left more often"):
        Streamer("a").__exit__(None, None, None)


def test_copies_and_pickles_are_streamers_that_work() -> None:
    stream = Streamer(count, 3)
    mux = pescador.ShuffledMux([stream, "abc"], random_state=1)
    first = list(mux.iterate(9))
    for made in (copy.copy(mux), copy.deepcopy(mux), pickle.loads(pickle.dumps(mux))):
        assert type(made) is pescador.ShuffledMux and list(made.iterate(9)) == first
    shared = pescador.ShuffledMux("ab")
    assert cloudpickle.loads(cloudpickle.dumps(shared)).rng is np.random
    assert copy.deepcopy(shared).rng is np.random


def test_a_subclass_need_not_call_the_constructor() -> None:
    class Twice(Streamer):
        def __init__(self, streamer: Streamer) -> None:
            self.streamer = streamer

        def iterate(self, max_iter: float | None = None) -> Generator[Any, None, None]:  # type: ignore[override]
            for item in self.streamer.iterate(max_iter):
                yield from (item, item)

    twice = Twice(Streamer("ab"))
    assert list(twice) == list("aabb") == twice.list()
    assert list(twice.cycle(5)) == list("aabba")


def test_a_streamable_keeps_its_signature() -> None:
    @streamable
    def numbers(n: int, start: int = 0) -> Iterator[int]:
        """Give numbers."""
        yield from range(start, n)

    made = numbers(4, start=2)
    assert isinstance(made, Streamer) and list(made) == [2, 3]
    assert list(inspect.signature(numbers).parameters) == ["n", "start"] and numbers.__doc__ == "Give numbers."


def test_random_states() -> None:
    state = np.random.RandomState(3)
    assert util.get_rng(state) is state and util.get_rng(None) is np.random
    assert util.get_rng(np.int64(3)).randint(1000) == util.get_rng(3).randint(1000)
    for bad in ("foo", 1.5, -1, 1 << 40, np.random.default_rng(0)):
        with pytest.raises(PescadorError, match="random_state"):
            util.get_rng(bad)


def test_names_that_change_warn_where_they_are_used() -> None:
    def call(old: Any = util.Deprecated(), new: int = 1) -> Any:  # noqa: B008 - as it is meant to be used
        return util.rename_kw("old", old, "new", new, "1.0", "2.0")

    assert call(new=5) == 5
    with pytest.warns(DeprecationWarning, match=r"call\(\): argument 'old' was renamed to 'new'") as found:
        assert call(old=7) == 7
    assert found[0].filename == __file__

    for decorate, word in ((util.deprecated("1", "2"), "deprecated"), (util.moved("a.b", "1", "2"), "moved")):
        with pytest.warns(DeprecationWarning, match=word) as found:
            assert list(decorate(count)(2)) == [0, 1]
        assert found[0].filename == __file__


def test_the_length_of_a_batch() -> None:
    assert util.batch_length({}) is None and util.batch_length({"x": [1, 2], "y": "ab"}) == 2
    with pytest.raises(PescadorError, match="of one length"):
        util.batch_length({"x": [1], "y": "ab"})
