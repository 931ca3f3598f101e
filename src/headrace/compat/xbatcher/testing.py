"""What batches of a generator should look like, told from its arguments alone, for test suites."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from math import prod
from typing import Any

import xarray as xr

from headrace.compat.xbatcher.gather import NEW, SUFFIX
from headrace.compat.xbatcher.generators import BatchGenerator

__all__ = ["get_batch_dimensions", "validate_batch_dimensions", "validate_generator_length"]


def get_batch_dimensions(generator: BatchGenerator) -> dict[Hashable, int]:
    """Return the dimensions that full batches should have, in order, with their lengths.

    >>> generator = BatchGenerator(xr.Dataset({"a": (("t", "x"), [[1, 2, 3, 4]] * 3)}), {"x": 2})
    >>> get_batch_dimensions(generator)
    {'t': 3, 'x': 2}
    """
    inputs, batch_dims = generator.input_dims, generator.batch_dims
    others: dict[Hashable, int] = {
        dim: batch_dims.get(dim, length) for dim, length in generator.ds.sizes.items() if dim not in inputs
    }
    if generator.concat_input_dims:
        sample = prod(others.values()) * prod(_together(generator, dim) for dim in inputs)
        last: dict[Hashable, int] = {f"{dim}{SUFFIX}": size for dim, size in inputs.items()}
        return {"sample" if others else NEW: sample, **last}
    if len(others) > 1:
        return {"sample": prod(others.values()), **inputs}
    if any(dim in batch_dims for dim in others):
        return {**others, **inputs}
    given = iter(inputs.items())  # a dimension that nobody named stays where it is
    return dict(next(given) if dim in inputs else (dim, length) for dim, length in generator.ds.sizes.items())


def _patches(generator: BatchGenerator, dim: Hashable) -> int:
    """Return how many patches there are along an input dimension."""
    shared = generator.input_overlap.get(dim, 0)
    return (generator.ds.sizes[dim] - shared) // (generator.input_dims[dim] - shared)


def _together(generator: BatchGenerator, dim: Hashable) -> int:
    """Return how many patches a full batch has along an input dimension."""
    many = _patches(generator, dim)
    if dim not in generator.batch_dims:
        return many
    stride = generator.input_dims[dim] - generator.input_overlap.get(dim, 0)
    return min(many, -(-generator.batch_dims[dim] // stride))


def validate_batch_dimensions(*, expected_dims: Mapping[Hashable, int], batch: xr.Dataset | xr.DataArray) -> None:
    """Compare a batch with what :func:`get_batch_dimensions` returned.

    Raises:
        AssertionError: Names, lengths or the order of dimensions differ.
    """
    if dict(expected_dims) != dict(batch.sizes):
        raise AssertionError(f"the batch has dimensions {dict(batch.sizes)}, expected {dict(expected_dims)}")
    variables: Mapping[Any, Any] = batch.data_vars if isinstance(batch, xr.Dataset) else {batch.name: batch}
    for name, variable in variables.items():
        if variable.shape != tuple(expected_dims.values()):
            raise AssertionError(
                f"{name!r} has shape {variable.shape}, expected {tuple(expected_dims.values())} in the order of "
                f"{tuple(expected_dims)}"
            )


def validate_generator_length(generator: BatchGenerator) -> None:
    """Compare a generator's length with what its arguments say.

    Raises:
        AssertionError: They differ.
    """
    expected = 1
    for dim, size in generator.batch_dims.items():
        whole = generator.ds.sizes[dim] // size
        if dim not in generator.input_dims:
            shared = generator.input_overlap.get(dim, 0)
            expected *= (generator.ds.sizes[dim] - shared) // (size - shared)
        elif generator.concat_input_dims:
            expected *= min(whole, -(-_patches(generator, dim) // _together(generator, dim)))
    if not generator.concat_input_dims:
        expected *= prod(_patches(generator, dim) for dim in generator.input_dims)
    if len(generator) != expected:
        raise AssertionError(f"the generator has {len(generator)} batches, expected {expected}")
