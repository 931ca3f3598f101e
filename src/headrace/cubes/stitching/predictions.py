"""What a model gave, in whatever form, as batches of arrays by name."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from headrace.core import tensors
from headrace.core.errors import ArgumentError, KindError, SchemaError

ALONE = ""
"""The name of predictions that have none."""


@dataclass(frozen=True)
class Given:
    """Predictions of a variable for some patches.

    Args:
        values: Shape ``(n, ...)``.
        dims: Of the axes after the sample axis, where they come with it.
    """

    values: NDArray[Any]
    dims: tuple[str, ...] | None = None


class Predicted(NamedTuple):
    """Predictions of all variables for some patches.

    Args:
        columns: By name.
        alone: Whether they came as one array, not as a mapping.
    """

    columns: dict[str, Given]
    alone: bool


@dataclass(frozen=True)
class Selection:
    """Which variables are stitched.

    Args:
        variables: Their names; of predictions without names the name of the output. None for all.
        labels: Names of coordinates, which are no predictions.
    """

    variables: tuple[str, ...] | None
    labels: frozenset[str]

    @classmethod
    def of(cls, variables: Any, labels: Iterable[str] = ()) -> Selection:
        """Check what a user named.

        Raises:
            KindError: These are no names.
        """
        if variables is None:
            return cls(None, frozenset(labels))
        names = (variables,) if isinstance(variables, str) else variables
        if not isinstance(names, Sequence) or not names or not all(isinstance(name, str) and name for name in names):
            raise KindError(f"variables must be a name or several, got {variables!r}")
        return cls(tuple(names), frozenset(labels))


def batches_of(predictions: Any, selection: Selection, count: int) -> Generator[Predicted, None, None]:
    """Give predictions batch by batch; those without names under the name that was chosen, or :data:`ALONE`.

    Args:
        predictions: An array or tensor ``(n, ...)``, a mapping of names to those, or batches of either in a list or
            anything else that can be iterated.
        selection: Which are wanted.
        count: How many there should be: what lies at hand whole is refused at once where it has another length.

    Raises:
        ArgumentError: There is another number of them.
        KindError, SchemaError: They cannot be meant.
    """
    if isinstance(predictions, str | bytes):
        raise KindError(f"predictions must be an array or batches of arrays, got {predictions!r:.100}")
    if _is_whole(predictions):
        batch = _named(predictions, selection, "predictions")
        has = length_of(batch.columns, "predictions")
        if has != count:
            raise ArgumentError(f"{has:,} predictions for {count:,} patches: there must be one for each")
        yield batch
        return
    if not isinstance(predictions, Iterable):
        raise KindError(f"predictions must be an array or batches of arrays, got a {type(predictions).__name__}")
    batches = iter(predictions)
    try:
        yield from _batches(batches, selection)
    finally:
        if batches is not predictions and hasattr(batches, "close"):
            batches.close()  # a stream's workers are ours


def _batches(batches: Iterator[Any], selection: Selection) -> Iterator[Predicted]:
    for number, item in enumerate(batches):
        if not _is_whole(item) and not isinstance(item, list | tuple):
            raise KindError(f"batch {number} of predictions must be an array, or arrays by name, got {item!r:.100}")
        yield _named(item, selection, f"batch {number} of predictions")


def _is_whole(value: Any) -> bool:
    """Say whether something is predictions of several patches, not batches of them."""
    if isinstance(value, list | tuple):
        return bool(value) and all(isinstance(one, int | float | complex | np.number) for one in value)
    return hasattr(value, "keys") or hasattr(value, "__array__")  # a mapping, or an array of whatever kind


def _named(item: Any, selection: Selection, what: str) -> Predicted:
    wanted = selection.variables
    if not hasattr(item, "keys"):
        if wanted is not None and len(wanted) > 1:
            raise ArgumentError(f"variables names {', '.join(map(repr, wanted))}, and {what} have no names")
        return Predicted({wanted[0] if wanted else ALONE: _given(item, what)}, True)
    names = [name for name in item.keys() if name not in selection.labels] if wanted is None else list(wanted)
    for name in names:
        if name not in item:
            raise ArgumentError(f"{what} have no {name!r}; there are {', '.join(map(repr, item.keys()))}")
    if not names:
        raise ArgumentError(f"{what} have no variables beside coordinates: name those to stitch by variables=")
    return Predicted({name: _given(item[name], f"{what}, {name!r}") for name in names}, False)


def _given(value: Any, what: str) -> Given:
    if hasattr(value, "dims") and hasattr(value, "values"):  # xarray's
        if "sample" in value.dims:
            value = value.transpose("sample", ...)
        return Given(_array(value.values, what), tuple(value.dims[1:]))
    return Given(_array(tensors.to_numpy(value) if tensors.is_tensor(value) else value, what))


def _array(value: Any, what: str) -> NDArray[Any]:
    try:
        made = np.asarray(value)
    except (TypeError, ValueError) as error:
        raise KindError(f"{what}: this is no array: {error}") from error
    if not made.ndim:
        raise SchemaError(f"{what}: a single value; the first axis must be the patches of a batch")
    return made


def length_of(batch: dict[str, Given], what: str) -> int:
    """Return how many patches a batch has predictions for.

    Raises:
        SchemaError: Variables differ.
    """
    lengths = {name: len(given.values) for name, given in batch.items()}
    if len(set(lengths.values())) > 1:
        listed = ", ".join(f"{name!r} {length}" for name, length in lengths.items())
        raise SchemaError(f"{what}: variables are of different lengths: {listed}")
    return next(iter(lengths.values()))
