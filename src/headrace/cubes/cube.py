"""A cube: variables over named dimensions, as what reads patches sees them, wherever they lie."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from headrace.core.source import Indices


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


@dataclass(frozen=True, eq=False)
class Cube:
    """Variables that share dimensions.

    Args:
        variables: By name: what patches are cut from.
        lengths: Of all dimensions, in the order in which patches have them.
        coords: Coordinates by name: those that name a dimension's elements, and others.
        identity: A text that changes when the content does.
        attrs: What the cube says of itself.
        variable_attrs: What each variable and coordinate says of itself.
        encoding: How labels are to be written back, such as ``{"time": {"units": ..., "calendar": ...}}``.
    """

    variables: Mapping[str, Variable]
    lengths: Mapping[str, int]
    coords: Mapping[str, Variable] = field(default_factory=dict)
    identity: str = ""
    attrs: Mapping[str, Any] = field(default_factory=dict)
    variable_attrs: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    encoding: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
