"""Whether two runs gave the same, and what they drew."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from headrace import Batch
from headrace.core.records import Columns, Rows
from headrace.dryrun.watch import same, twice, untouched


class Thing:
    """Without ==."""

    def __init__(self, value: Any) -> None:
        self.value = value


MAKES: dict[str, Callable[[int], Any]] = {
    "rows of arrays": lambda x: Rows([{"x": np.full(3, x)}]),
    "columns": lambda x: Columns(Batch({"x": np.full((2, 3), x)})),
    "a batch": lambda x: Batch({"x": np.full((2, 3), x)}),
    "nested": lambda x: [{"a": (1, np.float32(x))}],
    "things": lambda x: [Thing(x)],
    "things in rows": lambda x: Rows([(Thing(np.full(3, x)), 1)]),
}


@pytest.mark.parametrize("make", MAKES.values(), ids=MAKES)
def test_the_same_is_told_from_something_else(make: Callable[[int], Any]) -> None:
    assert same(make(1), make(1))
    assert not same(make(1), make(2))


def test_nan_is_the_same_and_another_dtype_is_not() -> None:
    assert same(Rows([np.array([np.nan])]), Rows([np.array([np.nan])]))
    assert not same(Rows([np.zeros(2)]), Rows([np.zeros(2, np.float32)]))


def test_tensors() -> None:
    torch = pytest.importorskip("torch")
    assert same(Rows([{"x": torch.ones(3)}]), Rows([{"x": torch.ones(3)}]))
    assert not same(Rows([{"x": torch.ones(3)}]), Rows([{"x": torch.zeros(3)}]))


def test_a_run_that_fails_the_second_time_does_not_repeat() -> None:
    left = [1]
    outcome = twice(left.pop)
    assert (outcome.value, outcome.error, outcome.repeats) == (1, None, False)


def test_an_error_is_kept_with_what_was_drawn_before_it() -> None:
    def draws() -> None:
        raise ValueError(random.random())

    with untouched():
        outcome = twice(draws)
    assert isinstance(outcome.error, ValueError)
    assert outcome.drew == ("random",)
