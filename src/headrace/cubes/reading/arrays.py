"""Variables that lie at hand: arrays of NumPy, in memory or mapped from a file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headrace.core import fingerprint


@dataclass(frozen=True, eq=False)
class AtHand:
    """A :class:`~headrace.cubes.cube.Variable` over an array, which is not copied.

    Args:
        name: Of the variable.
        dims: Of each axis.
        array: Its values; one that is mapped from a file stays mapped.

    >>> AtHand("t", ("time",), np.arange(3)).whole().tolist()
    [0, 1, 2]
    """

    name: str
    dims: tuple[str, ...]
    array: NDArray[Any]

    @property
    def shape(self) -> tuple[int, ...]:
        return self.array.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.array.dtype

    @property
    def edges(self) -> None:
        return None

    def whole(self) -> NDArray[Any]:
        """Return the array itself."""
        return self.array

    def read(self, chunks: Sequence[tuple[int, ...]]) -> list[NDArray[Any]]:
        raise TypeError(f"variable {self.name!r} lies at hand and has no chunks: take whole()")

    def identity(self) -> str:
        """Return dtype, shape and a digest of the content, of which 4 MiB count."""
        return fingerprint.of_array(self.array)
