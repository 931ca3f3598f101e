"""Streams begin at plain iterables and functions; resumed by index or by replay."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterator
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pandas as pd
import pytest

from headrace.core.batch import Batch
from headrace.core.errors import ArgumentError, KindError, RecordError, ReplayWarning, StateError
from headrace.core.fingerprint import of_record
from headrace.core.flow import Flow
from headrace.stages.iterate import Iterate
from headrace.stages.replay import snapshot
from headrace.testing.stages import StageTests


def numbers(n: int, start: int = 0) -> Iterator[int]:
    yield from range(start, start + n)


def draws(n: int, rng: np.random.Generator) -> Iterator[dict[str, Any]]:
    for number in range(n):
        yield {"n": number, "x": rng.random(3)}


class Rows:
    """A sequence of the plainest kind: a length and an index."""

    def __init__(self, n: int) -> None:
        self.n = n
        self.asked: list[int] = []

    def __len__(self) -> int:
        return self.n

    def __getitem__(self, index: int) -> int:
        self.asked.append(index)
        return index * index


class Countdown:
    """A re-iterable without an index."""

    def __iter__(self) -> Iterator[int]:
        return iter((3, 2, 1))


SOURCES: dict[str, Iterate] = {
    "a list": Iterate.of([5, "a", None, 2.5]),
    "a tuple": Iterate.of((1, 2, 3)),
    "a range": Iterate.of(range(3, 30, 4)),
    "an array": Iterate.of(np.arange(12.0).reshape(4, 3)),
    "a plain sequence": Iterate.of(Rows(5)),
    "a re-iterable": Iterate.of(Countdown()),
    "a deque": Iterate.of(deque([1, 2, 3])),
    "values of a dict": Iterate.of({"a": 1, "b": 2}.values()),
    "a generator function": Iterate.of(numbers, (5,), {"start": 2}),
    "a seeded generator function": Iterate.of(draws, (5,), seed=3),
    "a function that returns a list": Iterate.of(partial(list, (1, 2, 3))),
    "a class": Iterate.of(Countdown),
    "a builtin": Iterate.of(map, (str, [1, 2, 3])),
}


class TestIterate(StageTests):
    @pytest.fixture(params=SOURCES, ids=str)
    def flow(self, request: pytest.FixtureRequest) -> Flow:
        return SOURCES[request.param]


def test_a_sequence_is_resumed_without_reading_what_came_before() -> None:
    rows = Rows(100)
    assert next(Iterate.of(rows).start({"count": 90})) == 90 * 90
    assert rows.asked == [90]


def test_a_sequence_that_became_shorter_is_refused() -> None:
    with pytest.raises(StateError, match="after item 4, and list of 3 items ends before"):
        Iterate.of([1, 2, 3]).start({"count": 4})


def test_a_generator_is_replayed_and_says_so() -> None:
    flow = Iterate.of(numbers, (5,))
    cursor = flow.start()
    assert [next(cursor), next(cursor)] == [0, 1]
    with pytest.warns(ReplayWarning, match=r"resuming numbers\(5\) by replaying 2 items") as caught:
        resumed = flow.start(cursor.state())
    assert caught[0].filename == __file__
    assert list(resumed) == [2, 3, 4]


def test_the_front_of_a_generator_needs_no_replay() -> None:
    flow = Iterate.of(numbers, (2,))
    assert list(flow.start(flow.start().state())) == [0, 1]


@pytest.mark.filterwarnings("ignore::headrace.core.errors.ReplayWarning")
def test_a_replay_that_gives_another_item_is_refused() -> None:
    start = [0]
    flow = Iterate.of(lambda: iter(range(start[0], 9)))
    cursor = flow.start()
    next(cursor)
    start[0] = 1
    with pytest.raises(StateError, match=r"gave another item 1 than when the state was saved.*give the stream a seed"):
        flow.start(cursor.state())


@pytest.mark.filterwarnings("ignore::headrace.core.errors.ReplayWarning")
def test_a_replay_that_ends_early_is_refused() -> None:
    cursor = Iterate.of(numbers, (5,)).start()
    for _ in range(4):
        next(cursor)
    with pytest.raises(StateError, match=r"gave 3 items when it was replayed, and the state is after item 4"):
        Iterate.of(numbers, (3,)).start(cursor.state())


@pytest.mark.filterwarnings("ignore::headrace.core.errors.ReplayWarning")
def test_a_refused_replay_leaves_nothing_open() -> None:
    closed = []

    def opened(last: int) -> Iterator[int]:
        try:
            yield from (0, last, 2)
        finally:
            closed.append(last)

    cursor = Iterate.of(opened, (1,)).start()
    next(cursor), next(cursor)
    with pytest.raises(StateError):
        Iterate.of(opened, (7,)).start(cursor.state())
    assert closed == [7]
    cursor.close()
    assert closed == [7, 1]


@pytest.mark.filterwarnings("ignore::headrace.core.errors.ReplayWarning")
@pytest.mark.parametrize(
    "item",
    [np.zeros(3), np.zeros(100_000), {"x": np.zeros(3)}, [np.zeros(2), [np.zeros(2)]], np.array([[1], [2]], object)],
    ids=["small array", "large array", "mapping", "nested list", "objects"],
)
def test_items_may_be_written_to_after_they_were_handed_out(item: Any) -> None:
    def given() -> Iterator[Any]:
        def copied(value: Any) -> Any:
            if isinstance(value, dict):
                return {name: copied(one) for name, one in value.items()}
            return [copied(one) for one in value] if isinstance(value, list) else value.copy()

        yield copied(item)
        yield 1

    def overwrite(value: Any) -> None:
        for one in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
            overwrite(one)
        if isinstance(value, np.ndarray):
            value[:] = 9

    cursor = Iterate.of(given).start()
    overwrite(next(cursor))
    assert list(Iterate.of(given).start(cursor.state())) == [1]


@pytest.mark.parametrize(
    "item",
    [3, "a", None, np.float32(2), np.zeros(4), np.zeros((300, 300)), np.asfortranarray(np.arange(12).reshape(3, 4)),
     {"a": [1, (2, np.arange(3))]}, [[[[[1]]]]], list(range(1000)), np.array(["a", None], object), {1, 2}, object],
    ids=repr,
)  # fmt: skip
def test_what_is_kept_of_an_item_has_its_digest(item: Any) -> None:
    class Once:
        def __iter__(self) -> Iterator[Any]:
            return iter((item,))

    cursor = Iterate.of(Once()).start()
    next(cursor)
    assert cursor.state() == {"count": 1, "digest": of_record(item)}
    assert (
        type(snapshot(item)).__name__ == "_Digest"
        or snapshot(item) is item
        or of_record(snapshot(item)) == of_record(item)
    )


def test_a_seed_gives_the_same_draws_each_time_and_others_in_each_epoch() -> None:
    flow = Iterate.of(draws, (2,), seed=0)

    def drawn(epoch: int) -> list[float]:
        return [float(value) for item in flow.start(epoch=epoch) for value in item["x"]]

    assert drawn(0) == drawn(0)
    assert drawn(1) == drawn(1)
    assert drawn(0) != drawn(1)
    assert drawn(2**80) != drawn(0)


def test_an_error_of_a_generator_names_stream_and_item_and_is_the_cause() -> None:
    def torn() -> Iterator[int]:
        yield 1
        raise OSError("disk on fire")

    cursor = Iterate.of(torn).start()
    next(cursor)
    with pytest.raises(RecordError, match=r"torn\(\) failed after 1 items: OSError: disk on fire") as caught:
        next(cursor)
    assert isinstance(caught.value.__cause__, OSError)


def test_a_generator_that_failed_never_looks_as_if_it_had_ended() -> None:
    def torn() -> Iterator[int]:
        raise OSError
        yield

    cursor = Iterate.of(torn).start()
    for _ in range(3):
        with pytest.raises(RecordError, match="OSError"):
            next(cursor)


def test_an_error_of_the_function_itself_names_the_stream() -> None:
    with pytest.raises(RecordError, match=r"open\('nowhere'\) failed before its first item: FileNotFoundError"):
        Iterate.of(open, ("nowhere",)).start()


def test_an_error_of_a_sequence_names_the_item_which_can_be_tried_again() -> None:
    broken = [True]

    class Torn(Rows):
        def __getitem__(self, index: int) -> int:
            if index == 1 and broken[0]:
                raise KeyError("gone")
            return index

    cursor = Iterate.of(Torn(3)).start()
    assert next(cursor) == 0
    with pytest.raises(RecordError, match=r"Torn of 3 items failed on item 1: KeyError: 'gone'"):
        next(cursor)
    broken[0] = False
    assert list(cursor) == [1, 2]


def test_a_stop_iteration_inside_a_sequence_is_no_end() -> None:
    class Stops(Rows):
        def __getitem__(self, index: int) -> int:
            if index == 2:
                raise StopIteration
            return index

    cursor = Iterate.of(Stops(4)).start()
    next(cursor), next(cursor)
    with pytest.raises(RecordError, match="failed on item 2: StopIteration"):
        next(cursor)


def test_files_are_closed_early_and_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "lines.txt"
    path.write_text("a\nb\n")
    files = []

    def opened() -> Any:
        files.append(path.open())
        return files[-1]

    early, whole = Iterate.of(opened).start(), Iterate.of(opened).start()
    next(early)
    early.close()
    assert list(whole) == ["a\n", "b\n"]
    assert all(file.closed for file in files)


REFUSED = {
    "None": (None, "None, which holds no items"),
    "a number": (3, "3, which holds no items"),
    "a NumPy number": (np.float32(3), "holds no items"),
    "a text": ("abc", r"a str.*a list of one text is written \[text\]"),
    "bytes": (b"abc", "a bytes"),
    "a set": ({1}, r"no order.*give sorted\(...\)"),
    "a frozenset": (frozenset({1}), "no order"),
    "a dict": ({"a": [1]}, r"its names.*Dataset\(...\).stream\(\)"),
    "a Batch": (Batch({"a": [1]}), "its names"),
    "a frame": (pd.DataFrame({"a": [1]}), "its names"),
    "a series": (pd.Series([1]), "its names"),
    "an iterator": (iter([1]), r"a list_iterator, which can be iterated once only.*hand over the function"),
    "a generator": ((n for n in range(3)), "once only"),
    "an array of no dimensions": (np.array(3), "no dimensions"),
    "an object": (object(), "a object, which cannot be iterated"),
}


@pytest.mark.parametrize(("source", "words"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_a_stream_is_refused_with_the_mend(source: Any, words: str) -> None:
    with pytest.raises(KindError, match=f"^Stream got .*{words}"):
        Iterate.of(source)


def test_an_open_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    with (tmp_path / "a").open() as file, pytest.raises(KindError, match="once only"):
        Iterate.of(file)


def test_a_source_is_pointed_to_the_dataset() -> None:
    class Read:
        def __len__(self) -> int:
            return 1

        def read(self, indices: Any) -> Any:
            return {}

    with pytest.raises(KindError, match=r"for a Source: Dataset\(...\).stream\(\)"):
        Iterate.of(Read())


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (None, "returned None.*is a yield missing"),
        (3, "returned 3"),
        ("abc", "returned a str"),
        ({"a": 1}, "returned a dict"),
    ],
)
def test_a_function_that_returns_no_items_is_refused_when_it_is_called(made: Any, words: str) -> None:
    with pytest.raises(KindError, match=words):
        Iterate.of(lambda: made).start()


def test_asynchronous_functions_are_refused() -> None:
    async def plain() -> None:
        await asyncio.sleep(0)

    async def generator() -> AsyncIterator[int]:
        yield 1

    for function in (plain, generator):
        with pytest.raises(KindError, match="asynchronous"):
            Iterate.of(function)


def test_arguments_that_do_not_fit_are_refused_at_once() -> None:
    with pytest.raises(
        ArgumentError, match=r"numbers\(n: 'int', start: 'int' = 0\).* cannot be called as asked: missing"
    ):
        Iterate.of(numbers)
    with pytest.raises(ArgumentError, match="unexpected keyword argument 'stop'"):
        Iterate.of(numbers, (3,), {"stop": 4})
    with pytest.raises(ArgumentError, match="with a seed it is given rng="):
        Iterate.of(numbers, (3,), seed=0)
    with pytest.raises(ArgumentError, match="rng= or seed=, not both"):
        Iterate.of(draws, (3,), {"rng": np.random.default_rng()}, seed=0)
    with pytest.raises(ArgumentError, match="for a function, and a list is none"):
        Iterate.of([1], (3,))
    with pytest.raises(ArgumentError, match="for a function"):
        Iterate.of([1], seed=0)


@pytest.mark.parametrize("seed", [1.5, "1", True, np.bool_(True)])
def test_a_seed_of_another_kind_is_refused(seed: Any) -> None:
    with pytest.raises(KindError, match="seed is a non-negative integer"):
        Iterate.of(draws, (3,), seed=seed)


def test_the_identity_tells_arguments_and_seed() -> None:
    def read(*args: Any, **kwargs: Any) -> list[int]:
        return []

    lines = [
        Iterate.of(read, args, kwargs, seed).order()
        for args, kwargs, seed in [
            ((), {}, None),
            ((), {}, 0),
            ((1,), {}, None),
            (("a",), {}, None),
            (("x" * 200,), {}, None),
            (("x" * 201,), {}, None),
            (([1, 2],), {}, None),
            (([1, 3],), {}, None),
            ((np.zeros(3),), {}, None),
            ((np.ones(3),), {}, None),
            ((), {"path": PurePosixPath("a/b")}, None),
        ]
    ]
    assert len(set(lines)) == len(lines)
    assert lines[-1] == ("read(path='a/b')",)
    assert all(len(line[0]) < 100 for line in lines)


def test_arguments_that_have_no_lasting_text_count_by_their_kind() -> None:
    def read(*args: Any) -> list[int]:
        return []

    assert Iterate.of(read, (object(), len, dict)).order() == ("read(object(...), len, dict)",)


def test_the_identity_tells_lists_of_plain_values_apart_and_ranges() -> None:
    sources: list[Any] = [["a", "b"], ["a", "c"], range(2), range(1, 3), [{}], [{}, {}]]
    lines = [Iterate.of(source).order() for source in sources]
    assert len(set(lines)) == 6
    assert lines[2] == ("range(0, 2)",)


def test_the_identity_of_a_list_does_not_hang_on_what_becomes_of_its_records() -> None:
    records = [{"x": 1}]
    flow = Iterate.of(records)
    before = Iterate.of([{"x": 1}]).order()
    records[0]["x"] = 2
    assert flow.order() == before


def test_the_code_of_a_function_is_told_and_a_list_has_none() -> None:
    assert Iterate.of([1]).code() == ()
    (line,) = Iterate.of(numbers, (3,)).code()
    assert line.startswith("numbers ")
