"""Addresses, and the protocol of an order: which address lies under which.

An *address* is an epoch and a position within it. They travel apart: a single running number, divided by each node's
own length, would go wrong as soon as nodes of different lengths nest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np

from headrace.core.errors import OrderError
from headrace.core.source import Indices


class At(NamedTuple):
    """Addresses: positions, int64 of shape ``(n,)``, each within an epoch (one for all, or one for each)."""

    positions: Indices
    epochs: Indices | int = 0


@runtime_checkable
class Order(Protocol):
    """Which address lies under which."""

    @property
    def length(self) -> int | None:
        """Positions in an epoch; None: endless."""
        ...

    @property
    def below(self) -> int | None:
        """Length of what lies below; None: endless."""
        ...

    @property
    def reorders(self) -> bool:
        """Whether the positions below that an epoch gives, or their order, differ from epoch to epoch."""
        ...

    def __call__(self, at: At, /) -> At:
        """Return the addresses below; the positions are a new array or the ones given, so they are not written to."""
        ...

    def find(self, position: int, below_epoch: int, epoch: int) -> int | None:
        """Return the first own position, in ``epoch``, that lies on an address below; None when none does."""
        ...

    def epochs(self, epoch: int) -> Iterable[int]:
        """Return the epochs below that an own epoch touches, ascending."""
        ...

    def text(self) -> str:
        """Return the order as the user wrote it: for a chain's repr, and for the identity of a state."""
        ...


def spread(epochs: Indices | int, factor: int) -> Indices | int:
    """Return ``epochs * factor``, the first of the epochs below that belong to each.

    Raises:
        OrderError: There is no room for them in 64 bits, where they would begin again at epochs already given.
    """
    highest = int(epochs.max(initial=0)) if isinstance(epochs, np.ndarray) else epochs
    if (highest + 1) * factor > 2**63:
        raise OrderError(f"epoch {highest} of an order with {factor} epochs below for each passes the last, 2**63 - 1")
    return epochs * factor


def drawn_at(at: At, reshuffle: bool, look_up: Callable[[Indices, int], Indices]) -> At:
    """Return what lies below addresses in orders that are drawn for each epoch, or once for all.

    Args:
        at: The addresses.
        reshuffle: Whether each epoch has an order of its own; else all have that of epoch 0.
        look_up: Returns what lies below positions of one epoch.
    """
    positions, epochs = at
    if not reshuffle:
        return At(look_up(positions, 0), epochs)
    if not isinstance(epochs, np.ndarray):
        return At(look_up(positions, int(epochs)), epochs)
    return At(_by_epoch(positions, epochs, look_up), epochs)


def _by_epoch(positions: Indices, epochs: Indices, look_up: Callable[[Indices, int], Indices]) -> Indices:
    """Return what lies below positions, each in an epoch of its own, asked for epoch by epoch."""
    if not epochs.size:
        return positions
    first = int(epochs[0])
    if (epochs == first).all():
        return look_up(positions, first)
    grouped = epochs.argsort(kind="stable")
    different, begins = np.unique(epochs[grouped], return_index=True)
    below = np.empty(positions.shape, np.int64)
    for epoch, here in zip(different.tolist(), np.split(grouped, begins[1:]), strict=True):
        below[here] = look_up(positions[here], epoch)
    return below
