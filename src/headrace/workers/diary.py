"""What a worker process writes down as it goes, for others to read when it has died."""

from __future__ import annotations

import faulthandler
import os
import struct
import tempfile

_NUMBER = struct.Struct("=q")
_NONE = -1
_MOST = 1 << 14


class Diary:
    """A file in memory, without a name: the job that is worked on, and where the code was when it crashed.

    >>> diary = Diary.new()
    >>> diary.job is None
    True
    >>> diary.begin(7)
    >>> diary.job, diary.crash
    (7, '')
    >>> diary.close()
    """

    __slots__ = ("descriptor",)

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor

    @classmethod
    def new(cls) -> Diary:
        """Return an empty one."""
        if hasattr(os, "memfd_create"):
            diary = cls(os.memfd_create("headrace-diary"))
        else:
            with tempfile.TemporaryFile() as file:
                diary = cls(os.dup(file.fileno()))
        diary.begin(_NONE)
        return diary

    def begin(self, job: int) -> None:
        """Write down the number of the job that is begun."""
        os.pwrite(self.descriptor, _NUMBER.pack(job), 0)

    def end(self) -> None:
        """Write down that no job is worked on."""
        os.pwrite(self.descriptor, _NUMBER.pack(_NONE), 0)

    def record_crashes(self) -> None:
        """From now on, write down where the code of this process is when it crashes."""
        os.lseek(self.descriptor, _NUMBER.size, os.SEEK_SET)
        faulthandler.enable(self.descriptor, all_threads=False)

    @property
    def job(self) -> int | None:
        """The number of the job that is worked on."""
        number: int = _NUMBER.unpack(os.pread(self.descriptor, _NUMBER.size, 0))[0]
        return None if number == _NONE else number

    @property
    def crash(self) -> str:
        """Where the code was when it crashed, the innermost call first; empty if it did not."""
        return os.pread(self.descriptor, _MOST, _NUMBER.size).decode("utf-8", "replace").strip()

    def close(self) -> None:
        """Close the file; may be called again."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1
