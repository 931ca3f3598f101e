"""Where what was counted over a whole cube is kept, so that it is counted once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

MOST_BYTES = 1 << 30
"""How much is held in memory where there is no store."""


class Keeper(Protocol):
    """Arrays and texts that are made once. Keys are texts of any length; equal keys stand for equal content."""

    def fits(self, nbytes: int) -> bool:
        """Say whether rows of so many bytes can be kept here; who is told no does without them."""
        ...

    def rows(
        self, key: str, make: Callable[[], Iterator[NDArray[Any]]], shape: tuple[int, ...], dtype: np.dtype[Any]
    ) -> NDArray[Any]:
        """Return an array, mapped or in memory, which is not to be written to.

        Args:
            key: What it is kept under.
            make: Gives it, where it was not made yet, as blocks of rows one after the other.
            shape: Of the whole.
            dtype: Of the whole.
        """
        ...

    def text(self, key: str, make: Callable[[], str]) -> str:
        """Return a text.

        Args:
            key: What it is kept under.
            make: Gives it, where it was not made yet.
        """
        ...


@dataclass(frozen=True, eq=False)
class Held:
    """Keeps in memory, as long as it lives itself; in another process it begins empty.

    Args:
        most_bytes: How much.

    >>> held = Held()
    >>> held.rows("squares", lambda: iter([np.arange(2) ** 2, np.array([4])]), (3,), np.dtype("int64")).tolist()
    [0, 1, 4]
    """

    most_bytes: int = MOST_BYTES
    _arrays: dict[str, NDArray[Any]] = field(default_factory=dict, repr=False)
    _texts: dict[str, str] = field(default_factory=dict, repr=False)

    def __reduce__(self) -> tuple[Any, ...]:
        return Held, (self.most_bytes,)  # what is kept does not travel

    def fits(self, nbytes: int) -> bool:
        return nbytes + sum(array.nbytes for array in self._arrays.values()) <= self.most_bytes

    def rows(
        self, key: str, make: Callable[[], Iterator[NDArray[Any]]], shape: tuple[int, ...], dtype: np.dtype[Any]
    ) -> NDArray[Any]:
        if key not in self._arrays:
            self._arrays[key] = filled(np.empty(shape, dtype), make())
        return self._arrays[key]

    def text(self, key: str, make: Callable[[], str]) -> str:
        if key not in self._texts:
            self._texts[key] = make()
        return self._texts[key]


def filled(array: NDArray[Any], blocks: Iterator[NDArray[Any]]) -> NDArray[Any]:
    """Return an array once rows that come in blocks are written into it, from its first row on."""
    begin = 0
    for block in blocks:
        array[begin : begin + len(block)] = block
        begin += len(block)
    assert begin == len(array), (begin, array.shape)  # whoever makes rows knows how many
    return array
