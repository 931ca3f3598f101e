"""What fills patches up where they run past an end of the cube: a value that the variable can hold, or none."""

from __future__ import annotations

from typing import Any

import numpy as np

from headrace.core.errors import ArgumentError
from headrace.cubes.geometry import Fill


def filler(name: str, dtype: np.dtype[Any], fill: Fill) -> Any:
    """Return what fills a variable up: the value as the variable's own kind.

    Datetimes and timedeltas are filled with NaT, whatever number is given: a number is no time.

    Args:
        name: Of the variable.
        dtype: Its own.
        fill: A number.

    >>> filler("mask", np.dtype("int8"), 3).tolist()
    3
    >>> filler("mask", np.dtype("int8"), float("nan"))
    Traceback (most recent call last):
    headrace.core.errors.ArgumentError: patches of 'mask' are filled up, and int8 cannot hold nan: take fill=0, \
fill='reflect', or partial='drop' or 'shift'

    Raises:
        ArgumentError: The variable cannot hold it.
    """
    if dtype.kind in "mM":
        return np.array("NaT", dtype)[()]
    if dtype.kind == "O":
        return fill
    if dtype.kind in "iub":
        held = fill == fill and _held_by(dtype, fill)
    else:
        held = dtype.kind in "fc"
    if not held:
        raise ArgumentError(
            f"patches of {name!r} are filled up, and {dtype} cannot hold {fill}: take "
            f"{'fill=0, ' if dtype.kind in 'iub' else ''}fill='reflect', or partial='drop' or 'shift'"
        )
    return np.array(fill).astype(dtype)[()]


def unlabelled(dtype: np.dtype[Any]) -> tuple[np.dtype[Any], Any]:
    """Return what stands for the labels of elements that are not there, and the dtype of labels with such among them.

    NaN, NaT, an empty string, None; whole numbers become float64 for it, as in xarray, and bools become objects.

    >>> unlabelled(np.dtype("int32"))
    (dtype('float64'), nan)
    """
    if dtype.kind in "mM":
        return dtype, np.array("NaT", dtype)[()]
    if dtype.kind in "fc":
        return dtype, float("nan")
    if dtype.kind in "iu":
        return np.dtype(np.float64), float("nan")
    if dtype.kind in "UST":
        return dtype, b"" if dtype.kind == "S" else ""
    return np.dtype(object), None


def _held_by(dtype: np.dtype[Any], fill: Fill) -> bool:
    if dtype.kind == "b":
        return fill in (0, 1)
    limits = np.iinfo(dtype)
    return not isinstance(fill, str) and limits.min <= fill <= limits.max and int(fill) == fill
