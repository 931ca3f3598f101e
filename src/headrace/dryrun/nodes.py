"""A few records through the nodes of a Dataset, step by step, each step by its own code over what came from below.

Which records: as many as asked for, spread evenly over the positions of the last step, and from there down by the
orders as they are. Below a filter that has not run yet positions are not known, so records are taken evenly from what
lies below it, and the predicate is asked about these alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from headrace.core.address import At
from headrace.core.meter import Clock
from headrace.core.records import Rows
from headrace.core.sizes import nbytes_of
from headrace.dryrun.findings import ALIKE, ELSEWHERE, MENDED, SEEDED, SKIPPED, UNSEEDED, Findings, named
from headrace.dryrun.given import Given, Sample, fresh
from headrace.dryrun.rounding import largest, near
from headrace.dryrun.watch import Outcome, same, twice
from headrace.dryrun.which import spread, spread_at, unsorted
from headrace.nodes.batched import Batched
from headrace.nodes.joined import Joined, Switched, Zip
from headrace.nodes.kept import Kept
from headrace.nodes.leaf import Leaf
from headrace.nodes.maps import BatchMap, Map
from headrace.nodes.node import Context, Node, Over, costs_nothing
from headrace.nodes.ordered import Ordered
from headrace.nodes.sharded import Sharded

_PARTS = 16  # of a join, at least so many are tried
_BATCH_BYTES = 64_000_000  # a batch that is larger is tried with fewer records


@dataclass(eq=False)
class NodeTrial:
    """A walk through nodes.

    Args:
        findings: Where what is found goes.
        n: How many records.
    """

    findings: Findings
    n: int

    def __post_init__(self) -> None:
        self.batch_bytes: float | None = None
        """What the largest whole batch takes, where the last step gives batches."""

    def top(self, node: Node) -> list[Sample]:
        """Return what the last node gives."""
        at = At(spread(node.length, self.n)) if costs_nothing(node) else None
        return self.of(node, at)

    def of(self, node: Node, at: At | None) -> list[Sample]:
        """Return what a node gives at addresses; None for any, where addresses are not known."""
        if isinstance(node, Leaf):
            return self._leaf(node, spread_at(node, self.n) if at is None else at)
        if isinstance(node, Batched):
            return self._batched(node)
        if isinstance(node, Kept):
            return self._kept(node, at)
        if isinstance(node, Joined):
            return self._joined(node, at)
        if isinstance(node, Ordered):
            if unsorted(node):
                return self._sorted(node)
            below = node.bound(at) if at is not None and costs_nothing(node.input) else None
            return self.of(node.input, below)
        if isinstance(node, Sharded):
            samples = self.of(node.input, node.bound(at) if at is not None and costs_nothing(node.input) else None)
            marks = node.remainder == "pad"
            return self._each(replace(node, index=0, count=1, base=0), samples, first=True) if marks else samples
        if isinstance(node, BatchMap):
            return self._batch_map(node, self.of(node.input, at))
        return self._each(node, self.of(node.input, at)) if isinstance(node, Over) else self._whole(node, at)

    # A step by itself

    def _leaf(self, leaf: Leaf, at: At) -> list[Sample]:
        epochs = np.broadcast_to(np.asarray(at.epochs, np.int64), at.positions.shape)
        outcomes: list[tuple[Sample, Outcome]] = []
        for position, epoch in dict.fromkeys(zip(at.positions.tolist(), epochs.tolist(), strict=True)):
            one = At(np.array([position], np.int64), epoch)
            clock = Clock()
            outcome = twice(partial(leaf.read, one, Context(clock=clock)), clock)
            outcomes.append((Sample(f"record {position}", Rows([]), position, epoch, one.positions), outcome))
        return self._settle(leaf.words(), outcomes, getattr(leaf.source, "read", None), None, ELSEWHERE)

    def _whole(self, node: Node, at: At | None) -> list[Sample]:
        """Read a node of which nothing is known here."""
        wanted = spread_at(node, self.n) if at is None else at
        outcomes = []
        for position in wanted.positions.tolist():
            one = At(np.array([position], np.int64))
            sample = Sample(f"record {position}", Rows([]), position, 0, None)
            outcomes.append((sample, twice(partial(node.read, one, Context()))))
        return self._settle(node.words(), outcomes, None, None, ELSEWHERE)

    def _each(self, node: Any, samples: list[Sample], first: bool = False) -> list[Sample]:
        """Run a step on one record, or batch, after the other; ``first``: as if it were the first of a dataset."""
        outcomes: list[tuple[Sample, Outcome]] = []
        for sample in samples:
            at = At(np.array([0 if first else sample.position], np.int64), sample.epoch)
            outcomes.append((sample, self._tried(node, (sample,), at)))
        mapped = isinstance(node, Map)
        function = node.function if mapped else None
        policy = node.on_error if mapped else None
        draws = SEEDED if mapped and node.seed is not None else UNSEEDED
        return self._settle(node.words(), outcomes, function, policy, draws, batched=node.batched)

    def _tried(self, node: Any, samples: tuple[Sample, ...], at: At) -> Outcome:
        """Run one step on records that are at hand."""
        given: dict[str, Any] = {"input": Given(node.input, samples)}
        if isinstance(node, Map):
            given["on_error"] = "raise"
        clock = Clock()
        return twice(partial(replace(node, **given).read, at, Context(clock=clock)), clock)

    def _settle(
        self,
        words: str,
        outcomes: list[tuple[Sample, Outcome]],
        function: Any,
        policy: Any,
        draws: str,
        mend: str = SKIPPED,
        batched: bool = False,
    ) -> list[Sample]:
        """Tell how a step went, and return what came out of it."""
        pairs = [(sample.name, outcome) for sample, outcome in outcomes]
        self.findings.failures(words, pairs, policy, function, mend)
        self.findings.repeats(words, pairs, function, draws)
        passed = [replace(sample, records=one.value) for sample, one in outcomes if one.error is None]
        seconds = sum(outcome.seconds for _, outcome in outcomes) / max(len(outcomes), 1)
        self.findings.tried(words, passed, len(outcomes) - len(passed), seconds)
        self.findings.agree(words, passed, batched)
        return passed

    def _batch_map(self, node: BatchMap, samples: list[Sample]) -> list[Sample]:
        passed = self._each(node, samples)
        if len(passed) > 1:
            self._row_wise(node, [sample for sample in samples if sample.name in {one.name for one in passed}], passed)
        elif len(samples) > 1:
            self._together_only(node, samples)
        return passed

    def _row_wise(self, node: BatchMap, samples: list[Sample], alone: list[Sample]) -> None:
        """Compare what a function makes of records together with what it makes of each alone, as rows."""
        positions = np.array([sample.position for sample in samples], np.int64)
        epochs = np.array([sample.epoch for sample in samples], np.int64)
        outcome = self._tried(node, tuple(samples), At(positions, epochs))
        words, name = node.words(), f"{len(samples)} records together"
        self.findings.failures(words, [(name, outcome)], node.on_error, node.function)
        if outcome.error is not None or not outcome.repeats or outcome.drew:
            return
        stages, rows = self.findings.report.stages, outcome.value.rows()
        stages[-1] = replace(stages[-1], seconds=outcome.seconds / len(rows))  # as in a batch
        other = [one for one, row in zip(alone, rows, strict=True) if not same(row, one.value)]
        if not other:
            return
        scale = max((largest(sample.value) for sample in samples), default=0.0)
        if all(near(row, one.value, scale) for one, row in zip(alone, rows, strict=True)):
            self.findings.note(words, "rounds differently with the number of rows beside a row, as matrix products do")
            return
        self.findings.problem(
            words,
            f"what it makes of a row depends on the rows beside it ({named([one.name for one in other])}): it makes "
            f"something else of {len(rows)} rows together than of each alone",
            "Let it treat each row by itself (axis=1 in place of axis=0, constants of the whole data in place of the "
            "batch's), or apply it after batch() by map",
        )

    def _together_only(self, node: BatchMap, samples: list[Sample]) -> None:
        """Say that a function which fails on single rows works on several."""
        at = At(np.array([sample.position for sample in samples], np.int64), 0)
        if self._tried(node, tuple(samples), at).error is None:
            self.findings.note(node.words(), "works on several rows and fails on one alone, as a last batch may be")

    # Which records

    def _sorted(self, node: Ordered) -> list[Sample]:
        """Let records pass that are not sorted yet, which would take a look at all of them; try the key on these."""
        samples = self.of(node.input, None)
        by = getattr(node.make, "keywords", {}).get("by")
        if callable(by):
            pairs = [(sample.name, twice(partial(_asked, by, sample))) for sample in samples]
            self.findings.failures(node.words(), pairs, "raise", by, MENDED)
            self.findings.repeats(node.words(), pairs, by, ELSEWHERE)
        self.findings.note(node.words(), "does not look at all records in a dry run, as it will when it is first read")
        return samples

    def _batched(self, node: Batched) -> list[Sample]:
        stacks = self.findings.stacks
        self.findings.stacks = node.collate is None
        if not costs_nothing(node.input):
            samples = self.of(node.input, None)
        else:
            length = node.input.length
            if length is not None and node.drop_remainder:
                length -= length % node.size
            samples = self.of(node.input, At(spread(length, self.n)))
        self.findings.stacks = stacks
        return self._batches(node, samples) if samples else []

    def _batches(self, node: Batched, samples: list[Sample]) -> list[Sample]:
        """Make a whole batch, of the records over and over, and one as short as the last."""
        each = max(map(nbytes_of, (sample.value for sample in samples)))
        size = min(node.size, max(len(samples), int(_BATCH_BYTES // max(each, 1))))
        sizes = [size]
        length = node.input.length if costs_nothing(node.input) else None
        if length is not None and length % node.size and not node.drop_remainder:
            sizes.append(min(length % node.size, size))
            if length < node.size:
                sizes = sizes[1:]
                self.findings.note(node.words(), f"there are {length} records: one batch, shorter than asked for")
        outcomes = []
        for step, rows in enumerate(sizes):
            several = tuple((samples * -(-rows // len(samples)))[:rows])
            batch = replace(node, input=Given(node.input, several), size=rows)
            ids = [sample.ids for sample in several[: len(samples)] if sample.ids is not None]
            sample = Sample(
                f"a batch of {rows}", Rows([]), step, 0, np.concatenate(ids) if ids else np.zeros(1, np.int64)
            )
            clock = Clock()
            at = At(np.zeros(1, np.int64))
            outcomes.append((sample, twice(partial(batch.read, at, Context(clock=clock)), clock)))
        passed = self._settle(node.words(), outcomes, node.collate, "raise", ELSEWHERE, ALIKE, batched=True)
        if passed:
            self.batch_bytes = nbytes_of(passed[0].value) * (
                node.size / size if length is None or length >= node.size else 1
            )
        return passed

    def _kept(self, node: Kept, at: At | None) -> list[Sample]:
        if node.known and at is not None:
            return self.of(node.input, node.below(at))
        samples = self.of(node.input, spread_at(node.input, self.n) if costs_nothing(node.input) else None)
        shown = self._content(node, samples)
        outcomes = [
            (sample, twice(partial(self._verdict, node, one)))
            for sample, one in zip(samples, shown, strict=True)
            if one is not None
        ]
        pairs = [(sample.name, outcome) for sample, outcome in outcomes]
        self.findings.failures(node.words(), pairs, "raise", node.predicate, MENDED)
        self.findings.repeats(node.words(), pairs, node.predicate, ELSEWHERE)
        kept = [sample for sample, outcome in outcomes if outcome.value]
        failed = sum(outcome.error is not None for _, outcome in outcomes)
        seconds = sum(outcome.seconds for _, outcome in outcomes) / max(len(outcomes), 1)
        self.findings.tried(node.words(), kept, failed, seconds)
        if outcomes and not kept:
            self.findings.note(node.words(), f"keeps none of the {len(outcomes)} records that were looked at")
        return kept or samples

    def _content(self, node: Kept, samples: list[Sample]) -> list[Sample | None]:
        """Return what the predicate is shown of records; None where a map before it fails, which that one says."""
        steps: list[Any] = []
        above: Any = node.content
        while above is not node.input and isinstance(above, Over):
            steps.append(above)
            above = above.input
        if above is not node.input:
            return list(samples)
        quiet = NodeTrial(Findings(), self.n)
        shown: dict[str, Sample] = {sample.name: sample for sample in samples}
        for step in reversed(steps):
            shown = {sample.name: sample for sample in quiet._each(step, list(shown.values()))}
        return [shown.get(sample.name) for sample in samples]

    def _verdict(self, node: Kept, sample: Sample) -> bool:
        at = At(np.array([sample.position], np.int64))
        records = fresh(sample.records)
        masks = node._of_batch(records, at) if node.batches else node._of_rows(records, at)
        return bool(masks[0])

    def _joined(self, node: Any, at: At | None) -> list[Sample]:
        if isinstance(node, Zip):
            return self._zipped(node, [self.of(one, at) for one in node.inputs])
        routed: dict[int, At | None] = {}
        if isinstance(node, Switched) and at is not None:
            routed = {place: below for place, _, below in node._parts(at)}
        places = spread(len(node.inputs), max(self.n, _PARTS)).tolist()
        missing = [place for place in places if place not in routed]
        alone = NodeTrial(self.findings, max(1, self.n // max(len(missing), 1)))
        samples = []
        began, ends = len(self.findings.report.stages), []
        for place in sorted({*routed, *missing}):
            part, below = node.inputs[place], routed.get(place)
            found = alone.of(part, None) if below is None else self.of(part, below)
            samples += [replace(sample, name=f"{sample.name} of part {place}") for sample in found]
            ends.append(len(self.findings.report.stages))
        self.findings.merge(began, ends)
        if alone.batch_bytes is not None:
            self.batch_bytes = max(alone.batch_bytes, self.batch_bytes or 0.0)
        self.findings.tried(node.words(), samples, 0, 0.0)
        self.findings.agree(node.words(), samples)
        return samples

    def _zipped(self, node: Zip, sides: list[list[Sample]]) -> list[Sample]:
        samples = []
        for fields in zip(*sides, strict=False):
            joined = Zip(tuple(Given(below, (one,)) for below, one in zip(node.inputs, fields, strict=True)))
            records = joined.read(At(np.zeros(1, np.int64)), Context())
            samples.append(replace(fields[0], records=records))
        self.findings.tried(node.words(), samples, 0, 0.0)
        return samples


def _asked(function: Callable[[Any], Any], sample: Sample) -> Any:
    """Return what a function says of a record, its own copy."""
    return function(fresh(sample.records).rows()[0])
