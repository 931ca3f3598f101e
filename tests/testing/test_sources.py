"""The kit for sources passes good ones and catches each broken one."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from headrace.core.batch import Batch
from headrace.core.schema import Field, Schema
from headrace.core.source import Indices, Source
from headrace.formats.adopt import adopt
from headrace.testing.sources import SourceTests

LAWS = {name: law for name, law in vars(SourceTests).items() if name.startswith("test_")}


class Squares:
    """A good source, which the broken ones derive from."""

    def __len__(self) -> int:
        return 20

    def read(self, indices: Indices) -> Any:
        return {"n": indices.copy(), "square": indices**2}


class TooLong(Squares):
    def __len__(self) -> int:
        return 21

    def read(self, indices: Indices) -> Any:
        return super().read(indices[indices < 20])


class Sorted(Squares):
    def read(self, indices: Indices) -> Any:
        return super().read(np.sort(indices))


class Once(Squares):
    def read(self, indices: Indices) -> Any:
        return super().read(np.unique(indices))


class Normalised(Squares):
    """Looks at the neighbours of a row."""

    def read(self, indices: Indices) -> Any:
        return {"n": indices - indices.mean() if len(indices) else indices.astype(float)}


class Counting(Squares):
    def __init__(self) -> None:
        self.reads = itertools.count()

    def read(self, indices: Indices) -> Any:
        return {"n": indices + next(self.reads)}


class Lent(Squares):
    """Gives a view of what it holds."""

    def __init__(self) -> None:
        self.held: dict[bytes, Any] = {}

    def read(self, indices: Indices) -> Any:
        return self.held.setdefault(indices.tobytes(), {"n": indices**2})


class ReadOnly(Squares):
    def read(self, indices: Indices) -> Any:
        column = indices**2
        column.flags.writeable = False
        return {"n": column}


class Scribbling(Squares):
    def read(self, indices: Indices) -> Any:
        indices += 0
        return super().read(indices)


class AtHome(Squares):
    """Holds what cannot travel."""

    def __init__(self) -> None:
        self.open = (number for number in range(3))


class Restless(Squares):
    def __init__(self) -> None:
        self.told = itertools.count()

    def fingerprint(self) -> str:
        return str(next(self.told))


class Promising(Squares):
    def schema(self) -> Schema:
        return Schema("mapping", {"n": Field("float32")})


class Misnamed(Squares):
    structure = "value"


class Listing(Squares):
    def read(self, indices: Indices) -> Any:
        return [indices]


class Other(Squares):
    """Has columns that are not what it reads."""

    def columns(self) -> Batch:
        return Batch({"n": np.arange(20) + 1, "square": np.arange(20) ** 2})


class Blocks(Squares):
    """A good one, which fetches blocks."""

    def blocks(self) -> Any:
        return [0, 7, 7, 15], [10, 0, 10, 10]

    def expect(self, blocks: list[int]) -> None:
        assert all(0 <= block < 4 for block in blocks)


class Gap(Blocks):
    def blocks(self) -> Any:
        return [1, 7], [10, 10]


class Distracted(Blocks):
    def __init__(self) -> None:
        self.told = 0

    def expect(self, blocks: list[int]) -> None:
        self.told += 1

    def read(self, indices: Indices) -> Any:
        return {"n": indices + self.told}


BROKEN: dict[type, str] = {
    TooLong: "test_reads_as_many_rows_as_are_asked_for",
    Sorted: "test_reads_in_the_order_asked_for",
    Once: "test_reads_a_record_as_often_as_it_is_asked_for",
    Normalised: "test_reads_in_the_order_asked_for",
    Counting: "test_the_same_indices_give_equal_columns",
    Lent: "test_what_was_read_may_be_written_to",
    ReadOnly: "test_what_was_read_may_be_written_to",
    Scribbling: "test_the_indices_given_are_not_written_to",
    AtHome: "test_reads_the_same_after_the_trip_to_a_worker",
    Restless: "test_its_fingerprint_is_text_that_stays",
    Promising: "test_its_schema_is_that_of_what_it_reads",
    Misnamed: "test_reads_as_many_rows_as_are_asked_for",
    Listing: "test_reads_as_many_rows_as_are_asked_for",
    Other: "test_its_columns_are_what_it_reads",
    Gap: "test_its_blocks_lie_one_after_the_other_and_stay",
    Distracted: "test_reads_the_same_whatever_it_was_told_to_expect",
}
GOOD: dict[str, Callable[[], Source]] = {
    "a source": Squares,
    "a source of blocks": Blocks,
    "a range": lambda: adopt((range(5),), {}),
    "a list": lambda: adopt(([{"a": 1, "b": "x"}, {"a": 2, "b": "y"}],), {}),
    "arrays": lambda: adopt((), {"a": np.zeros((3, 2)), "b": np.arange(3)}),
    "tuples": lambda: adopt((np.zeros((3, 2)), ["a", "b", "c"]), {}),
    "values": lambda: adopt((np.arange(7.0),), {}),
}


@pytest.mark.parametrize("law", LAWS.values(), ids=LAWS)
@pytest.mark.parametrize("make", GOOD.values(), ids=GOOD)
def test_a_good_source_keeps_every_law(make: Callable[[], Source], law: Callable[..., None]) -> None:
    law(SourceTests(), make())


@pytest.mark.parametrize(("broken", "law"), BROKEN.items(), ids=lambda value: getattr(value, "__name__", value))
def test_a_broken_source_breaks_its_law(broken: type[Source], law: str) -> None:
    with pytest.raises((AssertionError, TypeError, ValueError)):  # or what the source itself cannot do
        LAWS[law](SourceTests(), broken())
