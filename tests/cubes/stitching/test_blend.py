"""Blending by itself: windows, dtypes, sums, what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from headrace.core.errors import ArgumentError, KindError
from headrace.cubes.stitching.blend import FEW, Averaged, Nearest, blend_of, fill_of


def dtype(name: str) -> np.dtype[Any]:
    return np.dtype(name)


def test_copies_of_a_tapered_window_at_half_its_size_sum_to_a_constant() -> None:
    made = blend_of("tapered", dtype("f8"), (8, 6), (True, True), 4, 0)
    assert isinstance(made, Averaged) and made.weights is not None
    weights = made.weights
    assert (weights > 0).all() and weights.max() <= 1
    assert np.ptp(weights[:4] + weights[4:], axis=0).max() < 1e-9
    np.testing.assert_allclose(weights, weights[::-1, ::-1])


def test_a_window_falls_off_only_where_it_has_neighbours() -> None:
    made = blend_of("tapered", dtype("f4"), (4, 6), (False, True), 4, 0)
    assert isinstance(made, Averaged) and made.weights is not None
    assert made.weights.dtype == np.float32
    assert (made.weights == made.weights[0]).all()


def test_of_two_centres_as_near_the_later_one_has_the_element() -> None:
    made = blend_of("crop", dtype("i2"), (4, 3), (True, False), 4, 0)
    assert isinstance(made, Nearest)
    line = made.distances[:, 0]
    assert (line[:2] < line[:1:-1]).all() and np.argsort(line).tolist() == [1, 2, 0, 3]
    assert blend_of("crop", dtype("i2"), (60_000, 1), (True, True), 4, 0).accumulators[1] == np.int64


@pytest.mark.parametrize(
    ("given", "meeting", "wide", "result"),
    [
        ("f4", FEW, "f4", "f4"),
        ("f4", FEW + 1, "f8", "f4"),
        ("f4", None, "f8", "f4"),
        ("f2", 2, "f4", "f2"),
        ("f8", 2, "f8", "f8"),
        ("c8", 2, "c8", "c8"),
        ("c8", None, "c16", "c8"),
        ("u1", 2, "f8", "f8"),
        ("?", None, "f8", "f8"),
    ],
)
def test_sums_are_as_wide_as_they_must_be(given: str, meeting: int | None, wide: str, result: str) -> None:
    made = blend_of("mean", dtype(given), (4,), (True,), meeting, 0)
    assert (made.accumulators[0], made.result) == (dtype(wide), dtype(result))


@pytest.mark.parametrize("blend", ["first", "last", "crop"])
@pytest.mark.parametrize("given", ["f4", "u1", "?", "i8", "M8[ns]", "c16"])
def test_a_choice_keeps_the_dtype(blend: str, given: str) -> None:
    assert blend_of(blend, dtype(given), (4,), (True,), 3, 0).result == dtype(given)


@pytest.mark.parametrize(
    ("given", "fill", "expected"),
    [("i2", 7, 7), ("i2", -7.0, -7), ("u1", -7, 0), ("u1", 300, 0), ("i4", 0.5, 0), ("i4", float("nan"), 0),
     ("i4", "reflect", 0), ("?", 1, True), ("i8", float("inf"), 0)],
)  # fmt: skip
def test_whole_numbers_are_filled_with_what_fits(given: str, fill: Any, expected: int) -> None:
    found = fill_of(dtype(given), fill)
    assert found == expected and found.dtype == given


def test_others_are_filled_with_what_is_none() -> None:
    assert (
        np.isnan(fill_of(dtype("f2"), 3)) and np.isnan(fill_of(dtype("c8"), 3)) and np.isnat(fill_of(dtype("M8[s]"), 3))
    )


def test_what_cannot_be_blended_is_refused() -> None:
    with pytest.raises(
        ArgumentError, match="blend must be one of 'mean', 'tapered', 'crop', 'first', 'last', got 'max'"
    ):
        blend_of("max", dtype("f4"), (4,), (True,), 3, 0)
    with pytest.raises(KindError, match="must be numbers, got object"):
        blend_of("mean", dtype("O"), (4,), (True,), 3, 0)
    with pytest.raises(KindError, match="have no 'tapered': take blend='crop', 'first' or 'last'"):
        blend_of("tapered", dtype("M8[s]"), (4,), (True,), 3, 0)
