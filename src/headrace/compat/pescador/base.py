"""BaseMux: the loop that all muxes run, and the steps of it that each says for itself."""

from __future__ import annotations

import math
from collections.abc import Generator, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headrace.compat.pescador.core import Streamer
from headrace.compat.pescador.exceptions import PescadorError
from headrace.compat.pescador.util import get_rng

__all__ = ["BaseMux"]


class BaseMux(Streamer):
    """Many streams as one: each step takes an item of one of those that are active.

    An active copy has the active iterators in ``streams_`` and how many items each of them gave in ``stream_counts_``.
    A subclass says which these are:

    * ``_activate()`` makes both, with ``_new_stream(index)`` for each place in them;
    * ``_next_sample_index()`` says whose turn it is;
    * ``_on_stream_exhausted(index)`` is told that one has ended, then ``_replace_stream(index)`` puts another there;
    * ``_streamers_available()`` says whether there is any more; ``_reset()`` sets the attributes of a copy to None.

    Args:
        streamers: The streams; what is no Streamer is made one.
        random_state: None, a seed or a RandomState. Each iteration begins with a copy of it; with None it draws from
            the state that all of NumPy shares.

    Raises:
        PescadorError: A stream that is none, or no random state.
    """

    streams_: Any = None
    stream_counts_: Any = None

    def __init__(self, streamers: Any, random_state: Any = None) -> None:
        self.streamers = listed(streamers)
        self.rng = get_rng(random_state)
        self._reset()
        self.active_count_ = 0

    @property
    def is_activated_copy(self) -> bool:
        """Whether this is what ``with mux as copy`` gives."""
        return self.streams_ is not None

    @property
    def n_streams(self) -> int:
        """How many streams there are."""
        return len(self.streamers)

    def iterate(self, max_iter: float | None = None) -> Generator[Any, None, None]:  # type: ignore[override]
        """Give the first items, or all. Of an active copy they are the next ones.

        Args:
            max_iter: How many at most; None for all.
        """
        most = math.inf if max_iter is None else max_iter
        with self as active:
            try:
                given = 0
                while given < most and active._streamers_available():
                    index = active._next_sample_index()
                    try:
                        item = next(active.streams_[index])
                    except StopIteration:
                        active._on_stream_exhausted(index)
                        active._replace_stream(index)
                        continue
                    yield item
                    given += 1
                    active.stream_counts_[index] += 1
            finally:
                if active is not self:
                    active._close()

    def _activate(self) -> None:
        raise NotImplementedError(f"{type(self).__name__} lacks _activate(): make streams_ and stream_counts_ there")

    def _reset(self) -> None:
        """Set to None what only an active copy has."""

    def _streamers_available(self) -> bool:
        return True

    def _on_stream_exhausted(self, idx: int) -> None:
        """Take note that the stream at a place has ended."""

    def _replace_stream(self, idx: int) -> None:
        raise NotImplementedError(f"{type(self).__name__} lacks _replace_stream(idx): call _new_stream(idx) there")

    def _new_stream(self, idx: int) -> None:
        raise NotImplementedError(f"{type(self).__name__} lacks _new_stream(idx): set streams_[idx] there")

    def _next_sample_index(self) -> int:
        raise NotImplementedError(f"{type(self).__name__} lacks _next_sample_index(): say whose turn it is")

    def _source(self) -> Any:
        return self.streamers

    def _opened(self) -> list[Any]:
        return self.streams_ or []

    def _needs_streams(self) -> None:
        if not isinstance(self.streamers, list) or not self.streamers:
            raise PescadorError(f"a {type(self).__name__} needs a list of at least one stream, got {self.streamers!r}")


def listed(streamers: Any) -> Any:
    """Return streams in a list, each a Streamer; a function that gives streams as it is."""
    try:
        found: Iterator[Any] = iter(streamers)
    except TypeError:
        return streamers
    return [as_streamer(streamer) for streamer in found]


def as_streamer(streamer: Any) -> Streamer:
    """Return a Streamer of what may be one already."""
    return streamer if isinstance(streamer, Streamer) else Streamer(streamer)


def weights_of(weights: Sequence[float] | NDArray[Any] | None, count: int) -> NDArray[np.float64]:
    """Return weights that add up to 1, in an array of their own; None for equal ones.

    Raises:
        PescadorError: They are not one for each stream, not numbers from 0 up, or none is above 0.
    """
    if weights is None:
        return np.full(count, 1.0 / count)
    try:
        given = np.atleast_1d(np.array(weights, dtype=np.float64))
    except (TypeError, ValueError) as error:
        raise PescadorError(f"weights must be numbers, got {weights!r:.200}") from error
    if given.shape != (count,):
        raise PescadorError(f"weights must be one number for each of {count} streams, got shape {given.shape}")
    if not np.isfinite(given).all() or (given < 0).any() or not given.any():
        raise PescadorError(f"weights must be numbers from 0 up, one of them above 0, got {given.tolist()!r:.200}")
    given /= np.sum(given)
    return given
