"""Where a step really goes: below the shuffles that were written before it.

A filter or a split decides about records, once and for all epochs. Over a reshuffled order "the first half" would be
another half in every epoch. So these steps sink to the highest node that lies *still* (the same record at each
position in every epoch), and the orders above are drawn over what they leave. Where no such place is, because the set
of records itself differs by epoch, the step is refused by the name of what makes it so.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from typing import TypeVar

from headrace.core.errors import OrderError
from headrace.nodes.joined import Concat
from headrace.nodes.leaf import Leaf
from headrace.nodes.maps import Map
from headrace.nodes.node import Node, Over
from headrace.nodes.ordered import Ordered
from headrace.nodes.picked import Picked
from headrace.nodes.sharded import Sharded

AnyOver = TypeVar("AnyOver", bound=Over)


def over(node: AnyOver, below: Node) -> AnyOver:
    """Return a node as it is, over another one."""
    return type(node)(below, **{f.name: getattr(node, f.name) for f in fields(node) if f.name != "input"})


def still(node: Node, what: str, through_repeat: bool = True) -> Node:
    """Return the highest node below whose records lie still: where a step on the set of records belongs.

    Args:
        node: The chain that the step was written after.
        what: The step, for the error: ``filter(even)``.
        through_repeat: Whether the step goes below a repeat: it is about records, not about their turns.

    Raises:
        OrderError: The set of records differs by epoch; the message names the node that makes it so.
    """
    if through_repeat and isinstance(node, Ordered) and node.says.startswith("repeat("):
        return still(node.input, what)
    if node.moves() is None:
        return node
    if isinstance(node, Map | Picked) or (isinstance(node, Ordered) and _only_reorders(node)):
        return still(node.input, what, through_repeat)
    hint = f"{what} before it" + (", or use .stream().filter(...)" if what.startswith("filter") else "")
    raise OrderError(
        f"{what} would apply to other records in each epoch: {node.words()} stands on an order that differs by epoch "
        f"({node.moves()}). Write {hint}"
    )


def _only_reorders(node: Ordered) -> bool:
    """Say whether all records below are in it, once each: a shuffle, also one that stays the same."""
    return node.reorders or (node.whole and not node.says.startswith("repeat("))


def content(node: Node, place: Node) -> Node:
    """Return what records look like on top, in the order of a still place below: maps without the orders between."""
    if node is place or not isinstance(node, Over):
        return node
    below = content(node.input, place)
    return below if isinstance(node, Ordered) else over(node, below)


def orders(node: Node, place: Node, base: Node) -> Node:
    """Return the orders of a chain above a place, over another base: what ``content`` leaves out.

    Maps work row by row, so it is the same whether they come below the orders or above them.
    """
    if node is place or not isinstance(node, Over):
        return base
    below = orders(node.input, place, base)
    return over(node, below) if isinstance(node, Ordered) else below


def refuse_random(node: Node, what: str) -> None:
    """Refuse a step that looks at content where a random map makes other content in each epoch.

    Raises:
        OrderError: There is such a map; the message names it.
    """
    if isinstance(node, Map) and node.seed is not None:
        raise OrderError(
            f"{what} looks at what {node.words()} makes, which is random and other in each epoch: "
            f"write {what} before it" + (", or use .stream().filter(...)" if what.startswith("filter") else "")
        )
    for below in node.inputs:
        refuse_random(below, what)


def rebuild(node: Node, place: Node, make: Callable[[Node], Node]) -> Node:
    """Return the chain with another node at a place below, everything above as it was."""
    if node is place:
        return make(node)
    if not isinstance(node, Over):
        raise OrderError(f"{node.words()} does not lead to {place.words()}")
    return over(node, rebuild(node.input, place, make))


def each_part(node: Node, apply: Callable[[Node], Node]) -> Node | None:
    """Apply a step to each part of a concatenation whose parts are shuffled each for itself; None for other nodes."""
    if isinstance(node, Concat) and node.moves() is not None:
        return Concat(tuple(apply(part) for part in node.inputs))
    return None


def above_maps(node: Node, make: Callable[[Node], Node]) -> Node:
    """Put a row-wise step below a shard that stands on top, so that the shard stays the last order before batch.

    Rows are mapped alike on either side; below, a random map is keyed by the position before the shard, so that its
    numbers do not depend on how many readers there are.
    """
    if isinstance(node, Sharded):
        return over(node, make(node.input))
    return make(node)


def count(node: Node, counts: Callable[[Node], bool]) -> int:
    """Return how many nodes of a tree are of a kind."""
    return counts(node) + sum(count(below, counts) for below in node.inputs)


def pick(node: Node, kind: str, pairs: tuple[tuple[str, str], ...]) -> Node:
    """Choose columns, at the source where nothing between needs the others."""
    if isinstance(node, Sharded) and node.remainder != "pad":  # the marks of a padded one can be chosen, too
        return above_maps(node, lambda below: pick(below, kind, pairs))
    wanted = Picked(node, kind, pairs)
    schema = node.schema()
    if schema is not None:
        wanted.chosen(tuple(schema.fields), schema.structure)  # a wrong name is answered here, not at the first read
    if kind != "select":
        return wanted
    lower = _at_source(node, tuple(old for old, _ in pairs))
    return lower if lower is not None else wanted


def in_one_order(nodes: tuple[Node, ...]) -> tuple[Node, ...]:
    """Return nodes of the same columns with all of them in the order of the first, as far as they are known."""
    schema = nodes[0].schema()
    if schema is None or schema.structure != "mapping":
        return nodes
    pairs = tuple((name, name) for name in schema.fields)
    return tuple(node if _names(node) in (None, list(schema.fields)) else pick(node, "select", pairs) for node in nodes)


def _names(node: Node) -> list[str] | None:
    schema = node.schema()
    return None if schema is None else list(schema.fields)


def _at_source(node: Node, names: tuple[str, ...]) -> Node | None:
    if isinstance(node, Leaf) and node.schema() is not None:
        return replace(node, names=names)
    if isinstance(node, Ordered):
        below = _at_source(node.input, names)
        return None if below is None else over(node, below)
    return None
