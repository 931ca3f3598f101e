"""ShuffledMux: all streams at a time, drawn from by weight."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headrace.compat.pescador.base import BaseMux, weights_of

__all__ = ["ShuffledMux"]


class ShuffledMux(BaseMux):
    """Items of all streams, drawn by weight. A stream that ends is begun again; one that gives nothing is left out.

    Args:
        streamers: The streams; what is no Streamer is made one.
        weights: How often each is drawn from; None for equally often.
        random_state: None, a seed or a RandomState.

    Attributes:
        streams_: In an active copy the iterators.
        stream_weights_: Their weights; 0 for one that gives nothing.
        stream_counts_: How many items each gave since it was begun.
        weight_norm_: The sum of the weights.

    >>> "".join(ShuffledMux(["ab", "cd"], weights=[3, 1], random_state=0).iterate(10))
    'ababacdbac'

    Raises:
        PescadorError: No streams, or weights that cannot be meant.
    """

    stream_weights_: Any
    weight_norm_: Any

    def __init__(
        self, streamers: Any, weights: Sequence[float] | NDArray[Any] | None = None, random_state: Any = None
    ) -> None:
        super().__init__(streamers, random_state)
        self._needs_streams()
        self.weights = weights_of(weights, self.n_streams)

    def _reset(self) -> None:
        self.streams_ = self.weight_norm_ = None
        self.stream_weights_ = self.stream_counts_ = None

    def _activate(self) -> None:
        self.streams_ = [None] * self.n_streams
        self.stream_weights_ = self.weights.copy()
        self.stream_counts_ = np.zeros(self.n_streams, dtype=int)
        for index in range(self.n_streams):
            self._new_stream(index)
        self.weight_norm_ = np.sum(self.stream_weights_)

    def _streamers_available(self) -> bool:
        return bool(self.weight_norm_ > 0)

    def _next_sample_index(self) -> int:
        return int(self.rng.choice(self.n_streams, p=self.stream_weights_ / self.weight_norm_))

    def _on_stream_exhausted(self, idx: int) -> None:
        if self.stream_counts_[idx] == 0:
            self.stream_weights_[idx] = 0.0

    def _new_stream(self, idx: int) -> None:
        self.streams_[idx] = self.streamers[idx].iterate() if self.stream_weights_[idx] else None
        self.stream_counts_[idx] = 0

    def _replace_stream(self, idx: int) -> None:
        if (self.stream_weights_ > 0).any():
            self._new_stream(idx)
        self.weight_norm_ = np.sum(self.stream_weights_)
