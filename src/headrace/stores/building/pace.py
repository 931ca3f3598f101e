"""How many records are read together: few while little is known of them, then as many as are worth it."""

from __future__ import annotations

from time import perf_counter

from headrace.stores.parts import CHUNK_BYTES

_MOST_RECORDS = 1 << 16
_FASTER = 4  # times as many as the most so far
_SHARE = 0.02  # of the time so far that a block takes
_SHORTEST, _LONGEST = 0.02, 1.0  # seconds that it takes, whatever the share is


class Pace:
    """Finds the size of blocks, so that each is few bytes and a small share of the work.

    What is read when a writer dies has to be read again, and nobody can be told to stop in the middle of a block.

    Args:
        nbytes: That a block should have at most.

    >>> pace = Pace()
    >>> pace.step()
    1
    >>> pace.seen(1, seconds=0.0, nbytes=CHUNK_BYTES // 3)
    >>> pace.step()
    3
    """

    def __init__(self, nbytes: int = CHUNK_BYTES) -> None:
        self._nbytes = nbytes
        self._began = perf_counter()
        self._most = 0  # records of a block so far
        self._each = 0.0  # bytes of a record, the most so far
        self._seconds = 0.0  # that a record takes, as the last ones did

    def step(self) -> int:
        """Return how many records to read next."""
        step = min(_FASTER * self._most, _MOST_RECORDS)
        if self._each:
            step = min(step, int(self._nbytes / self._each))
        if self._seconds:
            wanted = min(max(_SHARE * (perf_counter() - self._began), _SHORTEST), _LONGEST)
            step = min(step, int(wanted / self._seconds))
        return max(1, step)

    def seen(self, records: int, seconds: float, nbytes: int) -> None:
        """Note what a block was like."""
        if records:
            self._most = max(self._most, records)
            self._each = max(self._each / 2, nbytes / records)
            self._seconds = seconds / records
