"""Several processes at one place: of those who write what is not there yet, one is first."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headrace.core.errors import ArgumentError
from headrace.stores.backends.keys import MOST_BYTES, checked_key
from headrace.stores.backends.opening import open_backend
from headrace.stores.backends.protocol import Backend
from tests.servers.places import Place

PLACES = ["folder", "s3", "gcs", "azure", "redis"]
RACER = """
import pickle, sys
backends = pickle.load(sys.stdin.buffer)
print("ready", flush=True)
sys.stdin.buffer.read(1)
for backend in backends:
    print(sum(backend.put_if_absent(f"claims/{number}", b"the same") for number in range(15)))
"""


@pytest.fixture(params=PLACES)
def backend(request: pytest.FixtureRequest, tmp_path: Path) -> Backend:
    return opened(request.param, request, tmp_path)


def opened(name: str, request: pytest.FixtureRequest, folder: Path) -> Backend:
    if name == "folder":
        return open_backend(folder / "store")
    place: Place = request.getfixturevalue(name)
    return open_backend(place.fresh(), place.endpoint, place.options)


@pytest.mark.servers
def test_of_four_processes_one_is_first(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    backends = pickle.dumps([opened(name, request, tmp_path) for name in PLACES])
    racers = [
        subprocess.Popen([sys.executable, "-c", RACER], stdin=subprocess.PIPE, stdout=subprocess.PIPE) for _ in range(4)
    ]
    try:
        for racer in racers:
            tell(racer, backends)
        for racer in racers:
            assert racer.stdout is not None and racer.stdout.readline() == b"ready\n"
        for racer in racers:
            tell(racer, b"!")
        won = [racer.communicate(timeout=60)[0].split() for racer in racers]
    finally:
        for racer in racers:
            racer.kill()
            racer.wait(30)
    assert [sum(map(int, of_one)) for of_one in zip(*won, strict=True)] == [15] * len(PLACES)


def tell(racer: subprocess.Popen[bytes], words: bytes) -> None:
    assert racer.stdin is not None
    racer.stdin.write(words)
    racer.stdin.flush()


NAMES = st.text(st.characters(exclude_categories=["Cc", "Cs"], exclude_characters="/\\"), min_size=1, max_size=12)
KEYS = st.lists(NAMES.filter(lambda name: name not in (".", "..")), min_size=1, max_size=3).map("/".join)


@pytest.mark.servers
@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sets(KEYS.map(lambda key: f"k/{key}.x"), max_size=4))
def test_any_key_comes_back(backend: Backend, keys: set[str]) -> None:
    kept = {key for key in keys if not any(other.startswith(f"{key}/") for other in keys)}
    for key in kept:
        backend.put(key, key.encode())
    assert [entry.key for entry in backend.list("k/")] == sorted(kept)
    for key in kept:
        assert backend.get(key) == key.encode()
        backend.delete(key)


@given(st.text())
def test_a_key_is_taken_or_refused(key: str) -> None:
    try:
        assert checked_key(key) == key
    except ArgumentError:
        return
    assert 0 < len(key.encode()) <= MOST_BYTES


def test_a_folder_shows_no_file_that_is_being_written(tmp_path: Path) -> None:
    backend = open_backend(tmp_path)
    (tmp_path / "tmp").mkdir()
    (tmp_path / "tmp" / ".put-left-by-one-who-died").write_bytes(b"half")
    backend.put("tmp/mine", b"")
    assert [entry.key for entry in backend.list()] == ["tmp/mine"]


@pytest.mark.servers
def test_a_forked_child_of_a_child_and_many_threads(s3: Place) -> None:
    """As a loader forks workers: the place is used before, in the child, and in the parent again."""
    code = f"""
import os, sys
from concurrent.futures import ThreadPoolExecutor
from headrace.stores.backends.opening import open_backend
backend = open_backend({s3.fresh()!r}, {s3.endpoint!r}, {dict(s3.options)!r})
backend.put("a", bytes(1000))

def work(depth):
    with ThreadPoolExecutor(8) as pool:
        assert all(len(found) == 1000 for found in pool.map(lambda _: backend.get("a"), range(40)))
    if depth and not (child := os.fork()):
        work(depth - 1)
        os._exit(0)
    if depth:
        assert os.waitpid(child, 0)[1] == 0
    backend.put(f"done {{depth}}", b"")

work(2)
print(*(entry.key for entry in backend.list()), sep=",")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "a,done 0,done 1,done 2", done.stderr
