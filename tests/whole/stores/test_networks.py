"""A server and a network that fail while versions are written, fetched and read: it is right, or the error says why."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import headrace as hr
from headrace.core.errors import DamageError, DeniedError, ExistsError, HeadraceError, StoreError, UnreachableError
from tests.servers.faults import FaultProxy, Kind
from tests.servers.places import Place
from tests.whole.stores.where import Crowd, Where, check, content, program

pytestmark = pytest.mark.servers


@pytest.fixture
def place(request: pytest.FixtureRequest) -> Place:
    found: Place = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def proxy(place: Place) -> Iterator[FaultProxy]:
    assert place.endpoint is not None
    with FaultProxy.before(place.endpoint) as found:
        yield found


@pytest.fixture
def far(place: Place, proxy: FaultProxy, tmp_path: Path) -> Where:
    return Where.at(place, tmp_path).through(proxy.endpoint, timeout="0.5", deadline="8")


def plus(record: dict[str, Any]) -> dict[str, Any]:
    return {**record, "y": record["x"] + 1}


def epoch(ds: hr.Dataset, workers: int) -> list[int]:
    stream = ds.shuffle(seed=0).map(plus).batch(25).stream(workers=workers)
    return sorted(int(y) for batch in stream for y in batch["y"][:, 0])


S3_KINDS: tuple[Kind, ...] = ("500", "503", "reset", "lost", "stall", "truncate", "corrupt")
OTHERS: tuple[Kind, ...] = ("lost", "corrupt")


@pytest.mark.parametrize(
    ("place", "kind"),
    [*(("s3", kind) for kind in S3_KINDS), *((name, kind) for name in ("gcs", "azure") for kind in OTHERS)],
    indirect=["place"],
)
def test_a_version_is_written_fetched_and_read_with_workers_as_if_nothing_was(
    far: Where, proxy: FaultProxy, kind: Kind, tmp_path: Path
) -> None:
    if kind == "corrupt":  # a file that comes damaged twice is named: that has a test of its own
        for path in (r"x.{1,3}npy", r"text.{1,3}values"):
            proxy.fail(kind, 1, body=1000, path=path)
    else:
        proxy.fail(kind, 1, seconds=2)
        proxy.fail(kind, None, chance=0.05 if kind == "stall" else 0.2, seed=1, seconds=2)
    store = far.open()
    check(store.submit(content(1), "data", "1", part_bytes=30_000), 1)
    began = far.cached(tmp_path / "another").open().fetch("data", "1")
    workers = 2 if kind in ("503", "corrupt") else 0
    assert epoch(began, workers) == (np.arange(400) + 1001).tolist()
    assert proxy.hits > 0
    proxy.heal()
    assert store.verify() == 2 and store.versions("data") == ["1"]


@pytest.mark.parametrize("place", ["s3"], indirect=True)
@pytest.mark.parametrize("workers", [0, 2])
def test_a_server_that_goes_away_is_told_and_reading_goes_on_when_it_is_back(
    far: Where, proxy: FaultProxy, workers: int, tmp_path: Path
) -> None:
    far.open().submit(content(1), "data", "1", part_bytes=10_000)
    ds = far.cached(tmp_path / "another").through(proxy.endpoint, deadline="0.5").open().fetch("data", "1")
    stream = ds.batch(10).stream(workers=workers)
    seen: list[int] = []
    with iter(stream) as iterator:
        proxy.fail("503", None)
        began = time.monotonic()
        with pytest.raises(HeadraceError, match=r"503 .*Is the address right, and the server up") as caught:
            while True:
                seen += next(iterator)["x"][:, 0].tolist()
        assert isinstance(caught.value, StoreError) or isinstance(caught.value.__cause__, StoreError)
        assert time.monotonic() - began < 10
        proxy.heal()
        seen += [int(x) for batch in iterator for x in batch["x"][:, 0]]
    assert seen == (np.arange(400) + 1000).tolist()


@pytest.mark.parametrize("place", ["s3"], indirect=True)
def test_a_writer_that_gets_no_answer_says_so_and_leaves_nothing_that_could_be_seen(
    far: Where, proxy: FaultProxy, place: Place
) -> None:
    for path, kind in (("objects", "503"), (r"datasets/data/1\.json", "stall"), ("sequence", "reset")):
        store = far.through(proxy.endpoint, deadline="0.7", timeout="0.3").open()
        with proxy.failing(kind, method="PUT", path=path, seconds=1):  # type: ignore[arg-type]
            with pytest.raises(UnreachableError, match=r"writing .* no usable answer"):
                store.submit(content(1), "data", "1")
        assert store.versions("data") == [] and list(Path(far.cache, "desk", "tmp").iterdir()) == []
    with proxy.failing("403", method="PUT"), pytest.raises(DeniedError, match="permission denied"):
        store.submit(content(1), "data", "1")
    check(store.submit(content(1), "data", "1"), 1)


@pytest.mark.parametrize("place", ["s3"], indirect=True)
def test_a_manifest_that_comes_damaged_is_asked_for_again_and_then_named(far: Where, proxy: FaultProxy) -> None:
    store = far.open()
    store.submit(content(1), "data", "1")
    for kind in ("corrupt", "truncate"):
        proxy.fail(kind, 1, path=r"datasets/data/1\.json", body=100)
        check(store.fetch("data", "1"), 1)
        proxy.fail(kind, 1, path=r"datasets/data/1\.json", body=100)
        check(store.fetch("data"), 1)
        proxy.heal()
    with proxy.failing("corrupt", path=r"datasets/data/1\.json", body=100):
        with pytest.raises(DamageError, match=r"datasets/data/1\.json is damaged"):
            store.fetch("data", "1")


# A listing that lags


@pytest.mark.parametrize("place", ["s3"], indirect=True)
def test_a_listing_that_lags_loses_nothing(far: Where, proxy: FaultProxy, tmp_path: Path) -> None:
    proxy.lag = 1.0
    store = far.open()
    for seed in range(4):
        check(store.submit(content(seed), "data", str(seed)), seed)
        check(store.fetch("data", str(seed)), seed)
    with pytest.raises(ExistsError, match="is there already"):
        store.submit(content(9), "data", "3")
    assert [store.manifest("data", str(seed)).sequence for seed in range(4)] == [1, 2, 3, 4]
    store.tag("data", "1", "best")
    check(store.fetch("data", "best"), 1)
    time.sleep(1.1)
    store.versions("data")  # the proxy answers with what it has seen before
    time.sleep(1.1)
    assert store.versions("data") == ["0", "1", "2", "3"]
    check(store.fetch("data"), 3)


@pytest.mark.parametrize("place", ["s3"], indirect=True)
def test_old_garbage_that_is_needed_again_is_not_collected_where_listings_lag(far: Where, proxy: FaultProxy) -> None:
    store = far.open()
    for seed in (1, 2):
        store.submit(content(seed), "data", str(seed))
        store.delete("data", str(seed))
    time.sleep(2.1)
    store.gc(grace=100), store.versions("data")  # which the proxy shows for a while
    proxy.lag = 1.0
    for path in list(proxy._seen):
        proxy._seen[path].clear()
    assert store.gc(grace=1.2).parts == 0, "an empty listing shows nothing"
    time.sleep(1.1)
    store.submit(content(1), "data", "again")
    gone = store.gc(dry_run=False, grace=1.2)
    assert gone.parts >= 1, "there was something to take away"
    proxy.lag = 0.0
    store.verify()
    check(far.cached(Path(far.cache) / "fresh").open().fetch("data", "again"), 1)


@pytest.mark.parametrize("place", ["s3"], indirect=True)
def test_a_lagging_listing_lets_one_build(far: Where, proxy: FaultProxy, tmp_path: Path) -> None:
    proxy.lag = 1.0
    done = program("builders", "killed", far.text(), tmp_path)
    assert len(done["builders"]) == 2 and set(done["got"]) == {done["builders"][1]}


# A clock that is an hour off


@pytest.mark.parametrize(("place", "hours"), [("s3", 1), ("redis", -1)], indirect=["place"])
def test_a_clock_that_is_an_hour_off_makes_nothing_old(place: Place, hours: int, tmp_path: Path) -> None:
    where, crowd = Where.at(place, tmp_path), Crowd(tmp_path)
    found = program("clocks", where.text(), hours, tmp_path)
    assert found == {"parts": 0, "young": 1, "versions": ["1", "2", "3"]}
    assert crowd.notes("read") == ["1"] * 3
