"""A prediction says how many bytes and about how long, from a few records, and leaves nothing behind."""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
import pytest

from headrace.core.errors import SchemaError
from headrace.core.records import Records, Rows, wrap
from headrace.stores.building.build import build
from headrace.stores.building.prediction import predict
from headrace.workers.threads import Threads


def test_bytes_and_parts_are_those_that_are_written(tmp_path: Path) -> None:
    def read(start: int, stop: int) -> Records:
        return Rows([{"x": np.zeros(100, np.float32), "text": "t" * (number % 100)} for number in range(start, stop)])

    predicted = predict(read, 20_000, tmp_path / "store", part_bytes=1_000_000, seconds=0.2)
    assert os.listdir(tmp_path) == []
    (tmp_path / "tmp" / "stage").mkdir(parents=True)
    built = build(tmp_path / "tmp" / "stage", read, 20_000, 1_000_000)
    assert predicted.records == 20_000
    assert predicted.bytes == pytest.approx(sum(part.size for part in built.parts), rel=0.1)
    assert predicted.parts == pytest.approx(len(built.parts), abs=1)


def test_seconds_are_those_of_reading_all_and_workers_share_them(tmp_path: Path) -> None:
    read_at: list[int] = []

    def read(start: int, stop: int) -> Records:
        read_at.append(start)
        time.sleep(0.001 * (stop - start))
        return wrap({"x": np.zeros((stop - start, 10))})

    began = time.perf_counter()
    alone = predict(read, 100_000, tmp_path, seconds=0.3)
    assert time.perf_counter() - began < 10
    assert 95 < alone.seconds < 200
    assert max(read_at) > 60_000, "samples must lie all over the dataset"
    both = predict(read, 100_000, tmp_path, workers=Threads(2), seconds=0.3)
    assert 0.3 * alone.seconds < both.seconds < 0.8 * alone.seconds
    assert str(both).startswith("100,000 records, 8 MB in 1 part, about ")
    assert str(both).endswith(" with 2 threads")


def test_records_that_do_not_fit_are_told_of(tmp_path: Path) -> None:
    def read(start: int, stop: int) -> Records:
        return wrap({"x": np.zeros(stop - start, np.int32 if stop < 500 else np.float64)})

    with pytest.raises(SchemaError, match=r"records? \d+.*: column 'x': expected int32, got float64"):
        predict(read, 1000, tmp_path, seconds=0.5)


@pytest.mark.parametrize("length", [0, 1])
def test_few_records_are_predicted_too(tmp_path: Path, length: int) -> None:
    predicted = predict(lambda start, stop: wrap({"x": np.zeros(stop - start)}), length, tmp_path)
    assert (predicted.records, predicted.bytes) == (length, 8 * length)
