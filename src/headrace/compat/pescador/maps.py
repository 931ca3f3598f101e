"""Functions of a stream: batches, tuples, a cache. Each is a generator function: ``Streamer(tuples, stream, "x")``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from headrace.compat.pescador.exceptions import DataError, PescadorError
from headrace.compat.pescador.util import get_rng

__all__ = ["buffer_stream", "cache", "keras_tuples", "tuples"]


def buffer_stream(
    stream: Iterable[Any], buffer_size: int, partial: bool = False, axis: int | None = None
) -> Iterator[dict[Any, Any]]:
    """Give batches of items, which are mappings from names to arrays or values.

    Args:
        stream: The items; those of a batch have the names of its first one, which may have fewer than the others.
        buffer_size: How many make a batch.
        partial: Whether a last batch of fewer is given.
        axis: Along which the arrays are joined; None for a new first axis.

    Returns:
        Dicts of arrays of their own: ``(buffer_size, *shape of the item's)`` with an ``axis`` of None.

    >>> list(buffer_stream([{"x": 1}, {"x": 2}, {"x": 3}], 2, partial=True))
    [{'x': array([1, 2])}, {'x': array([3])}]

    Raises:
        DataError: Items are no mappings, or their arrays do not fit together.
        KeyError: An item lacks a name.
        PescadorError: A size below 1.
    """
    if buffer_size < 1:
        raise PescadorError(f"buffer_size must be a whole number from 1 up, got {buffer_size!r}")
    items = []
    for item in stream:
        items.append(item)
        if len(items) >= buffer_size:
            yield _stacked(items, axis)
            items = []
    if items and partial:
        yield _stacked(items, axis)


def _stacked(items: Sequence[Any], axis: int | None) -> dict[Any, Any]:
    """Return items as one dict of arrays."""
    try:
        columns = {name: [item[name] for item in items] for name in items[0].keys()}
    except (TypeError, AttributeError) as error:
        raise _malformed(items, error) from error
    made = {}
    for name, column in columns.items():
        try:
            made[name] = np.array(column) if axis is None else np.concatenate(column, axis=axis)
        except (TypeError, ValueError) as error:
            raise DataError(f"column {name!r} of {len(items)} items does not make one array: {error}") from error
    return made


def tuples(stream: Iterable[Any], *keys: Any) -> Iterator[tuple[Any, ...]]:
    """Give each item's values under the given names, as a tuple.

    >>> list(tuples([{"x": 1, "y": 2}], "y", "x"))
    [(2, 1)]

    Raises:
        PescadorError: There is no name.
        DataError: An item is no mapping.
        KeyError: An item lacks a name.
    """
    if not keys:
        raise PescadorError("tuples() needs the names of what goes in: tuples(stream, 'x', 'y')")
    for item in stream:
        yield tuple(_values(item, keys))


def keras_tuples(stream: Iterable[Any], inputs: Any = None, outputs: Any = None) -> Iterator[tuple[Any, Any]]:
    """Give pairs of inputs and outputs, as Keras takes them.

    Args:
        stream: Mappings.
        inputs: A name for one value, names for a list of values, None for None.
        outputs: The same for the second of the pair.

    >>> list(keras_tuples([{"x": 1, "y": 2}], inputs="x", outputs=["x", "y"]))
    [(1, [1, 2])]

    Raises:
        PescadorError: There is no name at all.
        DataError: An item is no mapping.
        KeyError: An item lacks a name.
    """
    if not inputs and not outputs:
        raise PescadorError("keras_tuples() needs the names of inputs, or of outputs, or of both")
    inputs, outputs = (names if names is None or isinstance(names, str) else [*names] for names in (inputs, outputs))
    for item in stream:
        yield _picked(item, inputs), _picked(item, outputs)


def _picked(item: Any, names: Any) -> Any:
    if not names:
        return None
    return _values(item, [names])[0] if isinstance(names, str) else _values(item, names)


def _values(item: Any, names: Iterable[Any]) -> list[Any]:
    try:
        return [item[name] for name in names]
    except TypeError as error:
        raise _malformed(item, error) from error


def _malformed(items: Any, error: Exception) -> DataError:
    return DataError(f"items must be mappings from names to arrays, got {items!r:.200} ({error})")


def cache(stream: Iterable[Any], n_cache: int, prob: float = 0.5, random_state: Any = None) -> Iterator[Any]:
    """Give items of a stream and, between them, such as were given before.

    The first ``n_cache`` come as they are, and are kept. From then on a random one of those kept is given, and before
    that, with the given probability, a new one takes its place; when there is no new one, that is the end.

    Args:
        stream: Where items come from.
        n_cache: How many are kept.
        prob: How often the stream is asked for a new one, above 0; with 1 none comes again.
        random_state: None, a seed or a RandomState.

    >>> list(cache("abcdef", 2, prob=0.5, random_state=0))
    ['a', 'b', 'a', 'a', 'b', 'b', 'c', 'c', 'd', 'b', 'e', 'f', 'f', 'e']

    Raises:
        PescadorError: A cache of nothing, or no probability.
    """
    if n_cache <= 0:
        raise PescadorError(f"n_cache must be a whole number from 1 up, got {n_cache!r}")
    if not 0 < prob <= 1:
        raise PescadorError(f"prob must be above 0 and at most 1, got {prob!r}")
    rng = get_rng(random_state)
    items = iter(stream)
    kept = []
    for item in items:
        yield item
        kept.append(item)
        if len(kept) == n_cache:
            break
    while len(kept) == n_cache:
        place = rng.randint(low=0, high=n_cache)
        if rng.rand() <= prob:
            try:
                kept[place] = next(items)
            except StopIteration:
                return
        yield kept[place]


__stack_data = _stacked  # pescador's tests ask for it by this name
