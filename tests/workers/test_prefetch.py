"""How far workers may run ahead, as a user says it."""

from __future__ import annotations

from typing import Any

import pytest

from headrace import ArgumentError, KindError
from headrace.workers.prefetch import Prefetch

GB = 1_000_000_000


@pytest.mark.parametrize(
    ("value", "batches", "nbytes"),
    [
        (None, None, GB),
        (1, 1, GB),
        (7, 7, GB),
        ("256 MB", None, 256_000_000),
        ("1.5 GiB", None, 3 << 29),
        ((3, "1 kB"), 3, 1000),
        ((3, 4096), 3, 4096),
        (Prefetch(2, 5), 2, 5),
    ],
)
def test_a_bound_is_read_as_it_is_meant(value: Any, batches: int | None, nbytes: int) -> None:
    assert Prefetch.of(value) == Prefetch(batches, nbytes)


@pytest.mark.parametrize("value", [0, -1, "0 MB", "much", "12", (0, "1 MB"), (2, "x"), (1, 2, 3), (1,), ()])
def test_what_cannot_be_meant_is_refused(value: Any) -> None:
    if value == "12":
        assert Prefetch.of(value).nbytes == 12  # bytes, as everywhere
        return
    with pytest.raises(ArgumentError, match="prefetch"):
        Prefetch.of(value)


@pytest.mark.parametrize("value", [2.0, True, [1, 2], {"batches": 2}, (1.5, "1 MB"), (2, None)])
def test_another_kind_is_refused(value: Any) -> None:
    with pytest.raises(KindError, match="prefetch must be"):
        Prefetch.of(value)


@pytest.mark.parametrize(("size", "depth"), [(1, 4), (2, 6), (8, 18)])
def test_by_default_it_grows_with_the_workers(size: int, depth: int) -> None:
    assert Prefetch().depth(size) == depth
    assert Prefetch(3).depth(size) == 3
    assert Prefetch(3).words(size) == "3 ahead, 1 GB at most"
