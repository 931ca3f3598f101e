"""Sources of the user's own: asked for what is needed, checked, and named when they fail."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import headrace as hr
from headrace import Batch, ColumnError, Dataset, HeadraceError, KindError, RecordError, SchemaError
from headrace.core.schema import Field, Schema


class Numbers:
    """A source that does as it is told."""

    structure = "mapping"

    def __init__(self, length: int = 10, give: Any = None) -> None:
        self.length = length
        self.give = give
        self.asked: list[list[int]] = []

    def __len__(self) -> int:
        return self.length

    def read(self, indices: Any) -> Any:
        self.asked.append(indices.tolist())
        return {"n": indices.copy()} if self.give is None else self.give(indices)


def test_a_batch_is_one_read_of_what_it_holds() -> None:
    source = Numbers()
    batches = Dataset(source).shuffle(0).batch(4)
    batch = batches[1]
    assert source.asked == [batch["n"].tolist()]
    assert batch["n"].tolist() == batches.indices(1).tolist()
    source.asked.clear()
    list(batches.stream())
    assert [len(asked) for asked in source.asked] == [4, 4, 2]


def test_a_source_of_values_or_tuples_says_so() -> None:
    class Values(Numbers):
        structure = "value"

    class Pairs(Numbers):
        structure = "tuple"

    assert Dataset(Values(give=lambda indices: {"value": indices * 2}))[3] == 6
    assert Dataset(Pairs(give=lambda indices: {"0": indices, "1": -indices}))[3] == (3, -3)


@pytest.mark.parametrize(
    ("give", "error", "words"),
    [
        (lambda indices: {"n": indices[:-1]}, SchemaError, "Numbers: read was asked for 3 records and returned 2"),
        (lambda indices: {"n": np.repeat(indices, 2)}, SchemaError, "asked for 3 records and returned 6"),
        (lambda indices: {}, SchemaError, "asked for 3 records and returned 0"),
        (lambda indices: {"n": indices, "m": indices[:1]}, SchemaError, "'n' has 3, 'm' has 1"),
        (lambda indices: indices, SchemaError, "must return a Batch or a mapping of columns, got ndarray"),
        (lambda indices: None, SchemaError, "must return a Batch or a mapping of columns, got NoneType"),
        (lambda indices: [{"n": 1}] * 3, SchemaError, "got list"),
        (lambda indices: {0: indices}, KindError, "named by text"),
        (lambda indices: {"n": 3}, KindError, "column 'n'"),
        (lambda indices: {"n": np.ma.array(indices)}, KindError, "'n'.*masked"),
    ],
)
def test_what_is_no_answer_is_refused_in_words(give: Any, error: type[HeadraceError], words: str) -> None:
    ds = Dataset(Numbers(give=give))
    with pytest.raises(error, match=words):
        ds.batch(3)[0]


@pytest.mark.parametrize("kind", [ValueError, StopIteration, KeyError, OSError, ZeroDivisionError])
def test_a_failing_read_names_source_and_records_and_its_error_is_the_cause(kind: type[Exception]) -> None:
    def torn(indices: Any) -> Any:
        if 7 in indices:
            raise kind("torn")
        return {"n": indices}

    ds = Dataset(Numbers(give=torn))
    with pytest.raises(RecordError, match=rf"Numbers failed to read records 6, 7, 8: {kind.__name__}") as error:
        ds.batch(3)[2]
    assert type(error.value.__cause__) is kind
    with pytest.raises(RecordError, match="failed to read record 7: "):
        ds[7]
    seen = []
    with pytest.raises(RecordError, match="record 7"):
        for record in ds:
            seen.append(record["n"])
    assert seen == list(range(7))


def test_errors_of_our_own_pass_as_they_are() -> None:
    def raising(indices: Any) -> Any:
        raise ColumnError("no such column in the file")

    with pytest.raises(ColumnError, match=r"^no such column in the file$"):
        Dataset(Numbers(give=raising))[0]


def test_columns_that_differ_from_read_to_read_are_refused_in_a_stream() -> None:
    def moody(indices: Any) -> Any:
        return {"n": indices} if 0 in indices else {"n": indices, "more": indices}

    with pytest.raises(SchemaError, match="batch 1 of epoch 0 has columns n, more, earlier ones had columns n"):
        list(Dataset(Numbers(give=moody)).batch(4).stream())


def test_a_source_may_write_to_the_indices_and_hand_them_back() -> None:
    def careless(indices: Any) -> Any:
        indices += 1
        return {"n": indices}

    ds = Dataset(Numbers(give=careless)).shuffle(0)
    for first, second in hr.zip(ds, ds):
        assert first == second
    batches = ds.batch(4)
    assert batches[1]["n"].tolist() == (batches.indices(1) + 1).tolist()
    assert batches.map(lambda batch: batch["n"].sum()).list() == [batch["n"].sum() for batch in batches]


def test_what_a_source_may_not_be_written_to_is_copied() -> None:
    frozen = np.arange(10)
    frozen.flags.writeable = False

    def give(indices: Any) -> Any:
        return {"n": frozen[indices[0] : indices[-1] + 1], "inner": {"m": frozen[: len(indices)]}}

    batch = Dataset(Numbers(give=give)).batch(4)[1]
    batch["n"][:] = 0
    batch["inner"]["m"][:] = 5
    assert frozen.tolist() == list(range(10))


def test_a_source_that_tells_its_schema_is_not_read_for_it() -> None:
    class Known(Numbers):
        def schema(self) -> Schema:
            return Schema("mapping", {"n": Field("int64"), "m": Field("int64")})

    source = Known(give=lambda indices: {"n": indices, "m": -indices})
    ds = Dataset(source).shuffle(0).select("m")
    assert repr(ds) == "Dataset(10 records, {m: int64}: Known -> shuffle(seed=0))"
    with pytest.raises(ColumnError, match="no column 'k'"):
        Dataset(source).select("k")
    assert source.asked == []
    assert ds.collect()["m"].sum() == -45
    with pytest.raises(ColumnError, match="no column 'm'"):
        Dataset(Known()).select("m")[0]


def test_a_schema_costs_one_record_where_only_a_read_can_tell() -> None:
    source = Numbers()
    assert repr(Dataset(source).shuffle(0).schema) == "{n: int64}"
    assert [len(asked) for asked in source.asked] == [1]
    with pytest.raises(SchemaError, match="no records that could tell"):
        _ = Dataset(Numbers(0)).schema
    assert repr(Dataset(source).map(lambda row: (row["n"], 0.5)).schema) == "(int64, float64)"
    assert repr(Dataset(source).batch(3).map(lambda batch: batch["n"]).schema).startswith("int64")


def test_fingerprints_tell_sources_apart_where_they_have_one() -> None:
    class Versioned(Numbers):
        version = 1

        def fingerprint(self) -> str:
            return f"v{self.version}"

    source = Versioned()
    state = iter(Dataset(source).stream()).state_dict()
    assert state["order"] == ["Versioned of 10 records v1"]
    other = Versioned()
    other.version = 2
    with pytest.raises(ValueError, match=r"saved: 'Versioned of 10 records v1'; here: 'Versioned of 10 records v2'"):
        Dataset(other).stream().resume(state)
    Dataset(Versioned()).stream().resume(state)


def test_a_batch_with_no_columns_has_as_many_rows_as_were_asked_for() -> None:
    assert len(Dataset(Numbers(give=lambda indices: Batch({}, len(indices)))).batch(4)[0]) == 4
