"""How many bytes versions take up, and share."""

from __future__ import annotations

import uuid
from pathlib import Path

import numpy as np
import pytest

import headrace as hr
from headrace.stores.versions.usage import Usage
from tests.servers.places import Place


def of(usage: Usage) -> dict[str, tuple[int, int, int]]:
    return {one.version: (one.bytes, one.kept, one.shared) for one in usage.versions}


@pytest.mark.parametrize("far", [False, True])
def test_shared_parts_count_once_and_what_belongs_to_none_is_told(tmp_path: Path, far: bool) -> None:
    place = f"memory://{uuid.uuid4().hex}" if far else tmp_path / "store"
    store = hr.Store(place, compression="zstd" if far else None)
    assert (repr(store.du()), store.du().garbage) == ("0 B in 0 parts", 0)
    store.submit({"x": np.zeros(9000)}, "data", "1")
    store.derive("data", "1", "2", append={"x": np.ones(3000)})
    store.submit({"x": np.arange(5)}, "other", "1")
    used = store.du("data")
    first, second = store.manifest("data", "1"), store.manifest("data", "2")
    base, added = (part.kept_size for part in second.parts)
    assert of(used) == {"1": (first.size, base, base), "2": (second.size, base + added, base)}
    assert far == (base < first.size / 10)
    assert (used.bytes, used.parts, used.garbage, used.cache) == (base + added, 2, None, None)
    every = store.du()
    assert every.bytes == used.bytes + store.manifest("other").parts[0].kept_size
    assert every.garbage == 0
    store._catalog.backend.put("objects/abc/x", b"12345")
    assert store.du().garbage == 5
    assert "5 B belong to no version" in repr(store.du())
    store.submit({"x": np.ones(3)}, "other", "1", replace=True)
    assert [(one.version, one.replaced) for one in store.du("other").versions] == [("1", True), ("1", False)]
    assert "1 (replaced)" in repr(store.du())
    with pytest.raises(hr.NotFoundError, match=r"no dataset 'daat'.*Did you mean 'data'"):
        store.du("daat")


def test_what_cannot_be_read_is_told_and_hides_nothing(tmp_path: Path) -> None:
    store = hr.Store(tmp_path)
    for version in "12":
        store.submit([1, 2], "data", version)
    (tmp_path / "datasets/data/1.json").write_text("{")
    used = store.du()
    assert [one.version for one in used.versions] == ["2"]
    assert used.garbage is None
    assert len(used.unreadable) == 1
    assert "1.json is damaged" in repr(used)


@pytest.mark.servers
def test_the_folder_on_this_machine_is_told_of(tmp_path: Path, s3: Place) -> None:
    store = hr.Store(s3.fresh(), endpoint=s3.endpoint, options=s3.options, cache=tmp_path)
    for id in ("data", "other"):
        store.submit({"x": np.frombuffer(id.encode() * 1000, np.uint8)}, id, "1").collect()
    cache = store.du("data").cache
    assert cache is not None
    assert (cache.folder, cache.of_these) == (tmp_path, store.manifest("data").size)
    assert cache.bytes == cache.of_these + store.manifest("other").size
    assert f"{tmp_path} holds" in repr(store.du())
