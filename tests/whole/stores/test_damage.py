"""Flipped bits, wherever a version lies, and stores that other versions of Headrace have written."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from headrace.core.errors import DamageError, StoreError
from headrace.stores.backends.opening import open_backend
from tests.servers.places import Place
from tests.whole.stores.where import Where, check, content


def flip(path: Path) -> None:
    """Turn one bit of a file around, and leave its size and time as they were."""
    said = bytearray(path.read_bytes())
    said[-3] ^= 16
    path.write_bytes(said)


def column(folder: Path, name: str = "x") -> Path:
    (found,) = folder.glob(f"*/{name}.npy")
    return found


def test_a_flipped_bit_in_a_local_part_is_found_and_named_and_mended_by_writing_again(tmp_path: Path) -> None:
    store = Where.local(tmp_path).open()
    store.submit(content(1), "data", "1")
    damaged = column(store.path / "objects")
    flip(damaged)
    with pytest.raises(DamageError, match=rf"1 damaged in .*\n{damaged} has another content") as caught:
        store.verify()
    assert "text" not in str(caught.value), "the other files are right"
    store.submit(content(1), "data", "2")
    assert store.verify() == 1
    check(store.fetch("data", "1"), 1)


@pytest.mark.servers
@pytest.mark.parametrize("name", ["s3", "gcs", "azure", "redis"])
def test_a_flipped_bit_far_away_is_named_and_one_in_the_cache_is_fetched_again(
    name: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    place: Place = request.getfixturevalue(name)
    where = Where.at(place, tmp_path)
    store = where.open()
    check(store.submit(content(1), "data", "1"), 1)
    cached = column(Path(where.cache) / "parts")
    flip(cached)
    assert store.verify() == 1, "what lies far away is right"
    assert not cached.exists()
    check(where.open().fetch("data", "1"), 1)
    backend = open_backend(where.url, where.endpoint, where.options)
    key = f"objects/{cached.parent.name}/x.npy"
    said = bytearray(backend.get(key))
    said[-3] ^= 16
    backend.put(key, bytes(said))
    with pytest.raises(DamageError, match=rf"{where.url}/{key} has another content"):
        store.verify()
    check(where.open().fetch("data", "1"), 1)  # which has it here
    with pytest.raises(DamageError, match=rf"{where.url}/{key} is damaged: .* expected [0-9a-f]{{64}}"):
        where.cached(tmp_path / "another").open().fetch("data", "1").collect()


def test_a_damaged_manifest_is_named_and_leaves_the_others_readable(tmp_path: Path) -> None:
    store = Where.local(tmp_path).open()
    for seed in (1, 2):
        store.submit(content(seed), "data", str(seed))
    flip(store.path / "datasets" / "data" / "2.json")
    for act in (lambda: store.fetch("data", "2"), store.verify, lambda: store.fetch("data")):
        with pytest.raises(DamageError, match=r"2\.json"):
            act()
    check(store.fetch("data", "1"), 1)
    with pytest.raises(StoreError, match="nothing was taken away"):
        store.gc(dry_run=False, grace=0)
    store.submit(content(2), "data", "2", replace=True)
    check(store.fetch("data"), 2)
    store.verify()


# Two versions of the library

NUMBERS = {
    "x.npy": ("<f8", np.array([1.5, 2.5])),
    "label.npy": ("<i8", np.array([0, 1])),
    "text.values.npy": ("|u1", np.frombuffer(b"abcd", np.uint8)),
    "text.offsets.npy": ("<i8", np.array([0, 1, 4])),
    "r.values.npy": ("<i8", np.array([1, 2, 3])),
    "r.offsets.npy": ("<i8", np.array([0, 1, 3])),
}
SCHEMA = {
    "kind": "batch",
    "fields": {
        "x": {"kind": "dense", "dtype": "float64", "shape": []},
        "label": {"kind": "dense", "dtype": "int64", "shape": []},
        "text": {"kind": "string", "shape": []},
        "r": {"kind": "ragged", "dtype": "int64", "shape": []},
    },
}


def digest(said: Any) -> str:
    return hashlib.sha256(json.dumps(said, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def npy(dtype: str, values: np.ndarray[Any, Any]) -> bytes:
    """Return a file byte by byte, as format 1 of NumPy's files describes it."""
    head = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': ({len(values)},), }}"
    head += " " * (-(10 + len(head) + 1) % 64) + "\n"
    return b"\x93NUMPY\x01\x00" + len(head).to_bytes(2, "little") + head.encode() + values.astype(dtype).tobytes()


def founded(root: Path, **other: Any) -> dict[str, Any]:
    """Write a store by hand, as the first version of Headrace wrote it; return the manifest."""
    files = {name: npy(dtype, values) for name, (dtype, values) in NUMBERS.items()}
    sums = {name: {"bytes": len(said), "sha256": hashlib.sha256(said).hexdigest()} for name, said in files.items()}
    part = digest(sums)
    (root / "objects" / part).mkdir(parents=True)
    for name, said in files.items():
        (root / "objects" / part / name).write_bytes(said)
    body = {
        "format": 1,
        "id": "numbers",
        "version": "1.0",
        "sequence": 1,
        "length": 2,
        "structure": "mapping",
        "schema": SCHEMA,
        "parts": [{"digest": part, "length": 2, "files": sums}],
        "fingerprint": digest({"parts": [[part, 2]], "schema": SCHEMA, "structure": "mapping"}),
        "parents": [],
        "created": "2026-11-20T21:00:09+00:00",
        "headrace": "0.1.0",
        "numpy": "2.4.6",
        **other,
    }
    path = root / "datasets" / body["id"] / f"{body['version']}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({**body, "digest": digest(body)}, indent=1) + "\n")
    (root / "lock").touch()
    return body


def test_a_store_of_the_first_version_is_read_checked_and_written_to(tmp_path: Path) -> None:
    where = Where.local(tmp_path)
    body = founded(Path(where.url))
    store = where.open()
    ds = store.fetch("numbers")
    assert ds[1] == {"x": 2.5, "label": 1, "text": "bcd", "r": pytest.approx(np.array([2, 3]))}
    assert store.verify() == 1 and store.manifest("numbers").fingerprint == body["fingerprint"]
    store.tag("numbers", "1.0", "best")
    assert store.derive("numbers", "best", "1.1", delete=[0])[0]["text"] == "bcd"
    assert store.gc(dry_run=False, grace=0).parts == 0
    assert store.versions("numbers") == ["1.0", "1.1"] and len(store.log("numbers")) == 2
    store.delete("numbers", "1.1")
    assert store.verify() == 1


def test_what_uses_nothing_new_is_written_as_the_first_version_wrote_it(tmp_path: Path) -> None:
    where = Where.local(tmp_path)
    body = founded(tmp_path / "first")
    store = where.open()
    columns = {"x": [1.5, 2.5], "label": [0, 1], "text": ["a", "bcd"], "r": [[1], [2, 3]]}
    store.submit(columns, "numbers", "1.0")
    said = json.loads((store.path / "datasets" / "numbers" / "1.0.json").read_text())
    passing = ("created", "headrace", "numpy")
    assert {name: one for name, one in said.items() if name not in passing} == {
        **{name: one for name, one in body.items() if name not in passing},
        "digest": digest({name: one for name, one in said.items() if name != "digest"}),
    }
    assert said["format"] == 1
    for file in (tmp_path / "first" / "objects").glob("*/*"):
        assert (store.path / "objects" / file.parent.name / file.name).read_bytes() == file.read_bytes()


@pytest.mark.servers
def test_a_bucket_without_anything_new_says_format_1(s3: Place, tmp_path: Path) -> None:
    store = Where.at(s3, tmp_path).open()
    store.submit(content(1), "data", "1")
    assert store.manifest("data", "1").format == 1


def test_a_newer_format_is_refused_by_name_and_its_parts_are_left_alone(tmp_path: Path) -> None:
    where = Where.local(tmp_path)
    founded(Path(where.url), format=3, headrace="7.0.0", version="2.0", novelty=True)
    store = where.open()
    refused = r"2\.0\.json is written in format 3 by Headrace 7\.0\.0; .* up to 2: upgrade Headrace"
    for act in (lambda: store.fetch("numbers", "2.0"), lambda: store.fetch("numbers"), store.verify):
        with pytest.raises(StoreError, match=refused):
            act()
    check(store.submit(content(1), "numbers", "1"), 1)
    store.delete("numbers", "1")
    with pytest.raises(StoreError, match="upgrade Headrace"):
        store.gc(dry_run=False, grace=0)
    assert len(list(store.path.glob("objects/*/x.npy"))) >= 1
    shutil.rmtree(tmp_path / "store")
