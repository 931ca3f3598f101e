"""Which records a dry run takes, as far as that is known without a pass over all of them."""

from __future__ import annotations

import numpy as np

from headrace.core.address import At
from headrace.core.source import Indices
from headrace.nodes.node import Node
from headrace.nodes.ordered import Ordered

_ENDLESS = 1000  # of an endless step, so many positions are looked at


def spread(length: int | None, n: int) -> Indices:
    """Return positions that are evenly spread, the first and the last among them.

    >>> spread(100, 4).tolist(), spread(2, 8).tolist(), spread(0, 8).tolist()
    ([0, 33, 66, 99], [0, 1], [])
    """
    end = _ENDLESS if length is None else length
    if not end:
        return np.zeros(0, np.int64)
    return np.unique(np.linspace(0, end - 1, min(n, end)).astype(np.int64))


def spread_at(node: Node, n: int) -> At:
    """Return addresses that are evenly spread over a node."""
    return At(spread(node.length, n))


def unsorted(node: Node) -> bool:
    """Say whether a step sorts and has not done so yet."""
    return isinstance(node, Ordered) and node.says.startswith("sort_by(") and "bound" not in node.__dict__
