"""A function of each item: its draws, its errors, its identity."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from headrace.core.errors import ArgumentError, KindError, RecordError
from headrace.core.flow import Flow
from headrace.stages.iterate import Iterate
from headrace.stages.map import Map
from headrace.stages.take import Skip
from headrace.testing.stages import StageTests


def add_noise(item: int, rng: np.random.Generator) -> float:
    return item + float(rng.random())


class TestMap(StageTests):
    @pytest.fixture
    def flow(self) -> Flow:
        return Map.of(Iterate.of(range(7)), str)

    def over(self, upstream: Flow) -> Flow:
        return Map.of(upstream, str)


class TestSeededMap(StageTests):
    @pytest.fixture
    def flow(self) -> Flow:
        return Map.of(Map.of(Iterate.of(range(7)), add_noise, seed=1), add_noise, seed=1)

    def over(self, upstream: Flow) -> Flow:
        return Map.of(upstream, add_noise, seed=0)


class TestStarmap(StageTests):
    @pytest.fixture
    def flow(self) -> Flow:
        return Map.of(Iterate.of([(1, 2), (3, 4)]), pow, starred=True)


def test_each_item_draws_numbers_of_its_own() -> None:
    flow = Map.of(Iterate.of([0] * 50), add_noise, seed=0)
    values = list(flow.start())
    assert len(set(values)) == 50
    assert set(values).isdisjoint(flow.start(epoch=1))


def test_draws_do_not_depend_on_how_many_the_items_before_took() -> None:
    def greedy(item: int, rng: np.random.Generator) -> float:
        rng.random(item)
        return float(rng.random())

    def modest(item: int, rng: np.random.Generator) -> float:
        return float(rng.random(item + 1)[-1])

    sizes = Iterate.of([5, 0, 1000, 3])
    assert list(Map.of(sizes, greedy, seed=0).start()) == list(Map.of(sizes, modest, seed=0).start())


def test_two_maps_with_one_seed_draw_different_numbers() -> None:
    first = Map.of(Iterate.of([0] * 10), add_noise, seed=0)
    second = Map.of(first, add_noise, seed=0)
    one, both = list(first.start()), list(second.start())
    assert all(abs(total - 2 * single) > 1e-12 for single, total in zip(one, both, strict=True))


def test_steps_that_draw_nothing_do_not_change_what_a_map_draws() -> None:
    plain = Map.of(Iterate.of([0] * 5), add_noise, seed=0)
    after = Map.of(Map.of(Skip.of(Iterate.of([0] * 5), 0), int), add_noise, seed=0)
    assert list(plain.start()) == list(after.start())


def test_a_starred_map_with_a_seed_is_given_the_generator_last() -> None:
    def draw(low: int, high: int, rng: np.random.Generator) -> int:
        return int(rng.integers(low, high))

    (value,) = Map.of(Iterate.of([(5, 6)]), draw, seed=0, starred=True).start()
    assert value == 5


def sqrt(item: float) -> float:
    if item < 0:
        raise ValueError("below 0")
    return float(item**0.5)


def stop(item: Any) -> Any:
    raise StopIteration


@pytest.mark.parametrize(
    ("make", "words", "cause"),
    [
        (lambda: Map.of(Iterate.of([4, -1]), sqrt), r"map\(sqrt\) failed on item 1: ValueError: below 0", ValueError),
        (lambda: Map.of(Iterate.of([1]), stop), r"map\(stop\) failed on item 0: StopIteration", StopIteration),
        (
            lambda: Map.of(Iterate.of([3]), sqrt, starred=True),
            r"starmap\(sqrt\) failed on item 0: TypeError",
            TypeError,
        ),
        (lambda: Map.of(Iterate.of([3]), sqrt, seed=2), r"map\(sqrt, seed=2\) failed on item 0: TypeError", TypeError),
        (
            lambda: Map.of(Iterate.of([3]), lambda item: item[0]),
            r"map\(lambda\) failed on item 0: TypeError",
            TypeError,
        ),
    ],
    ids=["error", "StopIteration", "no fields", "no rng", "lambda"],
)
def test_a_failing_function_is_named_with_the_item(
    make: Callable[[], Flow], words: str, cause: type[Exception]
) -> None:
    with pytest.raises(RecordError, match=rf"{words}.* is in .*test_map:\d+\)$") as caught:
        list(make().start())
    assert isinstance(caught.value.__cause__, cause)


def test_the_number_of_a_failing_item_counts_from_the_front_also_after_a_resume() -> None:
    flow = Map.of(Iterate.of([1, 2, 3, -1]), sqrt)
    cursor = flow.start()
    next(cursor), next(cursor)
    with pytest.raises(RecordError, match="on item 3"):
        list(flow.start(cursor.state()))


def test_the_identity_names_the_function_and_leaves_the_order_alone() -> None:
    upstream = Iterate.of(range(3))
    flow, other = Map.of(upstream, sqrt), Map.of(upstream, lambda item: item)
    assert flow.order() == other.order() == upstream.order()
    assert flow.code() != other.code()
    assert flow.code()[-1].startswith("map(sqrt) ")
    assert Map.of(upstream, add_noise, seed=0).code() != Map.of(upstream, add_noise, seed=1).code()


def test_arguments_that_cannot_be_meant_are_refused() -> None:
    upstream = Iterate.of(range(3))
    with pytest.raises(KindError, match="map needs a function, got 3, a int"):
        Map.of(upstream, 3)  # type: ignore[arg-type]
    with pytest.raises(KindError, match="starmap needs a function"):
        Map.of(upstream, None, starred=True)  # type: ignore[arg-type]
    with pytest.raises(KindError, match="seed"):
        Map.of(upstream, str, seed="a")
    with pytest.raises(ArgumentError, match="seed"):
        Map.of(upstream, str, seed=-1)
