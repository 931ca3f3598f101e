"""What networks and busy servers do is survived, or ends in an error that says so; against real servers."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from headrace.core.errors import DeniedError, NotFoundError, StoreError, UnreachableError
from headrace.stores.backends.objects import Objects
from tests.servers.faults import FaultProxy, Kind
from tests.servers.places import Place

pytestmark = pytest.mark.servers

FAULTS: list[tuple[str, Kind]] = [
    *(("s3", kind) for kind in ("500", "503", "429", "reset", "lost", "stall", "truncate")),
    *((place, kind) for place in ("gcs", "azure") for kind in ("503", "lost", "truncate")),
]


@pytest.fixture(params=["s3", "gcs", "azure"])
def place(request: pytest.FixtureRequest) -> Place:
    found: Place = request.getfixturevalue(request.param)
    return found


def through(proxy: FaultProxy, place: Place, **options: str) -> Objects:
    return Objects(place.fresh(), proxy.endpoint, {**place.options, "timeout": "0.7", **options})


@pytest.mark.parametrize(("place", "kind"), FAULTS, indirect=["place"])
def test_each_call_survives_each_fault(place: Place, kind: Kind) -> None:
    assert place.endpoint is not None
    with FaultProxy.before(place.endpoint) as proxy:
        backend = through(proxy, place)
        backend.put("a", b"first" * 1000)

        def twice(call: Callable[[], Any]) -> Any:
            fault = proxy.fail(kind, seconds=3)
            found = call()
            assert fault.hits or kind == "truncate"  # which needs a body
            proxy.heal()
            return found

        assert twice(lambda: backend.get("a")) == b"first" * 1000
        assert twice(lambda: backend.get("a", 2, 9)) == b"rstfirs"
        assert [entry.key for entry in twice(lambda: list(backend.list()))] == ["a"]
        if kind == "stall":  # the others wait in the same way
            return
        assert twice(lambda: backend.look("a")).size == 5000
        assert twice(lambda: backend.look("b")) is None
        twice(lambda: backend.put("b", b"second"))
        assert backend.get("b") == b"second"
        twice(lambda: backend.delete("b"))
        assert twice(lambda: backend.put_if_absent("b", b"third")) is True
        assert twice(lambda: backend.put_if_absent("b", b"third")) is False
        assert backend.get("b") == b"third"


def test_a_large_upload_survives_them(s3: Place, s3_faults: FaultProxy, tmp_path: Path) -> None:
    path = tmp_path / "large"
    path.write_bytes(bytes(range(256)) * (1 << 17))  # 32 MiB, in four pieces
    backend = through(s3_faults, s3, timeout="3")
    s3_faults.fail("503", 2, path="partNumber")
    s3_faults.fail("reset", 1, path="partNumber")
    s3_faults.fail("lost", 1, method="POST")
    backend.put("large", path)
    assert s3_faults.hits == 4
    assert backend.get("large") == path.read_bytes()


def test_of_two_with_lost_answers_one_is_first(s3: Place, s3_faults: FaultProxy) -> None:
    """Both write the same bytes, and the answers of both are lost: only one is told that it was the one."""
    url = s3.fresh()
    for round in range(3):
        s3_faults.fail("lost", 2, method="PUT")
        won: list[bool] = []
        start = threading.Barrier(2)

        def race(key: str = f"claim {round}", won: list[bool] = won, start: threading.Barrier = start) -> None:
            start.wait(30)
            won.append(Objects(url, s3_faults.endpoint, s3.options).put_if_absent(key, b"same"))

        threads = [threading.Thread(target=race) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert sorted(won) == [False, True]


def test_a_listing_goes_on_where_a_page_failed(s3: Place, s3_faults: FaultProxy) -> None:
    backend = through(s3_faults, s3)
    keys = [f"k{number:04}" for number in range(130)]
    for key in keys:
        Objects.put(backend, key, b"")
    listed = backend.list()
    found = [next(listed).key]
    s3_faults.fail("truncate", 2, path="list-type")
    found += [entry.key for entry in listed]
    assert found == keys


def test_gives_up_at_the_deadline_and_says_so(s3: Place, s3_faults: FaultProxy) -> None:
    backend = through(s3_faults, s3, deadline="1")
    s3_faults.fail("503", None)
    began = time.monotonic()
    with pytest.raises(UnreachableError, match=r"reading 'a' in s3://.*[2-9] tries; the last: 503.*HEADRACE_DEADLINE"):
        backend.get("a")
    assert time.monotonic() - began < 5
    assert s3_faults.requests["GET"] >= 2


def test_no_permission_is_told_at_once(place: Place) -> None:
    assert place.endpoint is not None
    with FaultProxy.before(place.endpoint) as proxy:
        backend = through(proxy, place)
        proxy.fail("403", None)
        calls: list[Callable[[], object]] = [
            backend.check,
            lambda: backend.get("a"),
            lambda: backend.look("a"),
            lambda: backend.put("a", b""),
            lambda: backend.put_if_absent("a", b""),
            lambda: list(backend.list()),
            lambda: backend.delete("a"),
        ]
        for call in calls:
            with pytest.raises(DeniedError, match=r"permission denied .*Check the credentials, which come from [A-Z]"):
                call()
        assert proxy.hits == len(calls)


def test_a_bucket_that_is_not_there(place: Place) -> None:
    backend = Objects(f"{place.scheme}://nosuchbucket", place.endpoint, place.options)
    for call in (backend.check, lambda: backend.get("a"), lambda: backend.put("a", b"")):
        with pytest.raises(StoreError, match=r"there is no (bucket|container) 'nosuchbucket'") as caught:
            call()
        assert not isinstance(caught.value, NotFoundError)


def test_a_server_that_is_not_there() -> None:
    options = {"access_key_id": "a", "secret_access_key": "b", "deadline": "0.5"}
    with pytest.raises(UnreachableError, match=r"looking at s3://b at http://127.0.0.1:1.*no connection"):
        Objects("s3://b", "http://127.0.0.1:1", options).check()


def test_another_region(s3: Place, s3_faults: FaultProxy) -> None:
    """A cloud answers 301 or 400 with the right region; the proxy says what S3 says."""
    from headrace.stores.backends.answers import judged
    from headrace.stores.backends.clouds import Place as Address

    said = (
        "Error performing GET http://x in 1ms - Server returned non-2xx status code: 400 Bad Request: <Error><Code>"
        "AuthorizationHeaderMalformed</Code><Message>the region 'us-east-1' is wrong; expecting 'eu-west-1'</Message>"
    )
    error = judged(RuntimeError(said), Address.of("s3://b/p", None, {}), None)
    assert isinstance(error, StoreError)
    assert "another region" in str(error) and "eu-west-1" in str(error) and "AWS_REGION" in str(error)


def test_a_wrong_key(azure: Place) -> None:
    wrong = {**azure.options, "account_key": "d3JvbmcgYnV0IGxvbmcgZW5vdWdo"}
    with pytest.raises(DeniedError, match="AZURE_STORAGE_ACCOUNT_KEY") as caught:
        Objects(azure.fresh(), azure.endpoint, wrong).check()
    assert "d3Jv" not in str(caught.value)


def test_a_proxy_corrupts_and_lags(s3: Place, s3_faults: FaultProxy) -> None:
    backend = through(s3_faults, s3)
    backend.put("a", bytes(1000))
    s3_faults.fail("corrupt", body=1000)
    assert sum(bytes(backend.get("a"))) == 4
    assert backend.get("a") == bytes(1000)
    s3_faults.lag = 0.4
    assert list(backend.list()) == []
    assert backend.get("a") == bytes(1000)
    time.sleep(0.5)
    assert [entry.key for entry in backend.list()] == ["a"]
