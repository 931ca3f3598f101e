"""tf.data: elements of any nesting, taken many at once where their specification allows it."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headrace.core.batch import Batch
from headrace.core.columns import Column, objects, stack
from headrace.core.errors import EndlessError, KindError
from headrace.core.fields import Fields
from headrace.core.naming import check_name
from headrace.core.ragged import Ragged
from headrace.core.records import Columns
from headrace.loaders.found import Found

_BLOCK_BYTES = 16 << 20
_MOST_RECORDS = 1 << 13
_FEW_RECORDS = 128  # where nothing is known of their size
_FEW_IN_A_BATCH = 8
_LARGE = 1 << 16  # bytes of an element, from which on one by itself costs less than a copy
_INFINITE, _UNKNOWN = -1, -2  # what TensorFlow calls these cardinalities

_MENDS = {
    "SparseTensorSpec": "a SparseTensor cannot be kept: map(...) it with tf.sparse.to_dense first",
    "OptionalSpec": "an optional cannot be kept: map(...) it to its value, with a default, first",
    "DatasetSpec": "a dataset within the dataset cannot be kept: flat_map(...) it, or batch it, first",
    "NoneTensorSpec": "None cannot be kept: leave it out with map(...)",
    "TensorArraySpec": "a TensorArray cannot be kept: map(...) it with stack() first",
}


def records_of(data: Any) -> Found:
    """Return the elements of a dataset, each a record. Of one that is batched the batches are the records.

    Raises:
        EndlessError: The dataset has no end.
        KindError: Something in an element cannot be kept; the message names it, and says how to mend it.
    """
    spec = data.element_spec
    for name, leaf in _named(spec, ""):
        _check(leaf, name)
    count = int(data.cardinality())
    if count == _INFINITE:
        raise EndlessError("an endless tf.data.Dataset cannot be written: take(n) of it first")
    return Found(lambda: _blocks(data, spec), None if count == _UNKNOWN else count)


def _check(leaf: Any, name: str) -> None:
    what = f"element {name!r}" if name else "the element"
    kinds = {kind.__name__ for kind in type(leaf).__mro__}
    if not kinds & {"TensorSpec", "RaggedTensorSpec"}:
        mend = next((mend for kind, mend in _MENDS.items() if kind in kinds), None)
        raise KindError(f"{what}: {mend or f'a {type(leaf).__name__} cannot be kept: map(...) it to tensors first'}")
    if leaf.dtype != _tf().string and np.dtype(leaf.dtype.as_numpy_dtype).isbuiltin != 1:
        raise KindError(
            f"{what}: NumPy has no {leaf.dtype.name}; map(...) it with tf.cast first, of bfloat16 to tf.float32"
        )


def _blocks(data: Any, spec: Any) -> Iterator[Columns]:
    leaves = _leaves(spec)
    if any(leaf.shape.rank is None for leaf in leaves):
        yield from _one_by_one(data, spec)
        return
    if all(map(_is_plain, leaves)) and sum(map(_least_bytes, leaves)) >= _LARGE:
        yield from _as_they_are(data, spec, leaves)
        return
    together = data.batch if all(map(_is_static, leaves)) else data.ragged_batch
    count = 0
    for element in together(_records_in_a_block(leaves)).prefetch(1):
        found = [_column(value, leaf) for value, leaf in zip(_leaves(element), leaves, strict=True)]
        yield _columns(spec, found)
        count += 1
    if not count:  # then the specification tells the columns
        yield _columns(spec, list(map(_nothing, leaves)))


def _as_they_are(data: Any, spec: Any, leaves: Sequence[Any]) -> Iterator[Columns]:
    """Give large elements, each by itself: to put them together TensorFlow would copy them."""
    count = 0
    for element in data:
        yield _columns(spec, [_array(value)[None] for value in _leaves(element)])
        count += 1
    if not count:
        yield _columns(spec, list(map(_nothing, leaves)))


def _is_plain(leaf: Any) -> bool:
    """Tell whether values differ in their first axis at most, and are no text."""
    return not _is_ragged(leaf) and leaf.dtype != _tf().string and None not in leaf.shape.as_list()[1:]


def _least_bytes(leaf: Any) -> int:
    """Return how many bytes a value has; an axis of unknown length is taken for a batch's, of few records."""
    known = [_FEW_IN_A_BATCH if size is None else size for size in leaf.shape.as_list()]
    return int(leaf.dtype.size) * math.prod(known)


def _one_by_one(data: Any, spec: Any) -> Iterator[Columns]:
    """Give elements of which not even the number of axes is known."""
    elements = iter(data)
    while some := [_leaves(element) for element in islice(elements, _FEW_RECORDS)]:
        yield _columns(spec, [stack([_value(tensor) for tensor in values]) for values in zip(*some, strict=True)])


def _nothing(leaf: Any) -> Column:
    """Return a column without rows."""
    dtype = np.dtype(object if leaf.dtype == _tf().string else leaf.dtype.as_numpy_dtype)
    shape = [size or 0 for size in leaf.shape.as_list()]
    if leaf.shape.rank and leaf.shape[0] is None and not dtype.hasobject:
        return Ragged(np.empty((0, *shape[1:]), dtype), np.zeros(1, np.int64))
    return np.empty((0, *shape), dtype)


def _is_static(leaf: Any) -> bool:
    return not _is_ragged(leaf) and bool(leaf.shape.is_fully_defined())


def _is_ragged(leaf: Any) -> bool:
    return any(kind.__name__ == "RaggedTensorSpec" for kind in type(leaf).__mro__)


def _records_in_a_block(leaves: Sequence[Any]) -> int:
    if not all(map(_is_static, leaves)) or any(leaf.dtype == _tf().string for leaf in leaves):
        return _FEW_RECORDS
    size = sum(int(leaf.dtype.size) * int(math.prod(leaf.shape.as_list())) for leaf in leaves)
    return min(max(1, _BLOCK_BYTES // max(1, size)), _MOST_RECORDS)


def _column(value: Any, leaf: Any) -> Column:
    """Return what many elements have in one place as a column, by the rule of ``columns.stack``."""
    if not hasattr(value, "nested_row_splits"):
        return _array(value)
    flat = _array(value.flat_values)
    outer, *inner = [splits.numpy() for splits in value.nested_row_splits]
    for splits in reversed(inner):
        lengths = np.diff(splits)
        if not _are_equal(lengths):
            return _uneven(value, leaf)
        flat = _folded(flat, lengths)
    lengths = np.diff(outer)
    if _are_equal(lengths):
        return _folded(flat, lengths)
    if flat.dtype == object:
        return _uneven(value, leaf)
    return Ragged(flat, outer)


def _are_equal(lengths: NDArray[np.int64]) -> bool:
    return not len(lengths) or bool((lengths == lengths[0]).all())


def _folded(flat: NDArray[Any], lengths: NDArray[np.int64]) -> NDArray[Any]:
    length = int(lengths[0]) if len(lengths) else 0
    return flat.reshape(len(lengths), length, *flat.shape[1:])


def _uneven(value: Any, leaf: Any) -> NDArray[Any]:
    """Return each element by itself: they differ in more than their first axis, or hold text."""
    ragged = _is_ragged(leaf) and leaf.ragged_rank > 0
    rows = [value[at] for at in range(int(value.nrows()))]
    if ragged:
        return objects([row.to_list() for row in rows])
    return objects([_array(row.to_tensor() if hasattr(row, "to_tensor") else row) for row in rows])


def _value(tensor: Any) -> Any:
    """Return one element's value: an array, of no axes a number or bytes."""
    if hasattr(tensor, "to_list"):
        return tensor.to_list()
    return tensor.numpy()


def _array(tensor: Any) -> NDArray[Any]:
    """Return a tensor as an array: a read-only view, of strings a copy."""
    if tensor.dtype == _tf().string:
        made: NDArray[Any] = np.asarray(tensor.numpy(), object)
        return made
    return np.asarray(memoryview(tensor))


# Nesting: elements are taken apart and put together in the order of their specification


def _named(spec: Any, name: str) -> Iterator[tuple[str, Any]]:
    if isinstance(spec, Mapping | tuple):
        inner = spec.items() if isinstance(spec, Mapping) else ((str(at), one) for at, one in enumerate(spec))
        if not spec:
            raise KindError(f"element {name!r}: there is nothing in it; leave it out with map(...)")
        for key, one in inner:
            check_name(key)
            yield from _named(one, f"{name}.{key}" if name else key)
    else:
        yield name, spec


def _leaves(element: Any) -> list[Any]:
    if isinstance(element, Mapping | tuple):
        inner = element.values() if isinstance(element, Mapping) else element
        return [leaf for one in inner for leaf in _leaves(one)]
    return [element]


def _columns(spec: Any, found: Sequence[Column]) -> Columns:
    """Return columns, one for each leaf of a specification, as records of its structure."""
    length, left = len(found[0]), iter(found)

    def put(part: Any) -> Column:
        if isinstance(part, Mapping):
            return Batch._of({name: put(one) for name, one in part.items()}, length)
        if isinstance(part, tuple):
            return Fields._of({str(at): put(one) for at, one in enumerate(part)}, length)
        return next(left)

    made = put(spec)
    if isinstance(spec, Mapping):
        return Columns(made, "mapping")
    if isinstance(spec, tuple):
        return Columns(Batch._of(made._columns, length), "tuple")
    return Columns(Batch._of({"value": made}, length), "value")


def _tf() -> Any:
    return sys.modules["tensorflow"]
