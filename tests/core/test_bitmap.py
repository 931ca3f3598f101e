"""A set of positions as bits: rank and select are each other's inverse, whatever the set."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from headrace.core.bitmap import Bitmap


def cut(mask: NDArray[np.bool_], pieces: list[int]) -> list[NDArray[np.bool_]]:
    return np.split(mask, sorted(min(piece, len(mask)) for piece in pieces))


@given(
    mask=st.lists(st.booleans(), max_size=300), pieces=st.lists(st.integers(0, 300), max_size=5), dense=st.booleans()
)
def test_rank_and_select_agree_with_a_list_of_what_is_kept(mask: list[bool], pieces: list[int], dense: bool) -> None:
    bits = np.array(mask, np.bool_) | dense
    bitmap = Bitmap(cut(bits, pieces))
    kept = np.flatnonzero(bits)
    assert (bitmap.length, bitmap.count) == (len(bits), len(kept))
    assert bitmap.select(np.arange(len(kept))).tolist() == kept.tolist()
    ranks = {int(position): rank for rank, position in enumerate(kept)}
    assert [bitmap.rank(position) for position in range(len(bits))] == [ranks.get(at) for at in range(len(bits))]


@pytest.mark.parametrize("length", [0, 1, 63, 64, 65, 127, 128, 129, 1000, 4096])
@pytest.mark.parametrize("density", [0.0, 0.01, 0.5, 1.0])
def test_lengths_around_the_words_are_right(length: int, density: float) -> None:
    bits = np.random.default_rng(0).random(length) < density
    kept = np.flatnonzero(bits)
    bitmap = Bitmap([bits])
    shuffled = np.random.default_rng(1).permutation(len(kept))
    assert bitmap.select(shuffled).tolist() == kept[shuffled].tolist()
    assert bitmap.select(np.empty(0, np.int64)).shape == (0,)
    assert all(bitmap.rank(int(position)) == rank for rank, position in enumerate(kept))
    assert [position for position in range(length) if bitmap.rank(position) is None] == np.flatnonzero(~bits).tolist()


@given(mask=st.lists(st.booleans(), max_size=200), pieces=st.lists(st.integers(0, 200), max_size=5))
def test_the_digest_is_that_of_the_set_and_not_of_how_it_came(mask: list[bool], pieces: list[int]) -> None:
    bits = np.array(mask, np.bool_)
    assert Bitmap(cut(bits, pieces)).digest == Bitmap([bits]).digest
    assert Bitmap([np.append(bits, False)]).digest != Bitmap([bits]).digest
    if len(bits):
        other = bits.copy()
        other[-1] ^= True
        assert Bitmap([other]).digest != Bitmap([bits]).digest


def test_the_digest_stays_what_it_is_in_every_release() -> None:
    assert Bitmap([np.arange(100) % 3 == 0]).digest == "ca0e0ce01405"  # states hold it


def test_a_long_set_costs_two_bits_a_record() -> None:
    bitmap = Bitmap(np.ones(1 << 16, np.bool_) for _ in range(16))
    assert bitmap.count == 1 << 20
    assert (
        sum(part.nbytes for part in vars(bitmap).values() if isinstance(part, np.ndarray))
        <= 2 * bitmap.length // 8 + 64
    )
    assert bitmap.select(np.array([(1 << 20) - 1])).tolist() == [(1 << 20) - 1]


def test_nothing_is_kept_of_nothing() -> None:
    for masks in ([], [np.empty(0, np.bool_)]):
        bitmap = Bitmap(masks)
        assert (bitmap.length, bitmap.count) == (0, 0)
        assert bitmap.select(np.empty(0, np.int64)).tolist() == []
