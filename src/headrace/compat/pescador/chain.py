"""ChainMux: one stream after the other."""

from __future__ import annotations

from typing import Any

import numpy as np

from headrace.compat.pescador.base import BaseMux, as_streamer
from headrace.compat.pescador.core import DRY_ROUNDS
from headrace.compat.pescador.exceptions import PescadorError

__all__ = ["ChainMux"]

_MODES = ("exhaustive", "cycle")


class ChainMux(BaseMux):
    """All items of the first stream, then all of the second, and so on: one stream is open at a time.

    Args:
        streamers: The streams, or a generator function that gives them, which is called for each iteration, and again
            for each round. A generator, or a Streamer of streams, is gone through at once.
        mode: What follows the last: ``"exhaustive"``: nothing; ``"cycle"``: all of it again. After
            a hundred rounds without an item it ends all the same.
        random_state: Not drawn from; for the sake of the other muxes.

    Attributes:
        streams_: In an active copy the iterator that is open, in a list; None after the last.
        stream_counts_: How many items it gave.
        stream_generator_: The streams that follow.

    >>> "".join(ChainMux(["ab", "cd"], mode="cycle").iterate(7))
    'abcdabc'

    Raises:
        PescadorError: No such mode; in the iteration: what is no stream.
    """

    stream_generator_: Any
    dry_rounds_: int  # on end, without an item; the one that goes on counts as long as it gave none

    def __init__(self, streamers: Any, mode: str = "exhaustive", random_state: Any = None) -> None:
        super().__init__(streamers, random_state)
        if mode not in _MODES:
            raise PescadorError(f"mode must be one of {', '.join(map(repr, _MODES))}, got {mode!r}")
        if not isinstance(self.streamers, list) and not callable(self.streamers):
            raise PescadorError(f"a ChainMux needs streams, or a function that gives them, got {self.streamers!r:.200}")
        self.mode = mode

    def _reset(self) -> None:
        self.streams_ = self.stream_generator_ = self.stream_counts_ = None

    def _activate(self) -> None:
        self.streams_ = [None]
        self.stream_counts_ = np.zeros(1, dtype=int)
        self.dry_rounds_ = 0
        self._begin_round()
        self._new_stream()

    def _begin_round(self) -> None:
        self.stream_generator_ = iter(self.streamers if isinstance(self.streamers, list) else self.streamers())
        self.dry_rounds_ += 1

    def _streamers_available(self) -> bool:
        return self.streams_[0] is not None

    def _next_sample_index(self) -> int:
        return 0

    def _replace_stream(self, idx: int = 0) -> None:
        if self.stream_counts_[0]:
            self.dry_rounds_ = 0
        self._new_stream()

    def _new_stream(self, idx: int = 0) -> None:
        streamer = next(self.stream_generator_, None)
        while streamer is None and self.mode == "cycle" and self.dry_rounds_ < DRY_ROUNDS:
            self._begin_round()
            streamer = next(self.stream_generator_, None)
        self.streams_[0] = None if streamer is None else as_streamer(streamer).iterate()
        self.stream_counts_[0] = 0

    def _close(self) -> None:
        super()._close()
        if hasattr(self.stream_generator_, "close"):
            self.stream_generator_.close()
