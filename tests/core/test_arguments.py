"""Arguments as their kinds, or errors that name them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from headrace.core.arguments import function, whole
from headrace.core.errors import ArgumentError, KindError


@pytest.mark.parametrize("value", [3, np.int8(3), np.uint64(3), np.array(3)])
def test_integers_of_every_kind_are_taken(value: Any) -> None:
    assert whole(value, "size") == 3
    assert type(whole(value, "size")) is int


@pytest.mark.parametrize("value", [3.0, np.float32(3), "3", None, True, np.bool_(True), [3], np.arange(2), 3 + 0j])
def test_anything_else_is_named(value: Any) -> None:
    with pytest.raises(KindError, match="size must be a whole number, got"):
        whole(value, "size")


def test_numbers_below_the_least_are_refused() -> None:
    assert whole(-2, "offset", -2) == -2
    with pytest.raises(ArgumentError, match="offset must be -2 or more, got -3"):
        whole(-3, "offset", -2)


def test_what_can_be_called_is_a_function() -> None:
    for value in (len, str, lambda: 0):
        function(value, "map")
    with pytest.raises(KindError, match="map needs a function, got None, a NoneType"):
        function(None, "map")
