"""Choosing records: parts that do not overlap, groups, samples, sorted orders."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headrace.core import seeds
from headrace.core.address import At, Order
from headrace.core.callables import failure, name_of
from headrace.core.errors import ArgumentError, EndlessError, OrderError, RecordError, SchemaError
from headrace.core.order import Slice
from headrace.core.records import to_columns
from headrace.core.shuffle import Shuffle
from headrace.core.source import Indices
from headrace.core.subset import Subset
from headrace.core.tensors import is_tensor, to_numpy
from headrace.nodes.blocks import blocks
from headrace.nodes.node import Node
from headrace.nodes.ordered import Ordered
from headrace.nodes.picked import Picked
from headrace.nodes.rewrite import content, pick, rebuild, refuse_random, still

_LISTED = 10_000_000  # records of which a split keeps a list (8 bytes each), in their order


def subset(node: Node, indices: Indices, says: str) -> Node:
    """Return some positions of a node, in the order given."""
    return Ordered(node, partial(_subset, indices=indices), says)


def _subset(below: int | None, indices: Indices) -> Order:
    return Subset(below, indices)


def _end(node: Node, what: str) -> int:
    if node.length is None:
        raise EndlessError(f"{what} needs an end, and {node.words()} has none: take(n) first")
    return node.length


def column(node: Node, name: str | int, what: str) -> NDArray[Any]:
    """Read one column of all records, in order; shape ``(n, ...)``."""
    if node.batched:
        raise OrderError(f"{what} looks at a column of records, and these are batches: write it before batch()")
    pieces = []
    only = pick(node, "select", ((str(name), str(name)),))  # the others are not read where that can be avoided
    picked = only if isinstance(only, Picked) else None
    for _, records in blocks(only if picked is None else node, _end(node, what)):
        (values,) = to_columns(records if picked is None else picked.pick(records)).batch.values()
        values = to_numpy(values) if is_tensor(values) else values
        if not isinstance(values, np.ndarray):
            raise SchemaError(f"{what}: column {name!r} is {type(values).__name__}, which has no single value a record")
        pieces.append(np.array(values))
    return np.concatenate(pieces) if pieces else np.empty(0, np.int64)


def keys_of(node: Node, by: str | int, what: str) -> NDArray[Any]:
    """Read the column that records are grouped by; shape ``(n,)``."""
    values = column(node, by, what)
    if values.ndim != 1:
        raise SchemaError(f"{what}: column {by!r} has values of shape {values.shape[1:]}; it must have one a record")
    return values


def groups(values: NDArray[Any], what: str) -> tuple[list[Any], NDArray[np.int64]]:
    """Return the different values in order of appearance, and of each record the number of its value."""
    numbers: dict[Any, int] = {}
    if values.dtype == object:
        try:
            codes = np.array([numbers.setdefault(value, len(numbers)) for value in values], np.int64)
        except TypeError as error:
            raise SchemaError(f"{what}: records cannot be grouped by such values: {error}") from error
        return list(numbers), codes
    different, first, inverse = np.unique(values, return_index=True, return_inverse=True)
    appearance = np.argsort(first, kind="stable")
    rank = np.empty(len(different), np.int64)
    rank[appearance] = np.arange(len(different))
    names = different[appearance]
    return list(names) if names.dtype.kind in "mM" else names.tolist(), rank[inverse.reshape(-1)]


def group(node: Node, by: str | int) -> dict[Any, Node]:
    """Return the records of each value of a column, in order of appearance."""
    what = f"group_by({by!r})"
    place = _place(node, what, looks=True)
    names, codes = groups(keys_of(content(node, place), by, what), what)
    order = np.argsort(codes, kind="stable")
    ends = np.cumsum(np.bincount(codes, minlength=len(names)))[:-1]
    parts = np.split(order, ends)
    return {
        name: rebuild(node, place, partial(subset, indices=part, says=f"group({by}={name!r})"))
        for name, part in zip(names, parts, strict=bool(names))
    }


def _place(node: Node, what: str, looks: bool, through_repeat: bool = True) -> Node:
    if looks:
        refuse_random(node, what)
    place = still(node, what, through_repeat)
    if place.varies() is not None:
        raise OrderError(
            f"{what} would choose other records in each epoch, because of {place.varies()}: write it before"
        )
    return place


def split(node: Node, parts: Mapping[str, float], seed: int | None, by: str | int | None) -> dict[str, Node]:
    """Divide the records once and for all epochs; no record, and with ``by`` no group, is in two parts."""
    what = "split"
    place = _place(node, what, looks=by is not None)
    length = _end(place, what)
    _refuse_repeats(place, length)
    if by is not None:
        values = keys_of(content(node, place), by, what)
        chosen = _by_group(groups(values, f"split(by={by!r})"), _counts(parts, length), seed)
    else:
        counts = _counts(parts, length)
        if seed is None or length > _LISTED:
            return dict(zip(parts, _stretches(node, place, counts, seed), strict=True))
        order = _permutation(length, seed, what)
        chosen = [np.sort(part) for part in np.split(order, np.cumsum(counts)[:-1])]
    return {
        name: rebuild(node, place, partial(subset, indices=part, says=f"part({name})"))
        for name, part in zip(parts, chosen, strict=True)
    }


def _stretches(node: Node, place: Node, counts: list[int], seed: int | None) -> list[Node]:
    """Divide without listing records: each part is a stretch of the order, with a seed of a keyed permutation."""
    shuffled = None if seed is None else partial(Shuffle, seed=_derived(seed, "split"), reshuffle=False)

    def part(below: Node, start: int, stop: int) -> Node:
        if shuffled is not None:
            below = Ordered(below, shuffled, f"shuffle(seed={seed}, reshuffle=False)", whole=True)
        return window(below, start, stop, 1, f"part[{start}:{stop}]")

    ends = np.cumsum(counts).tolist()
    return [
        rebuild(node, place, partial(part, start=stop - count, stop=stop))
        for count, stop in zip(counts, ends, strict=True)
    ]


def _derived(seed: int, what: str) -> int:
    """Return another seed, so that a split and a shuffle of one seed have nothing in common."""
    high, low = seeds.key(seed, what)
    return int(high) << 64 | int(low)


def _permutation(length: int, seed: int | None, what: str) -> Indices:
    positions = np.arange(length, dtype=np.int64)
    return positions if seed is None else Shuffle(length, _derived(seed, what), False)(At(positions)).positions


def _refuse_repeats(place: Node, length: int) -> None:
    """Refuse to split where a record lies at several positions: it could land in two parts."""
    if place.once:
        return
    ids = place.ids(At(np.arange(length, dtype=np.int64)))
    if len(np.unique(ids)) < len(ids):
        raise OrderError(
            f"split would put the same record into two parts, since {place.words()} holds some more than once: "
            "split() first, then repeat, mix, balance or sample each part"
        )


def _counts(parts: Mapping[str, float], length: int) -> list[int]:
    """Return the number of records of each part: of fractions, by largest remainder."""
    if not parts:
        raise ArgumentError("split needs parts, such as split(train=0.9, val=0.1, seed=0)")
    for name, share in parts.items():
        if isinstance(share, bool) or not isinstance(share, int | float | np.integer | np.floating) or not share >= 0:
            raise ArgumentError(f"split: part {name!r} must be a fraction or a number of records, got {share!r}")
    sizes = list(parts.values())
    if all(isinstance(size, int | np.integer) for size in sizes) and sum(sizes) != 1:
        if sum(sizes) != length:
            raise ArgumentError(f"split: {_shown(parts)} sum to {sum(sizes)}, but there are {length} records")
        return [int(size) for size in sizes]
    if abs(sum(sizes) - 1) > 1e-9:
        raise ArgumentError(
            f"split: the fractions {_shown(parts)} sum to {sum(sizes):g}, not 1; name a part for the rest, too"
        )
    ideal = np.array(sizes, float) * length
    counts = np.floor(ideal + 1e-9).astype(int)
    for place in np.argsort(counts - ideal, kind="stable")[: length - int(counts.sum())]:
        counts[place] += 1
    return [int(count) for count in counts]


def _shown(parts: Mapping[str, float]) -> str:
    return ", ".join(f"{name}={share:g}" for name, share in parts.items())


def _by_group(grouped: tuple[list[Any], NDArray[np.int64]], wanted: list[int], seed: int | None) -> list[Indices]:
    """Deal whole groups out: in random order, each to the part that lacks most of its share."""
    names, codes = grouped
    sizes = np.bincount(codes, minlength=len(names))
    order = _permutation(len(names), seed, "split by group")
    lacking = np.array(wanted, float)
    owner = np.empty(len(names), np.int64)
    for number in order.tolist():
        owner[number] = int(np.argmax(lacking))
        lacking[owner[number]] -= sizes[number]
    return [
        np.flatnonzero(owner[codes] == part) if len(names) else np.empty(0, np.int64) for part in range(len(wanted))
    ]


def sample(node: Node, n: int, seed: int, weights: Any, replace: bool) -> Node:
    """Return ``n`` records drawn once and for all epochs, in the order drawn."""
    what = "sample"
    place = _place(node, what, looks=isinstance(weights, str), through_repeat=False)
    length = _end(place, what)
    if n < 0:
        raise ArgumentError(f"sample: n must be 0 or more, got {n}")
    if n and not length:
        raise ArgumentError(f"sample: cannot draw {n} records from none")
    if n > length and not replace:
        raise ArgumentError(f"sample: cannot draw {n} of {length} records without replacement; pass replace=True")
    chances = None
    if weights is not None:
        given = column(content(node, place), weights, what) if isinstance(weights, str) else np.asarray(weights)
        chances = _chances(given, length, n, replace)
    drawn = _draw(length, n, seed, chances, replace)
    return rebuild(node, place, partial(subset, indices=drawn, says=f"sample({n}, seed={seed})"))


def _chances(weights: NDArray[Any], length: int, n: int, replace: bool) -> NDArray[np.float64]:
    if weights.shape != (length,) or weights.dtype.kind not in "biuf":
        raise ArgumentError(f"sample: needs {length} numbers as weights, got {weights.dtype} of shape {weights.shape}")
    chances = weights.astype(np.float64)
    if not np.isfinite(chances).all() or (chances < 0).any():
        place = int(np.flatnonzero(~np.isfinite(chances) | (chances < 0))[0])
        raise ArgumentError(f"sample: weights must be finite and not below 0; record {place} has {chances[place]}")
    usable = int((chances > 0).sum())
    if n and (usable == 0 or (not replace and usable < n)):
        raise ArgumentError(f"sample: only {usable} records have a weight above 0, too few to draw {n}")
    return chances


def _draw(length: int, n: int, seed: int, chances: NDArray[np.float64] | None, replace: bool) -> Indices:
    if chances is None and not replace:
        return Shuffle(length, _derived(seed, "sample"), False)(At(np.arange(n, dtype=np.int64))).positions
    uniform = _uniform(seed, n if replace else length)
    if chances is None:
        drawn: Indices = np.minimum((uniform * length).astype(np.int64), length - 1)
        return drawn
    if replace:
        edges = np.cumsum(chances)
        drawn = np.minimum(np.searchsorted(edges, uniform * edges[-1], side="right"), np.flatnonzero(chances)[-1])
        return drawn
    # Efraimidis and Spirakis 2006: the n largest of u ** (1 / w) are a weighted sample without replacement
    with np.errstate(divide="ignore"):
        rank = np.log(1 - uniform) / chances
    return np.argsort(-rank, kind="stable")[:n]


def _uniform(seed: int, n: int) -> NDArray[np.float64]:
    """Return n numbers in [0, 1), made from raw generator words, which no release of NumPy changes."""
    words = seeds.generator(seed, "sample").bit_generator.random_raw(n)
    uniform: NDArray[np.float64] = np.multiply(
        np.asarray(words, np.uint64) >> np.uint64(11), 2.0**-53, dtype=np.float64
    )
    return uniform


def sort(node: Node, by: Any, descending: bool) -> Node:
    """Return the records in the order of a column or of a function of the record; equal ones keep their order."""
    shown_by = name_of(by) if callable(by) else str(by)
    says = f"sort_by({shown_by}{', descending=True' if descending else ''})"
    refuse_random(node, says)
    place = still(node, says, through_repeat=False)
    if place.varies() is not None:
        raise OrderError(f"{says} would sort other records in each epoch, because of {place.varies()}: write it before")
    shown = content(node, place)
    return Ordered(
        shown,
        partial(_sorted, node=shown, by=by, descending=descending, says=says),
        says,
        whole=True,
        keeps_length=True,
    )


def _sorted(below: int | None, node: Node, by: Any, descending: bool, says: str) -> Order:
    if callable(by):
        values = _values(node, by, says)
    else:
        keys = keys_of(node, by, says)
        if keys.dtype != object:
            return Subset(below, _argsort(keys, descending))
        values = keys.tolist()
    try:
        order = sorted(range(len(values)), key=values.__getitem__, reverse=descending)
    except TypeError as error:
        raise SchemaError(f"{says}: the values cannot be compared with each other: {error}") from error
    return Subset(below, np.array(order, np.int64))


def _values(node: Node, by: Callable[[Any], Any], says: str) -> list[Any]:
    values: list[Any] = []
    for at, records in blocks(node, _end(node, says)):
        try:
            for row in records.rows():
                values.append(by(row))
        except Exception as error:
            failed = at.positions[at.positions == len(values)]
            raise RecordError(failure(says, by, f"record {int(node.ids(At(failed))[0])}", error)) from error
    return values


def _argsort(keys: NDArray[Any], descending: bool) -> Indices:
    if not descending:
        return np.argsort(keys, kind="stable")
    return len(keys) - 1 - np.argsort(keys[::-1], kind="stable")[::-1]  # equal keys stay in their order


def window(node: Node, start: int | None, stop: int | None, step: int | None, says: str) -> Ordered:
    """Return ``[start:stop:step]`` of a node, with Python's meaning of negative numbers."""
    return Ordered(node, partial(_window, start=start, stop=stop, step=step, says=says), says)


def _window(below: int | None, start: int | None, stop: int | None, step: int | None, says: str) -> Order:
    if below is not None:
        chosen = range(below)[slice(start, stop, step)]
        return Slice(below, chosen.start if len(chosen) else 0, chosen.step, len(chosen))
    first, stride = start or 0, step or 1
    if first < 0 or stride < 0 or (stop is not None and stop < 0):
        raise EndlessError(f"{says} counts from the end, and an endless dataset has none")
    return Slice(None, first, stride, None if stop is None else len(range(first, stop, stride)))
