"""How far workers run ahead of their consumer: a bound in batches and a bound in bytes, both of which hold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

from headrace.core.amounts import bytes_of, text_of
from headrace.core.arguments import whole
from headrace.core.errors import ArgumentError, KindError

_BYTES = 1_000_000_000  # unless told otherwise


@dataclass(frozen=True)
class Prefetch:
    """Bounds of what is in hand at once: being made, or lying ready.

    Args:
        batches: At most so many; None for twice as many as there are workers, and two.
        nbytes: At most so many bytes, taken from the largest seen so far; one is always in hand.
    """

    batches: int | None = None
    nbytes: int = _BYTES

    @classmethod
    def of(cls, value: Any) -> Self:
        """Make one of what a user gave: None, a number of batches, an amount of memory, or a pair of both.

        >>> Prefetch.of((8, "256 MB"))
        Prefetch(batches=8, nbytes=256000000)

        Raises:
            ArgumentError: A number below 1, or a text that is no amount.
            KindError: Anything else.
        """
        if value is None or isinstance(value, Prefetch):
            return cls() if value is None else cls(value.batches, value.nbytes)
        if isinstance(value, str):
            return cls(nbytes=bytes_of(value, "prefetch"))
        if isinstance(value, tuple):
            if len(value) != 2:
                raise ArgumentError(f"prefetch is a pair of batches and bytes, such as (8, '1 GB'), got {value!r}")
            return cls(whole(value[0], "prefetch", 1), bytes_of(value[1], "prefetch"))
        if isinstance(value, list | dict | float):
            raise KindError(f"prefetch must be a number of batches, an amount such as '1 GB', or both, got {value!r}")
        return cls(whole(value, "prefetch", 1))

    def depth(self, size: int) -> int:
        """Return the most jobs in hand for so many workers.

        >>> Prefetch().depth(4), Prefetch(batches=3).depth(4)
        (10, 3)
        """
        return 2 * size + 2 if self.batches is None else self.batches

    def words(self, size: int) -> str:
        """Return both bounds as text."""
        return f"{self.depth(size)} ahead, {text_of(self.nbytes)} at most"
