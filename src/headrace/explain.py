"""A Dataset's nodes and a Stream's stages as a tree, told without a read and without a pass of a filter."""

from __future__ import annotations

import re
from functools import partial
from typing import Any

import numpy as np

from headrace.core.address import At
from headrace.core.batch import Batch
from headrace.core.callables import name_of, place_of
from headrace.core.errors import HeadraceError
from headrace.core.failures import Retry
from headrace.core.flow import Flow
from headrace.core.records import stacked
from headrace.core.schema import Schema
from headrace.core.tree import MOST_BRANCHES, Explanation, Step, Tree, Unit
from headrace.nodes.batched import of_batch
from headrace.nodes.crossing import Crossing
from headrace.nodes.kept import Chosen, Kept
from headrace.nodes.leaf import Leaf
from headrace.nodes.maps import Map
from headrace.nodes.node import Context, Node, costs_nothing
from headrace.nodes.ordered import Ordered
from headrace.stages.background import Background
from headrace.stages.cache import Cache
from headrace.stages.filter import Filter
from headrace.stages.progress import Progress
from headrace.stages.repeat import Repeat
from headrace.stages.stage import below, is_endless, walk
from headrace.stages.take import Skip, Take
from headrace.stages.window import WindowShuffle

_SAME = (Take, Skip, Repeat, WindowShuffle, Cache, Progress, Background, Filter)  # items pass as they are


def explain_node(node: Node, read: bool = False) -> Explanation:
    """Return the tree of a Dataset's nodes, as they run: steps that were moved stand where they were moved to.

    Args:
        node: The last one.
        read: Whether to read record 0 at each step of which nothing else tells what its records look like.
    """
    tree = _of_nodes(node, read)
    top = tree.steps[0]
    return Explanation(f"Dataset: {top.counted if top.length is not None else top.counted + ' records'}", tree)


def explain_flow(flow: Flow, read: bool = False) -> Explanation:
    """Return the tree of a Stream's stages; below a crossing that of its nodes (see ``explain_node``)."""
    tree = _of_flows(flow, read)
    top = tree.steps[0]
    return Explanation(f"Stream: {top.counted if top.length is not None else top.counted + ' items'}", tree)


def _of_nodes(node: Node, read: bool) -> Tree:
    """Return the tree of nodes; those in a row by a loop, since there may be many."""
    steps = [_of_node(node, read)]
    while len(node.inputs) == 1:
        node = node.inputs[0]
        steps.append(_of_node(node, read))
    branches = tuple(_of_nodes(one, read) for one in node.inputs[:MOST_BRANCHES])
    return Tree(tuple(steps), branches, len(node.inputs) - len(branches))


def _of_node(node: Node, read: bool) -> Step:
    known = costs_nothing(node)
    notes = [*_notes(node)]
    length: int | None = None
    endless = False
    schema: Schema | None = None
    try:
        if known:
            length = node.length
            endless = length is None
        schema = node.schema()
        if schema is None and read and known and length != 0:
            schema = _read(node)
    except HeadraceError as error:  # a chain that cannot be read is shown, too
        notes.append(f"{type(error).__name__}: {error}")
    unit: Unit = "batches" if node.batched else "records"
    return Step(node.words(), length, endless, unit, _seed(node), schema, tuple(notes))


def _read(node: Node) -> Schema:
    """Return what record 0 looks like."""
    record = node.read(At(np.zeros(1, np.int64), 0), Context()).rows()[0]
    if isinstance(record, Batch):
        return of_batch(Schema.of(record), len(record))
    columns = stacked([record])
    return Schema.of(columns.batch, columns.structure)


def _seed(node: Any) -> int | None:
    """Return the seed that a step draws from, if it draws."""
    make = getattr(node, "make", None)
    seed = make.keywords.get("seed") if isinstance(make, partial) else getattr(node, "seed", None)
    drawn = re.fullmatch(r"sample\(\d+, seed=(\d+)\)", getattr(node, "says", ""))  # once, when it was written
    return int(drawn[1]) if drawn is not None else seed if isinstance(seed, int) else None


def _notes(node: Node) -> list[str]:
    """Return what is worth knowing of a node beside what every step says."""
    if isinstance(node, Leaf):
        return [] if node.names is None else [f"only {', '.join(node.names)}"]
    if isinstance(node, Kept):
        when = "known" if node.known else "one pass over the records on first use"
        moved = [] if node.content is node.input else [f"looks at what {node.content.words()} makes"]
        return [when, *moved, *([] if isinstance(node, Chosen) else [f"in {place_of(node.predicate)}"])]
    if isinstance(node, Map):
        random = [] if node.seed is None else ["random, other in each epoch"]
        return [*random, *_policy(node.on_error), f"in {place_of(node.function)}"]
    if isinstance(node, Ordered):
        sorts = ["looks at the records on first use"] if node.says.startswith("sort_by(") else []
        return [*sorts, *(["another order in each epoch"] if node.reorders else [])]
    return []


def _policy(on_error: Any) -> list[str]:
    if on_error is None or (isinstance(on_error, str) and on_error == "raise"):
        return []
    if isinstance(on_error, str | Retry):
        return [f"on_error={on_error!r}"]
    return [f"on_error={name_of(on_error)}"]


def _of_flows(flow: Flow, read: bool) -> Tree:
    steps = [_of_flow(flow)]
    under = below(flow)
    while len(under) == 1:
        flow = under[0]
        steps.append(_of_flow(flow))
        under = below(flow)
    node = getattr(flow, "node", None)
    if isinstance(flow, Crossing) and node is not None:
        tree = _of_nodes(node, read)
        return Tree((*steps, *tree.steps), tree.branches, tree.hidden)
    branches = tuple(_of_flows(one, read) for one in under[:MOST_BRANCHES])
    return Tree(tuple(steps), branches, len(under) - len(branches))


def _of_flow(flow: Flow) -> Step:
    costly = any(getattr(one, "costly", False) for one in walk(flow))
    length = None if costly else flow.length()
    give = getattr(flow, "words", None)
    words = str(give()) if give is not None else type(flow).__name__
    if isinstance(flow, Crossing):
        words = f"stream({words.rpartition(' -> stream(')[2]}"
    endless = length is None and is_endless(flow)
    return Step(words, length, endless, "items", _seed(flow), _schema(flow), tuple(_flow_notes(flow)))


def _schema(flow: Flow) -> Schema | None:
    """Return what an item looks like, as far as the steps that change none lead down to a Dataset that can tell."""
    while isinstance(flow, _SAME):
        flow = flow.upstream
    return flow.node.schema() if isinstance(flow, Crossing) else None


def _flow_notes(flow: Any) -> list[str]:
    """Return who does a stage, how far ahead, and what becomes of errors; and where its function is."""
    doing = getattr(flow, "doing", flow)
    workers, prefetch = getattr(doing, "workers", None), getattr(doing, "prefetch", None)
    notes = []
    if workers is not None and workers.size:
        notes.append(workers.words())
        if prefetch is not None:
            notes.append(prefetch.words(workers.size))
        notes += [] if getattr(doing, "copy", True) else ["views"]
    notes += _policy(getattr(doing, "on_error", None))
    if isinstance(flow, Background):
        notes.append("in a process of its own, with all below")
    function = getattr(flow, "function", None) or getattr(flow, "predicate", None)
    return [*notes, f"in {place_of(function)}"] if callable(function) else notes
