"""A real server and a network that fails: every byte that is read is right, or the error says what is wrong."""

from __future__ import annotations

import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from headrace.core.errors import DamageError, StoreError
from headrace.core.records import wrap
from headrace.stores.backends.memory import Memory
from headrace.stores.backends.objects import Objects
from headrace.stores.fetched.shelf import Fetched
from headrace.stores.manifest import Manifest
from headrace.stores.reader import Stored
from headrace.stores.sums import PIECE
from tests.servers.faults import FaultProxy, Kind
from tests.servers.places import Place
from tests.stores.fetched.far import numbered, sent

ROWS = (PIECE + PIECE // 4) // 8  # two pieces


@pytest.fixture(scope="module")
def there(s3: Place, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Manifest]:
    """A version on S3, and where it lies."""
    url = s3.fresh()
    records = wrap({"x": np.arange(ROWS), "name": ["a", "b", "c", "d"] * (ROWS // 4)})
    return url, sent(Objects(url, s3.endpoint, s3.options), tmp_path_factory.mktemp("stage"), [records])


needs_server = pytest.mark.skipif(
    find_spec("moto") is None or find_spec("obstore") is None, reason="needs moto and obstore"
)


def through(proxy: FaultProxy, s3: Place, url: str, **options: str) -> Objects:
    return Objects(url, proxy.endpoint, {**s3.options, **options})


@needs_server
@pytest.mark.parametrize("kind", ["corrupt", "truncate", "503", "reset", "stall"])
def test_what_comes_through_is_what_was_sent(
    there: tuple[str, Manifest], s3: Place, s3_faults: FaultProxy, tmp_path: Path, kind: Kind
) -> None:
    url, manifest = there
    shelf = Fetched(through(s3_faults, s3, url, timeout="1"), tmp_path / "cache", None)
    s3_faults.fail(kind, times=2, method="GET", body=1000, seconds=3)
    began = time.monotonic()
    batch = Stored(shelf, manifest).read(np.arange(ROWS - 1, -1, -1000))
    assert (batch["x"] == np.arange(ROWS - 1, -1, -1000)).all() and batch["name"][0] == "d"
    assert s3_faults.hits == 2 and time.monotonic() - began < 15
    assert shelf.stats().fetched == 1


@needs_server
def test_what_never_comes_right_is_named(
    there: tuple[str, Manifest], s3: Place, s3_faults: FaultProxy, tmp_path: Path
) -> None:
    url, manifest = there
    shelf = Fetched(through(s3_faults, s3, url, timeout="1", deadline="2"), tmp_path / "cache", None)
    digest = manifest.parts[0].digest
    with s3_faults.failing("corrupt", method="GET", path=r"x\.npy"):
        with pytest.raises(DamageError, match=rf"{url}/objects/{digest}/x\.npy is damaged: .* expected [0-9a-f]{{64}}"):
            shelf.open(manifest.parts[0], manifest.layout)
    with s3_faults.failing("503"), pytest.raises(StoreError, match="503"):
        shelf.open(manifest.parts[0], manifest.layout)
    shelf.expect(manifest.parts)
    assert len(Stored(shelf, manifest).read(np.arange(10))) == 10


def test_in_memory_nothing_is_copied(tmp_path: Path) -> None:
    backend = Memory("test_in_memory_nothing_is_copied")
    manifest = sent(backend, tmp_path / "stage", [wrap({"x": np.arange(ROWS)})])
    key = f"objects/{manifest.parts[0].digest}/x.npy"
    shelf = Fetched(backend, None, 1)
    view = Stored(shelf, manifest).columns()
    assert view is not None and (view["x"] == np.arange(ROWS)).all()
    assert np.shares_memory(view["x"], np.frombuffer(backend.get(key), np.uint8))
    backend.delete(key)
    assert view["x"][-1] == ROWS - 1


@pytest.mark.parametrize("limit", [None, 200_000])
def test_python_ends_while_parts_are_fetched_ahead(tmp_path: Path, limit: int | None) -> None:
    backend, manifest = numbered(tmp_path, 8, 20_000)
    (tmp_path / "manifest.json").write_bytes(manifest.encode())
    program = f"""
import time
from importlib.util import find_spec
from pathlib import Path
from headrace.stores.fetched.shelf import Fetched
from headrace.stores.manifest import Manifest
from tests.stores.fetched.reading import Slow
manifest = Manifest.decode(Path({str(tmp_path / "manifest.json")!r}).read_bytes(), "")
shelf = Fetched(Slow(Path({str(backend.root)!r}), 0.3), Path({str(tmp_path / "cache")!r}), {limit})
shelf.expect(manifest.parts)
while not shelf.stats().fetched:
    time.sleep(0.01)
print(time.time())
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and done.stderr == ""
    assert time.time() - float(done.stdout) < 3
    assert list((tmp_path / "cache" / "tmp").iterdir()) == []
