"""A few items through the stages of a Stream, stage by stage, each by its own code over what came from below.

What only chooses or orders items (take, skip, repeat, window_shuffle) lets all of them pass, so that what comes after
it is tried; a progress bar is left out, and nothing is started in the background.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from time import perf_counter
from typing import Any, TypeAlias

from headrace.core.flow import Flow
from headrace.core.records import Rows
from headrace.core.sizes import nbytes_of
from headrace.dryrun.findings import ALIKE, ELSEWHERE, LEFT_OUT, MENDED, SEEDED, UNSEEDED, Findings
from headrace.dryrun.given import Fixed, Sample
from headrace.dryrun.nodes import NodeTrial
from headrace.dryrun.watch import Outcome, twice
from headrace.dryrun.which import spread
from headrace.mux.flow import MuxFlow
from headrace.nodes.crossing import Crossing
from headrace.stages.background import Background
from headrace.stages.batch import Batched
from headrace.stages.cache import Cache
from headrace.stages.filter import Filter
from headrace.stages.flat_map import FlatMap
from headrace.stages.iterate import Iterate
from headrace.stages.map import Map
from headrace.stages.parallel import Doing
from headrace.stages.progress import Progress
from headrace.stages.repeat import Repeat
from headrace.stages.stage import below
from headrace.stages.take import Skip, Take
from headrace.stages.window import WindowShuffle

_PASS = (Take, Skip, Repeat, WindowShuffle, Cache, Progress, Background)
_MOST_STREAMS = 8  # of a mux that are tried
_Front: TypeAlias = tuple[list[Any], Exception | None]
_BATCH_BYTES = 64_000_000  # a batch that is larger is tried with fewer items


def looked_at(flow: Flow) -> tuple[Flow, ...]:
    """Return the flows below one that are tried: of the streams of a mux, which are alike as a rule, the first few."""
    return below(flow)[:_MOST_STREAMS] if isinstance(flow, MuxFlow) else below(flow)


def walk(flow: Flow) -> Iterator[Flow]:
    """Give a flow and those below it that are tried, from the top."""
    yield flow
    for one in looked_at(flow):
        yield from walk(one)


@dataclass(eq=False)
class FlowTrial:
    """A walk through stages.

    Args:
        findings: Where what is found goes.
        n: How many items.
    """

    findings: Findings
    n: int

    def __post_init__(self) -> None:
        self.batch_bytes: float | None = None
        """What a whole batch takes, where the last stage gives batches."""

    def of(self, flow: Flow) -> list[Sample]:
        """Return what a stage gives."""
        if isinstance(flow, _PASS):
            return self.of(flow.upstream)
        if isinstance(flow, Crossing):
            return self._crossing(flow)
        if isinstance(flow, Iterate):
            return self._iterate(flow)
        under = below(flow)
        if not under:
            return self._drawn(flow)
        if len(under) > 1:
            return self._several(flow, under)
        if isinstance(flow, Batched):
            stacks, self.findings.stacks = self.findings.stacks, flow.collate is None
            samples = self.of(flow.upstream)
            self.findings.stacks = stacks
            return self._batched(flow, samples)
        samples = self.of(under[0])
        if isinstance(flow, Map | Filter | FlatMap):
            return self._one_by_one(flow, samples)
        return self._together(flow, samples)

    # Where items begin

    def _crossing(self, flow: Crossing) -> list[Sample]:
        before, self.findings.on_error = self.findings.on_error, flow.on_error
        trial = NodeTrial(self.findings, self.n)
        samples = trial.top(flow.node)
        self.findings.on_error = before
        self.batch_bytes = trial.batch_bytes
        return [replace(one, name=f"item {number} ({one.name})") for number, one in enumerate(samples)]

    def _iterate(self, flow: Iterate) -> list[Sample]:
        if not flow.is_sequence:
            samples = self._drawn(flow)
            self.findings.note(flow.words(), "is resumed by running it again from its start")
            return samples
        outcomes = []
        for number in spread(flow.length(), self.n).tolist():
            outcomes.append((f"item {number}", number, twice(partial(_first, flow, {"count": number}))))
        return self._settle(flow, outcomes, None, ELSEWHERE)

    def _drawn(self, flow: Flow) -> list[Sample]:
        """Draw the first items twice: what cannot be replayed cannot be resumed."""
        give = getattr(flow, "words", None)
        words = str(give()) if give is not None else type(flow).__name__
        outcome = twice(partial(_front, flow, self.n))
        items, error = outcome.value if outcome.error is None else ([], outcome.error)
        function = getattr(flow, "source", None)
        if error is not None:
            failed = [(f"item {len(items)}", Outcome(error=error))]
            self.findings.failures(words, failed, "raise", function, MENDED)
        if outcome.drew or not outcome.repeats:
            self.findings.repeats(
                words,
                [(f"the first {len(items)} items", outcome)],
                function,
                "A run could not be resumed by a replay: give it a seed, Stream(function, seed=0) calls it with rng=",
            )
        samples = [Sample(f"item {number}", Rows([item]), number) for number, item in enumerate(items)]
        self.findings.tried(words, samples, int(error is not None), outcome.seconds / max(len(items), 1))
        self.findings.agree(words, samples)
        return samples

    # A stage by itself

    def _one_by_one(self, flow: Any, samples: list[Sample]) -> list[Sample]:
        outcomes = []
        for number, sample in enumerate(samples):
            given: dict[str, Any] = {"upstream": Fixed([sample.value])}
            if isinstance(flow, Map):
                given["doing"] = Doing()
            run = partial(_all, replace(flow, **given), self.n)
            began = perf_counter()
            _all(Fixed([sample.value]), 1)
            copying = perf_counter() - began
            outcome = twice(run)
            outcome.seconds = max(outcome.seconds - copying, 0.0)
            outcomes.append((sample.name, number, outcome))
        policy = flow.doing.on_error if isinstance(flow, Map) else "raise"
        function = flow.predicate if isinstance(flow, Filter) else flow.function
        seeded = getattr(flow, "seed", None) is not None
        draws = SEEDED if seeded else UNSEEDED if isinstance(flow, Map) else ELSEWHERE
        mend = LEFT_OUT if isinstance(flow, Map) else MENDED
        return self._settle(flow, outcomes, function, draws, policy, several=True, mend=mend, dropped=tuple(samples))

    def _settle(
        self,
        flow: Any,
        outcomes: list[tuple[str, int, Outcome]],
        function: Any,
        draws: str,
        policy: Any = "raise",
        several: bool = False,
        mend: str = MENDED,
        dropped: tuple[Sample, ...] = (),
    ) -> list[Sample]:
        """Tell how a stage went, and return what came out of it; of a filter that keeps nothing what it dropped."""
        words = flow.words()
        pairs = [(name, outcome) for name, _, outcome in outcomes]
        self.findings.failures(words, pairs, policy, function, mend)
        self.findings.repeats(words, pairs, function, draws)
        passed: list[Sample] = []
        for name, number, outcome in outcomes:
            if outcome.error is None:
                values = outcome.value if several else [outcome.value]
                passed += [Sample(name, Rows([value]), number) for value in values]
        failed = sum(outcome.error is not None for _, outcome in pairs)
        seconds = sum(outcome.seconds for _, outcome in pairs) / max(len(pairs), 1)
        if isinstance(flow, Filter) and pairs and not failed and not passed:
            self.findings.note(words, f"keeps none of the {len(pairs)} items that were looked at")
            passed = list(dropped)
        self.findings.tried(words, passed, failed, seconds)
        self.findings.agree(words, passed, batched=self.batch_bytes is not None or isinstance(flow, Batched))
        return passed

    def _batched(self, flow: Batched, samples: list[Sample]) -> list[Sample]:
        """Make a whole batch, of the items over and over."""
        if not samples:
            return []
        each = max(nbytes_of(sample.value) for sample in samples)
        size = min(flow.size, max(len(samples), int(_BATCH_BYTES // max(each, 1))))
        items = [sample.value for sample in (samples * -(-size // len(samples)))[:size]]
        outcome = twice(partial(_all, replace(flow, upstream=Fixed(items), size=size), 1))
        passed = self._settle(
            flow, [(f"a batch of {size}", 0, outcome)], flow.collate, ELSEWHERE, several=True, mend=ALIKE
        )
        if passed:
            self.batch_bytes = nbytes_of(passed[0].value) * flow.size / size
        return passed

    def _together(self, flow: Any, samples: list[Sample]) -> list[Sample]:
        """Run a stage on all items: an unbatch, a rebatch, a stage that is not known here."""
        if not samples:
            return []
        items = [sample.value for sample in samples]
        outcome = twice(partial(_all, replace(flow, upstream=Fixed(items)), 2 * self.n))
        return self._settle(flow, [("items", 0, outcome)], None, ELSEWHERE, several=True)

    def _several(self, flow: Any, under: tuple[Flow, ...]) -> list[Sample]:
        tried = looked_at(flow)
        sides = [self.of(one) for one in tried]
        if len(tried) < len(under):
            self.findings.note(flow.words(), f"only the first {len(tried)} of its streams were tried")
            sides = [sides[number % len(tried)] for number in range(len(under))]
        fixed = tuple(Fixed([sample.value for sample in side]) for side in sides)
        outcome = twice(partial(_all, replace(flow, upstreams=fixed), 2 * self.n))
        return self._settle(flow, [("items", 0, outcome)], None, ELSEWHERE, several=True)


def _first(flow: Flow, state: dict[str, Any]) -> Any:
    cursor = flow.start(state)
    try:
        return next(cursor)
    finally:
        cursor.close()


def _all(flow: Flow, most: int) -> list[Any]:
    cursor = flow.start()
    try:
        return list(islice(cursor, most))
    finally:
        cursor.close()


def _front(flow: Flow, most: int) -> _Front:
    """Return the first items, and the error that ended them."""
    cursor = flow.start()
    items: list[Any] = []
    try:
        for item in islice(cursor, most):
            items.append(item)
    except Exception as error:
        return items, error
    finally:
        cursor.close()
    return items, None
