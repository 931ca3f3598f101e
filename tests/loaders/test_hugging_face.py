"""Hugging Face datasets, beside what they give by themselves."""

from __future__ import annotations

import io
import warnings
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import headrace as hr
from tests.loaders.trip import check_all, check_trip

pytestmark = pytest.mark.frameworks


@pytest.fixture(scope="module")
def hf() -> Any:
    with warnings.catch_warnings():  # what its own modules give while they load
        warnings.simplefilter("ignore")
        return pytest.importorskip("datasets")


def everything(hf: Any, count: int = 7) -> Any:
    features = hf.Features(
        {
            "id": hf.Value("int32"),
            "label": hf.ClassLabel(names=["cat", "dog"]),
            "text": hf.Value("string"),
            "raw": hf.Value("binary"),
            "half": hf.Value("float16"),
            "when": hf.Value("timestamp[us]"),
            "tokens": hf.Sequence(hf.Value("uint16")),
            "three": hf.Sequence(hf.Value("int64"), length=3),
            "in": {"a": hf.Value("bool"), "b": {"c": hf.Sequence(hf.Value("float32"))}},
            "grid": hf.Array2D((2, 3), "float32"),
            "frames": hf.Array3D((None, 2, 2), "int16"),
            "points": hf.Sequence(hf.Sequence(hf.Value("float32"), length=2)),
            "lists": hf.Sequence(hf.Sequence(hf.Value("int8"))),
        }
    )
    return hf.Dataset.from_list([row(number) for number in range(count)], features=features)


def row(number: int) -> dict[str, Any]:
    return {
        "id": np.int32(number),
        "label": number % 2,
        "text": "ü" * number,
        "raw": b"\x00" * number,
        "half": np.float16(number / 2),
        "when": np.datetime64(datetime(2020, 1, 1) + timedelta(number), "us"),
        "tokens": np.arange(number, dtype=np.uint16),
        "three": np.full(3, number),
        "in": {"a": number > 3, "b": {"c": np.ones(number, np.float32)}},
        "grid": np.full((2, 3), number, np.float32),
        "frames": np.full((number % 3, 2, 2), number, np.int16),
        "points": np.zeros((number, 2), np.float32),
        "lists": np.zeros((number, 3), np.int8),
    }


SCHEMA = (
    "{id: int32, label: int64, text: string, raw: object, half: float16, when: datetime64[us], tokens: uint16[?], "
    "three: int64[3], in: {a: bool, b: {c: float32[?]}}, grid: float32[2, 3], frames: int16[?, 2, 2], "
    "points: float32[?, 2], lists: int8[?, 3]}"
)


def test_rows_come_back_with_their_features(hf: Any, tmp_path: Path) -> None:
    check_trip(tmp_path, lambda: everything(hf), [row(number) for number in range(7)], SCHEMA)


def test_rows_that_flow_come_back_too(hf: Any, tmp_path: Path) -> None:
    flowing = everything(hf).to_iterable_dataset().filter(lambda record: record["id"] != 4)
    check_trip(tmp_path, lambda: flowing, [row(number) for number in range(7) if number != 4], SCHEMA)


def test_what_was_selected_and_shuffled_is_what_is_kept(hf: Any, tmp_path: Path) -> None:
    chosen = everything(hf, 50).shuffle(seed=1).select(range(30)).filter(lambda number: number > 5, input_columns="id")
    wanted = [row(number) for number in chosen["id"]]
    assert wanted != sorted(wanted, key=lambda record: int(record["id"]))
    check_all(hr.Store(tmp_path / "s").submit(chosen.with_format("numpy"), "data", "1"), wanted)


def test_splits_are_refused_with_the_mend(hf: Any, tmp_path: Path) -> None:
    splits = everything(hf).train_test_split(0.3)
    for several in (splits, hf.IterableDatasetDict({"train": everything(hf).to_iterable_dataset()})):
        with pytest.raises(hr.KindError, match=r"several datasets \('train'.*submit\(data\['train'\], \.\.\.\)"):
            hr.Store(tmp_path / "s").submit(several, "data", "1")


def test_what_is_missing_is_named_or_pickled(hf: Any, tmp_path: Path) -> None:
    for kind, values in (("int64", [1, 2, None]), ("string", ["a", None, "c"]), ("list", [[1], None, [2]])):
        data = hf.Dataset.from_dict({"x": values})
        with pytest.raises(hr.SchemaError, match=r"'x': objects of type .*NoneType.*allow_pickle=True"):
            hr.Store(tmp_path / "s").submit(data, kind, "1")
        assert hr.Store(tmp_path / "p", allow_pickle=True).submit(data, kind, "1").collect()["x"].tolist() == values
        there = data.filter(lambda value: value is not None, input_columns="x")
        assert len(hr.Store(tmp_path / "s").submit(there, kind, "1")) == 2
    floats = hr.Store(tmp_path / "s").submit(hf.Dataset.from_dict({"x": [1.5, None]}), "floats", "1")
    assert np.isnan(floats[1]["x"])


def png(picture: np.ndarray[Any, Any]) -> bytes:
    image = pytest.importorskip("PIL.Image")
    out = io.BytesIO()
    image.fromarray(picture).save(out, "PNG")
    return out.getvalue()


def test_pictures_are_decoded_or_kept_as_files(hf: Any, tmp_path: Path) -> None:
    pictures = [np.full((4, 5, 3), number, np.uint8) for number in range(3)]
    files = [{"bytes": png(one), "path": None} for one in pictures]
    data = hf.Dataset.from_dict({"image": files}, features=hf.Features({"image": hf.Image()}))
    check_trip(tmp_path, lambda: data, [{"image": one} for one in pictures], "{image: uint8[4, 5, 3]}")
    flowing = hr.Store(tmp_path / "flowing").submit(data.to_iterable_dataset(), "data", "1")
    check_all(flowing, [{"image": one} for one in pictures])
    encoded = data.cast_column("image", hf.Image(decode=False))
    ds = hr.Store(tmp_path / "files").submit(encoded, "data", "1")
    check_all(ds, [{"image": {"bytes": one["bytes"], "path": ""}} for one in files])


def test_sounds_are_kept_as_files(hf: Any, tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(b"RIFF")
    values = [{"bytes": None, "path": str(tmp_path / "a.wav")}, {"bytes": b"RIFX", "path": "b.wav"}]
    features = hf.Features({"sound": {"bytes": hf.Value("binary"), "path": hf.Value("string")}})
    stored = hf.Dataset.from_dict({"sound": values}, features=features)
    stored.info.features["sound"] = hf.Audio()  # casting would need a decoder
    ds = hr.Store(tmp_path / "s").submit(stored, "data", "1")
    assert [record["sound"]["bytes"] for record in ds] == [b"RIFF", b"RIFX"]
    assert ds[1]["sound"]["path"] == "b.wav"
