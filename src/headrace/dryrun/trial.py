"""A dry run: a few records through a whole chain, each kind of check on the way, and all problems at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from headrace.core.arguments import whole
from headrace.core.errors import DryRunError
from headrace.core.failures import Retry
from headrace.core.flow import Flow
from headrace.core.sizes import nbytes_of
from headrace.dryrun.findings import Findings
from headrace.dryrun.flows import FlowTrial, walk
from headrace.dryrun.given import Sample
from headrace.dryrun.nodes import NodeTrial
from headrace.dryrun.result import DryRun
from headrace.dryrun.sizes import check_lengths, figures_of, flow_figures
from headrace.dryrun.travel import Traveller, check_results, check_travel, function_of
from headrace.dryrun.watch import untouched
from headrace.nodes.batched import Batched
from headrace.nodes.crossing import Crossing
from headrace.nodes.kept import Kept
from headrace.nodes.leaf import Leaf
from headrace.nodes.maps import Map
from headrace.nodes.node import Node
from headrace.nodes.ordered import Ordered
from headrace.stages.iterate import Iterate


def dry_run_node(node: Node, n: int = 8, strict: bool = False) -> DryRun:
    """Try a Dataset's chain on a few records; see :meth:`headrace.Dataset.dry_run`.

    Raises:
        DryRunError: There are problems, and ``strict`` asks for an error that lists all of them.
        ArgumentError: ``n`` is below 1.
    """
    return _dry_run(partial(_try_node, node=node), n, strict)


def _dry_run(attempt: Callable[..., None], n: int, strict: bool) -> DryRun:
    """Return what an attempt has found, which leaves global generators as they were."""
    findings = Findings()
    n = whole(n, "n", 1)
    with untouched():
        attempt(findings, n=n)
    return _told(findings.report, strict)


def _try_node(findings: Findings, node: Node, n: int) -> None:
    samples: list[Sample] = []
    item_bytes = None
    if check_lengths(findings, node):
        trial = NodeTrial(findings, n)
        samples = trial.top(node)
        item_bytes = _bytes(samples, trial.batch_bytes)
    _check_travel(findings, [node], samples, node.words())
    findings.report.figures = figures_of(findings, node, item_bytes)


def dry_run_flow(flow: Flow, n: int = 8, strict: bool = False) -> DryRun:
    """Try a Stream's chain on a few items; see :meth:`headrace.Stream.dry_run`.

    Raises:
        DryRunError: There are problems, and ``strict`` asks for an error that lists all of them.
        ArgumentError: ``n`` is below 1.
    """
    return _dry_run(partial(_try_flow, flow=flow), n, strict)


def _try_flow(findings: Findings, flow: Flow, n: int) -> None:
    crossings = [one for one in walk(flow) if isinstance(one, Crossing)]
    samples: list[Sample] = []
    item_bytes = None
    full = [check_lengths(findings, crossing.node) for crossing in crossings]  # all, so that each one is told
    if all(full):
        trial = FlowTrial(findings, n)
        samples = trial.of(flow)
        item_bytes = _bytes(samples, trial.batch_bytes)
    nodes = [crossing.node for crossing in crossings]
    words = getattr(flow, "words", None)
    top = "stream()" if isinstance(flow, Crossing) or words is None else str(words())
    _check_travel(findings, nodes, samples, top, flow)
    findings.report.figures = flow_figures(findings, flow, item_bytes)


def _bytes(samples: list[Sample], batch_bytes: float | None) -> float | None:
    """Return what an item takes: of batches what a whole one would, as far as maps after it do not change that."""
    if not samples:
        return None
    seen = max(nbytes_of(sample.value) for sample in samples)
    return max(seen, batch_bytes) if batch_bytes is not None else seen


def _told(report: DryRun, strict: bool) -> DryRun:
    if strict and report.problems:
        raise DryRunError(f"{report.counted} in the chain:\n{report.listed()}")
    return report


def _check_travel(
    findings: Findings, nodes: list[Node], samples: list[Sample], top: str, flow: Flow | None = None
) -> None:
    functions = [one for node in nodes for one in _of_nodes(node)]
    sources = [Traveller(leaf.words(), leaf.source, "the source") for node in nodes for leaf in node.sources]
    for one in () if flow is None else walk(flow):
        functions += _of_flow(one)
    different = {(one.stage, id(one.thing)): one for one in functions}
    check_travel(findings, list(different.values()), list({id(one.thing): one for one in sources}.values()))
    if samples:
        check_results(findings, top, samples[0].value)


def _of_nodes(node: Node) -> Iterator[Traveller]:
    """Give the functions of nodes."""
    words = node.words()
    if isinstance(node, Map):
        yield function_of(words, node.function)
        yield from _policy(words, node.on_error)
    elif isinstance(node, Kept):
        yield function_of(words, node.predicate)
    elif isinstance(node, Batched) and node.collate is not None:
        yield function_of(words, node.collate)
    elif isinstance(node, Ordered):
        by = getattr(node.make, "keywords", {}).get("by")
        if callable(by):
            yield function_of(words, by)
    if not isinstance(node, Leaf):
        for below in node.inputs[:64]:  # parts of a long concatenation are alike
            yield from _of_nodes(below)


def _of_flow(flow: Any) -> Iterator[Traveller]:
    """Give the functions of one stage."""
    words = flow.words() if hasattr(flow, "words") and not isinstance(flow, Crossing) else "stream()"
    if isinstance(flow, Iterate):
        if flow.is_function:
            yield function_of(words, flow.source)
        return
    for name in ("function", "predicate", "collate"):
        function = getattr(flow, name, None)
        if callable(function):
            yield function_of(words, function)
    yield from _policy(words, getattr(getattr(flow, "doing", flow), "on_error", None))


def _policy(words: str, on_error: Any) -> Iterator[Traveller]:
    policy = on_error.then if isinstance(on_error, Retry) else on_error
    if callable(policy):
        yield function_of(words, policy)
