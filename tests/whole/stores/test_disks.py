"""Full disks, read-only folders and other users, for whole stores: real file systems, real users."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.servers.places import Place
from tests.whole.stores.where import ROOT, Where, content

pytestmark = [
    pytest.mark.servers,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to mount small disks and to become another user"),
]

PROGRAM = """
import json, os, sys, tempfile, warnings
import numpy as np
import headrace as hr
from tests.whole.stores.where import Where, check, content
where, user = Where(**json.loads(sys.argv[1])), int(sys.argv[2])
if user:  # who may not read where Python lies: what is needed is loaded before
    with tempfile.TemporaryDirectory() as warm:
        hr.Store(warm).submit(content(1), "data", "1").shuffle(0).batch(50).stream(workers=0)
        check(hr.Store(warm).fetch("data", "1"), 1)
        if where.is_far:
            where.cached(warm).open().fetch("data", "1").collect()
    os.setgroups([]), os.setgid(user), os.setuid(user)
warnings.simplefilter("always")
workers = 0
"""
NOBODY = 65534


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that every user may look into."""
    with TemporaryDirectory(prefix="headrace-disks-") as found:
        os.chmod(found, 0o755)
        yield Path(found)


@contextmanager
def small(path: Path, size: str) -> Iterator[None]:
    """Mount a small disk."""
    path.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "none", path], capture_output=True)
    if mounted.returncode:
        pytest.skip(f"may not mount: {mounted.stderr.decode()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(path)], check=True)


def run(program: str, where: Where, user: int = 0, **env: str) -> tuple[Sequence[str], str]:
    """Run a program in a process of its own, for another user perhaps; return what it printed and its warnings."""
    command = [sys.executable, "-c", PROGRAM + program, where.text(), str(user)]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=60, env={**os.environ, "HOME": "/nowhere", **env}
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines(), done.stderr


READ = """
ds = where.open().fetch("data", "1")
check(ds, 1)
stream = ds.shuffle(0).batch(50).stream(workers=workers)
assert sorted(x for batch in stream for x in batch["x"][:, 0]) == [*range(1000, 1400)]
"""

WRITE = """
try:
    where.open(compression=None).submit({"x": np.zeros(100_000)}, "data", "2")
except hr.StoreError as error:
    print(error)
assert where.open().versions("data") == ["1"]
"""


@pytest.fixture
def there(s3: Place, folder: Path) -> Where:
    """A version on S3."""
    where = Where.at(s3, folder)
    where.cached(folder / "writers").open().submit(content(1), "data", "1", part_bytes=30_000)
    return where


def test_a_full_disk_under_the_cache_stops_no_reader_and_is_told(there: Where, folder: Path) -> None:
    with small(folder / "cache", "24k"):
        _, warned = run("workers = 2" + READ, there)
        assert f"the cache {there.cache} cannot take a part, which is held in memory instead" in warned
        said, _ = run(WRITE, there)
        assert len(said) == 1 and f"cannot write {there.cache}/desk: No space left on device" in said[0]
        assert os.listdir(folder / "cache" / "desk" / "tmp") == []


def test_a_full_disk_under_the_store_publishes_nothing_and_is_told(folder: Path) -> None:
    with small(folder / "store", "400k"):
        where = Where.local(folder)
        where.open().submit(content(1), "data", "1")
        said, _ = run(WRITE, where)
        assert len(said) == 1 and f"cannot write {where.url}: No space left on device" in said[0]
        assert "nothing was published" in said[0]
        run(READ, where)
        store = where.open()
        assert store.verify() == 1 and os.listdir(folder / "store" / "tmp") == []
        store.submit([1], "data", "2")
        said, _ = run(
            WRITE.replace("submit({", "cacheable('data', '3')(lambda: {")
            .replace(', "data", "2")', ")()")
            .replace('== ["1"]', '== ["1", "2"]'),
            where,
        )
        assert len(said) == 1 and "No space left on device" in said[0]


def test_a_full_disk_under_the_cache_when_parts_are_packed(there: Where, folder: Path) -> None:
    with small(folder / "cache", "360k"):
        drawn = "np.random.default_rng(0).integers(0, 1 << 30, 40_000)"  # there is room for them, and not for more
        program = WRITE.replace("compression=None", 'compression="zstd"').replace("np.zeros(100_000)", drawn)
        said, _ = run(program, there)
        assert len(said) == 1 and f"cannot write {there.cache}/desk: No space left on device" in said[0]
        assert os.listdir(folder / "cache" / "desk" / "tmp") == []


@pytest.mark.parametrize("mode", ["another's", "read-only"])
def test_a_read_only_cache_is_read_from_and_what_is_not_there_is_held_in_memory(
    there: Where, folder: Path, mode: str
) -> None:
    cache = folder / "cache"
    if mode == "another's":
        cache.mkdir(mode=0o755)
        user = NOBODY
        _, warned = run(READ, there, user)
        said, _ = run(WRITE, there, user)
    else:
        with small(cache, "10m"):
            subprocess.run(["mount", "-o", "remount,ro", str(cache)], check=True)
            _, warned = run(READ, there)
            said, _ = run(WRITE, there)
    assert f"the cache {cache} cannot take a part" in warned
    assert len(said) == 1 and "cannot write to " in said[0] and str(cache) in said[0]
    assert ("read-only" in said[0]) and os.listdir(cache) == []


def test_two_users_share_a_cache_folder(there: Where, folder: Path) -> None:
    mine = folder / "shared"
    mine.mkdir()
    mine.chmod(0o777)
    umask = os.umask(0o022)
    try:
        where = there.cached(mine)
        run(READ, where)
        _, warned = run(READ, where, NOBODY)
        assert "cannot take a part" not in warned, "what root has fetched, nobody reads"
        parts = mine / "parts"
        for part in parts.iterdir():  # what nobody has put there, root looks into before it believes it
            for file in part.iterdir():
                os.chown(file, NOBODY, NOBODY)
            os.chown(part, NOBODY, NOBODY)
            damaged = next(part.glob("x*.npy"))
            damaged.write_bytes(damaged.read_bytes()[:-1] + b"!")
        run(READ, where)
        said, _ = run("where.open().submit(content(7), 'data', '7'); print('written')", where.cached(folder / "other"))
        assert said == ["written"]
    finally:
        os.umask(umask)


def test_two_users_write_to_one_store(folder: Path) -> None:
    """A folder that both may write to: each publishes, and deletes what is his own."""
    store = folder / "store"
    store.mkdir()
    store.chmod(0o777)
    umask = os.umask(0)
    try:
        where = Where.local(folder)
        program = "store = where.open(); check(store.submit(content({0}), 'data', '{0}'), {0}); store.verify()"
        for seed, user in enumerate((0, NOBODY, 0, NOBODY)):
            run(program.format(seed), where, user)
        assert where.open().versions("data") == ["0", "1", "2", "3"]
        run("where.open().delete('data', '3'); where.open().gc(dry_run=False, grace=0)", where, NOBODY)
        assert where.open().verify() == 3
    finally:
        os.umask(umask)
