"""Streams that are iterated, cycled, called and entered; functions that give them; streams put together."""

from __future__ import annotations

import inspect
import json
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from functools import partial
from itertools import islice
from typing import Any

import cloudpickle
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import headrace as hr
from headrace.core.encoding import Encoder
from headrace.core.fingerprint import of_function
from headrace.testing.stages import check_alike

pytestmark = pytest.mark.filterwarnings("ignore::headrace.ReplayWarning")

CLOSED: list[str] = []


@pytest.fixture(autouse=True)
def _nothing_closed() -> None:
    CLOSED.clear()


def numbers(n: int) -> Iterator[int]:
    yield from range(n)


def noted(name: str, n: int = 9) -> Iterator[str]:
    """Give numbered names, and note when it is let go of."""
    try:
        for number in range(n):
            yield f"{name}{number}"
    finally:
        CLOSED.append(name)


def draws(n: int, rng: np.random.Generator) -> Iterator[int]:
    for _ in range(n):
        yield int(rng.integers(1000))


# iterate, cycle, call


@given(st.integers(0, 6), st.integers(0, 9) | st.none())
def test_iterate_gives_the_front_and_cycle_goes_round(n: int, most: int | None) -> None:
    stream = hr.Stream(numbers, n)
    assert list(stream.iterate(most)) == list(stream(most)) == list(range(n))[:most]
    if most is not None and n:
        expected = [number % n for number in range(most)]
        assert list(stream.cycle(most)) == list(stream(most, cycle=True)) == expected


def test_a_cycle_without_an_end_goes_on() -> None:
    assert list(islice(hr.Stream([1, 2, 3]).cycle(), 7)) == [1, 2, 3, 1, 2, 3, 1]


def test_each_round_of_a_cycle_has_an_epoch_of_its_own() -> None:
    stream = hr.Stream(draws, 3, seed=0)
    assert list(stream.cycle(9)) == stream.repeat(3).list()
    shuffled = hr.Dataset(range(50)).shuffle(seed=0)
    assert list(shuffled.stream().cycle(100)) == shuffled.stream(epochs=2).list()


@pytest.mark.parametrize("source", [[], lambda: iter(())], ids=["list", "generator"])
@pytest.mark.parametrize("most", [None, 5])
def test_a_cycle_of_nothing_is_an_error_and_no_endless_loop(source: Any, most: int | None) -> None:
    with pytest.raises(hr.OrderError, match="gives no items; repeating it would never end"):
        list(hr.Stream(source).cycle(most))
    assert list(hr.Stream(source).cycle(0)) == []


def test_a_stream_that_is_used_up_later_ends_a_cycle_with_an_error() -> None:
    left = [2, 0]
    cycled = hr.Stream(lambda: iter(range(left.pop(0)))).cycle()
    assert [next(cycled), next(cycled)] == [0, 1]
    with pytest.raises(hr.OrderError, match="gives no items"):
        next(cycled)


@pytest.mark.parametrize("ask", ["iterate", "cycle", "__call__"])
@pytest.mark.parametrize(
    ("most", "error", "message"),
    [
        (-1, hr.ArgumentError, "max_iter must be 0 or more, got -1"),
        (1.5, hr.KindError, "max_iter must be a whole number"),
        ("3", hr.KindError, "max_iter must be a whole number"),
        (True, hr.KindError, "max_iter must be a whole number"),
    ],
)
def test_a_max_iter_that_cannot_be_meant_is_refused_at_once(
    ask: str, most: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        getattr(hr.Stream([1]), ask)(most)


def test_no_more_is_drawn_than_max_iter_says() -> None:
    drawn = []

    def watched() -> Iterator[int]:
        for number in range(9):
            drawn.append(number)
            yield number

    assert list(hr.Stream(watched).iterate(np.int64(2))) == [0, 1]  # type: ignore[arg-type]
    assert drawn == [0, 1]


def test_several_live_iterators_do_not_disturb_each_other() -> None:
    stream = hr.Stream(numbers, 4)
    some = [iter(stream), stream.iterate(3), stream.cycle(6), stream()]
    found: list[list[int]] = [[] for _ in some]
    for _ in range(6):
        for place, iterator in enumerate(some):
            found[place] += islice(iterator, 1)
    assert found == [[0, 1, 2, 3], [0, 1, 2], [0, 1, 2, 3, 0, 1], [0, 1, 2, 3]]


def test_reaching_max_iter_lets_go_of_what_is_open() -> None:
    assert list(hr.Stream(noted, "a").iterate(2)) == ["a0", "a1"]
    assert list(hr.Stream(noted, "b", 1).cycle(2)) == ["b0", "b0"]
    assert CLOSED == ["a", "b", "b"]


ASKS: dict[str, Callable[[hr.Stream], Any]] = {
    "iterate()": lambda stream: stream.iterate(),
    "iterate(5)": lambda stream: stream.iterate(5),
    "cycle(9)": lambda stream: stream.cycle(9),
    "call": lambda stream: stream(7, cycle=True),
}
STREAMS = {
    "list": hr.Stream([3, 1, 4, 1]),
    "generator": hr.Stream(numbers, 4),
    "draws": hr.Stream(draws, 4, seed=1),
    "dataset": hr.Dataset(range(4)).shuffle(seed=0).stream(),
    "window": hr.Stream(range(7)).window_shuffle(3, seed=0),
}


@pytest.mark.parametrize("ask", ASKS.values(), ids=ASKS)
@pytest.mark.parametrize("stream", STREAMS.values(), ids=STREAMS)
def test_a_state_goes_on_exactly_by_the_same_call(stream: hr.Stream, ask: Callable[[hr.Stream], Any]) -> None:
    whole = list(ask(stream))
    for cut in range(len(whole) + 1):
        iterator = ask(stream)
        assert list(islice(iterator, cut)) == whole[:cut]
        state = json.loads(json.dumps(iterator.state_dict()))
        again = ask(stream)
        next(again, None)
        again.load_state_dict(state)
        assert list(again) == whole[cut:]


def test_their_states_belong_to_take_and_repeat() -> None:
    stream = hr.Stream(range(4))
    first, second = stream.iterate(3), stream.cycle(9)
    next(first), list(islice(second, 6))
    assert stream.take(3).resume(first.state_dict()).list() == [1, 2]
    assert stream.repeat().take(9).resume(second.state_dict()).list() == [2, 3, 0]
    with pytest.raises(hr.StateError, match=r"take\(3\)"):
        stream.iterate(4).load_state_dict(first.state_dict())


@pytest.mark.parametrize("stream", STREAMS.values(), ids=STREAMS)
def test_a_resumed_stream_is_iterated_and_cycled_from_its_place_on(stream: hr.Stream) -> None:
    whole, iterator = stream.list(), iter(stream)
    list(islice(iterator, 2))
    resumed = stream.resume(iterator.state_dict())
    assert list(resumed.iterate()) == whole[2:]
    assert list(resumed.iterate(1)) == whole[2:3]
    expected = stream.repeat(2).list()[2:]
    assert list(resumed.cycle(len(expected))) == expected
    with resumed as items:
        assert list(items) == whole[2:]
    on = resumed.iterate(2)
    next(on)
    state = json.loads(json.dumps(on.state_dict()))
    again = stream.iterate(2)
    again.load_state_dict(state)
    assert list(again) == whole[3:4]


def test_data_of_a_stream_is_shared_and_never_copied() -> None:
    class Uncopied:
        def __deepcopy__(self, memo: Any) -> Any:
            raise AssertionError("it was copied")

        def __reduce__(self) -> Any:
            raise AssertionError("it was pickled")

    def same(*held: Any) -> Iterator[int]:
        for _ in range(3):
            yield from map(id, held)

    held = (np.zeros(1_000_000), [[0] * 10] * 10_000, Uncopied())
    stream = hr.Stream(same, *held)
    ids = [*map(id, held)]
    for found in (stream.list(), list(stream.iterate(4)), list(stream.cycle(12)), list(stream)):
        assert set(found) <= set(ids)
    kept = hr.Stream([held[0], held[1]])
    for iterator in (iter(kept), kept.iterate(2), kept.cycle(4)):
        assert {*map(id, iterator)} == {*ids[:2]}


def test_what_was_measured_and_what_headrace_is_made_of_are_no_part_of_a_functions_identity() -> None:
    def both() -> Iterator[Any]:
        return iter(inner)

    inner = hr.Stream(numbers, 3)
    before = of_function(both)
    assert inner.list() == [0, 1, 2]
    assert of_function(both) == before
    encoder = Encoder(100)
    encoder.add(inner)
    assert not [part for part in encoder.parts if b"window_shuffle" in part]
    inner = hr.Stream(numbers, 4)
    assert of_function(both) != before


def test_a_stream_as_an_argument_is_known_by_its_kind() -> None:
    assert repr(hr.Stream(lambda stream: iter(stream), hr.Stream([1]))) == "Stream(lambda(Stream(...)))"


# with


def test_a_block_closes_its_iterator_however_it_is_left() -> None:
    stream = hr.Stream(noted, "a")
    with stream as items:
        assert (next(items), CLOSED) == ("a0", [])
    assert CLOSED == ["a"]
    assert list(items) == []
    with pytest.raises(OSError, match="left"), stream as items:
        next(items)
        raise OSError("left")
    assert CLOSED == ["a", "a"]
    assert stream.first() == "a0"


def test_blocks_of_one_stream_may_be_nested() -> None:
    stream = hr.Stream(noted, "a")
    with stream as outer, stream as other:
        assert (next(outer), next(other), next(other)) == ("a0", "a0", "a1")
        with stream as inner:
            assert next(inner) == "a0"
        assert len(CLOSED) == 1
        assert (next(outer), next(other), list(inner)) == ("a1", "a2", [])
    assert len(CLOSED) == 3


def test_of_generators_with_a_block_each_any_may_end_first() -> None:
    stream = hr.Stream(numbers, 4)

    def within() -> Generator[int, None, None]:
        with stream as items:
            yield from items

    first, second = within(), within()
    assert (next(first), next(second)) == (0, 0)
    first.close()
    assert list(second) == [1, 2, 3]


def test_an_exit_stack_may_enter_it() -> None:
    stream = hr.Stream(noted, "a")
    with stream as items, ExitStack() as stack:
        entered = stack.enter_context(stream)
        assert (next(items), next(entered)) == ("a0", "a0")
        stack.close()
        assert (next(items), list(entered)) == ("a1", [])
    assert len(CLOSED) == 2


def test_threads_may_enter_one_stream() -> None:
    stream, found, together = hr.Stream(numbers, 100), [], threading.Barrier(8)

    def run() -> None:
        together.wait(10)
        for _ in range(20):
            with stream as items:
                found.append(list(items))

    threads = [threading.Thread(target=run) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [list(range(100))] * 160


# streamable


@hr.streamable
def letters(word: str, times: int = 1) -> Iterator[str]:
    """Give the letters of a word."""
    for _ in range(times):
        yield from word


@hr.streamable
def noise(n: int, rng: np.random.Generator) -> Iterator[int]:
    yield from rng.integers(1000, size=n).tolist()


def test_a_streamable_function_gives_streams() -> None:
    stream = letters("to", times=2)
    assert isinstance(stream, hr.Stream)
    assert stream.list() == stream.list() == ["t", "o", "t", "o"]
    assert repr(stream) == "Stream(letters('to', times=2))"
    state = iter(letters("to")).state_dict()
    assert letters("to").resume(state).list() == ["t", "o"]


def test_it_keeps_name_docstring_and_signature() -> None:
    assert (letters.__name__, letters.__doc__) == ("letters", "Give the letters of a word.")
    assert [*inspect.signature(letters).parameters] == ["word", "times"]


def test_it_may_be_any_function_that_returns_an_iterable() -> None:
    assert hr.streamable(lambda n: [0] * n)(2).list() == [0, 0]
    assert hr.streamable(partial(numbers, 2))().list() == [0, 1]
    with pytest.raises(hr.KindError, match="returned None"):
        hr.streamable(lambda: None)().list()  # type: ignore[arg-type, return-value]


def test_it_may_be_a_method() -> None:
    class Files:
        def __init__(self, names: list[str]) -> None:
            self.names = names

        @hr.streamable
        def lines(self, most: int) -> Iterator[str]:
            yield from self.names[:most]

        @classmethod
        @hr.streamable
        def kind(cls) -> Iterator[str]:
            yield cls.__name__

        @staticmethod
        @hr.streamable
        def count(n: int) -> Iterator[int]:
            yield from range(n)

    files = Files(["a", "b", "c"])
    assert files.lines(2).list() == ["a", "b"]
    assert (files.kind().list(), Files.count(2).list()) == (["Files"], [0, 1])


def test_a_seed_is_the_streams_unless_the_function_has_one() -> None:
    assert noise(4, seed=0).list() == noise(4, seed=0).list() != noise(4, seed=1).list()

    @hr.streamable
    def own(seed: int) -> Iterator[int]:
        yield seed

    assert own(seed=3).list() == own(3).list() == [3]


@pytest.mark.parametrize(
    "call",
    [
        lambda: letters(),
        lambda: letters("a", 1, 2),
        lambda: letters("a", time=1),
        lambda: noise(3),
        lambda: letters("a", seed=1),
        lambda: noise(3, seed=-1),
    ],
)
def test_wrong_arguments_are_told_at_the_call(call: Callable[[], Any]) -> None:
    with pytest.raises(hr.ArgumentError):
        call()


async def asynchronous() -> Any:
    yield 1


def _type(one: object) -> str:
    return type(one).__name__  # what some show of themselves differs between processes


@pytest.mark.parametrize("given", [None, 3, "text", [1], hr.Stream([1]), dict, asynchronous], ids=_type)
def test_what_is_no_function_is_refused(given: Any) -> None:
    with pytest.raises(hr.KindError, match=r"streamable|asynchronous"):
        hr.streamable(given)


def test_its_streams_travel_to_other_processes() -> None:
    stream = noise(5, seed=0).map(lambda x: x + 1)
    carried = cloudpickle.loads(cloudpickle.dumps(stream))
    assert carried.list() == stream.list()
    assert cloudpickle.loads(cloudpickle.dumps(letters))("ab").list() == ["a", "b"]
    assert stream.background().list() == stream.list()


# zip, chain, interleave

ALIKE: dict[str, Callable[..., hr.Stream]] = {
    "zip": lambda *streams: hr.zip(*streams),
    "chain": lambda *streams: hr.chain(*streams),
    "interleave": lambda *streams: hr.interleave(streams),
    "interleave by two": lambda *streams: hr.interleave(streams, block=2),
}


def test_streams_are_put_together_as_the_names_say() -> None:
    a, b = hr.Stream([1, 2, 3]), hr.Stream(numbers, 2)
    assert hr.zip(a, b).list() == [(1, 0), (2, 1)]
    assert hr.zip(a).list() == [(1,), (2,), (3,)]
    assert hr.chain(a, b, a).list() == [1, 2, 3, 0, 1, 1, 2, 3]
    assert hr.chain(hr.chain(a, b), a).list() == hr.chain(a, b, a).list()
    assert hr.interleave([a, b]).list() == [1, 0, 2, 1, 3]
    assert hr.interleave((one for one in (a, b)), block=2).list() == [1, 2, 0, 1, 3]
    assert len(hr.interleave([a, hr.Stream([1])])) == 4


@pytest.mark.parametrize("build", ALIKE.values(), ids=ALIKE)
def test_a_dataset_among_streams_is_one_pass_over_it(build: Callable[..., hr.Stream]) -> None:
    dataset = hr.Dataset(range(5)).shuffle(seed=0)
    other = hr.Stream(numbers, 3)
    mixed = build(dataset, other)
    assert isinstance(mixed, hr.Stream)
    assert mixed.list() == build(dataset.stream(), other).list()
    assert build(other, dataset).list() == build(other, dataset.stream()).list()


LISTED: Any = [1]  # what type checkers would refuse
NONE: Any = None


def test_zip_of_datasets_is_a_dataset() -> None:
    assert isinstance(hr.zip(hr.Dataset([1]), hr.Dataset([2])), hr.Dataset)


@pytest.mark.parametrize("build", ALIKE.values(), ids=ALIKE)
@given(
    st.lists(
        st.tuples(st.sampled_from(["list", "generator", "draws", "dataset"]), st.integers(0, 5)), min_size=1, max_size=3
    )
)
def test_they_go_on_exactly_wherever_a_stream_ends(
    build: Callable[..., hr.Stream], described: list[tuple[str, int]]
) -> None:
    makers: dict[str, Callable[[int], Any]] = {
        "list": lambda n: hr.Stream(list(range(n))),
        "generator": lambda n: hr.Stream(numbers, n),
        "draws": lambda n: hr.Stream(draws, n, seed=0),
        "dataset": lambda n: hr.Dataset(range(n)).shuffle(seed=0).stream(),
    }
    stream = build(*(makers[kind](n) for kind, n in described)).repeat(2)
    whole = stream.list()
    iterator = iter(stream)
    for cut in range(len(whole) + 2):  # the last one is behind the end that was seen
        state = json.loads(json.dumps(iterator.state_dict()))
        check_alike(stream.resume(state).list(), whole[cut:], f"cut at {cut}")
        next(iterator, None)


@pytest.mark.parametrize(
    ("build", "error", "message"),
    [
        (lambda: hr.zip(), hr.ArgumentError, "zip needs at least one"),
        (lambda: hr.chain(), hr.ArgumentError, "chain needs at least one stream"),
        (lambda: hr.interleave([]), hr.ArgumentError, "interleave needs at least one stream"),
        (lambda: hr.zip(hr.Stream([1]), LISTED), hr.KindError, "zip takes Streams, got list"),
        (lambda: hr.zip(LISTED, LISTED), hr.KindError, "zip takes Datasets, got list"),
        (lambda: hr.chain(hr.Stream([1]), None), hr.KindError, "chain takes Streams, got NoneType"),
        (lambda: hr.chain([hr.Stream([1])]), hr.KindError, "chain takes Streams, got list"),
        (lambda: hr.interleave([hr.Stream([1]), "ab"]), hr.KindError, "interleave takes Streams, got str"),
        (lambda: hr.interleave(hr.Stream([1])), hr.KindError, "interleave takes a list of Streams, got one Stream"),
        (lambda: hr.interleave(hr.Dataset([1])), hr.KindError, "a list of Streams, got one Dataset"),
        (lambda: hr.interleave({"a": hr.Stream([1])}), hr.KindError, "a list of Streams, got one dict"),
        (lambda: hr.interleave(NONE), hr.KindError, "a list of Streams, got one NoneType"),
        (lambda: hr.interleave([hr.Stream([1])], block=0), hr.ArgumentError, "block must be 1 or more"),
        (lambda: hr.chain(hr.Stream([1]).resume(iter(hr.Stream([1])).state_dict())), hr.OrderError, "resume comes"),
    ],
)
def test_what_cannot_be_put_together_is_refused(build: Callable[[], Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        build()


# Steps that are tested by themselves: here, that each argument reaches its place


def test_bucket_forwards_what_it_is_given() -> None:
    rows = hr.Stream([1, 5, 2, 4, 1, 6]).map(np.ones)
    shapes = [batch.shape for batch, _ in rows.bucket("value", [2, 5], batch_sizes=[3, 2, 1], pad=0)]
    assert shapes == [(2, 5), (3, 2), (1, 6)]
    assert [batch.shape for batch, _ in rows.bucket(len, [2], tokens_per_batch=10, pad=0)] == [(2, 5), (1, 6), (3, 2)]
    assert len(rows.bucket("value", [2], batch_sizes=4, pad=0, drop_remainder=True).list()) == 0
    with pytest.raises(hr.ArgumentError):
        rows.bucket("value", [2], batch_sizes=[1])


def test_pack_forwards_what_it_is_given() -> None:
    texts = hr.Stream([{"a": [1] * n, "b": [2] * n} for n in (3, 1, 2)])
    bins = texts.pack(4, "a", strategy="first_fit", open_bins=1, pad=9).list()
    assert [one["a"].tolist() for one in bins] == [[1] * 4, [1, 1, 9, 9]]
    assert set(texts.pack(4, ["b"]).first()) == {"b", "b_segment_ids", "b_positions"}
    assert texts.pack(None, {"a": 3, "b": 5}).first()["b"].tolist() == [2, 2, 2, 0, 0]
    assert [len(one["a"]) for one in texts.pack(2, strategy="concat_split")] == [2, 2, 2]
    with pytest.raises(hr.ArgumentError, match="Did you mean 'best_fit'"):
        texts.pack(4, strategy="bestfit")  # type: ignore[arg-type]


def test_cache_forwards_what_it_is_given() -> None:
    stream = hr.Stream(range(30))
    assert stream.cache(3, probability=1).list() == list(range(30))
    assert stream.cache(3, seed=1).list() == stream.cache(3, 0.5, 1).list() != stream.cache(3, 0.5, 2).list()


def test_tee_forwards_what_it_is_given_and_begins_where_a_stream_is_resumed() -> None:
    stream = hr.Stream(numbers, 5)
    first, second, third = stream.tee(3, buffer=2)
    assert [next(first), next(first), next(second), next(third)] == [0, 1, 0, 0]
    with pytest.raises(hr.OrderError, match="buffer=2"):
        list(first)
    iterator = iter(stream)
    next(iterator), next(iterator)
    with stream.resume(iterator.state_dict()).tee(2) as branches:
        assert [list(branch) for branch in branches] == [[2, 3, 4]] * 2
