"""Turns by exact shares without a table: a tree of two-way splits, each balanced at every prefix.

An inner node has integer shares a (left) and b (right), s = a + b in all. Of its first n draws n a / s, rounded, go
left: L(n) = (n a + s // 2) // s. Draw n goes left if L(n + 1) > L(n), as draw L(n) of that side, else right as draw
n - L(n).
So a draw's source and its place there take a division on each level, whatever came before; and so does the way back.

The splits are those of Huffman's tree ("A method for the construction of minimum-redundancy codes", Proc. IRE 40,
1952), which keeps likely sources near the root, and bounds how far the roundings of the levels add up (`ShareTree`).
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence

import numpy as np

from headrace.core.source import Indices

SHARES_LIMIT = 2**31 - 1
"""The greatest sum of shares: a product of two numbers up to it fits int64."""


class ShareTree:
    """Turns in proportion to integer shares, without end and without a table.

    After any k turns a source of share p = q / total has had k p of them, within 1 where there are up to three
    sources and within 1.68 where there are more (seen: 1.32 of random shares, 1.475 of ones sought to be bad); after
    each whole round of ``total`` turns exactly k p.

    The bound: a split adds an error of at most 1/2, and below it that error counts only by the share that goes on. So
    a source's deviation is at most p / 2 times the sum of 1 / P over the nodes from its leaf up to below the root, P
    being a node's share. In Huffman's tree P grows at least like Fibonacci's numbers from a leaf upwards (an uncle is
    no lighter than a nephew), and the sum of their reciprocals is 3.36.

    Args:
        shares: An integer of 0 or more for each source, at least one above 0; their sum at most 2**31 - 1.

    >>> tree = ShareTree([5, 3])
    >>> sources, draws = tree.at(np.arange(8))
    >>> sources.tolist(), draws.tolist()
    ([0, 1, 0, 0, 1, 0, 1, 0], [0, 0, 1, 2, 1, 3, 2, 4])
    >>> tree.position(source=1, draw=2), tree.draws(source=1, length=7)
    (6, 3)
    """

    def __init__(self, shares: Sequence[int]) -> None:
        self.quotas: Indices = np.array(shares, np.int64)  # (sources,)
        self.round = sum(shares)  # the turns of one whole round
        self._shares = list(shares)
        self._paths: list[tuple[int, bool]] = [(-1, True)] * len(shares)  # of a source: its node, and whether left
        self._up: list[tuple[int, bool]] = []  # of a node: its parent, and whether it is the left child
        self._sides: list[tuple[int, int]] = []  # of a node: its shares, left and right
        children = self._grow()
        self._root = len(self._sides) - 1 if children else ~int(np.flatnonzero(self.quotas)[0])
        # Flat arrays over inner nodes, children at 2 * node (right) and 2 * node + 1 (left); ~source is a leaf.
        sides = np.array(self._sides, np.int64).reshape(-1, 2)
        self._left, self._right = np.ascontiguousarray(sides.T)
        self._total = self._left + self._right
        self._half = self._total // 2
        self._children = np.array(children, np.int64)

    def _grow(self) -> list[int]:
        """Join the two lightest until one is left; ties go to the one that is older. The heavier side is the left."""
        heap = [(share, order, ~order) for order, share in enumerate(self._shares) if share]
        heapq.heapify(heap)
        children: list[int] = []
        while len(heap) > 1:
            light, _, right = heapq.heappop(heap)
            heavy, _, left = heap[0]
            node = len(self._sides)
            self._sides.append((heavy, light))
            self._up.append((-1, True))
            children += (right, left)
            for child, is_left in ((left, True), (right, False)):
                of = self._up if child >= 0 else self._paths
                of[child if child >= 0 else ~child] = (node, is_left)
            heapq.heapreplace(heap, (heavy + light, len(self._shares) + node, node))
        return children

    def at(self, positions: Indices) -> tuple[Indices, Indices]:
        """Return for positions, (n,): whose turn each is, and which of its own draws; int64 (n,) each, new arrays."""
        rounds = positions // self.round
        count = positions - rounds * self.round  # a node's draws before this one, in this round
        sources = np.empty(len(positions), np.int64)
        draws = np.empty(len(positions), np.int64)
        rows: Indices = np.arange(len(positions))
        node: Indices = np.full(len(positions), self._root, np.int64)
        while True:
            leaf = node < 0
            if leaf.any():
                ended = rows[leaf]
                sources[ended] = ~node[leaf]
                draws[ended] = count[leaf]
                inner = ~leaf
                rows, node, count = rows[inner], node[inner], count[inner]
            if not len(rows):
                break
            total = self._total.take(node)
            due = count * self._left.take(node)
            due += self._half.take(node)
            left = due // total
            due -= left * total
            goes_left = due >= self._right.take(node)  # one more draw would round up
            count = np.where(goes_left, left, count - left)
            node = self._children.take(2 * node + goes_left)
        draws += rounds * self.quotas.take(sources)
        return sources, draws

    def position(self, source: int, draw: int) -> int:
        """Return the position of a source's draw, counted from 0."""
        rounds, count = divmod(draw, self._shares[source])
        node, is_left = self._paths[source]
        while node >= 0:
            left, right = self._sides[node]
            total = left + right
            # the least n for which L(n) passes count, or n - L(n) does; the draw is the one before
            if is_left:
                count = -(((total // 2) - (count + 1) * total) // left) - 1
            else:
                count = -((-count * total - 1 - total // 2) // right) - 1
            node, is_left = self._up[node]
        return rounds * self.round + count

    def draws(self, source: int, length: int) -> int:
        """Return how many of the first ``length`` turns a source has."""
        path = []
        node, is_left = self._paths[source]
        while node >= 0:
            path.append((node, is_left))
            node, is_left = self._up[node]
        if not self._shares[source]:
            return 0
        rounds, count = divmod(length, self.round)
        for node, is_left in reversed(path):
            left, right = self._sides[node]
            total = left + right
            to_left = (count * left + total // 2) // total
            count = to_left if is_left else count - to_left
        return rounds * self._shares[source] + count

    def all_draws(self, length: int) -> Indices:
        """Return ``draws`` of every source: int64, ``(sources,)``."""
        return np.array([self.draws(source, length) for source in range(len(self._shares))], np.int64)
