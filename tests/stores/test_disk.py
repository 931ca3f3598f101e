"""Disks that are full, read-only, or closed to the user: said clearly, at the right moment, and nothing is lost."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from headrace.core.errors import StoreError
from headrace.stores.disk import speaking

PROGRAM = """
import mmap, os, resource, subprocess, sys  # mmap: NumPy would import it late, when another user may not
from pathlib import Path
import numpy as np
import headrace as hr

root = Path(sys.argv[1])
store = hr.Store(root)

def refused(act):
    try:
        act()
    except hr.StoreError as error:
        assert "\\n" not in str(error)
        print(error)
    else:
        raise AssertionError("this must fail")

def check():
    assert list(store.fetch("data", "old")) == [1, 2, 3]
    assert store.versions("data") == ["old"]
    assert store.verify() == 1
    assert os.listdir(root / "tmp") == []
    assert len(os.listdir(root / "objects")) == 1

def generated(records=2000):
    for number in range(records):
        yield {"x": np.full(1000, number), "label": number}
"""

FILE_SIZE = """
store.submit([1, 2, 3], "data", "old")
resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))
refused(lambda: store.submit({"x": np.zeros(1_000_000)}, "data", "new"))
check()
refused(lambda: store.submit(generated(), "data", "new"))
check()
store.submit([4], "data", "new")
"""

FULL = """
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "none", root], check=True)
store.submit([1, 2, 3], "data", "old")
refused(lambda: store.submit({"x": np.zeros(1_000_000)}, "data", "new"))
check()
refused(lambda: store.submit(generated(), "data", "new"))
check()
refused(lambda: store.submit({"x": np.zeros(600_000)}, "data", "old", replace=True))
check()
(root / "rest").write_bytes(bytes(os.statvfs(root).f_bavail * 4096 - 4096))
refused(lambda: store.submit([4] * 4000, "data", "new"))
check()
(root / "rest").unlink()
store.submit([4], "data", "new")
"""

READ_ONLY = """
subprocess.run(["mount", "-t", "tmpfs", "none", root], check=True)
store.submit([1, 2, 3], "data", "old")
subprocess.run(["mount", "-o", "remount,ro", "none", root], check=True)
check()
refused(lambda: store.submit([4], "data", "new"))
refused(lambda: store.submit([4], "data", "old", replace=True))
refused(lambda: store.delete("data", "old"))
check()
"""

CLOSED = """
store.submit([1, 2, 3], "data", "old")
folders = [root, *(path for path in root.rglob("*") if path.is_dir())]
for folder in folders:
    folder.chmod(0o555)
if os.geteuid() == 0:
    os.seteuid(65534)  # to root no folder is closed
check()
refused(lambda: store.submit([4], "data", "new"))
refused(lambda: store.delete("data", "old"))
check()
refused(lambda: hr.Store(root / "inner").submit([4], "data", "new"))
"""


def run(program: str, root: Path, around: Sequence[str] = ()) -> list[str]:
    """Run a program in a process of its own, and return the errors that it printed."""
    root.mkdir()
    for folder in (root, *root.parents[:-2]):
        folder.chmod(0o755)  # another user is to look into it
    command = [*around, sys.executable, "-c", PROGRAM + program, str(root)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.fixture
def mounting() -> Sequence[str]:
    """What goes before a command that may mount file systems, which it alone sees."""
    around = ["unshare", "--mount", "--map-root-user"]
    if subprocess.run([*around, "true"], capture_output=True).returncode != 0:
        pytest.skip("this system lets no process mount a file system for itself")
    return around


def test_a_file_that_may_not_grow_leaves_the_store_as_it_was(tmp_path: Path) -> None:
    known, unknown = run(FILE_SIZE, tmp_path / "store")
    assert f"cannot write {tmp_path / 'store'}: File too large." in known
    assert "bytes are free; nothing was published" in known
    assert "The data needs more than" in unknown


def test_a_full_disk_is_named_with_the_room_that_is_needed(tmp_path: Path, mounting: Sequence[str]) -> None:
    for error in run(FULL, tmp_path / "store", mounting):
        assert f"cannot write {tmp_path / 'store'}: No space left on device" in error
        assert "bytes are free; nothing was published" in error
        assert "needs" in error


def test_a_read_only_disk_is_read_and_says_that_it_is_read_only(tmp_path: Path, mounting: Sequence[str]) -> None:
    errors = run(READ_ONLY, tmp_path / "store", mounting)
    assert len(errors) == 3
    for error in errors:
        assert error == f"cannot write to {tmp_path / 'store'}: the file system is read-only; choose a store elsewhere"


def test_a_folder_closed_to_the_user_is_read_and_says_that_it_is_closed(tmp_path: Path) -> None:
    errors = run(CLOSED, tmp_path / "store")
    assert len(errors) == 3
    for error in errors:
        assert f"cannot write to {tmp_path / 'store'}" in error
        assert "no permission" in error


def test_errors_of_the_system_that_nobody_foresaw_are_told_with_their_file(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"cannot write to .*: No such file or directory \(.*nowhere\)"):
        with speaking(tmp_path):
            (tmp_path / "nowhere").read_bytes()
