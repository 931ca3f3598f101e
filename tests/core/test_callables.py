"""What is said of a user's function."""

from __future__ import annotations

import gc
from functools import partial, wraps
from typing import Any

import numpy as np
import pytest

from headrace.core.callables import code_of, failure, name_of, place_of


def plain(item: Any) -> Any:
    return item


class Called:
    def __call__(self, item: Any) -> Any:
        return item

    def method(self, item: Any) -> Any:
        return item


class Unhashable(Called):
    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        return False


@pytest.mark.parametrize(
    ("function", "name", "place"),
    [
        (plain, "plain", r".*test_callables:\d+"),
        (lambda item: item, "lambda", r".*test_callables:\d+"),
        (partial(plain, 1), "partial(plain)", r".*test_callables:\d+"),
        (Called(), "Called", r".*test_callables:\d+"),
        (Called().method, "method", r".*test_callables:\d+"),
        (Called, "Called", r".*test_callables"),
        (len, "len", "builtins"),
        ("a".upper, "upper", ".*"),
        (np.add, "add", "numpy.*"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_functions_of_every_kind_have_a_name_and_a_place(function: Any, name: str, place: str) -> None:
    assert name_of(function) == name
    with pytest.raises(AssertionError, match=rf"^{place}$"):
        raise AssertionError(place_of(function))


def test_a_failure_tells_step_item_error_and_place() -> None:
    text = failure("map(plain)", plain, "item 3", KeyError("x"))
    assert text.startswith("map(plain) failed on item 3: KeyError: 'x' (plain is in ")


def test_a_digest_is_that_of_when_the_function_was_first_seen() -> None:
    seen: list[int] = []

    def remember(item: int) -> None:
        seen.append(item)

    before = code_of(remember)
    remember(1)
    assert code_of(remember) == before
    assert code_of(plain) != before


def test_a_function_that_is_gone_is_not_held() -> None:
    held = [1]

    class Holder:
        def __del__(self) -> None:
            held.clear()

    def closing(holder: Holder) -> Any:
        return lambda: holder

    function = closing(Holder())
    code_of(function)
    del function
    gc.collect()
    assert not held


@pytest.mark.parametrize(
    "function", [Unhashable(), len, partial(plain, [1]), Called().method, wraps(plain)(lambda: 1), "no function"]
)
def test_any_callable_has_a_digest(function: Any) -> None:
    assert code_of(function) == code_of(function)
    assert len(code_of(function)) == 16
