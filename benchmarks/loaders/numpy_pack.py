"""What one would write without any library: best fit in plain Python, for each sequence the fullest of 64 open bins
that has room, else the fullest bin is closed; a closed bin's sequences are copied one by one into rows of zeros.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from benchmarks.packing import OPEN_BINS, Bins
from benchmarks.workloads import Data


class Loader:
    def __init__(self, data: Data) -> None:
        self.workload = data.workload
        self.values, self.offsets = data.column("values"), data.column("offsets")

    def epoch(self, number: int) -> Iterator[Bins]:
        ready: list[list[int]] = []
        for closed in self.bins():
            ready.append(closed)
            if len(ready) == self.workload.batch:
                yield self.filled(ready)
                ready = []
        if ready:
            yield self.filled(ready)

    def bins(self) -> Iterator[list[int]]:
        """Yield the sequences of each bin, by their numbers."""
        room: list[int] = []
        held: list[list[int]] = []
        for sequence, size in enumerate(np.diff(self.offsets).tolist()):
            best = min((left for left in room if left >= size), default=None)
            if best is None:
                if len(room) == OPEN_BINS:
                    fullest = room.index(min(room))
                    yield held.pop(fullest)
                    del room[fullest]
                room.append(self.workload.packed - size)
                held.append([sequence])
            else:
                place = room.index(best)
                room[place] -= size
                held[place].append(sequence)
        yield from held

    def filled(self, bins: list[list[int]]) -> Bins:
        tokens, segments, positions = np.zeros((3, len(bins), self.workload.packed), np.int32)
        for row, sequences in enumerate(bins):
            at = 0
            for number, sequence in enumerate(sequences, start=1):
                start, stop = self.offsets[sequence], self.offsets[sequence + 1]
                place = slice(at, at + stop - start)
                tokens[row, place] = self.values[start:stop]
                segments[row, place] = number
                positions[row, place] = np.arange(stop - start)
                at = place.stop
        return tokens, segments, positions
