"""Size and time of the files that a chain reads: what a state remembers of them, and when it is refused."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Any

from headrace.core.errors import StateError
from headrace.nodes.leaf import Leaf
from headrace.nodes.node import Node


def leaves(node: Node) -> Iterator[Leaf]:
    """Give the sources of a chain, as often as they come."""
    if isinstance(node, Leaf):
        yield node
    for below in node.inputs:
        yield from leaves(below)


def files(node: Node) -> dict[str, str]:
    """Return a stamp (size and time) for each file that the sources lie in; of many files one for all."""
    stamps: dict[str, str] = {}
    for leaf in leaves(node):
        give = getattr(leaf.source, "files", None)
        stamps.update(give() if give is not None else {})
    if len(stamps) <= 4:
        return {f"{zlib.crc32(path.encode()):08x}": stamp for path, stamp in sorted(stamps.items())}
    joined = repr(sorted(stamps.items())).encode()
    return {f"{zlib.crc32(repr(sorted(stamps)).encode()):08x}": f"{zlib.crc32(joined):08x}"}


def check_files(node: Node, saved: Any) -> None:
    """Refuse a state whose files changed since: same path, other size or time."""
    if not isinstance(saved, dict):
        raise StateError(f"the state is damaged: 'files' should be a mapping, got {saved!r}")
    for name, stamp in files(node).items():
        if saved.get(name, stamp) != stamp:
            raise StateError(
                f"a file that this dataset reads has changed since the state was saved: size and time were "
                f"{saved[name]}, now {stamp}; start a new run, or bring the file back"
            )
