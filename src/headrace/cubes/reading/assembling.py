"""Variables and coordinates put together to a cube, if they fit."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

from headrace.core.errors import ArgumentError, ColumnError, KindError
from headrace.cubes.cube import Cube
from headrace.cubes.once import Once
from headrace.cubes.reading import identity

KINDS = "biufcmMSU"
"""Kinds of dtypes that patches may have: numbers, booleans, dates, text of a fixed length."""

NAME = "data"
"""What an array without a name is called."""


def made(
    variables: Iterable[Any],
    coords: Iterable[Any] = (),
    **about: Any,
) -> Cube:
    """Make a cube of variables and coordinates that fit together.

    Raises:
        KindError: Values are objects.
        ArgumentError: There is no variable, no dimension, or no element.
    """
    found = {variable.name: variable for variable in variables}
    if not found:
        raise ArgumentError("the cube has no variables, so there is nothing to cut patches from")
    lengths: dict[str, int] = {}
    for variable in sorted(found.values(), key=lambda variable: (-len(variable.dims), variable.name)):
        _check(variable, found.values())
        for dim, length in zip(variable.dims, variable.shape, strict=True):
            if lengths.setdefault(dim, length) != length:
                raise ArgumentError(f"{dim!r} has {lengths[dim]} elements, and in {variable.name!r} it has {length}")
    if not lengths:
        raise ArgumentError(
            f"{', '.join(map(repr, found))}: none has a dimension, so there is nothing to cut patches from"
        )
    beside = {coord.name: coord for coord in coords if all(dim in lengths for dim in coord.dims)}
    known = partial(identity.of_cube, list(found.values()), list(beside.values()))
    return Cube(found, lengths, beside, Once(known), **about)


def _check(variable: Any, all_of_them: Iterable[Any]) -> None:
    if variable.dtype.kind not in KINDS:
        others = [other.name for other in all_of_them if other.dtype.kind in KINDS]
        mend = f"leave it out: variables={others!r}" if others else "give it a dtype of a fixed size"
        raise KindError(
            f"variable {variable.name!r} has dtype {variable.dtype}, of which no patches can be stacked; {mend}"
        )
    for dim, length in zip(variable.dims, variable.shape, strict=True):
        if not length:
            raise ArgumentError(f"variable {variable.name!r} has no elements along {dim!r}, so it has no patches")


def chosen(names: Sequence[str], wanted: Sequence[str] | None) -> list[str]:
    """Return the names that are wanted, in the order in which they come.

    Raises:
        ColumnError: There is no such variable; the message names those that there are.
    """
    if wanted is None:
        return list(names)
    for name in wanted:
        if name not in names:
            raise ColumnError.missing(name, names)
    if not wanted:
        raise ArgumentError("variables names none; leave it out to take all")
    return [name for name in names if name in wanted]
