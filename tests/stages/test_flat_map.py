"""Several items of each one; resumed in the middle of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from headrace.core.errors import KindError, RecordError, StateError
from headrace.core.flow import Flow
from headrace.stages.flat_map import FlatMap
from headrace.stages.iterate import Iterate
from headrace.stages.window import WindowShuffle
from headrace.testing.stages import StageTests


def several(item: int) -> Iterator[tuple[int, int]]:
    for number in range(item % 4):
        yield item, number


class TestFlatMap(StageTests):
    @pytest.fixture(
        params=[several, lambda item: [item] * (item % 3), lambda item: range(item)],
        ids=["a generator", "a list", "a range"],
    )
    def flow(self, request: pytest.FixtureRequest) -> Flow:
        return FlatMap.of(WindowShuffle.of(Iterate.of(range(9)), 4, 0), request.param)

    def over(self, upstream: Flow) -> Flow:
        return FlatMap.of(upstream, lambda item: [item, item])


class TestNestedFlatMaps(StageTests):
    @pytest.fixture
    def flow(self) -> Flow:
        return FlatMap.of(FlatMap.of(Iterate.of(range(1, 6)), several), lambda pair: [*pair, None])


def test_items_come_in_order_and_empty_iterables_give_none() -> None:
    assert list(FlatMap.of(Iterate.of([2, 0, 1]), range).start()) == [0, 1, 0]


def test_a_resume_goes_on_within_what_one_item_was_made_into() -> None:
    called = []

    def many(item: int) -> list[int]:
        called.append(item)
        return list(range(item * 10, item * 10 + 10))

    flow = FlatMap.of(Iterate.of(range(5)), many)
    cursor = flow.start()
    for _ in range(34):
        next(cursor)
    assert cursor.state() == {"upstream": {"count": 3}, "count": 3, "offset": 4}
    called.clear()
    assert list(flow.start(cursor.state())) == list(range(34, 50))
    assert called == [3, 4]


def test_one_iterable_is_open_at_a_time_and_closed_early() -> None:
    now_open: list[int] = []

    def opened(number: int) -> Iterator[int]:
        now_open.append(number)
        try:
            yield from (number, number)
        finally:
            now_open.remove(number)

    cursor = FlatMap.of(Iterate.of(range(4)), opened).start()
    for _ in range(3):
        assert [next(cursor)] == now_open
    cursor.close()
    assert not now_open
    assert cursor.state()["offset"] == 1


def torn(item: int) -> Iterator[int]:
    yield item
    if item == 1:
        raise OSError("torn")


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (torn, r"flat_map\(torn\) failed on item 1, after making 1 of it: OSError: torn \(torn is in"),
        (lambda item: [item][item:] or item.missing, r"flat_map\(lambda\) failed on item 1: AttributeError"),
        (lambda item: [item] if item == 0 else next(iter(())), r"failed on item 1: StopIteration"),
    ],
    ids=["while iterating", "when called", "StopIteration"],
)
def test_a_failing_function_is_named_with_the_item(function: Any, words: str) -> None:
    cursor = FlatMap.of(Iterate.of(range(3)), function).start()
    next(cursor)
    with pytest.raises(RecordError, match=words) as caught:
        list(cursor)
    assert caught.value.__cause__ is not None


@pytest.mark.parametrize(
    ("made", "words"),
    [
        ("text", "a str: its items would be single characters"),
        (3, "3, which holds no items"),
        (None, "None"),
        ({"a": 1}, "a dict"),
        ({1}, "a set"),
        (object(), "cannot be iterated"),
    ],
)
def test_what_is_no_iterable_is_refused_with_the_item(made: Any, words: str) -> None:
    with pytest.raises(KindError, match=rf"flat_map\(lambda\) returned, for item 0, .*{words}"):
        list(FlatMap.of(Iterate.of([1]), lambda item: made).start())


def test_a_function_that_makes_fewer_items_than_before_is_refused() -> None:
    with pytest.raises(StateError, match=r"made 2 items of item 0, the state is after 3"):
        FlatMap.of(Iterate.of([2]), range).start({"upstream": {"count": 0}, "count": 0, "offset": 3})
    with pytest.raises(StateError, match="has no item 1 from upstream"):
        FlatMap.of(Iterate.of([2]), range).start({"upstream": {"count": 1}, "count": 1, "offset": 1})


def test_the_identity_tells_that_there_is_a_flat_map_and_its_code() -> None:
    upstream = Iterate.of([1])
    flow, other = FlatMap.of(upstream, range), FlatMap.of(upstream, several)
    assert flow.order() == other.order() != upstream.order()
    assert flow.code() != other.code()


def test_what_is_no_function_is_refused() -> None:
    with pytest.raises(KindError, match="flat_map needs a function"):
        FlatMap.of(Iterate.of([1]), [1])  # type: ignore[arg-type]
