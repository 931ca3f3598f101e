"""What goes by itself: from memory by a limit, from Redis by time. It goes by whole versions."""

from __future__ import annotations

import json
import time
import uuid
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.core.errors import NotFoundError, StoreError
from headrace.stores.backends.opening import open_backend
from headrace.stores.backends.protocol import Backend
from tests.servers.places import Place


def digest(name: str) -> str:
    return sha256(name.encode()).hexdigest()


def write(backend: Backend, version: str, *parts: str, size: int = 1000) -> None:
    """Write a version as a store does: its parts, but for those that are there, and then its manifest."""
    for part in parts:
        key = f"objects/{digest(part)}/x.npy"
        if backend.look(key) is None:
            backend.put(key, bytes(size))
    manifest = {"version": version, "parts": [{"digest": digest(part)} for part in parts]}
    assert backend.put_if_absent(f"datasets/d/{version}.json", json.dumps(manifest).encode())


def versions(backend: Backend) -> list[str]:
    """Return the versions there are, each of which must be whole."""
    found = []
    for entry in backend.list("datasets/"):
        manifest = json.loads(bytes(backend.get(entry.key)))
        for part in manifest["parts"]:
            assert len(backend.get(f"objects/{part['digest']}/x.npy")) > 0
        found.append(manifest["version"])
    return found


def in_memory(limit: int) -> Backend:
    return open_backend(f"memory://{uuid.uuid4()}", limit=limit)


def test_the_least_recently_read_version_goes_first() -> None:
    backend = in_memory(3800)
    for version in "abc":
        write(backend, version, f"part of {version}")
    backend.get("datasets/d/a.json")
    write(backend, "d", "part of d")
    assert versions(backend) == ["a", "c", "d"]
    backend.get(f"objects/{digest('part of a')}/x.npy")  # a read of a part is one of its version
    backend.get(f"objects/{digest('part of c')}/x.npy")
    write(backend, "e", "part of e")
    assert versions(backend) == ["a", "c", "e"]


def test_a_part_that_another_version_names_stays() -> None:
    backend = in_memory(4600)
    write(backend, "a", "one", "two")
    write(backend, "b", "two", "three")
    write(backend, "c", "four")
    write(backend, "d", "five")
    assert versions(backend) == ["c", "d"] or versions(backend) == ["b", "c", "d"]


def test_a_version_that_does_not_fit_is_refused_and_the_reason_told() -> None:
    backend = in_memory(2500)
    write(backend, "a", "one")
    with pytest.raises(StoreError, match=r"memory://.* is full: .* the limit is 2.5 kB. Give it more"):
        write(backend, "b", "two", "three", "four")
    assert versions(backend) == []


def test_a_part_that_is_about_to_be_named_stays() -> None:
    backend = in_memory(3000)
    write(backend, "a", "shared")
    assert backend.look(f"objects/{digest('shared')}/x.npy")  # by a writer of the next version, which builds on it
    backend.put(f"objects/{digest('new')}/x.npy", bytes(1600))
    write(backend, "b", "shared", "new")
    assert versions(backend)[-1] == "b"


@given(
    st.lists(st.tuples(st.sampled_from("wr"), st.integers(0, 8), st.sets(st.integers(0, 5), max_size=3)), max_size=40)
)
def test_no_manifest_names_what_is_not_there(steps: list[tuple[str, int, set[int]]]) -> None:
    backend = in_memory(4000)
    for number, (what, version, parts) in enumerate(steps):
        try:
            if what == "w":
                write(backend, f"{version}-{number}", *map(str, parts))
            else:
                backend.get(f"datasets/d/{version}-{number - 1}.json")
        except NotFoundError:
            pass
        except StoreError as error:
            assert "is full" in str(error)
        versions(backend)
    assert sum(entry.size for entry in backend.list()) <= 4000


@pytest.mark.servers
def test_a_version_expires_whole_in_redis(redis: Place) -> None:
    backend = open_backend(redis.fresh(), options=redis.options, ttl=0.4)
    write(backend, "a", "one", "shared")
    for _ in range(4):  # what is read lives on
        time.sleep(0.2)
        backend.get(f"objects/{digest('one')}/x.npy")
        backend.look("datasets/d/a.json")
    assert versions(backend) == ["a"]
    time.sleep(0.6)
    assert [entry.key for entry in backend.list("datasets/")] == []
    assert backend.get(f"objects/{digest('one')}/x.npy") == bytes(1000), "parts outlive what names them"


@pytest.mark.servers
def test_how_long_what_belongs_to_a_version_lives(redis: Place) -> None:
    from redis import Redis as Client

    url = redis.fresh()
    host, _, rest = url.removeprefix("redis://").partition("/")
    client = Client.from_url(f"redis://{host}/0")

    def left(key: str) -> float:
        """Return the seconds that an object has left; -0.001 for no end."""
        return float(client.pttl(f"{rest.partition('/')[2]}/{key}")) / 1000

    one, shared, large = (f"objects/{digest(name)}/x.npy" for name in ("one", "shared", "large"))
    short = open_backend(url, options=redis.options, ttl=100)
    short.put(one, b"1")
    assert 86_000 < left(one), "a version in the making has time"
    write(short, "a", "one", "shared")
    assert left("datasets/d/a.json") <= 100 < left(one) <= 160
    long = open_backend(url, options=redis.options, ttl=1000)
    write(long, "b", "shared")
    assert 1000 < left(shared) <= 1060 and left(one) <= 160
    short.put("datasets/d/.tags/best.json", b"{}")
    assert left("datasets/d/.tags/best.json") < 0
    for_ever = open_backend(url, options=redis.options)
    write(for_ever, "c", "one")
    assert left(one) < 0 and left("datasets/d/c.json") < 0
    write(short, "d", "one", "shared")
    assert left(one) < 0 and left(shared) > 900, "a shorter life takes nothing from a longer one"
    short.put(large, bytes(17 << 20))
    write(short, "e", "large")
    names = list(client.scan_iter(match=f"\0chunk/{rest.partition('/')[2]}/*"))
    assert len(names) == 2 and all(100 < client.pttl(name) / 1000 <= 160 for name in names)
    client.close()


@pytest.mark.servers
def test_chunks_go_with_what_they_were_of(redis: Place) -> None:
    from redis import Redis as Client

    url = redis.fresh()
    client = Client.from_url(f"redis://{url.removeprefix('redis://').partition('/')[0]}/0")
    space = f"\0chunk/{url.partition('/0/')[2]}/*"
    backend = open_backend(url, options=redis.options)

    def chunks() -> int:
        return len(list(client.scan_iter(match=space)))

    backend.put("a", bytes(17 << 20))
    backend.put("a", bytes(18 << 20))
    assert chunks() == 2
    assert not backend.put_if_absent("a", bytes(40 << 20))
    assert chunks() == 2
    backend.put("a", b"small")
    assert chunks() == 0
    backend.put("a", bytes(17 << 20))
    backend.delete("a")
    assert chunks() == 0
    client.close()
