"""A mux as a flow: the frozen description from which its iterations start."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import blake2b
from typing import Any

import numpy as np

from headrace.core.callables import code_of
from headrace.core.changes import Changes
from headrace.core.failures import OnError, leaves_out
from headrace.core.flow import Cursor, Flow, State
from headrace.core.ledger import Ledger
from headrace.mux.chances import Chances
from headrace.mux.cursor import MuxCursor
from headrace.mux.epochs import activation_epoch
from headrace.mux.ground import Ground
from headrace.mux.lifetimes import FOREVER
from headrace.mux.planned import PlannedCursor
from headrace.mux.seating import Seating
from headrace.mux.tally import Tally
from headrace.mux.weights import Curriculum, Schedule, Weights
from headrace.nodes.crossing import Crossing
from headrace.stages.stage import below as flows_below
from headrace.stages.stage import chain, dealt, is_endless, walk
from headrace.stages.stage import ledgers as ledgers_of
from headrace.stages.zip import branches

_SHOWN = 8
_CACHED = ("ground", "text", "_kept", "_lengths")


def muxes_in(flow: Flow) -> Iterator[MuxFlow]:
    """Give the highest muxes in a flow: itself, or those that it stands on."""
    if isinstance(flow, MuxFlow):
        yield flow
    else:
        for below in flows_below(flow):
            yield from muxes_in(below)


@dataclass(frozen=True, eq=False)
class MuxFlow:
    """What is common to all muxes.

    Each activation of a stream is started with an epoch of its own (see ``epochs``), so that whatever is seeded in it
    draws anew.

    Args:
        upstreams: The streams.
        weights: One for each, or a function of the step.
        seed: Keys all draws, together with the epoch.
        on_error: What becomes of a stream that raises an error.
        max_errors: How many may.
        ledger: Which did in the latest iteration.
        tally: What the latest iteration has given.
    """

    upstreams: tuple[Flow, ...]
    weights: Weights
    seed: int
    on_error: OnError = "raise"
    max_errors: int | float = 100
    ledger: Ledger = field(default_factory=Ledger)
    tally: Tally = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "tally", Tally(len(self.upstreams)))

    @property
    def count(self) -> int:
        """How many streams there are."""
        return len(self.upstreams)

    def seated(self, chances: Chances, schedule: Schedule) -> Seating:
        """Return the seats at the beginning of a run."""
        raise NotImplementedError

    def seating(self, epoch: int, state: State | None, changes: Changes | None) -> Seating:
        """Return the seats where a state says; the streams on them are still to be restored.

        Args:
            epoch: Of the run.
            state: Where it is; None for the front.
            changes: Of the iteration that it belongs to.

        Raises:
            StateError: It is damaged.
        """
        seating = self.seated(Chances(self.seed, epoch, self.height), Schedule(self, epoch, changes))
        if state is not None:
            seating.restore(state)
        return seating

    def start(self, state: State | None = None, epoch: int = 0) -> Cursor:
        if not epoch:
            self._begin(state is None)
        if self.ground is not None:
            return PlannedCursor(self, self.ground, epoch, state)
        return MuxCursor(self, epoch, state)

    def _begin(self, anew: bool) -> None:
        """Forget what the iteration before has counted, and, of one from the front, which records failed in it.

        That of the streams too: they are started with epochs of their own, so none of them knows.
        """
        tallies, ledgers = self._kept
        for tally in tallies:
            tally.begin()
        for ledger in ledgers if anew else ():
            if ledger.failures or ledger.meter.began is not None or ledger.meter.records:
                ledger.begin()

    @cached_property
    def _kept(self) -> tuple[list[Tally], list[Ledger]]:
        """What is kept of the latest iteration, here and below."""
        return [one.tally for one in walk(self) if hasattr(one, "tally")], ledgers_of(self)

    @cached_property
    def ground(self) -> Ground | None:
        """The Datasets that all records come from, where they can be drawn by arithmetic; else None."""
        return Ground.of(self) if self.on_error == "raise" else None

    def length_of(self, stream: int) -> int | None:
        """Return how many items a stream has in one pass: ``FOREVER`` without an end, None where it is unknown."""
        known = self._lengths.get(stream, 0)
        if known != 0:
            return known
        flow = self.upstreams[stream]
        if type(flow) is not Crossing and any(getattr(one, "ends_by_weights", False) for one in walk(flow)):
            return None  # these may be set in the middle
        length = flow.length()
        found = FOREVER if length is None and is_endless(flow) else length
        if isinstance(flow, Crossing | MuxFlow):  # which stay as they are; a list may grow
            self._lengths[stream] = found
        return found

    @cached_property
    def _lengths(self) -> dict[int, int | None]:
        """What is known of the streams' lengths."""
        return {}

    def shown(self, stream: int) -> str:
        """Return a stream as a chain shows it."""
        return chain(self.upstreams[stream])

    def epoch_of(self, epoch: int, ordinal: int) -> int:
        """Return the epoch of an activation; no two in a tree of muxes have the same, nor that of a mux above."""
        return activation_epoch(epoch, ordinal)

    @cached_property
    def height(self) -> int:
        """How many muxes lie one in another from here down."""
        return 1 + max((one.height for below in self.upstreams for one in muxes_in(below)), default=0)

    def length(self) -> int | None:
        return None

    def _total(self) -> int | None:
        """Return how many items all streams have together, where that is known: not where some may be left out."""
        if leaves_out(self.on_error):
            return None
        lengths = [flow.length() for flow in self.upstreams]
        known = [length for length in lengths if length is not None]
        return sum(known) if len(known) == len(lengths) else None

    @property
    def endless(self) -> bool:
        """Whether there is no end."""
        return True

    @property
    def ends_by_weights(self) -> bool:
        """Whether it has an end, and other weights another one."""
        return False

    @property
    def adjustable(self) -> bool:
        """Whether something may change it while it runs, which a run that goes on from its front has to hear of."""
        return True

    def order(self) -> tuple[str, ...]:
        return (*branches("stream", [flow.order() for flow in self.upstreams]), *dealt(self), self.text)

    def code(self) -> tuple[str, ...]:
        lines = dict.fromkeys(line for flow in self.upstreams for line in flow.code())
        changing = [f"weights {code_of(self.weights.function)}"] if isinstance(self.weights, Curriculum) else []
        return (*lines, *changing)

    @cached_property
    def text(self) -> str:
        """The mux with all that decides what it gives."""
        settings = ", ".join([f"{self.count} streams", *self.settings()])
        return f"{self.name}({settings})"

    @property
    def name(self) -> str:
        """The mux as users call it."""
        return type(self).__name__

    def words(self) -> str:
        return self.text

    def settings(self) -> list[str]:
        """Return the arguments that are not the default, as a user would write them."""
        return []

    def weights_text(self) -> list[str]:
        """Return the weights as an argument; none for equal ones."""
        if isinstance(self.weights, Curriculum):
            return [f"weights=Curriculum({self.weights.words()})"]
        if self.weights.min() == self.weights.max():
            return []
        shown = [f"{weight:.15g}" for weight in self.weights[: 2 * _SHOWN]]
        if self.count > 2 * _SHOWN:
            digest = blake2b(np.asarray(self.weights, "<f8").tobytes(), digest_size=8).hexdigest()
            shown = [*shown[:4], f"... {self.count} in all, {digest}"]
        return [f"weights=[{', '.join(shown)}]"]

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name not in _CACHED}
