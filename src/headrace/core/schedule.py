"""Several orders in one, by weights: each position belongs to a source and is one of its draws."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from typing import Literal, NamedTuple

import numpy as np

from headrace.core.address import At, spread
from headrace.core.errors import ArgumentError, OrderError
from headrace.core.order import ENDLESS_STRIDE
from headrace.core.quotas import TurnsTable, check, quotas, schedule, turns
from headrace.core.shares import ShareTree
from headrace.core.source import Indices

__all__ = ["Draws", "Mixture", "quotas", "schedule"]


class Draws(NamedTuple):
    """Addresses in several orders: which one, the positions there, and the epochs; int64, ``(n,)`` each."""

    sources: Indices
    positions: Indices
    epochs: Indices


@dataclass(frozen=True)
class Mixture:
    """Sources in turn, by weights: after any k positions a source of share p has had k p of them, within one.

    Of more than three sources whose weights no table holds it is within 1.68 (see ``shares.ShareTree``). Ratios that
    need a sum of 2**31 or more are rounded (see ``quotas``): then p is off by less than 2**-30.

    Args:
        lengths: Length of each source; None: endless.
        weights: As many, each 0 or more: 0 is never drawn. They need not sum to 1.
        stop: ``"first"`` ends before the first draw that a source cannot serve; epochs pass through. ``"longest"``
            ends when every source has been given in full at least once; shorter ones go round again, and go on in the
            next epoch where they stopped in this one, so that all records of a source come equally often.
        rounds: With ``"longest"``, how many whole rounds of the table of turns an epoch has, whatever the lengths:
            then each source gives exactly its quota times as many.

    >>> mixture = Mixture(lengths=(6, 2), weights=(3, 1), stop="first")
    >>> mixture.length
    8
    >>> sources, positions, epochs = mixture(At(np.arange(8)))
    >>> sources.tolist(), positions.tolist()
    ([0, 0, 0, 1, 0, 0, 0, 1], [0, 1, 2, 0, 3, 4, 5, 1])
    """

    lengths: tuple[int | None, ...]
    weights: tuple[float, ...]
    stop: Literal["first", "longest"] = "first"
    rounds: int | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "lengths", tuple(self.lengths))
        object.__setattr__(self, "weights", tuple(check(self.weights)))
        if len(self.lengths) != len(self.weights):
            raise ArgumentError(f"{len(self.lengths)} datasets need as many weights, got {len(self.weights)}")
        if self.stop not in ("first", "longest"):
            raise ArgumentError(f"stop must be 'first' or 'longest', got {self.stop!r}")
        if self.rounds is not None and (self.rounds < 0 or self.stop == "first"):
            raise ArgumentError(f"rounds must be 0 or more, with stop='longest'; got {self.rounds}, {self.stop!r}")
        self._check_lengths()

    @property
    def reorders(self) -> bool:
        """Whether epochs differ in which positions they draw; of ``"longest"`` they do, as shorter sources go on."""
        return self.stop == "longest"

    @cached_property
    def length(self) -> int | None:
        """Positions in an epoch; None: endless."""
        table = self._table
        if self.rounds is not None:
            return self.rounds * table.round
        drawn = [(source, length) for source, length in enumerate(self.lengths) if self.weights[source] > 0]
        if self.stop == "first":
            if any(length == 0 for _, length in drawn):
                return 0
            ends = [table.position(source, length) for source, length in drawn if length is not None]
            return min(ends, default=None)
        ends = [table.position(source, length - 1) + 1 for source, length in drawn if length is not None]
        return max(ends) if len(ends) == len(drawn) else None

    def __call__(self, at: At, /) -> Draws:
        """Return for addresses, ``(n,)``: the sources, the positions in them, and their epochs, as new arrays."""
        positions, epochs = at
        table = self._table
        sources, draws = table.at(positions)
        if self.stop == "first":
            return Draws(sources, draws, np.full(draws.shape, epochs, np.int64))
        below = self._cycles.take(sources)
        if self.length is None:
            rounds = draws // below
            return Draws(sources, draws - rounds * below, rounds + spread(epochs, ENDLESS_STRIDE))
        spread(epochs, int(self._per_epoch.max()))  # there must be room for the running number of each draw
        draws += epochs * self._per_epoch.take(sources)
        rounds = draws // below
        return Draws(sources, draws - rounds * below, rounds)

    def find(self, source: int, position: int, below_epoch: int, epoch: int) -> int | None:
        """Return the position, in ``epoch``, that draws an address of a source; None when none does."""
        below = self.lengths[source]
        if self.weights[source] == 0 or position < 0 or (below is not None and position >= below):
            return None
        if self.stop == "first":
            draw = position if below_epoch == epoch else -1
        elif self.length is None:
            rounds = below_epoch - epoch * ENDLESS_STRIDE
            draw = position + rounds * (below or 0) if 0 <= rounds < (1 if below is None else ENDLESS_STRIDE) else -1
        else:
            draw = below_epoch * int(self._cycles[source]) + position - epoch * int(self._per_epoch[source])
        if draw < 0:
            return None
        own = self._table.position(source, draw)
        return own if self.length is None or own < self.length else None

    def epochs(self, source: int, epoch: int) -> range:
        """Return the epochs of a source that an own epoch touches; of an endless one 2**32, so look, do not list."""
        if self.weights[source] == 0 or self.length == 0:
            return range(0)
        if self.stop == "first":
            return range(epoch, epoch + 1)
        if self.length is None:
            first = epoch * ENDLESS_STRIDE
            return range(first, first + (1 if self.lengths[source] is None else ENDLESS_STRIDE))
        draws, cycle = int(self._per_epoch[source]), int(self._cycles[source])
        return range(epoch * draws // cycle, -(-(epoch + 1) * draws // cycle))

    def text(self) -> str:
        """Return the mixture as the user wrote it; many weights by their first ones and a digest."""
        shown = [f"{weight:.15g}" for weight in self.weights]
        if len(shown) > 16:
            digest = blake2b(np.array(self.weights, "<f8").tobytes(), digest_size=8).hexdigest()
            shown = [*shown[:4], f"... {len(shown)} in all, {digest}"]
        rounds = "" if self.rounds is None else f", rounds={self.rounds}"
        return f"mix(weights=[{', '.join(shown)}], stop={self.stop!r}{rounds})"

    @cached_property
    def _table(self) -> TurnsTable | ShareTree:
        """The turns; kept here, since many weights take long to be looked up."""
        return turns(self.weights)

    @cached_property
    def _per_epoch(self) -> Indices:
        """How many draws an epoch takes from each source; the epoch has an end."""
        return self._table.all_draws(self.length or 0)

    @cached_property
    def _cycles(self) -> Indices:
        """After how many draws each source begins again."""
        return np.array([_NEVER if length is None else max(length, 1) for length in self.lengths], np.int64)

    def _check_lengths(self) -> None:
        for source, (length, weight) in enumerate(zip(self.lengths, self.weights, strict=True)):
            if length == 0 and weight > 0 and self.stop == "longest":
                raise OrderError(
                    f"dataset {source} of the mix has no records and a weight of {weight:.15g}, so it can never be "
                    "given in full: leave it out, give it the weight 0, or use stop='first'"
                )

    def __getstate__(self) -> dict[str, object]:
        return {"lengths": self.lengths, "weights": self.weights, "stop": self.stop, "rounds": self.rounds}


_NEVER = 2**63 - 1
