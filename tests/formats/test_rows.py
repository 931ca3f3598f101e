"""Python objects, looked up one by one, as records."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace import Dataset, RecordError, SchemaError
from headrace.core.source import Source
from headrace.formats.rows import Counting, Sequence
from headrace.testing.sources import SourceTests


class TestCounting(SourceTests):
    @pytest.fixture
    def source(self) -> Source:
        return Counting(range(10, 50, 3))


class TestListOfDicts(SourceTests):
    @pytest.fixture
    def source(self) -> Source:
        return Sequence([{"x": np.full(2, at), "label": at, "name": f"n{at}"} for at in range(5)])


@given(start=st.integers(-5, 5), stop=st.integers(-30, 30), step=st.integers(-4, 4).filter(bool))
def test_a_range_gives_its_own_numbers(start: int, stop: int, step: int) -> None:
    numbers = range(start, stop, step)
    assert Dataset(numbers).list() == list(numbers)
    assert len(Dataset(numbers)) == len(numbers)


def test_a_range_of_any_length_costs_no_memory() -> None:
    assert Dataset(range(10**15))[-1] == 10**15 - 1


class Plain:
    """Nothing but a length and an index."""

    def __len__(self) -> int:
        return 5

    def __getitem__(self, index: int) -> dict[str, Any]:
        if type(index) is not int or not 0 <= index < 5:
            raise IndexError(index)
        return {"n": index, "square": index**2}


def test_an_object_with_a_length_and_an_index_is_enough() -> None:
    ds = Dataset(Plain())
    assert ds[-1] == {"n": 4, "square": 16}
    assert ds.shuffle(0).batch(5)[0]["square"].sum() == 30
    assert [record["n"] for record in ds] == [0, 1, 2, 3, 4]


class Together(Plain):
    """Gives many at once, where it is asked for many."""

    def __init__(self, lacking: int = 0) -> None:
        self.asked: list[list[int]] = []
        self.lacking = lacking

    def __getitems__(self, indices: list[int]) -> Iterator[dict[str, Any]]:
        self.asked.append(indices)
        return iter([self[index] for index in indices[self.lacking :]])


def test_many_at_once_are_asked_for_together() -> None:
    source = Together()
    assert Dataset(source).batch(3)[1]["n"].tolist() == [3, 4]
    assert source.asked == [[3, 4]]
    with pytest.raises(RecordError, match="__getitems__ was asked for 3 records, returned 2"):
        Dataset(Together(lacking=1)).batch(3)[0]


def test_a_failing_object_is_named_with_the_record_and_its_error_is_the_cause() -> None:
    class Torn(Plain):
        def __getitem__(self, index: int) -> Any:
            if index == 3:
                raise StopIteration("torn")
            return super().__getitem__(index)

        def __getitems__(self, indices: list[int]) -> Any:
            return [self[index] for index in indices]

    class TornAlone(Torn):
        __getitems__ = None  # type: ignore[assignment]

    with pytest.raises(RecordError, match="TornAlone failed to give record 3 of 5: StopIteration: torn") as error:
        Dataset(TornAlone()).list()
    assert isinstance(error.value.__cause__, StopIteration)
    with pytest.raises(RecordError, match="Torn failed to read records 2, 3"):
        Dataset(Torn()).batch(2)[1]
    with pytest.raises(RecordError, match="record 3"):
        list(Dataset(Torn()))


def test_the_records_before_a_failing_one_are_handed_out() -> None:
    class Torn(Plain):
        def __getitem__(self, index: int) -> Any:
            return 1 // (3 - index)

    seen = []
    with pytest.raises(RecordError, match="record 3 of 5"):
        for record in Dataset(Torn()):
            seen.append(record)
    assert seen == [0, 0, 1]


def test_records_that_do_not_fit_together_are_named_when_they_are_stacked() -> None:
    ds = Dataset([{"a": 1}, {"a": 2}, {"b": 3}])
    assert ds.list()[2] == {"b": 3}
    with pytest.raises(SchemaError, match=r"row 2 has columns 'b'; row 0 has columns 'a'"):
        ds.batch(3)[0]
    with pytest.raises(SchemaError, match="row 1 is a tuple; row 0 is a mapping"):
        Dataset([{"a": 1}, (1,)]).batch(2)[0]


# What belongs to the source stays as it is


RECORDS: list[Any] = [
    {"x": np.zeros(2), "tags": ["a"]},
    (np.zeros(2), ["a"]),
    np.zeros(2),
    [np.zeros(2), "a"],
    {"outer": {"x": np.zeros(2)}},
]


def scribble(record: Any) -> Any:
    """Write into everything that can be written to."""
    if isinstance(record, np.ndarray) and record.dtype != object:
        record[...] = 7
    elif isinstance(record, dict):
        for value in record.values():
            scribble(value)
        record["new"] = 1
    elif isinstance(record, list | tuple | np.ndarray):
        for value in record:
            scribble(value)
        if isinstance(record, list):
            record.append("new")
    return record


@pytest.mark.parametrize("number", range(len(RECORDS)))
def test_nothing_that_is_written_into_a_record_or_batch_reaches_a_list(number: int) -> None:
    record = RECORDS[number]
    untouched = repr(record)
    ds = Dataset([record, record])
    scribble(ds[0])
    for mine in ds:
        scribble(mine)
    ds.map(scribble).list()
    ds.filter(lambda mine: scribble(mine) is not None).list()
    ds.sort_by(lambda mine: len(str(scribble(mine)))).list()
    scribble(ds.first())
    ds.foreach(scribble)
    assert repr(record) == untouched
    assert len(Dataset([record]).filter(lambda mine: repr(mine) == untouched)) == 1


def test_pictures_of_different_sizes_in_a_batch_are_not_those_of_the_list() -> None:
    images = [np.zeros((2, 3)), np.zeros((4, 5))]
    for ds in (Dataset([{"image": image} for image in images]), Dataset(image=images)):
        batch = ds.batch(2)[0]
        assert batch["image"].dtype == object
        for image in batch["image"]:
            image += 1
        ds[0]["image"][:] = 5
    assert not any(image.any() for image in images)


def test_objects_of_other_classes_come_as_they_are() -> None:
    pictures = [Plain(), Plain()]
    assert Dataset(pictures)[1] is pictures[1]
    assert Dataset(picture=pictures, label=[0, 1]).batch(2)[0]["picture"][1] is pictures[1]
