"""Processes that a test has started, however many times removed, and what they leave behind."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import uuid
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
SOON = 2.0  # seconds in which a death is noticed
_MARK = "HEADRACE_TEST_MARK"


class Family:
    """A program of a test, with all the processes that it starts: they inherit a mark.

    Args:
        arguments: What Python is given.
        folder: Where it runs; temporary files go to ``folder/tmp``.
        given: What ``subprocess.Popen`` is told beside that.
    """

    def __init__(self, arguments: list[str], folder: Path, **given: Any) -> None:
        self.mark = uuid.uuid4().hex
        self.temporary = folder / "tmp"
        self.temporary.mkdir(exist_ok=True)
        self._memory = set(os.listdir("/dev/shm"))
        path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
        marked = {**os.environ, _MARK: self.mark, "TMPDIR": str(self.temporary), "PYTHONPATH": path}
        self.program = subprocess.Popen(
            [sys.executable, "-W", "error", *arguments], cwd=folder, env=marked, start_new_session=True, **given
        )

    def members(self) -> list[int]:
        """Return the processes that live, zombies not counted."""
        wanted = f"{_MARK}={self.mark}".encode()
        found = []
        for entry in Path("/proc").iterdir():
            try:
                if entry.name.isdigit() and wanted in (entry / "environ").read_bytes():
                    found.append(int(entry.name))
            except OSError:  # it has ended, or belongs to somebody else
                continue
        return found

    def left_behind(self) -> dict[str, Any]:
        """Return what is left when the program has ended, after a short while; all of it empty where all is well."""
        until = time.monotonic() + SOON
        while (living := self.members()) and time.monotonic() < until:
            time.sleep(0.01)
        return {
            "processes": [_words(number) for number in living],
            "files": sorted(os.listdir(self.temporary)),
            "shared memory": sorted(name for name in {*os.listdir("/dev/shm")} - self._memory if "headrace" in name),
        }

    def end(self) -> None:
        """End what lives, so that a test that fails leaves nothing either."""
        for number in self.members():
            try:
                os.kill(number, 9)
            except ProcessLookupError:
                continue
        self.program.wait()


NOTHING: dict[str, Any] = {"processes": [], "files": [], "shared memory": []}


def _words(number: int) -> str:
    try:
        return f"{number}: {Path(f'/proc/{number}/cmdline').read_bytes()!r}"
    except OSError:
        return str(number)


def listening(numbers: list[int]) -> list[str]:
    """Return the sockets of processes that wait for connections by network."""
    inodes = set()
    for number in numbers:
        for entry in Path(f"/proc/{number}/fd").iterdir():
            try:
                name = os.readlink(entry)
            except OSError:
                continue
            if name.startswith("socket:["):
                inodes.add(name[8:-1])
    found = []
    for table in ("tcp", "tcp6", "udp", "udp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[9] in inodes:
                found.append(line)
    return found
