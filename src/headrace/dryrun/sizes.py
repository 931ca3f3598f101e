"""What a run of a chain would take, and sizes with which there would be none."""

from __future__ import annotations

from time import perf_counter
from typing import Any

import numpy as np

from headrace.core.batch import Batch
from headrace.core.errors import HeadraceError
from headrace.core.flow import Flow
from headrace.core.kinds import Nested
from headrace.core.ragged import Ragged
from headrace.core.sizes import nbytes_of
from headrace.dryrun.findings import Findings, told
from headrace.dryrun.result import Figures
from headrace.dryrun.which import unsorted
from headrace.nodes.batched import Batched
from headrace.nodes.crossing import Crossing
from headrace.nodes.node import Node, costs_nothing
from headrace.nodes.reading import Job, Reading
from headrace.nodes.stamps import leaves
from headrace.stages.stage import is_endless, walk
from headrace.workers.work import Desk

_AFFORDED = 0.5  # seconds: whole batches are read for their time where that takes less by what was seen
_TOGETHER = 256  # records, where there are no batches
_TIMED = 3


def check_lengths(findings: Findings, node: Node) -> bool:
    """Add that there is nothing, and at which step it ends; returns whether there is something."""
    if not costs_nothing(node):
        findings.note(node.words(), "the length is not known before a filter has looked at all records")
        return True
    try:
        length = node.length
    except HeadraceError as error:
        findings.problem(node.words(), told(error), "Mend the step, nothing can be read before")
        return False
    if length is None:
        findings.note(node.words(), "has no end: an epoch never ends; take(n), or count the steps of a run")
    if length == 0:
        _tell_empty(findings, node)
    return length != 0


def _tell_empty(findings: Findings, node: Node) -> None:
    """Name the lowest step from which on there is nothing."""
    while True:
        emptied = next((below for below in node.inputs if below.length == 0), None)
        if emptied is None:
            break
        node = emptied
    if isinstance(node, Batched):
        what = f"drop_remainder leaves nothing of {node.input.length} records: no batch is full"
        findings.problem(node.words(), what, "Use a smaller batch, or drop_remainder=False")
    elif not node.inputs:
        findings.problem(node.words(), "has no records", "Look at what the source was made of")
    else:
        came = ", ".join(f"{below.length:,}" for below in node.inputs[:3] if below.length is not None)
        findings.problem(node.words(), f"leaves nothing of {came} records", "Let the step keep some")


def figures_of(findings: Findings, node: Node, item_bytes: float | None) -> Figures:
    """Return what an epoch of a Dataset would take, inline; one whole batch or more is read for it where that is quick.

    Args:
        findings: What was found, and how long each step took; a batch that fails is added to it.
        node: The last one.
        item_bytes: What one of its items takes.
    """
    figures = Figures(unit="batches" if node.batched else "records")
    figures.item_bytes = None if item_bytes is None else int(item_bytes)
    figures.source_bytes, figures.mapped_bytes = source_bytes(node)
    known = costs_nothing(node)
    figures.items = node.length if known else None
    size = _batch_size(node)
    estimate = _estimate(findings, size)
    figures.item_seconds = estimate
    if not findings.report.stages:
        figures.item_seconds = None
    elif (
        known
        and not _sorts(node)
        and not findings.report.problems
        and estimate * _TIMED * (1 if node.batched else _TOGETHER) < _AFFORDED
    ):
        measured = _measured(findings, node)
        figures.item_seconds = estimate if measured is None else measured
    if figures.items is not None and figures.item_seconds is not None:
        figures.epoch_seconds = figures.items * figures.item_seconds
    return figures


def _sorts(node: Node) -> bool:
    """Say whether a read would first look at all records, to sort them."""
    return unsorted(node) or any(_sorts(below) for below in node.inputs[:64])


def _estimate(findings: Findings, size: int) -> float:
    """Return the seconds of one item: of the steps before a batch as often as it has records."""
    seconds, batched = 0.0, False
    for stage in reversed(findings.report.stages):
        batched = batched or stage.stage.startswith("batch(")
        seconds += stage.seconds * (size if batched and not stage.stage.startswith("batch(") else 1)
    return seconds


def _measured(findings: Findings, node: Node) -> float | None:
    """Return the seconds of one item, of whole batches as a run reads them; None where one fails."""
    run = Reading(node, findings.on_error).open(Desk())
    many = 1 if node.batched else min(_TOGETHER, node.length or _TOGETHER)
    times = []
    for step in range(min(_TIMED, max((node.length or _TIMED) // many, 1))):
        began = perf_counter()
        try:
            run(Job(0, 0, step * many, many))
        except HeadraceError as error:
            findings.problem(node.words(), f"fails on step {step}: {told(error)}", "Look at the records that it names")
            return None
        times.append((perf_counter() - began) / many)
    return min(times)


def _batch_size(node: Node) -> int:
    """Return how many records one item has."""
    size = 1
    while True:
        if isinstance(node, Batched):
            size *= (
                node.size
                if not costs_nothing(node) or node.input.length is None
                else min(node.size, max(node.input.length, 1))
            )
        if not node.inputs:
            return size
        node = node.inputs[0]


def source_bytes(node: Node) -> tuple[int | None, int]:
    """Return the memory that sources hold, None where one cannot tell, and what they map from files."""
    held: int | None = 0
    mapped = 0
    for source, columns in {id(leaf.source): (leaf, leaf.columns) for leaf in leaves(node)}.values():
        if columns is None:
            size = getattr(source.source, "nbytes", None)
            held = None if held is None or not isinstance(size, int) else held + size
            continue
        for column in _flat(columns):
            if _is_mapped(column):
                mapped += nbytes_of(column)
            elif held is not None:
                held += nbytes_of(column)
    return held, mapped


def _flat(columns: Batch | Nested) -> list[Any]:
    found: list[Any] = []
    for column in columns._columns.values():
        if isinstance(column, Nested):
            found += _flat(column)
        elif isinstance(column, Ragged):
            found += [column.values, column.offsets]
        else:
            found.append(column)
    return found


def _is_mapped(array: Any) -> bool:
    while isinstance(array, np.ndarray):
        if isinstance(array, np.memmap):
            return True
        array = array.base
    return False


def flow_figures(findings: Findings, flow: Flow, item_bytes: float | None) -> Figures:
    """Return what a run of a Stream would take, inline: the stages' own times, and those of what they stand on."""
    if not any(getattr(one, "costly", False) for one in walk(flow)):
        length = flow.length()
        if length == 0:
            findings.problem(_words(flow), "gives no items", "Let the steps below keep some")
    else:
        length = None
    if length is None and is_endless(flow):
        findings.note(_words(flow), "has no end: list() and len() do not work; take(n) first")
    figures = Figures(length, "items", None if item_bytes is None else int(item_bytes))
    crossings = [one for one in walk(flow) if isinstance(one, Crossing)]
    held = [source_bytes(crossing.node) for crossing in crossings]
    if crossings:
        sizes = [size for size, _ in held if size is not None]
        figures.source_bytes = sum(sizes) if len(sizes) == len(held) else None
        figures.mapped_bytes = sum(mapped for _, mapped in held)
    if findings.report.stages:
        figures.item_seconds = _through(findings, flow)
    ahead = [1]
    for one in walk(flow):
        doing: Any = getattr(one, "doing", one)
        workers, prefetch = getattr(doing, "workers", None), getattr(doing, "prefetch", None)
        if workers is not None and workers.size and prefetch is not None:
            depth = prefetch.depth(workers.size)
            ahead.append(max(1, min(depth, prefetch.nbytes // max(figures.item_bytes or 1, 1))))
    figures.ahead = sum(ahead) if len(ahead) > 1 else 1
    if length is not None and figures.item_seconds is not None:
        figures.epoch_seconds = length * figures.item_seconds
    return figures


def _through(findings: Findings, flow: Any) -> float:
    """Return the seconds of one item, with all that it takes upstream: of the items of a batch as often as it has."""
    seconds, times = 0.0, 1.0
    stages = findings.report.stages
    own = {_words(one) for one in walk(flow) if not isinstance(one, Crossing)}
    taken = {stage.stage: stage.seconds for stage in stages if stage.stage in own}
    for one in walk(flow):
        if isinstance(one, Crossing):
            left = Findings()
            left.report.stages = [stage for stage in stages if stage.stage not in own]
            left.report.problems = findings.report.problems
            left.on_error = "raise" if one.on_error == "raise" else "skip"
            seconds += times * (figures_of(left, one.node, None).item_seconds or 0.0)
        else:
            words = _words(one)
            seconds += times * taken.get(words, 0.0)
            times *= one.size if words.startswith("batch(") and hasattr(one, "size") else 1
    return seconds


def _words(flow: Any) -> str:
    give = getattr(flow, "words", None)
    if isinstance(flow, Crossing):
        return f"stream({flow.words().rpartition(' -> stream(')[2]}"
    return str(give()) if give is not None else type(flow).__name__
