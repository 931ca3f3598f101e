"""RoundRobinMux: an item of each stream in turn."""

from __future__ import annotations

from typing import Any

import numpy as np

from headrace.compat.pescador.base import BaseMux
from headrace.compat.pescador.core import DRY_ROUNDS
from headrace.compat.pescador.exceptions import PescadorError

__all__ = ["RoundRobinMux"]

_MODES = ("exhaustive", "cycle", "permuted_cycle")


class RoundRobinMux(BaseMux):
    """An item of each stream in turn; those that have ended are passed over.

    Args:
        streamers: The streams; what is no Streamer is made one.
        mode: What follows when all have ended: ``"exhaustive"``: nothing; ``"cycle"``: all of it again;
            ``"permuted_cycle"``: all of it again, with the streams in a new random order. After a hundred rounds
            without an item it ends all the same.
        random_state: None, a seed or a RandomState.

    Attributes:
        streams_: In an active copy the iterators; None for one that has ended.
        stream_idxs_: Which of the streams each of them is.
        stream_counts_: How many items each gave in this round.
        active_index_: Whose turn is next.

    >>> "".join(RoundRobinMux(["ab", "c", "def"]).iterate())
    'acdbef'

    Raises:
        PescadorError: No streams, or no such mode.
    """

    stream_idxs_: Any
    active_index_: Any
    dry_rounds_: int  # on end, without an item

    def __init__(self, streamers: Any, mode: str = "exhaustive", random_state: Any = None) -> None:
        if mode not in _MODES:
            raise PescadorError(f"mode must be one of {', '.join(map(repr, _MODES))}, got {mode!r}")
        self.mode = mode
        super().__init__(streamers, random_state)
        self._needs_streams()

    def _reset(self) -> None:
        self.streams_ = self.active_index_ = None
        self.stream_idxs_ = self.stream_counts_ = None

    def _activate(self) -> None:
        self.dry_rounds_ = 0
        self._setup_streams()

    def _setup_streams(self, permute: bool = False) -> None:
        """Begin a round."""
        self.active_index_ = 0
        self.streams_ = [None] * self.n_streams
        self.stream_idxs_ = np.arange(self.n_streams)
        if permute:
            self.rng.shuffle(self.stream_idxs_)
        self.stream_counts_ = np.zeros(self.n_streams, dtype=int)
        for index in range(self.n_streams):
            self._new_stream(index)

    def _streamers_available(self) -> bool:
        return any(stream is not None for stream in self.streams_)

    def _next_sample_index(self) -> int:
        streams = self.streams_
        turn: int = self.active_index_
        while streams[turn] is None:  # there is one: that was asked before
            turn = (turn + 1) % len(streams)
        self.active_index_ = (turn + 1) % len(streams)
        return turn

    def _new_stream(self, idx: int) -> None:
        self.streams_[idx] = self.streamers[self.stream_idxs_[idx]].iterate()
        self.stream_counts_[idx] = 0

    def _replace_stream(self, idx: int) -> None:
        self.streams_[idx] = None
        if self._streamers_available():
            return
        self.dry_rounds_ = 0 if self.stream_counts_.any() else self.dry_rounds_ + 1
        if self.mode != "exhaustive" and self.dry_rounds_ < DRY_ROUNDS:
            self._setup_streams(permute=self.mode == "permuted_cycle")
