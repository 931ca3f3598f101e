"""The first position of a record that lies at several below: looked for along the order, since none can be inverted."""

from __future__ import annotations

import numpy as np

from headrace.core.address import At
from headrace.nodes.node import Node

ROUNDS = 1024  # an endless repeat has no last round in which to look for a record
_BLOCK = 65_536


def search(node: Node, record: int, epoch: int) -> int | None:
    """Return the first position of an epoch under which a source record lies; None when it is not in there.

    Some 10 to 100 ns a position until it is found; nothing is read. Of an endless node as many positions are looked at
    as 1,024 rounds of the source have.
    """
    end = node.length
    if end is None:
        end = ROUNDS * max(node.universe, 1)
    block = 1 if node.batched else _BLOCK  # the ids of several batches do not tell where one ends
    for start in range(0, end, block):
        found = node.ids(At(np.arange(start, min(start + block, end), dtype=np.int64), epoch)) == record
        if found.any():
            return start if node.batched else start + int(found.argmax())
    return None
