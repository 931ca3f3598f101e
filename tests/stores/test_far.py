"""Stores at a URL, as they are opened and before much is done for them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import headrace as hr
from headrace.stores.far import find_bucket
from headrace.stores.fetched.shelf import Fetched
from tests.servers.faults import FaultProxy
from tests.servers.places import Place


def test_who_may_not_write_is_told_before_a_record_is_made(s3: Place, s3_faults: FaultProxy, tmp_path: Path) -> None:
    made: list[int] = []

    def records() -> Iterator[dict[str, int]]:
        made.append(0)
        yield {"x": 0}

    store = hr.Store(s3.fresh(), cache=tmp_path / "cache", endpoint=s3_faults.endpoint, options=s3.options)
    with s3_faults.failing("403", times=None, method="PUT"), pytest.raises(hr.DeniedError, match="permission denied"):
        store.submit(records, "numbers", "1.0")
    assert made == []
    assert store.submit(records, "numbers", "1.0").list() == [{"x": 0}]


@pytest.mark.parametrize(
    ("cache", "given", "bound"), [(None, None, None), (None, "1 GB", 10**9), ("folder", None, 10**11)]
)
def test_parts_in_memory_have_a_bound_of_their_own(
    s3: Place, tmp_path: Path, cache: str | None, given: str | None, bound: int | None
) -> None:
    folder = None if cache is None else tmp_path / cache
    home = find_bucket(s3.fresh(), folder, given, s3.endpoint, "60 s", None, None, s3.options)
    assert isinstance(home.shelf, Fetched)
    assert home.shelf.limit == bound
