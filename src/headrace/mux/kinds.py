"""The muxes: what each is made of, and how its seats are given away."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from headrace.core.errors import OrderError
from headrace.core.failures import leaves_out
from headrace.core.schedule import Mixture
from headrace.mux.chances import Chances
from headrace.mux.fixed import Quotas, Shuffled
from headrace.mux.flow import MuxFlow
from headrace.mux.lifetimes import Dist
from headrace.mux.rounds import RoundRobin, Succession
from headrace.mux.seating import Seating
from headrace.mux.weights import Curriculum, Schedule
from headrace.mux.working_set import Mode, Weighting, WorkingSet
from headrace.stages.stage import is_endless


@dataclass(frozen=True, eq=False)
class StochasticMux(MuxFlow):
    """A working set: ``n_active`` streams out of many, each for a lifetime.

    Args:
        n_active: How many seats there are.
        rate: How many items an activated stream gives on average; None: all that it has.
        mode: Whether a stream may have several seats, one, or one only once.
        prune_empty_streams: Whether a stream that gave nothing is never activated again.
        dist: How lifetimes are distributed.
        weighting: Whether the weights are the proportions of records, or those among the active.
    """

    n_active: int = 1
    rate: float | None = None
    mode: Mode = "with_replacement"
    prune_empty_streams: bool = True
    dist: Dist = "binomial"
    weighting: Weighting = "records"

    def seated(self, chances: Chances, schedule: Schedule) -> Seating:
        return WorkingSet(self, self.n_active, chances, schedule, self.length_of)

    def length(self) -> int | None:
        if self.mode != "exhaustive" or self.rate is not None or isinstance(self.weights, Curriculum):
            return None
        return self._total() if self.weights.all() else None

    @property
    def endless(self) -> bool:
        if self.mode != "exhaustive":
            return True
        if self.rate is not None or isinstance(self.weights, Curriculum):
            return False
        return any(is_endless(flow) for flow, weight in zip(self.upstreams, self.weights, strict=True) if weight)

    @property
    def ends_by_weights(self) -> bool:
        return self.mode == "exhaustive"

    def settings(self) -> list[str]:
        words = [f"n_active={self.n_active}", f"rate={self.rate}", *self.weights_text()]
        words += [] if self.mode == "with_replacement" else [f"mode={self.mode!r}"]
        words += [] if self.prune_empty_streams else ["prune_empty_streams=False"]
        words += [] if self.dist == "binomial" else [f"dist={self.dist!r}"]
        words += [] if self.weighting == "records" else [f"weighting={self.weighting!r}"]
        return [*words, f"seed={self.seed}"]


@dataclass(frozen=True, eq=False)
class ShuffledMux(MuxFlow):
    """All streams active, each turn a random one's, by weights."""

    def seated(self, chances: Chances, schedule: Schedule) -> Seating:
        return Shuffled(self, self.count, chances, schedule, self.length_of)

    def settings(self) -> list[str]:
        return [*self.weights_text(), f"seed={self.seed}"]


@dataclass(frozen=True, eq=False)
class RoundRobinMux(MuxFlow):
    """All streams active, in strict turns.

    Args:
        mode: What is done when all have ended.
    """

    mode: Literal["exhaustive", "cycle", "permuted_cycle"] = "exhaustive"

    def seated(self, chances: Chances, schedule: Schedule) -> Seating:
        return RoundRobin(self, self.count, chances, schedule, self.length_of)

    def length(self) -> int | None:
        return self._total() if self.mode == "exhaustive" else None

    @property
    def endless(self) -> bool:
        return self.mode != "exhaustive" or any(map(is_endless, self.upstreams))

    def settings(self) -> list[str]:
        mode = [] if self.mode == "exhaustive" else [f"mode={self.mode!r}"]
        return [*mode, f"seed={self.seed}"] if self.mode == "permuted_cycle" else mode


@dataclass(frozen=True, eq=False)
class ChainMux(MuxFlow):
    """One stream after the other.

    Args:
        mode: What is done at the end.
    """

    mode: Literal["exhaustive", "cycle"] = "exhaustive"

    def seated(self, chances: Chances, schedule: Schedule) -> Seating:
        return Succession(self, 1, chances, schedule, self.length_of)

    def length(self) -> int | None:
        return self._total() if self.mode == "exhaustive" else None

    @property
    def endless(self) -> bool:
        return self.mode != "exhaustive" or any(map(is_endless, self.upstreams))

    def settings(self) -> list[str]:
        return [] if self.mode == "exhaustive" else [f"mode={self.mode!r}"]


@dataclass(frozen=True, eq=False)
class QuotaMux(MuxFlow):
    """Mixed by exact quotas.

    Args:
        stop: When it ends.
    """

    stop: Literal["first", "longest"] = "first"

    @property
    def name(self) -> str:
        return "mix"

    def seated(self, chances: Chances, schedule: Schedule) -> Seating:
        return Quotas(self, self.count, chances, schedule, self.length_of)

    def length(self) -> int | None:
        return self._length

    @cached_property
    def _length(self) -> int | None:
        known = [flow.length() for flow in self.upstreams]
        if isinstance(self.weights, Curriculum) or leaves_out(self.on_error):
            return None
        if any(one is None and not is_endless(flow) for one, flow in zip(known, self.upstreams)):
            return None
        try:
            return Mixture(tuple(known), tuple(self.weights.tolist()), self.stop).length
        except OrderError:  # one has no items: said where they are gone through
            return None

    @property
    def endless(self) -> bool:
        if isinstance(self.weights, Curriculum):
            return all(map(is_endless, self.upstreams))
        ends = [is_endless(flow) for flow, weight in zip(self.upstreams, self.weights, strict=True) if weight]
        return all(ends) if self.stop == "first" else any(ends)

    @property
    def ends_by_weights(self) -> bool:
        return True

    def settings(self) -> list[str]:
        return [*self.weights_text(), f"stop={self.stop!r}"]
