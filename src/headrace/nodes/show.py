"""A chain of nodes as text, without evaluating anything."""

from __future__ import annotations

from headrace.core.errors import HeadraceError
from headrace.nodes.joined import Joined
from headrace.nodes.node import Node, costs_nothing


def chain(node: Node) -> str:
    """Return the steps from the source up, an arrow between."""
    if isinstance(node, Joined):
        shown = " | ".join(chain(below) for below in node.inputs[:4]) + (" | ..." if len(node.inputs) > 4 else "")
        return f"[{shown}] -> {node.words()}"
    if not node.inputs:
        return node.words()
    return f"{chain(node.inputs[0])} -> {node.words()}"


def known_length(node: Node) -> str:
    """Return the length as text; ``?`` where only a pass over the records could tell."""
    if not costs_nothing(node):
        return "?"
    try:
        length = node.length
    except HeadraceError:  # a chain that cannot be read is shown, too; reading it says why
        return "?"
    return "endless" if length is None else f"{length:,}"
