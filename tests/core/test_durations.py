"""Durations as people write them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.core.durations import seconds_of, text_of
from headrace.core.errors import ArgumentError, KindError


@pytest.mark.parametrize(
    ("duration", "seconds"),
    [("60 s", 60), ("60", 60), (" 1.5min ", 90), ("1 h", 3600), ("2 d", 172_800), (0.5, 0.5), (np.int64(3), 3)],
)
def test_durations_are_read(duration: Any, seconds: float) -> None:
    assert seconds_of(duration, "lease") == seconds


@pytest.mark.parametrize("duration", ["", "1 m", "1 year", "-1 s", "0 s", 0, -1, math.inf, math.nan, "1e3 s", "1 H"])
def test_what_is_no_duration_is_refused_with_those_that_are(duration: Any) -> None:
    with pytest.raises(ArgumentError, match="lease must be"):
        seconds_of(duration, "lease")


@pytest.mark.parametrize("duration", [None, True, [60], b"60 s"])
def test_other_kinds_are_refused(duration: Any) -> None:
    with pytest.raises(KindError, match="a number of seconds or a text"):
        seconds_of(duration, "lease")


@given(st.floats(0.001, 1e7))
def test_a_text_tells_the_duration_to_one_in_twenty(seconds: float) -> None:
    told = text_of(seconds).split()
    total = sum(seconds_of(f"{count} {unit}", "part") for count, unit in zip(told[::2], told[1::2]))
    assert total == pytest.approx(seconds, rel=0.055)
