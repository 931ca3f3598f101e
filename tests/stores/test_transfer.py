"""Parts sent and fetched: as they were, packed or not, or an error that names what is wrong."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.core.columns import same
from headrace.core.errors import DamageError
from headrace.core.records import Columns, wrap
from headrace.stores.backends.disk import Files
from headrace.stores.fetched.shelf import Fetched
from headrace.stores.files import File
from headrace.stores.manifest import Manifest, Part
from headrace.stores.packing import Codec, pack
from headrace.stores.reader import Stored
from headrace.stores.sums import PIECE
from headrace.stores.transfer.download import download, load
from headrace.stores.transfer.upload import upload
from tests.stores.drawn import records
from tests.stores.fetched.far import sent

needs_zstd = pytest.mark.skipif(find_spec("zstandard") is None, reason="needs zstandard")
CODECS = [None, pytest.param("zstd", marks=needs_zstd)]


@pytest.fixture(scope="module")
def pool() -> Iterator[Executor]:
    with ThreadPoolExecutor(4) as pool:
        yield pool


@settings(max_examples=12, deadline=None)
@given(records(least=1), st.sampled_from([None, "zstd"] if find_spec("zstandard") else [None]), st.booleans())
def test_what_was_sent_is_read_back(made: Columns, codec: Codec | None, in_memory: bool) -> None:
    with TemporaryDirectory() as folder:
        root = Path(folder)
        manifest = sent(Files(root / "far"), root / "stage", [made, made], codec, part_bytes=1)
        stored = Stored(Fetched(Files(root / "far"), None if in_memory else root / "cache", None), manifest)
        there = np.arange(2 * len(made))
        assert same(stored.read(there[: len(made)]), made.batch) and same(stored.read(there[len(made) :]), made.batch)
        assert same(stored.read(there[::-2]), stored.read(there).take(there[::-2]))


def large(root: Path, codec: Codec | None) -> tuple[Files, Part]:
    """A part of a file that shrinks, of three pieces, and one that does not."""
    rows = 2 * PIECE // 8 + 1000
    noise = np.random.default_rng(0).integers(0, 256, (rows,), np.uint8)
    backend = Files(root / "far")
    manifest = sent(backend, root / "stage", [wrap({"x": np.arange(rows), "noise": noise})], codec)
    return backend, manifest.parts[0]


@pytest.mark.parametrize("codec", CODECS)
def test_pieces_come_to_their_places(tmp_path: Path, pool: Executor, codec: Codec | None) -> None:
    backend, part = large(tmp_path, codec)
    assert {name: len(one.frames) for name, one in part.packed.items()} == ({"x.npy": 3} if codec else {})
    assert sum(entry.size for entry in backend.list()) == part.kept_size
    (tmp_path / "here").mkdir()
    download(backend, part, tmp_path / "here", pool)
    in_memory = load(backend, part, pool)
    for name in part.files:
        written = (tmp_path / "stage" / part.digest / name).read_bytes()
        assert (tmp_path / "here" / name).read_bytes() == written == bytes(in_memory[name])


@needs_zstd
def test_nothing_is_sent_twice_that_is_trusted(tmp_path: Path, pool: Executor) -> None:
    backend, part = large(tmp_path, "zstd")
    before = {entry.key: entry.modified for entry in backend.list()}
    folder = tmp_path / "stage" / part.digest

    def changed(reuse: bool, known: Part) -> set[str]:
        assert upload(backend, folder, known, "zstd", pool, reuse=reuse) == part
        now = {entry.key: entry.modified for entry in backend.list()}
        return {key.rpartition("/")[2] for key, time in now.items() if before.get(key) != time}

    assert changed(True, part) == changed(True, replace(part, packed={})) == set()
    key = next(key for key in before if key.endswith("noise.npy"))
    backend.put(key, b"cut")
    assert changed(True, part) == {"noise.npy"}
    assert changed(False, part) == {"x.npy.zst", "noise.npy"}


def test_what_is_damaged_here_is_not_sent(tmp_path: Path, pool: Executor) -> None:
    _, part = large(tmp_path, None)
    path = tmp_path / "stage" / part.digest / "x.npy"
    flip(path)
    with pytest.raises(DamageError, match=r"x\.npy is damaged: .* expected .*; nothing of it was sent"):
        upload(Files(tmp_path / "other"), path.parent, part, None, pool)
    assert not any(entry.key.endswith("x.npy") for entry in Files(tmp_path / "other").list())


def flip(path: Path, at: int = -100) -> None:
    """Flip a bit of a file."""
    content = bytearray(path.read_bytes())
    content[at] ^= 4
    path.write_bytes(content)


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("place", [3, 100, -100])
def test_a_flipped_bit_is_named(tmp_path: Path, pool: Executor, codec: Codec | None, place: int) -> None:
    backend = Files(tmp_path / "far")
    part = sent(backend, tmp_path / "stage", [wrap({"x": np.arange(9000)})], codec).parts[0]
    key = File.of(part, "x.npy").key
    flip(backend.root / key, place)
    (tmp_path / "here").mkdir()
    for act in (lambda: download(backend, part, tmp_path / "here", pool), lambda: load(backend, part, pool)):
        with pytest.raises(DamageError) as caught:
            act()
        assert f"{backend.url}/{key} is damaged" in str(caught.value)
        for file in (tmp_path / "here").iterdir():
            file.unlink()


def test_all_that_is_cut_or_missing_is_named(tmp_path: Path, pool: Executor) -> None:
    backend, part = large(tmp_path, None)
    os.truncate(backend.root / File.of(part, "x.npy").key, PIECE + 5)
    backend.delete(File.of(part, "noise.npy").key)
    with pytest.raises(DamageError, match=r"x\.npy is cut: 5 of \d+ bytes lie at 8388608; .*noise\.npy is missing"):
        load(backend, part, pool)


@needs_zstd
def test_an_object_that_was_packed_again_in_another_way_is_read(tmp_path: Path, pool: Executor) -> None:
    backend, part = large(tmp_path, "zstd")
    content = (tmp_path / "stage" / part.digest / "x.npy").read_bytes()
    backend.put(File.of(part, "x.npy").key, pack("zstd", content[:12345]) + pack("zstd", content[12345:]))
    assert bytes(load(backend, part, pool)["x.npy"]) == content


def test_a_version_of_nothing(tmp_path: Path, pool: Executor) -> None:
    backend = Files(tmp_path / "far")
    manifest: Manifest = sent(backend, tmp_path / "stage", [wrap({"x": np.zeros((0, 3))})])
    stored = Stored(Fetched(backend, tmp_path / "cache", 1000), manifest)
    assert len(stored) == 0 and stored.read(np.arange(0))["x"].shape == (0, 3)
