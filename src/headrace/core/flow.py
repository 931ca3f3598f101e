"""What flows in one order: the protocols of the sequential layer.

A *flow* is a frozen description; ``start`` makes a *cursor*, the only thing that moves. A cursor's state says where
its next item begins, so it counts what was handed out, never what was fetched ahead; it is plain JSON, and starting
the same flow from it gives exactly the rest.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol, TypeAlias, runtime_checkable

State: TypeAlias = dict[str, Any]
"""Plain JSON: dicts with string keys, lists, strings, numbers, booleans and None."""


class Cursor(Protocol):
    """A place in a flow. Not safe for several threads at once."""

    def __iter__(self) -> Iterator[Any]: ...

    def __next__(self) -> Any: ...

    def state(self) -> State:
        """Return where the next item begins; a new dict each time, which stays as it is when the cursor moves."""
        ...

    def close(self) -> None:
        """Let go of what is held open; may be called again. A closed cursor is at its end."""
        ...


@runtime_checkable
class Flow(Protocol):
    """Items in one order, which can be started again and again."""

    def start(self, state: State | None = None, epoch: int = 0) -> Cursor:
        """Begin at the front, or where a state says.

        Args:
            state: What ``Cursor.state`` of an equal flow gave, or None for the front.
            epoch: The round that is asked for: ``repeat`` starts its upstream with 0, 1, 2, ..., and a seeded or
                reshuffled flow differs by it. With a state it is the epoch that the state's cursor was started with.
        """
        ...

    def length(self) -> int | None:
        """Return the number of items from front to end; None when it is not known beforehand or has no end."""
        ...

    def order(self) -> tuple[str, ...]:
        """Return a line for each thing that decides which items come and in what order, upstream first.

        A state is refused where these lines differ, and the error quotes the first that does.
        """
        ...

    def code(self) -> tuple[str, ...]:
        """Return a line for each function that makes items without deciding their order; a difference warns."""
        ...
