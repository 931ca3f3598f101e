"""What a dry run collects on its way."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from headrace.core.batch import Batch
from headrace.core.callables import name_of, place_of
from headrace.core.errors import HeadraceError, RecordError
from headrace.core.failures import OnError, Retry
from headrace.core.records import to_columns
from headrace.core.schema import Field, Schema
from headrace.dryrun.given import Sample
from headrace.dryrun.result import DryRun, Problem, Tried
from headrace.dryrun.watch import Outcome
from headrace.nodes.batched import of_batch

_NAMED = 5  # records that a message names

SKIPPED = "Mend it, or leave such records out: .stream(on_error='skip')"
LEFT_OUT = "Mend it, or leave such items out: .map(function, on_error='skip')"
ALIKE = "Make records alike in a map, or give batch a collate function that can put them together"
MENDED = "Mend it: this step leaves nothing out"
SEEDED = "Draw from the generator that it is handed"
UNSEEDED = "For random numbers give the step a seed, .map(function, seed=0): it is then called with (record, rng)"
ELSEWHERE = "Draw random numbers in a map with a seed: .map(function, seed=0) calls it with (record, rng)"


@dataclass
class Findings:
    """The report in the making.

    Args:
        report: What is found.
        stacks: Whether what comes is put into batches by stacking; then records have to be alike.
        on_error: What becomes of records that fail, as the stream says.
    """

    report: DryRun = field(default_factory=DryRun)
    stacks: bool = False
    on_error: OnError = "raise"
    _told: set[tuple[str, str]] = field(default_factory=set)

    def problem(self, stage: str, what: str, mend: str) -> None:
        """Add a problem, once."""
        if (stage, what) not in self._told:
            self._told.add((stage, what))
            self.report.problems.append(Problem(stage, what, mend))

    def note(self, stage: str, what: str) -> None:
        """Add what is worth knowing, once."""
        line = f"{stage}: {what}"
        if line not in self.report.notes:
            self.report.notes.append(line)

    def tried(self, stage: str, passed: Sequence[Sample], failed: int, seconds: float) -> None:
        """Add how a step went."""
        schema = next((known for sample in passed if (known := schema_of(sample, rows=True)) is not None), None)
        self.report.stages.append(Tried(stage, len(passed), failed, schema, seconds))

    def merge(self, began: int, ends: Sequence[int]) -> None:
        """Put together how steps of several parts went that are written alike, such as those of a concatenation.

        Args:
            began: How many steps had been tried before the first part.
            ends: How many after each.
        """
        stages = self.report.stages
        merged: dict[tuple[str, int], Tried] = {}
        for begin, end in pairwise((began, *ends)):
            here: dict[str, int] = {}
            for one in stages[begin:end]:
                here[one.stage] = here.get(one.stage, 0) + 1
                key = (one.stage, here[one.stage])
                merged[key] = _joined(merged[key], one) if key in merged else one
        stages[began:] = merged.values()

    def failures(
        self,
        stage: str,
        outcomes: Sequence[tuple[str, Outcome]],
        own: OnError | None = None,
        function: Any = None,
        mend: str = SKIPPED,
    ) -> None:
        """Add a step's failures: one problem for each kind of error, which names the records.

        Args:
            stage: The step.
            outcomes: How it went, by the records' names.
            own: The step's own policy for errors; None for the stream's.
            function: The user's.
            mend: What can be done where the error is raised.
        """
        policy = self.on_error if own is None else own
        kinds: dict[type, list[tuple[str, Exception]]] = {}
        for name, outcome in outcomes:
            if outcome.error is not None:
                cause = outcome.error.__cause__
                kind = type(cause) if isinstance(cause, Exception) else type(outcome.error)
                kinds.setdefault(kind, []).append((name, outcome.error))
        for failed in kinds.values():
            which = named([name for name, _ in failed])
            what = f"fails on {len(failed)} of {len(outcomes)} ({which}); the first: {told(failed[0][1], function)}"
            if isinstance(policy, str) and policy == "raise":
                self.problem(stage, what, mend)
            else:
                done = policy if isinstance(policy, str | Retry) else name_of(policy)
                self.note(stage, f"{what} (on_error={done!r})")

    def repeats(self, stage: str, outcomes: Iterable[tuple[str, Outcome]], function: Any, draws: str) -> None:
        """Add that a function draws what no seed decides, or gives something else the second time.

        Args:
            stage: The step.
            outcomes: How it went.
            function: The user's; None where there is none.
            draws: Where random numbers can be drawn instead.
        """
        drew: dict[str, None] = {}
        other = []
        for name, outcome in outcomes:
            drew.update(dict.fromkeys(outcome.drew))
            if not outcome.repeats:
                other.append(name)
        what = f"{name_of(function)}, in {place_of(function)}," if callable(function) else "it"
        if drew:
            self.problem(
                stage,
                f"{what} draws from the global generator of {' and '.join(drew)}: what it draws depends on what ran "
                "before, and differs between workers and at a resume",
                draws,
            )
        elif other:
            self.problem(
                stage,
                f"{what} gives something else for the same input when it is called again ({named(other)})",
                f"Let it depend on its input alone. {draws}",
            )

    def agree(self, stage: str, samples: Sequence[Sample], batched: bool = False) -> None:
        """Compare what records look like; each difference is told at the first step that shows it.

        Args:
            stage: The step.
            samples: What it gave.
            batched: Whether these are batches, which may differ in length.
        """
        seen = [(sample.name, schema) for sample in samples if (schema := schema_of(sample)) is not None]
        if len(seen) < 2:
            return
        first_name, first = seen[0]
        differing: dict[tuple[str, str], list[str]] = {}
        for name, schema in seen[1:]:
            for column, what in differences(first, schema):
                differing.setdefault((column, what), []).append(name)
        for (column, what), names in differing.items():
            key = ("differs", f"{column} {what}")
            if key in self._told:
                continue
            self._told.add(key)
            said = f"{what} in {named(names)}, other than in {first_name}"
            if self.stacks and not what.startswith("a length of its own"):
                self.problem(stage, f"{column}: {said}", ALIKE)
            elif not what.startswith("a length of its own"):
                self.note(stage, f"{column}: {said}; a batch of them would not stack as one array")
            elif not batched:
                self.note(stage, f"{column}: its length differs between records; batch(pad=...) fills it up")


def schema_of(sample: Sample, rows: bool = False) -> Schema | None:
    """Return what a record or a batch looks like; None where it cannot be told.

    Args:
        sample: One of them.
        rows: Whether of a Batch the number of rows counts.
    """
    try:
        if len(sample.records) == 1 and isinstance(value := sample.value, Batch):
            return of_batch(Schema.of(value), len(value)) if rows else Schema.of(value)
        columns = to_columns(sample.records)
    except HeadraceError:  # a record that cannot be a column: stacking it says so
        return None
    return Schema.of(columns.batch, columns.structure)


def differences(first: Schema, other: Schema) -> list[tuple[str, str]]:
    """Return the columns in which two records differ, and how the second looks there.

    >>> one, two = Schema("value", {"value": Field("int64", (2,))}), Schema("value", {"value": Field("uint8", (3,))})
    >>> differences(one, two)
    [('value', 'dtype uint8 (not int64)'), ('value', 'a length of its own')]
    """
    if first.structure != other.structure:
        return [("records", f"a {other.structure} (not a {first.structure})")]
    if first.fields.keys() != other.fields.keys():
        return [("records", f"columns {', '.join(other.fields)} (not {', '.join(first.fields)})")]
    return [pair for name in first.fields for pair in _of_fields(name, first.fields[name], other.fields[name])]


def _of_fields(name: str, first: Field, other: Field) -> list[tuple[str, str]]:
    if first.fields or other.fields:
        if first.fields.keys() != other.fields.keys():
            return [(f"column {name!r}", f"fields {', '.join(other.fields)} (not {', '.join(first.fields)})")]
        return [
            pair for key in first.fields for pair in _of_fields(f"{name}.{key}", first.fields[key], other.fields[key])
        ]
    found = []
    column = "value" if name == "value" else f"column {name!r}"
    if (first.kind == "ragged") != (other.kind == "ragged") and first.dtype == other.dtype:
        return [(column, "a length of its own")]
    if first.dtype != other.dtype:
        found.append((column, f"dtype {other.dtype} (not {first.dtype})"))
    if first.shape != other.shape:
        uneven = len(first.shape) == len(other.shape) and first.shape[1:] == other.shape[1:]
        shape = f"shape {_shape(other)} (not {_shape(first)})"
        found.append((column, "a length of its own" if uneven else shape))
    return found


def _shape(one: Field) -> str:
    return f"[{', '.join('?' if size is None else str(size) for size in one.shape)}]"


def _joined(a: Tried, b: Tried) -> Tried:
    before, after = a.passed + a.failed, b.passed + b.failed
    seconds = (a.seconds * before + b.seconds * after) / max(before + after, 1)
    return Tried(a.stage, a.passed + b.passed, a.failed + b.failed, a.schema or b.schema, seconds)


def named(names: Sequence[str]) -> str:
    """Return some names as text: ``record 3, record 7, ...``."""
    return ", ".join(names[:_NAMED]) + (", ..." if len(names) > _NAMED else "")


def told(error: Exception, function: Any = None) -> str:
    """Return an error as text, and where the function is written that raised it."""
    cause = error.__cause__ if isinstance(error, RecordError) else None
    if not isinstance(cause, Exception):
        return (str(error) if isinstance(error, HeadraceError) else f"{type(error).__name__}: {error}").rstrip(".")
    where = f" ({name_of(function)} is in {place_of(function)})" if callable(function) else ""
    return f"{type(cause).__name__}: {cause}{where}"
