"""The face of the sequential layer."""

from __future__ import annotations

import json
import operator
import pickle
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import numpy as np
import pytest

import headrace as hr
from headrace.stages.iterate import Iterate
from headrace.stages.repeat import Repeat
from headrace.testing.stages import check_alike


def numbers(n: int, rng: np.random.Generator | None = None) -> Iterator[int]:
    for number in range(n):
        yield number if rng is None else int(rng.integers(1000))


def add_noise(item: int, rng: np.random.Generator) -> float:
    return item + float(rng.random())


def is_odd(item: int) -> bool:
    return item % 2 == 1


def test_the_chain_of_the_first_page() -> None:
    stream = hr.Stream(range(10)).map(lambda x: x * 2).filter(lambda x: x % 3).batch(4)
    assert [batch.tolist() for batch in stream] == [[2, 4, 8, 10], [14, 16]]


def test_it_can_be_iterated_again_and_several_times_at_once() -> None:
    stream = hr.Stream(numbers, 4)
    first, second = iter(stream), iter(stream)
    assert [(one, other) for one, other in zip(first, second, strict=True)] == [(n, n) for n in range(4)]
    assert list(stream) == list(range(4))


def test_every_method_gives_what_it_says() -> None:
    stream = hr.Stream([3, 1, 2])
    assert stream.map(str).list() == ["3", "1", "2"]
    assert hr.Stream([(1, 2)]).starmap(lambda a, b: a + b).list() == [3]
    assert hr.Stream([(1,)]).starmap(add_noise, seed=0).list() != [1]
    assert stream.flat_map(range).list() == [0, 1, 2, 0, 0, 1]
    assert stream.filter(is_odd).list() == [3, 1]
    assert [batch.tolist() for batch in stream.batch(2)] == [[3, 1], [2]]
    assert [batch.tolist() for batch in stream.batch(2, drop_remainder=True)] == [[3, 1]]
    assert stream.batch(2, collate=sum).list() == [4, 2]
    assert stream.batch(2).unbatch().list() == [3, 1, 2]
    assert stream.take(2).list() == [3, 1]
    assert stream.skip(2).list() == [2]
    assert stream.repeat(2).list() == [3, 1, 2, 3, 1, 2]
    assert list(islice(stream.repeat(), 5)) == [3, 1, 2, 3, 1]
    assert stream.zip(stream.skip(1), stream.skip(2)).list() == [(3, 1, 2)]
    assert (stream + stream.take(1)).list() == [3, 1, 2, 3]
    assert sorted(stream.window_shuffle(2, seed=0).list()) == [1, 2, 3]
    assert stream.progress().list() == [3, 1, 2]
    assert stream.first() == 3
    assert stream.collect().tolist() == [3, 1, 2]


def test_collect_keeps_the_structure_of_items() -> None:
    assert hr.Stream([{"a": 1}, {"a": 2}]).collect() == hr.Batch({"a": [1, 2]})
    first, second = hr.Stream([(1, "x"), (2, "y")]).collect()
    assert (first.tolist(), second.tolist()) == ([1, 2], ["x", "y"])
    assert len(hr.Stream([]).collect()) == 0


def test_collect_of_batches_is_refused() -> None:
    with pytest.raises(hr.ArgumentError, match="batches already"):
        hr.Stream([{"a": 1}]).batch(1).collect()


def test_a_seed_makes_a_generator_the_same_each_time_and_another_each_round() -> None:
    stream = hr.Stream(numbers, 3, seed=0)
    assert stream.list() == stream.list()
    rounds = stream.repeat(2).list()
    assert rounds[:3] == stream.list() != rounds[3:]


def test_foreach_calls_in_order_and_names_what_failed(capsys: pytest.CaptureFixture[str]) -> None:
    hr.Stream(["a", "b"]).foreach(print)
    assert capsys.readouterr().out == "a\nb\n"
    with pytest.raises(hr.RecordError, match=r"foreach failed on item 1: TypeError.*\(len is in builtins\)") as caught:
        hr.Stream(["a", 1]).foreach(len)
    assert isinstance(caught.value.__cause__, TypeError)
    with pytest.raises(hr.KindError, match="foreach needs a function"):
        hr.Stream([1]).foreach(None)  # type: ignore[arg-type]


def test_first_of_nothing_is_told_and_first_closes_the_rest() -> None:
    closed = []

    def opened() -> Iterator[int]:
        try:
            yield from range(5)
        finally:
            closed.append(True)

    assert hr.Stream(opened).first() == 0
    assert closed == [True]
    with pytest.raises(IndexError, match=r"first\(\): Stream\(0 items: list of 0 items\) gives no items"):
        hr.Stream([]).first()


def test_lengths_are_told_where_they_are_known() -> None:
    assert len(hr.Stream(range(10)).map(str).batch(4)) == 3
    assert len(hr.Stream(range(10)).repeat().take(25)) == 25
    with pytest.raises(hr.EndlessError, match=r"len\(\) needs an end"):
        len(hr.Stream(range(10)).repeat().map(str))
    with pytest.raises(TypeError, match="is not known before it was gone through"):
        len(hr.Stream(range(10)).filter(is_odd))
    assert hr.Stream(range(10)).filter(is_odd)
    assert hr.Stream([])


def test_what_needs_an_end_refuses_an_endless_stream() -> None:
    endless = hr.Stream(range(3)).repeat().map(str)
    for ask in (endless.list, endless.collect):
        with pytest.raises(hr.EndlessError, match=r"needs an end.*take\(n\) first"):
            ask()
    assert endless.first() == "0"


def test_a_repr_shows_the_chain_and_what_is_known() -> None:
    assert repr(hr.Stream(range(9)).map(is_odd).batch(4, pad=0)) == (
        "Stream(3 items: range(0, 9) -> map(is_odd) -> batch(4, pad=0))"
    )
    assert repr(hr.Stream(numbers, 5, seed=1).filter(is_odd)) == "Stream(numbers(5, seed=1) -> filter(is_odd))"
    assert repr(hr.Stream([1]).repeat()) == "Stream(endless: list of 1 items -> repeat())"
    assert repr(hr.Stream([1]).zip(hr.Stream([2]).take(1)) + hr.Stream([3])) == (
        "Stream(2 items: [[list of 1 items | list of 1 items -> take(1)] -> zip | list of 1 items] -> chain)"
    )


def test_a_repr_of_very_many_streams_stays_short() -> None:
    many = hr.Stream([0])
    for number in range(100):
        many = many + hr.Stream([number])
    assert len(repr(many)) < 200


def test_a_stream_or_a_flow_may_be_given_for_a_stream() -> None:
    stream = hr.Stream(range(3))
    assert hr.Stream(stream).list() == [0, 1, 2]
    assert hr.Stream(Repeat.of(Iterate.of([1]), 2)).list() == [1, 1]


def test_a_dataset_may_be_given_where_a_stream_is() -> None:
    dataset = hr.Dataset(range(4)).shuffle(seed=0)
    assert sorted(hr.Stream(dataset).list()) == [0, 1, 2, 3]
    assert hr.Stream(range(4)).zip(dataset).list() == list(enumerate(dataset))
    assert "Dataset" not in json.dumps(iter(hr.Stream(dataset)).state_dict()["at"])
    assert iter(hr.Stream(dataset)).state_dict() == iter(dataset.stream()).state_dict()


def test_only_streams_are_added_and_zipped() -> None:
    with pytest.raises(TypeError):
        operator.add(hr.Stream([1]), [2])
    with pytest.raises(hr.KindError, match=r"zip takes Streams, got list: Stream\(...\) of it first"):
        hr.Stream([1]).zip([2])
    with pytest.raises(hr.ArgumentError, match="zip needs another stream"):
        hr.Stream([1]).zip()


def _type(one: object) -> str:
    return type(one).__name__  # what some show of themselves differs between processes


@pytest.mark.parametrize("source", [None, "text", b"b", {1}, {"a": 1}, iter([1]), 3], ids=_type)
def test_what_cannot_be_a_stream_is_refused(source: Any) -> None:
    with pytest.raises(hr.KindError, match=r"^Stream got "):
        hr.Stream(source)


def test_resume_starts_every_iteration_where_the_state_says() -> None:
    stream = hr.Stream(range(8)).window_shuffle(4, seed=1).batch(2)
    iterator = iter(stream)
    next(iterator)
    resumed = stream.resume(json.loads(json.dumps(iterator.state_dict())))
    rest = list(iterator)
    check_alike(resumed.list(), rest)
    check_alike(resumed.list(), rest)
    with pytest.raises(TypeError, match="not known"):
        len(resumed)
    assert repr(resumed).endswith("-> resume(...))")


def test_resume_checks_at_once_and_comes_last() -> None:
    stream = hr.Stream(range(8))
    state = iter(stream).state_dict()
    with pytest.raises(hr.StateError, match="another order"):
        stream.take(3).resume(state)
    follows: list[Callable[[], Any]] = [
        lambda: stream.resume(state).map(str),
        lambda: stream.resume(state) + stream,
        lambda: stream + stream.resume(state),
        lambda: stream.zip(stream.resume(state)),
        lambda: hr.Stream(stream.resume(state)),
    ]
    for follow in follows:
        with pytest.raises(hr.OrderError, match="resume comes last"):
            follow()


def test_a_resumed_stream_may_be_resumed_again() -> None:
    stream = hr.Stream(range(5))
    iterator = iter(stream)
    next(iterator)
    again = iter(stream.resume(iterator.state_dict()))
    next(again)
    assert stream.resume(iterator.state_dict()).resume(again.state_dict()).list() == [2, 3, 4]


def test_a_generator_is_replayed_with_a_warning_and_a_changed_one_refused() -> None:
    shift = [0]

    def shifted() -> Iterator[int]:
        yield from range(shift[0], 5)

    stream = hr.Stream(shifted)
    iterator = iter(stream)
    next(iterator), next(iterator)
    state = iterator.state_dict()
    with pytest.warns(hr.ReplayWarning, match=r"resuming shifted\(\) by replaying 2 items"):
        assert stream.resume(state).list() == [2, 3, 4]
    shift[0] = 1
    with pytest.warns(hr.ReplayWarning), pytest.raises(hr.StateError, match="gave another item 2"):
        stream.resume(state).list()


def test_another_order_is_refused_with_the_difference_and_other_code_warns() -> None:
    def state_of(stream: hr.Stream) -> dict[str, Any]:
        iterator = iter(stream)
        next(iterator)
        return iterator.state_dict()

    base = hr.Stream(range(20))
    with pytest.raises(
        hr.StateError, match=r"saved: 'window_shuffle\(size=4, seed=0\)'; here: 'window_shuffle\(size=4, seed=1\)'"
    ):
        base.window_shuffle(4, seed=1).resume(state_of(base.window_shuffle(4, seed=0)))
    with pytest.warns(hr.CodeChangedWarning, match=r"filter\(is_odd\)"):
        base.filter(lambda item: True).resume(state_of(base.filter(is_odd)))
    with pytest.warns(hr.CodeChangedWarning, match=r"map\(add_noise, seed=0\)"):
        base.map(add_noise, seed=1).resume(state_of(base.map(add_noise, seed=0)))


def test_a_function_that_remembers_does_not_look_like_another_one() -> None:
    seen: list[int] = []
    cache: dict[int, int] = {}

    def remember(item: int) -> int:
        seen.append(item)
        return cache.setdefault(item, item + 1)

    stream = hr.Stream(range(5)).map(remember)
    iterator = iter(stream)
    next(iterator), next(iterator)
    assert stream.resume(iterator.state_dict()).list() == [3, 4, 5]


def test_a_dataset_and_stages_resume_together_in_a_small_state() -> None:
    dataset = hr.Dataset(x=np.arange(100), y=np.arange(100.0)).shuffle(seed=0).map(lambda record: record)
    stream = dataset.stream(epochs=2).filter(lambda record: record["x"] % 3).window_shuffle(10, seed=1).batch(8)
    whole = stream.list()
    iterator = iter(stream)
    for cut in range(len(whole) + 1):
        state = json.loads(json.dumps(iterator.state_dict()))
        assert len(json.dumps(state)) < 1200
        check_alike(stream.resume(state).list(), whole[cut:])
        next(iterator, None)


def test_the_cursor_of_a_dataset_is_at_hand() -> None:
    batches = hr.Dataset(range(10)).batch(4)
    iterator = iter(batches.stream())
    next(iterator)
    assert iterator.cursor.indices().tolist() == batches.indices(1).tolist()  # type: ignore[attr-defined]


def test_a_state_of_a_thousand_streams_stays_small() -> None:
    streams = hr.Stream([0])
    for number in range(1000):
        streams = streams + hr.Stream(numbers, number)
    iterator = iter(streams)
    next(iterator)
    assert len(json.dumps(iterator.state_dict())) < 1100


def test_a_stream_travels_to_another_process() -> None:
    stream = hr.Stream(numbers, 5, seed=0).map(add_noise, seed=1).filter(bool).window_shuffle(2, seed=0)
    assert pickle.loads(pickle.dumps(stream)).list() == stream.list()


def test_descriptions_are_shared_and_never_changed() -> None:
    stream = hr.Stream(range(4))
    mapped = stream.map(str)
    assert stream.list() == [0, 1, 2, 3]
    assert mapped.list() == ["0", "1", "2", "3"]
    with pytest.raises(AttributeError):
        stream.name = "mine"  # type: ignore[attr-defined]
