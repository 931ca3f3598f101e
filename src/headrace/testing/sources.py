"""What every source must do: subclass :class:`SourceTests`, give a ``source`` fixture, and pytest runs the laws."""

from __future__ import annotations

import pickle
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headrace.core import columns
from headrace.core.batch import Batch
from headrace.core.kinds import Nested
from headrace.core.ragged import Ragged
from headrace.core.records import Columns, Records, Rows, concat, to_columns
from headrace.core.runs import Runs
from headrace.core.schema import Schema
from headrace.core.source import Indices, Source
from headrace.dataset import Dataset

_MOST = 50  # records that are tried


class SourceTests:
    """The laws of a :class:`~headrace.core.source.Source`.

    The fixture gives a source of two records or more, and the same records each time that it is asked::

        class TestSquares(SourceTests):
            @pytest.fixture
            def source(self):
                return Squares()
    """

    def test_has_a_length(self, source: Source) -> None:
        assert type(len(source)) is int
        assert len(source) >= 2, "the kit needs two records to tell orders apart"

    def test_reads_as_many_rows_as_are_asked_for(self, source: Source) -> None:
        for asked in (_some(source), _some(source)[:1], np.empty(0, np.int64)):
            assert len(_read(source, asked)) == len(asked)

    def test_reads_in_the_order_asked_for(self, source: Source) -> None:
        asked = _some(source)
        alone = concat([_raw(source, [index]) for index in asked.tolist()])
        assert _same(to_columns(alone), _read(source, asked)), "records differ when they are read one by one"

    def test_reads_a_record_as_often_as_it_is_asked_for(self, source: Source) -> None:
        twice = _read(source, [1, 0, 1])
        assert len(twice) == 3
        assert _same(_part(twice, [0]), _part(twice, [2]))

    def test_reads_the_first_and_the_last_record(self, source: Source) -> None:
        assert len(_read(source, [0, len(source) - 1])) == 2

    def test_the_same_indices_give_equal_columns(self, source: Source) -> None:
        asked = _some(source)
        assert _same(_read(source, asked), _read(source, asked))

    def test_the_same_indices_give_equal_columns_in_any_thread(self, source: Source) -> None:
        asked = _some(source)
        expected = _read(source, asked)
        with ThreadPoolExecutor(4) as pool:
            for found in pool.map(lambda _: _read(source, asked), range(16)):
                assert _same(found, expected)

    def test_what_was_read_may_be_written_to(self, source: Source) -> None:
        asked = _some(source)
        expected = _part(_read(source, asked), list(range(len(asked))))  # a copy, in case the source lends its own
        written = _read(source, asked)
        for array in _arrays(written.batch):
            assert array.flags.writeable, "what read returns is the caller's own, so it must be writable"
            array[...] = np.zeros((), array.dtype)
        assert _same(_read(source, asked), expected), "the source was changed by writing to what it had returned"

    def test_the_indices_given_are_not_written_to(self, source: Source) -> None:
        asked = _some(source)
        asked.flags.writeable = False
        _read(source, asked)

    def test_reads_the_same_after_the_trip_to_a_worker(self, source: Source) -> None:
        asked = _some(source)
        expected = _read(source, asked)  # before the trip, so that what is open here must stay here
        arrived: Source = pickle.loads(pickle.dumps(source))
        assert len(arrived) == len(source)
        assert _same(_read(arrived, asked), expected)
        assert _told(arrived, "fingerprint") == _told(source, "fingerprint")

    def test_its_fingerprint_is_text_that_stays(self, source: Source) -> None:
        first = _told(source, "fingerprint")
        _read(source, _some(source))
        assert first is None or (isinstance(first, str) and first and first == _told(source, "fingerprint"))

    def test_its_schema_is_that_of_what_it_reads(self, source: Source) -> None:
        said = _told(source, "schema")
        read = _read(source, _some(source))
        assert said is None or said == Schema.of(read.batch, read.structure)

    def test_its_columns_are_what_it_reads(self, source: Source) -> None:
        given = _told(source, "columns")
        asked = _some(source)
        assert given is None or len(given) == len(source)
        assert given is None or _same(Columns(given.take(asked), _structure(source)), _read(source, asked))

    def test_its_blocks_lie_one_after_the_other_and_stay(self, source: Source) -> None:
        said = _told(source, "blocks")
        if said is not None:
            starts, nbytes = said
            again, sizes = _told(pickle.loads(pickle.dumps(source)), "blocks")
            assert Runs.of(starts, nbytes, len(source)) == Runs.of(again, sizes, len(source))

    def test_reads_the_same_whatever_it_was_told_to_expect(self, source: Source) -> None:
        tell = getattr(source, "expect", None)
        expected = _read(source, _some(source))
        if tell is not None:
            said = _told(source, "blocks")
            blocks = len(said[0]) if said is not None else len(source.placement(1, 1).chunk_nbytes)  # type: ignore[attr-defined]
            for told in ([], [0], list(range(blocks))[::-1]):
                tell(told)
                assert _same(_read(source, _some(source)), expected)

    def test_a_dataset_of_it_gives_its_records(self, source: Source) -> None:
        asked = _some(source)
        dataset = Dataset(source)
        assert len(dataset) == len(source)
        records = to_columns(Rows([dataset[index] for index in asked.tolist()]))
        assert records.structure == _structure(source)
        assert len(records) == len(asked)


def _some(source: Source) -> Indices:
    """Return some of the indices, in no order."""
    shuffled = np.random.default_rng(0).permutation(len(source))[:_MOST]
    return shuffled.astype(np.int64)


def _structure(source: Source) -> Any:
    structure = getattr(source, "structure", "mapping")
    assert structure in ("mapping", "tuple", "value"), f"structure is {structure!r}"
    return structure


def _raw(source: Source, indices: Iterable[int] | Indices) -> Records:
    """Return what a source reads, after a look at its kind."""
    got = source.read(np.asarray(indices, np.int64))
    if isinstance(got, Rows):
        return got
    assert isinstance(got, Batch | Mapping), f"read must return a Batch or a mapping, got {type(got).__name__}"
    read = Columns(got if isinstance(got, Batch) else Batch(got), _structure(source))
    if read.structure == "value":
        assert list(read.batch) == ["value"], "the column of values is called 'value'"
    if read.structure == "tuple":
        assert list(read.batch) == [str(place) for place in range(len(list(read.batch)))], "tuples' fields are numbered"
    return read


def _read(source: Source, indices: Iterable[int] | Indices) -> Columns:
    return to_columns(_raw(source, indices))


def _part(read: Columns, places: list[int]) -> Columns:
    return Columns(read.batch.take(places), read.structure)


def _same(a: Columns, b: Columns) -> bool:
    return a.structure == b.structure and columns.same(a.batch, b.batch)


def _arrays(batch: Nested) -> Iterator[NDArray[Any]]:
    for column in batch._columns.values():
        if isinstance(column, Nested):
            yield from _arrays(column)
        elif isinstance(column, Ragged):
            yield column.values
        elif isinstance(column, np.ndarray):
            yield column


def _told(source: Source, method: str) -> Any:
    """Return what an optional method gives; None where there is none."""
    give = getattr(source, method, None)
    return None if give is None else give()
