"""Conditions on patches: asked of many at once, put together, made by comparing what is known of each patch."""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, NoReturn, TypeAlias

import numpy as np
from numpy.typing import NDArray

from headrace.core.callables import code_of, failure, name_of
from headrace.core.errors import KindError, RecordError, SchemaError
from headrace.core.source import Indices
from headrace.cubes.choosing.keeper import Held, Keeper
from headrace.cubes.choosing.sweeping import sweep
from headrace.cubes.source import PatchSource

Found: TypeAlias = tuple[NDArray[Any], NDArray[np.bool_] | None]
"""A value for each patch, and for which patches there is one; None for all."""

_COMPARED: dict[str, Callable[[Any, Any], Any]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}


class Condition:
    """Says of patches whether they are wanted. Conditions are put together with ``&``, ``|`` and ``~``.

    The right one of two is asked only of patches of which the left one has not decided.

    >>> from headrace.cubes.choosing.conditions import center_valid, valid_fraction
    >>> (valid_fraction("sst") > 0.9) & ~center_valid("land")
    (valid_fraction('sst') > 0.9) & ~center_valid('land')
    """

    def keep(self, source: PatchSource, numbers: Indices, keeper: Keeper | None = None) -> NDArray[np.bool_]:
        """Return which patches are wanted: a new array ``(n,)``.

        Args:
            source: Of the patches.
            numbers: Which ones are asked about.
            keeper: Where tables are kept; None for in memory, until this is answered.

        Raises:
            ColumnError: There is no such variable or coordinate.
            KindError: It cannot be asked of what this variable holds.
        """
        return self._keep(source, np.asarray(numbers, np.int64), Held() if keeper is None else keeper)

    def _keep(self, source: PatchSource, numbers: Indices, keeper: Keeper) -> NDArray[np.bool_]:
        raise NotImplementedError

    def identity(self) -> str:
        """Return a text that stands for the condition in every process, with what its functions do."""
        return repr(self)

    def __and__(self, other: Any) -> Condition:
        return Both(self, as_condition(other))

    def __rand__(self, other: Any) -> Condition:
        return Both(as_condition(other), self)

    def __or__(self, other: Any) -> Condition:
        return Either(self, as_condition(other))

    def __ror__(self, other: Any) -> Condition:
        return Either(as_condition(other), self)

    def __invert__(self) -> Condition:
        return Not(self)

    def __bool__(self) -> NoReturn:
        raise KindError(
            f"{self!r} is neither true nor false before it is asked of patches: write a & b, a | b and ~a in the place "
            "of and, or and not, with each comparison in brackets, and (a > 1) & (a < 2) in the place of 1 < a < 2"
        )


@dataclass(frozen=True)
class Pair(Condition):
    """Two conditions put together."""

    left: Condition
    right: Condition
    sign: ClassVar[str]

    def identity(self) -> str:
        return (
            f"{_bracketed(self.left, self.left.identity())} {self.sign} {_bracketed(self.right, self.right.identity())}"
        )

    def __repr__(self) -> str:
        return f"{_bracketed(self.left, repr(self.left))} {self.sign} {_bracketed(self.right, repr(self.right))}"


@dataclass(frozen=True, repr=False)
class Both(Pair):
    """Two conditions that must both hold."""

    sign = "&"

    def _keep(self, source: PatchSource, numbers: Indices, keeper: Keeper) -> NDArray[np.bool_]:
        found = self.left._keep(source, numbers, keeper)
        if found.any() or not len(found):  # asked of none, to hear of unknown names
            found[found] = self.right._keep(source, numbers[found], keeper)
        return found


@dataclass(frozen=True, repr=False)
class Either(Pair):
    """Two conditions of which one must hold."""

    sign = "|"

    def _keep(self, source: PatchSource, numbers: Indices, keeper: Keeper) -> NDArray[np.bool_]:
        found = self.left._keep(source, numbers, keeper)
        if not found.all() or not len(found):
            found[~found] = self.right._keep(source, numbers[~found], keeper)
        return found


@dataclass(frozen=True)
class Not(Condition):
    """A condition that must not hold."""

    inner: Condition

    def _keep(self, source: PatchSource, numbers: Indices, keeper: Keeper) -> NDArray[np.bool_]:
        return ~self.inner._keep(source, numbers, keeper)

    def identity(self) -> str:
        return f"~{_bracketed(self.inner, self.inner.identity())}"

    def __repr__(self) -> str:
        return f"~{_bracketed(self.inner, repr(self.inner))}"


def _bracketed(condition: Condition, text: str) -> str:
    return f"({text})" if isinstance(condition, Pair | Compared) else text


@dataclass(frozen=True)
class Values(Condition):
    """A function of batches of patches: gets columns ``(n, ...)`` by name, returns booleans ``(n,)``.

    All patches are read for it, those in the same chunks one after the other, some 32 MB of them at a time.

    Args:
        function: Of a batch.
    """

    function: Callable[[Any], Any]

    def _keep(self, source: PatchSource, numbers: Indices, keeper: Keeper) -> NDArray[np.bool_]:
        found = np.zeros(len(numbers), np.bool_)
        for places, batch in sweep(source, numbers):
            try:
                said = np.asarray(self.function(batch))
            except Exception as error:
                where = f"patches such as {int(numbers[places[0]])}"
                raise RecordError(failure(f"where({name_of(self.function)})", self.function, where, error)) from error
            if said.dtype != np.bool_ or said.shape != (len(places),):
                raise SchemaError(
                    f"where({name_of(self.function)}): of a batch of {len(places)} patches the function must return "
                    f"booleans of shape ({len(places)},), got {said.dtype} of {said.shape}"
                )
            found[places] = said
        return found

    def identity(self) -> str:
        return f"{name_of(self.function)} {code_of(self.function)}"

    def __repr__(self) -> str:
        return name_of(self.function)


def as_condition(thing: Any) -> Condition:
    """Return a condition, or a function of batches as one.

    >>> as_condition(lambda batch: batch["sst"].max((1, 2)) > 30)
    lambda

    Raises:
        KindError: It is neither.
    """
    if isinstance(thing, Condition):
        return thing
    if isinstance(thing, Quantity):
        raise KindError(f"{thing!r} is a number for each patch, no condition: compare it, such as {thing!r} > 0.5")
    if callable(thing):
        return Values(thing)
    raise KindError(
        f"patches are chosen by a condition, such as valid_fraction('sst') > 0.9, or a function of a batch that "
        f"returns booleans; got {thing!r:.100}, a {type(thing).__name__}"
    )


class Quantity:
    """A value for each patch; comparing it makes a :class:`Condition`.

    Where a patch has no such value, comparisons do not hold, but for ``!=``: as with NaN.
    """

    def values(self, source: PatchSource, numbers: Indices, keeper: Keeper) -> Found:
        """Return a value for each patch, and which patches have one."""
        raise NotImplementedError

    def __lt__(self, other: Any) -> Condition:
        return Compared(self, "<", other)

    def __le__(self, other: Any) -> Condition:
        return Compared(self, "<=", other)

    def __gt__(self, other: Any) -> Condition:
        return Compared(self, ">", other)

    def __ge__(self, other: Any) -> Condition:
        return Compared(self, ">=", other)

    def __eq__(self, other: Any) -> Condition:  # type: ignore[override]
        return Compared(self, "==", other)

    def __ne__(self, other: Any) -> Condition:  # type: ignore[override]
        return Compared(self, "!=", other)

    def __hash__(self) -> int:
        return hash(repr(self))

    def __bool__(self) -> NoReturn:
        raise KindError(f"{self!r} is a value for each patch, neither true nor false: compare it with a number")


@dataclass(frozen=True, eq=False)
class Compared(Condition):
    """A quantity beside a value, or beside another quantity."""

    quantity: Quantity
    sign: str
    other: Any

    def __post_init__(self) -> None:
        if isinstance(self.other, Condition) or (np.ndim(self.other) and not isinstance(self.other, Quantity)):
            raise KindError(f"{self.quantity!r} {self.sign} ...: compare it with one value, got {self.other!r:.100}")

    def _keep(self, source: PatchSource, numbers: Indices, keeper: Keeper) -> NDArray[np.bool_]:
        values, there = self.quantity.values(source, numbers, keeper)
        other = self.other
        if isinstance(other, Quantity):
            other, beside = other.values(source, numbers, keeper)
            there = beside if there is None else there if beside is None else there & beside
        elif isinstance(other, str) and values.dtype.kind in "mM":
            other = _read_as(values.dtype, other, self)
        found = self._compared(values, other, there)
        return found

    def _compared(self, values: Any, other: Any, there: NDArray[np.bool_] | None) -> NDArray[np.bool_]:
        found = np.full(len(values), self.sign == "!=", np.bool_)
        asked: Any = slice(None) if there is None else there
        beside = other[asked] if isinstance(other, np.ndarray) and other.ndim else other
        try:
            with np.errstate(invalid="ignore"):
                found[asked] = np.asarray(_COMPARED[self.sign](values[asked], beside), np.bool_)
        except (TypeError, ValueError) as error:
            raise KindError(f"{self!r}: values of {values.dtype} cannot be compared with that: {error}") from error
        return found

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Compared) and repr(self) == repr(other)

    def __hash__(self) -> int:
        return hash(repr(self))

    def __repr__(self) -> str:
        other = repr(self.other)
        if isinstance(self.other, np.generic):
            other = other.replace("numpy.", "np.", 1)  # NumPy 1 writes its whole name
        return f"{self.quantity!r} {self.sign} {other}"


def _read_as(dtype: np.dtype[Any], text: str, condition: Condition) -> Any:
    try:
        return np.datetime64(text) if dtype.kind == "M" else np.array(text).astype(dtype)
    except ValueError as error:
        raise KindError(f"{condition!r}: {text!r} cannot be read as {dtype}: {error}") from error
