"""StochasticMux: some of the streams at a time, each for a number of items that is drawn."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headrace.compat.pescador.base import BaseMux, weights_of
from headrace.compat.pescador.core import DRY_ROUNDS
from headrace.compat.pescador.exceptions import PescadorError

__all__ = ["StochasticMux"]

_MODES = ("with_replacement", "single_active", "exhaustive")
_DISTS = ("constant", "binomial", "poisson")
_ALONE = 0.9999  # of the weight: a stream that has more of it is as good as the only one


class StochasticMux(BaseMux):
    """Items of the streams that are active, drawn by weight; one that has ended makes room for another.

    Each stream that becomes active is taken at random from all, equally, and gives ``rate`` items on average.

    Args:
        streamers: The streams; what is no Streamer is made one.
        n_active: How many are active.
        rate: How many items one gives before it makes room, on average; None for all it has.
        weights: How often each is drawn from, in proportion to the others that are active with it. (For proportions of
            all items see ``headrace.StochasticMux``.)
        mode: ``"with_replacement"``: a stream may be active several times at once; ``"single_active"``: once at a time;
            ``"exhaustive"``: once in all.
        prune_empty_streams: Whether a stream that gives nothing is never taken again. If not, streams that have all run
            dry are tried for ever.
        dist: How the number of items is drawn: ``"constant"`` is always ``rate``; ``"poisson"`` is 1 more than a
            Poisson draw; ``"binomial"`` is 1 more than a binomial one, with fewer trials the more weight the others
            have.
        random_state: None, a seed or a RandomState.

    Attributes:
        streams_: In an active copy the active iterators.
        stream_idxs_: Which of the streams each of them is.
        stream_weights_: Its weight; 0 once it has ended with nothing to follow.
        stream_counts_: How many items it gave.
        distribution_: How probable it is for each of all streams to be taken next.
        valid_streams_: Which of all streams have not been found empty.
        weight_norm_: The sum of the weights of the active.

    >>> mux = StochasticMux(["ab", "cd", "ef"], 2, rate=4, random_state=0)
    >>> "".join(mux.iterate(12))
    'ccddcdeafbaa'

    Raises:
        PescadorError: An argument that cannot be meant.
    """

    stream_idxs_: Any
    stream_weights_: Any
    distribution_: Any
    valid_streams_: Any
    weight_norm_: Any
    dry_: int  # activations on end that gave nothing

    def __init__(
        self,
        streamers: Any,
        n_active: int,
        rate: float | None,
        weights: Sequence[float] | NDArray[Any] | None = None,
        mode: str = "with_replacement",
        prune_empty_streams: bool = True,
        dist: str = "binomial",
        random_state: Any = None,
    ) -> None:
        self.mode = mode
        self.n_active = n_active
        self.rate = rate
        self.prune_empty_streams = prune_empty_streams
        self.dist = dist
        super().__init__(streamers, random_state)
        self._needs_streams()
        self._check()
        self.weights = weights_of(weights, self.n_streams)

    def _check(self) -> None:
        for name, value, known in (("mode", self.mode, _MODES), ("dist", self.dist, _DISTS)):
            if value not in known:
                raise PescadorError(f"{name} must be one of {', '.join(map(repr, known))}, got {value!r}")
        if not isinstance(self.n_active, Integral) or self.n_active < 1:
            raise PescadorError(f"n_active must be a whole number from 1 up, got {self.n_active!r}")
        if self.mode != "with_replacement" and self.n_active > self.n_streams:
            raise PescadorError(
                f"n_active={self.n_active} of {self.n_streams} streams cannot be active in mode {self.mode!r}, where "
                "none is twice at once"
            )
        if self.rate is not None and (not isinstance(self.rate, Real) or not self.rate >= 1):
            raise PescadorError(f"rate must be None or a number from 1 up, got {self.rate!r}")

    def _reset(self) -> None:
        self.distribution_ = self.valid_streams_ = self.weight_norm_ = None
        self.streams_ = self.stream_idxs_ = self.stream_counts_ = self.stream_weights_ = None

    def _activate(self) -> None:
        count = self.n_streams
        self.distribution_ = np.full(count, 1.0 / count)
        self.valid_streams_ = np.ones(count, dtype=bool)
        self.streams_ = [None] * self.n_active
        self.stream_idxs_ = np.zeros(self.n_active, dtype=int)
        self.stream_counts_ = np.zeros(self.n_active, dtype=int)
        self.dry_ = 0
        self.stream_weights_ = self._first_weights()
        for index in range(self.n_active):
            if not (self.distribution_ > 0).any():
                break
            self._new_stream(index)
        self.weight_norm_ = np.sum(self.stream_weights_)

    def _first_weights(self) -> NDArray[np.float64]:
        """Return a guess of the weights of those that will be active: the first numbers of items are drawn by them."""
        several = self.mode == "with_replacement"
        shares = self.weights / np.sum(self.weights)
        if not several and np.count_nonzero(shares) < self.n_active:
            return np.zeros(self.n_active)
        drawn: NDArray[np.float64] = self.rng.choice(self.weights, size=self.n_active, p=shares, replace=several)
        return drawn

    def _streamers_available(self) -> bool:
        if self.prune_empty_streams and self.dry_ > DRY_ROUNDS * (self.n_active + self.n_streams):
            return False  # in mode single_active a pruned stream comes back while those that are left have no weight
        return bool(self.weight_norm_ > 0 and self.valid_streams_.any())

    def _next_sample_index(self) -> int:
        return int(self.rng.choice(self.n_active, p=self.stream_weights_ / self.weight_norm_))

    def _on_stream_exhausted(self, idx: int) -> None:
        stream = self.stream_idxs_[idx]
        self.dry_ = 0 if self.stream_counts_[idx] else self.dry_ + 1
        if self.prune_empty_streams and self.stream_counts_[idx] == 0:
            self.distribution_[stream] = 0.0
            self.valid_streams_[stream] = False
        if self.mode == "single_active":  # free again, as probable as the most probable
            self.distribution_[stream] = self.distribution_.max() if self.distribution_.any() else 1.0

    def _new_stream(self, idx: int) -> None:
        stream = self.rng.choice(self.n_streams, p=self.distribution_)
        self.stream_idxs_[idx] = stream
        self.streams_[idx], self.stream_weights_[idx] = self._activate_stream(stream, idx)
        self.stream_counts_[idx] = 0

    def _activate_stream(self, idx: int, old_idx: int) -> tuple[Iterator[Any], float]:
        """Return an iterator over one of the streams, and its weight.

        Args:
            idx: Which of all streams.
            old_idx: Its place among the active.
        """
        weight = float(self.weights[idx])
        items = self.streamers[idx].iterate(max_iter=self._lifetime(weight, old_idx))
        if self.mode != "with_replacement":  # not to be taken again
            self.distribution_[idx] = 0.0
            if (self.distribution_ > 0).any():
                self.distribution_ /= np.sum(self.distribution_)
        return items, weight

    def _lifetime(self, weight: float, place: int) -> float | None:
        """Draw how many items a stream of a weight gives at a place among the active; None for all."""
        if self.rate is None or self.dist == "constant":
            return self.rate
        share = 1.0
        if self.dist == "binomial":
            total = np.sum(self.stream_weights_) - self.stream_weights_[place] + weight
            share = weight / total if total else 1.0
        if share > _ALONE:  # the limit of the binomial for one that is never waited for
            return 1 + int(self.rng.poisson(lam=self.rate - 1))
        return 1 + int(self.rng.binomial(int((self.rate - 1) / (1 - share)), 1 - share))

    def _replace_stream(self, idx: int) -> None:
        if (self.distribution_ > 0).any():
            self.distribution_ /= np.sum(self.distribution_)
            self._new_stream(idx)
        else:
            self.stream_weights_[idx] = 0.0
        self.weight_norm_ = np.sum(self.stream_weights_)
