"""Seeds: unrelated keys for unlike places, and generators that depend on their address alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.core import seeds
from headrace.core.errors import ArgumentError, KindError
from headrace.core.seeds import KeyedGenerator, generator, key

paths = st.lists(st.one_of(st.text(max_size=3), st.integers(-(2**70), 2**70)), max_size=3)


@given(one=st.tuples(st.integers(0, 2**130), paths), other=st.tuples(st.integers(0, 2**130), paths))
def test_unlike_seeds_and_paths_have_unlike_keys(one: tuple[int, list[Any]], other: tuple[int, list[Any]]) -> None:
    assert (key(one[0], *one[1]) == key(other[0], *other[1])) == (one == other)


def test_paths_that_read_alike_have_unlike_keys() -> None:
    alike: list[tuple[str | int, ...]] = [
        ("ab", "c"),
        ("a", "bc"),
        ("abc",),
        ("abc", ""),
        (1, 23),
        (12, 3),
        ("12", 3),
        (-1,),
    ]
    assert len({key(0, *path) for path in alike}) == len(alike)


def test_keys_are_two_words_and_the_same_on_every_platform() -> None:
    assert key(0) == (15022269703596268064, 16913617890119880890)
    assert key(42, "map", 1) == (553422558485204369, 7683317541235254683)
    assert generator(42, "map", 1).bit_generator.random_raw(2).tolist() == [11005821203179854299, 16115369881138522631]


@pytest.mark.parametrize("seed", [np.int64(7), np.uint8(7), np.uint64(7)])
def test_numpy_integers_are_seeds_like_any_other(seed: Any) -> None:
    assert key(seed, "shuffle", seed) == key(7, "shuffle", 7)
    assert type(seeds.check(seed)) is int


@pytest.mark.parametrize("seed", [None, 1.0, "1", True, np.bool_(True), np.array([1, 2]), [1]])
def test_what_is_no_integer_is_no_seed(seed: Any) -> None:
    with pytest.raises(KindError, match="a seed is a non-negative integer"):
        key(seed)


def test_a_seed_below_0_is_refused() -> None:
    with pytest.raises(ArgumentError, match="got -1"):
        key(-1)


def test_a_path_of_other_things_is_refused() -> None:
    with pytest.raises(KindError, match="path"):
        key(0, 1.5)  # type: ignore[arg-type]


def draws(rng: np.random.Generator) -> list[float]:
    """Draw in ways that leave the generator in the middle of its buffers."""
    return [rng.random(), float(rng.integers(10)), *rng.standard_normal(3), float(rng.integers(3, dtype=np.int32))]


@given(
    addresses=st.lists(st.tuples(st.integers(0, 2**63 - 1), st.integers(0, 2**63 - 1)), min_size=1, max_size=6),
    seed=st.integers(0, 2**70),
)
def test_a_keyed_generator_depends_on_the_address_alone(addresses: list[tuple[int, int]], seed: int) -> None:
    rngs = KeyedGenerator(seed, "map", 1)
    for epoch, position in [*addresses, *reversed(addresses)]:
        fresh = KeyedGenerator(seed, "map", 1).at(epoch, position)
        assert draws(rngs.at(epoch, position)) == draws(fresh)


def test_addresses_places_and_seeds_draw_unlike_numbers() -> None:
    drawn = {
        KeyedGenerator(seed, place).at(epoch, position).random()
        for seed in (0, 1)
        for place in ("a", "b")
        for epoch in (0, 1, 2**62)
        for position in (0, 1, 2**62)
    }
    assert len(drawn) == 36
    assert KeyedGenerator(42).at(1, 0).random() != KeyedGenerator(43).at(0, 0).random()


def test_draws_over_positions_and_epochs_look_independent() -> None:
    rngs = KeyedGenerator(0, "map")
    first = np.array([rngs.at(epoch, position).random() for epoch in range(4) for position in range(5000)])
    assert abs(first.mean() - 0.5) < 8 * np.sqrt(1 / 12 / len(first))
    for lag in (1, 2, 5000):
        assert abs(np.corrcoef(first[lag:], first[:-lag])[0, 1]) < 8 / np.sqrt(len(first) - lag)
