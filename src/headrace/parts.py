"""What a split gives: parts that unpack in order and answer to their names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Generic, TypeVar

from headrace.core.errors import ColumnError

Part = TypeVar("Part")
"""A Dataset, which stands above this file."""


class Parts(Generic[Part]):
    """Named datasets that do not overlap.

    Iteration gives the datasets in the order in which they were named, so that ``train, val = parts`` unpacks them.
    """

    def __init__(self, parts: Mapping[str, Part]) -> None:
        self._parts = dict(parts)

    def __iter__(self) -> Iterator[Part]:
        return iter(self._parts.values())

    def __len__(self) -> int:
        return len(self._parts)

    def __getitem__(self, name: str | int) -> Part:
        if isinstance(name, int):
            return list(self._parts.values())[name]
        if name not in self._parts:
            raise ColumnError(f"no part {name!r}; there are {', '.join(map(repr, self._parts))}")
        return self._parts[name]

    def __getattr__(self, name: str) -> Part:
        if name.startswith("_") or name not in self._parts:
            raise AttributeError(f"no part {name!r}; there are {', '.join(map(repr, self.__dict__.get('_parts', {})))}")
        return self._parts[name]

    def keys(self) -> list[str]:
        """Return the names, in order."""
        return list(self._parts)

    def items(self) -> list[tuple[str, Part]]:
        """Return names and datasets, in order."""
        return list(self._parts.items())

    def __repr__(self) -> str:
        return "\n".join(f"{name}: {part!r}" for name, part in self._parts.items())
