"""What sources are told before a pass over all records."""

from __future__ import annotations

import numpy as np

from headrace.core.address import At
from headrace.nodes.cached import Cached
from headrace.nodes.node import Node

_LOOKED_AT = 1 << 16  # records


def announce(node: Node, length: int) -> None:
    """Tell sources from which of their blocks the first ``length`` records of epoch 0 come, those first used first.

    It costs some milliseconds where a source wants to be told (see :class:`headrace.core.source.Source`), else nothing.
    """
    told = [getattr(leaf.source, "expect", None) if hasattr(leaf.source, "blocks") else None for leaf in node.sources]
    if not length or not any(told) or node.batched or _keeps(node):
        return
    positions = np.unique(np.linspace(0, length - 1, min(length, _LOOKED_AT)).astype(np.int64))
    ids = node.ids(At(positions))
    begin = 0
    for leaf, tell in zip(node.sources, told, strict=True):
        here = ids[(begin <= ids) & (ids < begin + leaf.length)] - begin
        begin += leaf.length
        if tell is not None and len(here):
            starts = np.asarray(leaf.source.blocks()[0])  # type: ignore[attr-defined]
            tell(list(dict.fromkeys((starts.searchsorted(here, "right") - 1).tolist())))


def _keeps(node: Node) -> bool:
    """Say whether records may come from a cache, where those of the sources are not asked for."""
    return isinstance(node, Cached) or any(map(_keeps, node.inputs))
