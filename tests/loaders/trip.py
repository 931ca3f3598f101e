"""What every loader must come through: written to a store, its records are the same, in any order and from anywhere."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import headrace as hr
from headrace.core.tensors import is_tensor


def check_trip(
    folder: Path, make: Callable[[], Any], records: Sequence[Any], schema: str, batches: bool = False
) -> hr.Dataset:
    """Submit what ``make`` returns, and compare it with the records that its own framework gives."""
    store = hr.Store(folder / "store")
    ds = store.submit(make(), "data", "1", batches=batches)
    assert str(ds.schema) == schema
    assert len(ds) == len(records)
    check_all(ds, records)
    shuffled = ds.shuffle(seed=3)
    order = [int(shuffled.indices(step)[0]) for step in range(len(ds))]
    assert sorted(order) == list(range(len(ds)))
    check_all(shuffled, [records[place] for place in order])
    check_all(ds.skip(2), records[2:])
    check_all(ds.shard(1, 3), records[1::3])
    going = iter(ds.stream(shuffle=True, shuffle_seed=3, epochs=2, start_offset=1))
    next(going)
    again = ds.stream(shuffle=True, shuffle_seed=3, epochs=2, start_offset=1).resume(going.state_dict())
    check_all(going, list(again))
    return store.cacheable("data", "1", batches=batches)(make)()


def check_all(got: Any, wanted: Sequence[Any]) -> None:
    """Compare records one by one."""
    found = list(got)
    assert len(found) == len(wanted)
    for one, other in zip(found, wanted, strict=True):
        check_alike(one, other)


def check_alike(got: Any, wanted: Any) -> None:
    """Compare two records: structure, dtypes, shapes, values."""
    if isinstance(wanted, Mapping):
        assert isinstance(got, dict)
        assert list(got) == list(wanted)
        for name in wanted:
            check_alike(got[name], wanted[name])
    elif isinstance(wanted, tuple):
        assert isinstance(got, tuple)
        assert len(got) == len(wanted)
        for one, other in zip(got, wanted, strict=True):
            check_alike(one, other)
    elif is_tensor(wanted):
        assert is_tensor(got)
        assert (got.dtype, got.shape) == (wanted.dtype, wanted.shape)
        assert bool((got == wanted).all())
    elif isinstance(wanted, str | bytes):
        assert type(got) is type(wanted)
        assert got == wanted
    else:
        a, b = np.asarray(got), np.asarray(wanted)
        assert (a.dtype, a.shape) == (b.dtype, b.shape)
        assert np.array_equal(a, b)
