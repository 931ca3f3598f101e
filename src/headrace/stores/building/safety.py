"""When it is noted how far a writer has come, and when that is made safe: often enough that a death costs little."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from time import perf_counter
from typing import Any

from headrace.core.errors import StoreError
from headrace.core.syncing import sync_folder
from headrace.stores.building.journal import Journal
from headrace.stores.building.noting import Known, described, restore
from headrace.stores.disk import speaking
from headrace.stores.layout import Layout
from headrace.stores.parts import Writer

_SHARE = 0.03  # of the time so far that passes between two notes
_SHORTEST, _LONGEST = 0.05, 2.0  # seconds between two, whatever the share is
_SYNCED = 2.0  # seconds between two that are brought to disk
_COST = 10  # times as long as the last one of these took must pass


class Safety:
    """Notes in a journal how far a writer has come.

    Two kinds of notes are taken. One is written and left to the system, which costs next to nothing: it is worth as
    much as the files when the process dies, and nothing when the machine does. The other is written every few seconds
    when the files are safe on disk. That is waited for by a thread beside the writing: files only grow, and what is
    behind the size that was noted is cut off by who goes on.

    Args:
        writer: Whose work it is.
        journal: Of its stage; None for what cannot be gone on with.
    """

    def __init__(self, writer: Writer, journal: Journal | None) -> None:
        self._writer = writer
        self._journal = journal
        self._known: Known = {}  # what is noted, and safe
        self._began = self._noted = self._synced = perf_counter()
        self._running: Future[float | None] | None = None
        self._told: Known = {}  # what is known when that has ended
        self._cost = 0.0

    def restore(self, told: Callable[[int], object] | None) -> int:
        """Let the writer go on where the journal ends, and return how many records it has."""
        if self._journal is None:
            return 0
        try:
            with speaking(self._writer.stage):
                self._known = restore(self._writer, self._journal.lines())
        except (StoreError, ValueError, KeyError, TypeError):  # not what was noted: nothing of it can be trusted
            self._writer.resume("mapping", Layout("batch"), ())
            self._journal.forget()
            restore(self._writer, ())
        if told is not None and self._writer.length:
            told(self._writer.length)
        return self._writer.length

    def tick(self) -> None:
        """Note how far the writer has come, if it is time; called between two appends.

        Raises:
            StoreError: It cannot be, for lack of room for example.
        """
        if self._journal is None:
            return
        now = perf_counter()
        ended = self._running is not None and self._running.done()
        if ended:
            self._settle()
        if ended or now - self._noted >= min(max(_SHARE * (now - self._began), _SHORTEST), _LONGEST):
            self._noted = now
            with speaking(self._root):
                self._journal.add(described(self._writer, self._known)[0], synced=False)
        if self._running is None and now - self._synced >= max(_SYNCED, _COST * self._cost):
            self._begin(self._journal)

    @property
    def _root(self) -> Path:
        return self._writer.stage.parent.parent

    def _begin(self, journal: Journal) -> None:
        """Begin to make safe what was written."""
        self._synced = perf_counter()
        line, self._told = described(self._writer, self._known)
        growing = [(number, part) for number, part in line["parts"].items() if part["made"] is None]
        paths = [self._writer.stage / f"part{number}" / name for number, part in growing for name in part["files"]]
        self._running = self._writer.pool.submit(_make_safe, journal, line, paths)

    def _settle(self) -> None:
        """Wait for what was begun."""
        running, self._running = self._running, None
        if running is not None:
            with speaking(self._root):
                seconds = running.result()
            if seconds is not None:
                self._known, self._cost = self._told, seconds

    def save(self) -> None:
        """Make safe what was written, since the writing goes wrong; what stands in the way of that is not told."""
        if self._journal is not None and self._journal.begun:
            with suppress(OSError, RuntimeError):
                self._settle()
                for part in self._writer.parts[:-1]:
                    part.finish()
                self._begin(self._journal)
                self._settle()

    def drop(self) -> None:
        """Forget what was noted: what was written is of no use."""
        if self._journal is not None:
            with suppress(OSError):
                self._settle()
            self._journal.forget()

    def seal(self) -> None:
        """Finish all parts, and note that they are, if this has taken long enough for a note before."""
        self._settle()
        if self._journal is not None and self._journal.begun:
            with speaking(self._root):
                for part in self._writer.parts:
                    part.finish()
            self._begin(self._journal)
            self._settle()


def _make_safe(journal: Journal, line: dict[str, Any], paths: list[Path]) -> float | None:
    """Bring files to disk, and then note them; returns how many seconds that took.

    A column that becomes ragged meanwhile renames its file: then it is left to the next time, and None returned.
    """
    began = perf_counter()
    try:
        for path in paths:
            file = os.open(path, os.O_RDONLY)
            try:
                os.fsync(file)
            finally:
                os.close(file)
        for folder in {path.parent for path in paths}:
            sync_folder(folder)
        sync_folder(journal.path.parent)
    except FileNotFoundError:
        return None
    journal.add(line)
    return perf_counter() - began
