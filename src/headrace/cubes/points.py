"""Where patches begin that are centred on given coordinates."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headrace.core.errors import ArgumentError, KindError, SchemaError
from headrace.core.source import Indices
from headrace.cubes.cube import Cube, values_of
from headrace.cubes.geometry import Geometry


def centred(cube: Cube, geometry: Geometry, centers: Mapping[str, Any]) -> Geometry:
    """Return patches whose middle elements are those nearest to given labels.

    Of an even number of elements the middle one is the first of the second half.

    Args:
        cube: Whose labels these are.
        geometry: What patches look like; in dimensions that are not named they lie on its grid.
        centers: By dimension one label for each patch, all of one length. Labels may ascend, descend, or stand in any
            order; a dimension without labels is counted from 0.

    Raises:
        ArgumentError: Unknown dimensions, lengths that differ, a label that is missing or lies outside, a patch that
            does not fit.
    """
    if not isinstance(centers, Mapping):
        raise KindError(f"centers must be a mapping from dimension to one label for each patch, got {centers!r:.100}")
    if not centers:
        raise ArgumentError("centers names no dimension, such as centers={'lat': [50.1], 'lon': [8.6]}")
    found = []
    for dim, labels in centers.items():
        axis = geometry.axis(dim)
        nearest = _nearest(cube, dim, np.asarray(labels))
        found.append(nearest - (axis.size // 2) * axis.dilation)
    lengths = {dim: len(begins) for dim, begins in zip(centers, found, strict=True)}
    if len(set(lengths.values())) > 1:
        raise ArgumentError(f"centers needs as many labels of each dimension, got {lengths}")
    return geometry.at(tuple(centers), np.stack(found, axis=1))


def _nearest(cube: Cube, dim: str, wanted: NDArray[Any]) -> Indices:
    """Return the element of a dimension that is nearest to each label, int64 ``(n,)``."""
    if wanted.ndim != 1:
        raise ArgumentError(f"centers of {dim!r} must be in one dimension, got shape {wanted.shape}")
    labels = labels_of(cube, dim)
    if labels.dtype.kind in "OUST":
        return _equal(dim, labels, wanted)
    try:
        wanted = wanted.astype(labels.dtype if labels.dtype.kind in "mM" else np.float64)
    except (TypeError, ValueError) as error:
        raise ArgumentError(f"centers of {dim!r} must be like its labels, {labels.dtype}: {error}") from error
    order = np.argsort(labels, kind="stable")
    known = labels[order]
    after = np.clip(known.searchsorted(wanted), 1, max(len(known) - 1, 1))
    before = after - 1
    after = np.minimum(after, len(known) - 1)
    nearer = np.where(_apart(wanted, known[after]) < _apart(wanted, known[before]), after, before)
    _refuse_outside(dim, known, wanted)
    return order[nearer].astype(np.int64)


def labels_of(cube: Cube, dim: str) -> NDArray[Any]:
    """Return the labels of a dimension, or its numbers where it has none: shape ``(length,)``, not to be written to.

    Raises:
        SchemaError: It has labels of more than one dimension.
    """
    known = cube.coords.get(dim)
    if known is None:
        return np.arange(cube.lengths[dim])
    if known.dims != (dim,):
        raise SchemaError(f"the labels of {dim!r} lie along {known.dims}, not along itself")
    return values_of(known)


def _refuse_outside(dim: str, known: NDArray[Any], wanted: NDArray[Any]) -> None:
    low, high = known[0], known[-1]
    if len(known) > 1:  # half a step beyond the last label belongs to it
        low, high = low - (known[1] - known[0]) / 2, high + (known[-1] - known[-2]) / 2
    wrong = np.flatnonzero(~((wanted >= low) & (wanted <= high)))
    if len(wrong):
        raise ArgumentError(
            f"{len(wrong)} of {len(wanted)} centers lie outside {dim!r}, which has labels from {known[0]} to "
            f"{known[-1]}: number {int(wrong[0])} is {wanted[wrong[0]]}"
        )


def _equal(dim: str, labels: NDArray[Any], wanted: NDArray[Any]) -> Indices:
    """Return where labels stand that cannot be subtracted, such as text."""
    places = {label: place for place, label in enumerate(labels.tolist())}
    missing = [label for label in wanted.tolist() if label not in places]
    if missing:
        raise ArgumentError(f"centers: {dim!r} has no label {missing[0]!r}, and such labels have no nearest one")
    return np.array([places[label] for label in wanted.tolist()], np.int64)


def _apart(left: NDArray[Any], right: NDArray[Any]) -> NDArray[Any]:
    apart: NDArray[Any] = np.abs(left - right)
    return apart
