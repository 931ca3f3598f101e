"""The journal of a stage: what is safe on disk, line by line, for whoever goes on when the writer has died."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import Any

from headrace.core.syncing import sync_folder

NAME = "journal"
"""The file in a stage."""


class Journal:
    """Lines of JSON in a file of a stage. The first says what is written; it appears with the second, not before.

    A line that a death cut short is cut off by the next writer, with all that is behind it. Lines that were left to the
    system to bring to disk count as long as the system has not been started anew.

    Args:
        stage: The folder.
        about: What is written: a journal about something else, or that cannot be read, is begun anew.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     Journal(Path(folder), {"id": "data"}).add({"records": 7})
    ...     list(Journal(Path(folder), {"id": "data"}).lines()), list(Journal(Path(folder), {"id": "other"}).lines())
    ([{'records': 7}], [])
    """

    def __init__(self, stage: Path, about: Mapping[str, Any]) -> None:
        self.path = stage / NAME
        self._about = json.loads(json.dumps(about))
        self._lines: list[dict[str, Any]] = []
        self._end = 0  # of what is whole
        self._boot = _boot()
        self._lock = Lock()
        for line, end in _whole_lines(self.path):
            self._lines.append(line)
            self._end = end
        if not self._lines or self._lines[0] != self._about:
            self.forget()
        self._lines = self._lines[1:]

    def lines(self) -> Iterator[dict[str, Any]]:
        """Yield what was noted and counts, the oldest first."""
        yield from (line for line in self._lines if line.get("boot", self._boot) == self._boot)

    @property
    def begun(self) -> bool:
        """Whether anything is noted."""
        return self._end > 0

    def add(self, line: Mapping[str, Any], synced: bool = True) -> None:
        """Note something. Threads may call this at the same time.

        Args:
            line: Plain JSON.
            synced: Whether it is safe on disk when this returns; else the system brings it there at some time.

        Raises:
            OSError: It cannot be written.
        """
        if synced:
            with self._lock:
                self._add(line, True)
        elif self._boot:
            with self._lock:
                self._add({**line, "boot": self._boot}, False)

    def _add(self, line: Mapping[str, Any], synced: bool) -> None:
        lines = [line] if self.begun else [self._about, line]
        content = b"".join(json.dumps(one, separators=(",", ":")).encode() + b"\n" for one in lines)
        file = os.open(self.path, os.O_WRONLY | os.O_CREAT, 0o666)
        try:
            os.ftruncate(file, self._end)
            written = 0
            while written < len(content):
                written += os.pwrite(file, content[written:], self._end + written)
            if synced:
                os.fsync(file)
                sync_folder(self.path.parent)
        finally:
            os.close(file)
        self._end += len(content)
        if "part" in line:
            self._lines.append(dict(line))

    def note(self, digest: str, **facts: Any) -> None:
        """Note facts of a finished part, beside those that are known: that it was uploaded, how it is packed.

        Args:
            digest: The part's.
            facts: Plain JSON.
        """
        self.add({"part": digest, "facts": facts})

    def facts(self, digest: str) -> dict[str, Any]:
        """Return what was noted of a finished part, the newest of each name."""
        found: dict[str, Any] = {}
        for line in self._lines:
            if line.get("part") == digest:
                found.update(line["facts"])
        return found

    def forget(self) -> None:
        """Begin anew."""
        with suppress(FileNotFoundError):
            self.path.unlink()
        self._lines, self._end = [], 0


def _boot() -> str:
    """Return what is another whenever the system was started anew; nothing where it does not tell."""
    with suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return ""


def _whole_lines(path: Path) -> Iterator[tuple[dict[str, Any], int]]:
    """Yield the lines of a journal up to the first that is not whole, and where each ends."""
    end = 0
    with suppress(FileNotFoundError), open(path, "rb") as file:
        for content in file:
            end += len(content)
            try:
                line = json.loads(content)
            except ValueError:
                return
            if not isinstance(line, dict) or not content.endswith(b"\n"):
                return
            yield line, end
