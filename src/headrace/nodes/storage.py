"""Where a node's records lie: which of its positions lie together in a block of a source. Nothing is read for it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from headrace.core.address import At
from headrace.core.errors import HeadraceError, OrderError
from headrace.core.order import Repeat, Shuffle, Slice
from headrace.core.runs import Runs
from headrace.core.source import Indices
from headrace.core.subset import Subset
from headrace.nodes.arranged import Arranged
from headrace.nodes.batched import Batched
from headrace.nodes.cached import Cached
from headrace.nodes.joined import Concat, Mix, Zip
from headrace.nodes.kept import Kept
from headrace.nodes.leaf import Leaf
from headrace.nodes.leaf_runs import PIECE, runs_of_leaf
from headrace.nodes.node import Node, Over
from headrace.nodes.ordered import Ordered
from headrace.nodes.sharded import Sharded


def runs_of(node: Node, most: int = PIECE) -> Runs:
    """Return which positions of a node lie together.

    Args:
        node: Its records lie in the order in which they are stored, or backwards; some may be left out.
        most: How many bytes a block has at most, where the source has none of its own.

    Raises:
        OrderError: They lie in another order, or without end.
        ArgumentError: What a source says of its blocks cannot be.
    """
    if isinstance(node, Leaf):
        return runs_of_leaf(node, most)
    if isinstance(node, Cached):
        return runs_of(node.leaf, most)
    if isinstance(node, Concat):
        return _joined([runs_of(part, most) for part in node.inputs])
    if isinstance(node, Zip):
        return _side_by_side(node, most)
    if isinstance(node, Batched):
        return _of_batches(node, runs_of(node.input, most))
    if isinstance(node, Kept):
        return _narrowed(runs_of(node.input, most), lambda own: node.below(At(own)).positions, node.length)
    if isinstance(node, Arranged):
        return node.runs or runs_of(node.input, most)
    if isinstance(node, Ordered):
        return _of_ordered(node, most)
    if isinstance(node, Over) and not isinstance(node, Sharded):
        return runs_of(node.input, most)
    raise _refusal(node)


def is_there(node: Node) -> bool:
    """Say whether all that a chain reads is there already: no cache below is made on first use."""
    return not (isinstance(node, Cached) and not node.known) and all(map(is_there, node.inputs))


def _joined(parts: list[Runs]) -> Runs:
    begins = np.cumsum([0, *(part.length for part in parts)])
    starts = [part.starts + begin for part, begin in zip(parts, begins.tolist(), strict=False)]
    nbytes = [part.nbytes for part in parts]
    fetched = any(part.fetched for part in parts)
    return Runs.of(np.concatenate(starts), np.concatenate(nbytes), int(begins[-1]), fetched)


def _side_by_side(node: Zip, most: int) -> Runs:
    """Return the runs of the side with most bytes; to each is added what the others have beside it."""
    length = node.length
    if length is None:
        raise _endless(node)
    sides = [_narrowed(runs_of(one, most), lambda own: own, length) for one in node.inputs]
    widest = max(sides, key=lambda side: side.total)
    others = sum(side.total for side in sides) - widest.total
    nbytes = widest.nbytes + -(-others * widest.lengths // max(length, 1))
    return Runs.of(widest.starts, nbytes, length, any(side.fetched for side in sides))


def _of_batches(node: Batched, below: Runs) -> Runs:
    """Return runs of batches; one that lies in two blocks belongs to the first."""
    length = node.length or 0
    starts = np.unique(-(-below.starts // node.size))
    starts = starts[starts < length]
    ends = np.minimum(np.append(starts[1:], length) * node.size, below.length)
    sums = np.concatenate([[0], np.cumsum(below.nbytes)])
    nbytes = sums[below.at(ends - 1) + 1] - sums[below.at(starts * node.size)]
    return Runs.of(starts, nbytes, length, below.fetched)


def _of_ordered(node: Ordered, most: int) -> Runs:
    order = node.bound
    if isinstance(order, Shuffle) or node.reorders:
        raise _refusal(node)
    if isinstance(order, Repeat):
        if order.times is None:
            raise _endless(node)
        return _joined([runs_of(node.input, most)] * order.times) if order.times else Runs.of([], [], 0)
    if isinstance(order, Slice) and order.length is not None:
        below = partial(_below, order)
        if order.step > 0:
            return _narrowed(runs_of(node.input, most), below, order.length)
        last = order.length - 1
        return _backwards(_narrowed(runs_of(node.input, most), lambda own: below(last - own), order.length))
    if isinstance(order, Subset) and order.ascends:
        return _narrowed(runs_of(node.input, most), partial(_below, order), order.length)
    raise _refusal(node)


def _below(order: Any, own: Indices) -> Indices:
    positions: Indices = order(At(own)).positions
    return positions


def _narrowed(runs: Runs, below: Callable[[Indices], Indices], length: int) -> Runs:
    """Return the runs of some of the positions, in their order; a block of which one is left is fetched all the same.

    Args:
        runs: Of the positions below.
        below: Gives the position below of each own one, ascending.
        length: How many own ones there are.
    """
    low, high = np.zeros(len(runs), np.int64), np.full(len(runs), length, np.int64)
    while (low < high).any():  # for each border the first position that is not below it, halving the rest
        middle = (low + high) // 2
        before = (low < high) & (below(np.minimum(middle, length - 1)) < runs.starts)
        low, high = np.where(before, middle + 1, low), np.where(before, high, np.minimum(middle, high))
    return Runs.of(low, runs.nbytes, length, runs.fetched) if length else Runs.of([], [], 0)


def _backwards(runs: Runs) -> Runs:
    ends = runs.starts + runs.lengths
    return Runs.of(runs.length - ends[::-1], runs.nbytes[::-1], runs.length, runs.fetched)


def _endless(node: Node) -> HeadraceError:
    return OrderError(
        f"an endless order cannot be shuffled by blocks: take(n) first, or block_shuffle() before {node.words()}"
    )


def _refusal(node: Node) -> HeadraceError:
    if isinstance(node, Sharded):
        mend = "write block_shuffle() before shard(): its lanes then give each reader blocks of its own"
    elif isinstance(node, Mix):
        mend = "block_shuffle() each dataset before mixing them"
    elif isinstance(node, Ordered) and (node.reorders or isinstance(node.bound, Shuffle)):
        mend = f"leave out one of the two, or block_shuffle() before {node.words()}"
        if not node.reorders:
            mend += " (a split of more than ten million records draws such an order from its seed: split by a column)"
    else:
        mend = "sort the records that are chosen, or write shuffle()"
    return OrderError(
        f"block_shuffle needs records in the order in which they are stored, and {node.words()} puts them into "
        f"another: {mend}"
    )
