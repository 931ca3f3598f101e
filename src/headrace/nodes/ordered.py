"""A node whose records lie in another order, or are some of those below: integers only, nothing is read for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import Any

import numpy as np

from headrace.core.address import At, Order
from headrace.core.order import Repeat, Slice
from headrace.core.records import Records
from headrace.core.source import Indices
from headrace.core.subset import Subset
from headrace.nodes.node import Context, Over
from headrace.nodes.search import ROUNDS, search


@dataclass(frozen=True, eq=False)
class Ordered(Over):
    """Records of the node below under other addresses.

    Args:
        input: The node below.
        make: Gives the order for the length below; called on first use, since a filter's length costs a pass.
        says: The step as a chain shows it.
        reorders: Whether the order differs by epoch.
        whole: Whether every record below is in it, and equally often; then the set of records stays the same.
        keeps_length: Whether the length is that of the node below, so that it can be told without the order.
    """

    make: Callable[[int | None], Order]
    says: str
    reorders: bool = False
    whole: bool = False
    keeps_length: bool = False

    @cached_property
    def bound(self) -> Order:
        """The order over the length that lies below."""
        return self.make(self.input.length)

    @property
    def length(self) -> int | None:
        return self.input.length if self.keeps_length else self.bound.length

    def read(self, at: At, context: Context) -> Records:
        return self.input.read(self.bound(at), context)

    def ids(self, at: At) -> Indices:
        return self.input.ids(self.bound(at))

    def find(self, record: int, epoch: int) -> int | None:
        order = self.bound
        if not self.input.once and not _keeps_sequence(order):
            return search(self, record, epoch)
        for below_epoch in islice(order.epochs(epoch), ROUNDS):
            below = self.input.find(record, below_epoch)
            found = None if below is None else order.find(below, below_epoch, epoch)
            if found is not None:
                return found
        return None

    @cached_property
    def once(self) -> bool:
        order = self.bound
        if isinstance(order, Repeat) and (order.times is None or order.times > 1):
            return False
        if isinstance(order, Subset) and len(np.unique(order.indices)) < len(order.indices):
            return False
        return self.input.once

    def order(self) -> tuple[str, ...]:
        return (*self.input.order(), self.bound.text())

    def moves(self) -> str | None:
        return self.input.moves() or (self.says if self.reorders else None)

    def varies(self) -> str | None:
        inner = self.input.varies()
        if inner is None and not self.whole and self.input.moves() is not None:
            return self.says
        return inner

    def words(self) -> str:
        return self.says

    def __getstate__(self) -> dict[str, Any]:
        state = dict(self.__dict__)
        state.pop("bound", None)  # made again where they arrive
        state.pop("once", None)
        return state


def _keeps_sequence(order: Order) -> bool:
    """Say whether what comes first below comes first above, and all of it until the end."""
    return isinstance(order, Repeat) or (isinstance(order, Slice) and order.start == 0 and order.step == 1)
