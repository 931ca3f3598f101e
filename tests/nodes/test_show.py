"""What a chain says of itself: every step, in the words in which it was written, and nothing is read for it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import headrace as hr
from headrace import Dataset


def double(record: dict[str, int]) -> dict[str, int]:
    return {name: value * 2 for name, value in record.items()}


ds = Dataset(x=np.arange(12), y=np.zeros((12, 2)))

CHAINS: dict[str, Callable[[], Dataset]] = {
    "Dataset(12 records, {x: int64, y: float64[2]}: columns(x, y))": lambda: ds,
    "Dataset(12 records, {x: int64}: columns(x, y) -> shuffle(seed=3))": lambda: ds.shuffle(3).select("x"),
    "Dataset(12 records, {x: int64}: columns(x, y) -> drop(y))": lambda: ds.drop("y"),
    "Dataset(12 records, ?: columns(x, y) -> map(double))": lambda: ds.map(double),
    "Dataset(12 records, int64: array)": lambda: Dataset(np.arange(12)),
    "Dataset(2 records, (int64, float64): 2 arrays)": lambda: Dataset([1, 2], [0.5, 1.5]),
    "Dataset(1,000,000 records, ?: range(0, 1000000))": lambda: Dataset(range(10**6)),
    "Dataset(endless records, ?: range(0, 3) -> repeat())": lambda: Dataset(range(3)).repeat(),
    "Dataset(0 records, ?: list)": lambda: Dataset([]),
    "Dataset(3 records, ?: range(0, 9) -> [2:8:2])": lambda: Dataset(range(9))[2:8:2],
    "Dataset(2 records, ?: range(0, 9) -> take(4) -> skip(2))": lambda: Dataset(range(9)).take(4).skip(2),
    "Dataset(3 records, ?: range(0, 9) -> shard(0, 3))": lambda: Dataset(range(9)).shard(0, 3),
    "Dataset(5 records, ?: range(0, 9) -> batch(2, pad=0))": lambda: Dataset(range(9)).batch(2, pad=0),
    "Dataset(9 records, ?: range(0, 9) -> sort_by(double, descending=True))": lambda: Dataset(range(9)).sort_by(
        double, descending=True
    ),
    "Dataset(5 records, ?: [range(0, 2) | range(0, 3)] -> concat of 2)": lambda: Dataset(range(2)) + Dataset(range(3)),
    "Dataset(2 records, ?: [range(0, 2) | range(0, 3)] -> zip of 2)": lambda: hr.zip(
        Dataset(range(2)), Dataset(range(3))
    ),
    "Dataset(18 records, ?: [range(0, 3) | range(0, 3) | range(0, 3) | range(0, 3) | ...] -> concat of 6)": lambda: (
        hr.concat([Dataset(range(3))] * 6)
    ),
}


@pytest.mark.parametrize("words", CHAINS)
def test_a_chain_is_shown_as_it_was_written(words: str) -> None:
    assert repr(CHAINS[words]()) == words


class Never:
    """A source that cannot be read."""

    def __len__(self) -> int:
        return 9

    def read(self, indices: object) -> None:
        raise AssertionError("read for a repr")


def test_nothing_is_read_for_it() -> None:
    never = Dataset(Never())
    chains = [
        never,
        never.map(double).filter(bool).shuffle(0).batch(2),
        never.sort_by("x").take(3),
        never.filter(bool) + never.map(double),
        hr.mix([never.filter(bool), never]).repeat(),
        hr.zip(never, never.sort_by("x")).batch(2, pad=0).map(len),
        never.select("x").rename(x="y").drop("y"),
        never.split(a=0.5, b=0.5, seed=0).a,
        never.sample(3, seed=0).shuffle(1).shard(0, 2, "pad"),
    ]
    for chain in chains:
        assert "Never" in repr(chain)
        assert "Never" in repr(chain.stream(2))
    assert repr(never.split(a=0.5, b=0.5, seed=0)).startswith("a: Dataset(")


def test_what_cannot_be_read_is_shown_too() -> None:
    nothing = Dataset(range(3)).filter(lambda n: False)
    for_ever = nothing.repeat()
    assert repr(for_ever) == "Dataset(? records, ?: range(0, 3) -> filter(lambda) -> repeat())"
    assert len(nothing) == 0
    assert repr(for_ever) == "Dataset(? records, ?: range(0, 3) -> filter(lambda) -> repeat())"
    with pytest.raises(ValueError, match="nothing to repeat for ever"):
        list(for_ever.take(1))
