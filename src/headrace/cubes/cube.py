"""A cube: variables over named dimensions, as what reads patches sees them, wherever they lie."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import product
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from headrace.core.source import Indices
from headrace.cubes.once import Once


class Variable(Protocol):
    """An array over named dimensions, at hand or in chunks. Safe in any thread, and in a process that it is sent to."""

    @property
    def name(self) -> str: ...

    @property
    def dims(self) -> tuple[str, ...]:
        """Its dimensions, in its own order."""
        ...

    @property
    def shape(self) -> tuple[int, ...]: ...

    @property
    def dtype(self) -> np.dtype[Any]:
        """What it has once it is decoded."""
        ...

    @property
    def edges(self) -> tuple[Indices, ...] | None:
        """Where chunks begin along each dimension, ascending from 0, and the dimension's length at the end.

        None: the whole lies at hand.
        """
        ...

    def whole(self) -> NDArray[Any]:
        """Return the array itself, which is not to be written to; only where it lies at hand."""
        ...

    def read(self, chunks: Sequence[tuple[int, ...]]) -> list[NDArray[Any]]:
        """Read and decode chunks, several at a time; only where it lies in chunks.

        Args:
            chunks: Their places on the grid of chunks.

        Raises:
            StoreError: One cannot be read (``DamageError`` where what lies there is damaged); the message names the
                variable, the chunk and where it lies.
        """
        ...


class Cube:
    """Variables that share dimensions.

    Args:
        variables: By name: what patches are cut from.
        lengths: Of all dimensions, in the order in which patches have them.
        coords: Coordinates by name: those that name a dimension's elements, and others.
        identity: A text that changes when the content does, or a function that returns it.
        attrs: What the cube says of itself.
        variable_attrs: What each variable and coordinate says of itself.
        encoding: How labels are to be written back, such as ``{"time": {"units": ..., "calendar": ...}}``.
    """

    def __init__(
        self,
        variables: Mapping[str, Variable],
        lengths: Mapping[str, int],
        coords: Mapping[str, Variable] | None = None,
        identity: str | Callable[[], str] | Once = "",
        attrs: Mapping[str, Any] | None = None,
        variable_attrs: Mapping[str, Mapping[str, Any]] | None = None,
        encoding: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:
        self.variables = variables
        self.lengths = lengths
        self.coords: Mapping[str, Variable] = coords or {}
        self.attrs: Mapping[str, Any] = attrs or {}
        self.variable_attrs: Mapping[str, Mapping[str, Any]] = variable_attrs or {}
        self.encoding: Mapping[str, Mapping[str, Any]] = encoding or {}
        self._identity = identity if isinstance(identity, Once) else Once(identity)

    @property
    def identity(self) -> str:
        """A text that changes when the content does; empty where nothing is known of that.

        It is of the time at which it is first asked for, and costs a look at each file then: a state that is saved, a
        table that is kept and a description ask for it, reading does not.
        """
        return self._identity()

    def narrowed(self, names: Iterable[str]) -> Cube:
        """Return the cube with some of its variables, and the same identity."""
        variables = {name: self.variables[name] for name in names}
        return Cube(
            variables, self.lengths, self.coords, self._identity, self.attrs, self.variable_attrs, self.encoding
        )

    def __repr__(self) -> str:
        return f"Cube({', '.join(map(repr, self.variables))} over {dict(self.lengths)})"


def values_of(variable: Variable) -> NDArray[Any]:
    """Return all of a variable: the array itself where it lies at hand, else a new one."""
    edges = variable.edges
    if edges is None:
        return variable.whole()
    made = np.empty(variable.shape, variable.dtype)
    places = list(product(*(range(len(along) - 1) for along in edges)))
    for place, chunk in zip(places, variable.read(places), strict=True):
        here = tuple(slice(int(along[at]), int(along[at + 1])) for at, along in zip(place, edges, strict=True))
        made[here] = chunk
    return made
