"""Only what a predicate keeps."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from headrace.core.errors import KindError, RecordError
from headrace.core.flow import Flow
from headrace.stages.filter import Filter
from headrace.stages.iterate import Iterate
from headrace.testing.stages import StageTests


def is_odd(item: int) -> bool:
    return item % 2 == 1


class TestFilter(StageTests):
    @pytest.fixture
    def flow(self) -> Flow:
        return Filter.of(Iterate.of(range(12)), is_odd)

    def over(self, upstream: Flow) -> Flow:
        return Filter.of(upstream, is_odd)


def test_any_true_value_keeps_an_item_and_any_false_one_drops_it() -> None:
    items: list[Any] = [0, 1, "", "a", None, [], [0], np.bool_(False), np.bool_(True)]
    assert list(Filter.of(Iterate.of(items), lambda item: item).start()) == [1, "a", [0], np.bool_(True)]


def test_a_filter_that_keeps_nothing_gives_nothing() -> None:
    assert list(Filter.of(Iterate.of(range(9)), lambda item: False).start()) == []


@pytest.mark.parametrize("bad", [lambda item: item.missing, lambda item: np.zeros(2), lambda item: next(iter(()))])
def test_a_failing_predicate_is_named_with_the_item_from_upstream(bad: Any) -> None:
    cursor = Filter.of(Iterate.of([1, 2, 3]), lambda item: item < 3 or bad(item)).start()
    assert [next(cursor), next(cursor)] == [1, 2]
    state = cursor.state()
    resumed = Filter.of(Iterate.of([1, 2, 3]), lambda item: bad(item)).start(state)
    for one in (cursor, resumed):
        with pytest.raises(RecordError, match=r"filter\(lambda\) failed on item 2: .*test_filter:\d+\)"):
            next(one)


def test_the_identity_tells_that_it_filters_and_by_what_code() -> None:
    upstream = Iterate.of(range(3))
    flow, other = Filter.of(upstream, is_odd), Filter.of(upstream, lambda item: True)
    assert flow.order() == other.order() != upstream.order()
    assert flow.code() != other.code()


def test_what_is_no_function_is_refused() -> None:
    with pytest.raises(KindError, match="filter needs a function, got 'odd'"):
        Filter.of(Iterate.of([1]), "odd")  # type: ignore[arg-type]
