"""What every back end must do: subclass :class:`BackendTests`, give a ``backend`` fixture, and pytest runs the laws."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import random
import threading
import warnings
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import ClassVar

import pytest

from headrace.core.errors import ArgumentError, NotFoundError, StoreError
from headrace.stores.backends.protocol import Backend, Content

STRANGE = (
    "datasets/with space/two  spaces.json",
    "datasets/per%cent/a%20b%2F",
    "datasets/q?x=1&y#z/+,;:@!$'()*=",
    'datasets/~tilde/br[a]c{k}ets/<x>|^`"',
    "datasets/ünï/日本語/😀",
    "datasets/e\u0301 composed and not é",
    "datasets/.tags/best.json",
    "datasets/..dots../x.",
    "datasets/a./b",
    "datasets/a.~/b~",
    "-",
)
"""Keys that some servers, or some ways to write an address, would take for others."""

UNFIT = ("", "/a", "a/", "a//b", "a/./b", "../a", "a/..", "a\nb", "a\0b", "a\\b", "a/" + 1000 * "k")
"""What no key may be."""


class BackendTests:
    """The laws of a :class:`~headrace.stores.backends.protocol.Backend`.

    The fixture gives a place where nothing lies yet::

        class TestShelf(BackendTests):
            @pytest.fixture
            def backend(self, tmp_path):
                return open_backend(tmp_path / "new")

    Set ``travels`` to False for one that lies in its process alone, and ``large`` to what no longer goes in one piece.
    """

    travels: ClassVar[bool] = True
    large: ClassVar[int] = 17 << 20

    @pytest.fixture
    def backend(self) -> Backend:
        raise NotImplementedError("give a fixture `backend`")

    def test_it_is_there(self, backend: Backend) -> None:
        backend.check()
        assert list(backend.list()) == []

    @pytest.mark.parametrize("kind", ["bytes", "memoryview", "path"])
    @pytest.mark.parametrize("size", [0, 1, 100_000])
    def test_gives_what_was_put(self, backend: Backend, tmp_path: Path, kind: str, size: int) -> None:
        content = _bytes(size)
        backend.put("a/b", _as(kind, content, tmp_path))
        assert backend.get("a/b") == content
        found = backend.look("a/b")
        assert found is not None and (found.key, found.size) == ("a/b", size)

    def test_large_objects_come_whole(self, backend: Backend, tmp_path: Path) -> None:
        content = _bytes(self.large)
        for number, kind in enumerate(("path", "memoryview")):
            backend.put("objects/large", _as(kind, content[number:], tmp_path))
            assert backend.get("objects/large") == content[number:]
        assert backend.get("objects/large", self.large - 9, self.large + 9) == content[-8:]
        assert [entry.size for entry in backend.list()] == [self.large - 1]

    @pytest.mark.parametrize("size", [0, 10])
    def test_ranges_are_clipped(self, backend: Backend, size: int) -> None:
        content = _bytes(size)
        backend.put("a", content)
        for start in (0, 1, 4, 9, 10, 11, 99):
            for stop in (None, 0, 1, 5, 10, 11, 99):
                assert backend.get("a", start, stop) == content[start:stop], (start, stop)

    def test_what_is_not_there_is_told(self, backend: Backend) -> None:
        backend.put("a/b", b"")
        for key in ("x", "a", "a/b/c", "a/x"):
            assert backend.look(key) is None
            backend.delete(key)
            for span in ((0, None), (3, None), (0, 5), (2, 2)):
                with pytest.raises(NotFoundError, match=key):
                    backend.get(key, *span)
        assert [entry.key for entry in backend.list()] == ["a/b"]

    def test_a_put_takes_the_place_of_what_was_there(self, backend: Backend) -> None:
        for content in (b"first", b"the second, longer", b""):
            backend.put("a", content)
            assert backend.get("a") == content
        assert [entry.key for entry in backend.list()] == ["a"]

    def test_readers_see_one_or_the_other(self, backend: Backend) -> None:
        """While an object is replaced, again and again, each read gives one of its states, whole."""
        states = [bytes([letter]) * (1000 * letter) for letter in range(1, 9)]
        backend.put("a", states[0])
        done = threading.Event()

        def write() -> None:
            try:
                for state in states * 3:
                    backend.put("a", state)
            finally:
                done.set()

        with ThreadPoolExecutor(1) as pool:
            writing = pool.submit(write)
            while not done.is_set():
                assert bytes(backend.get("a")) in states
            writing.result()

    @pytest.mark.parametrize("kind", ["bytes", "path"])
    def test_only_the_first_is_written_where_there_is_none(self, backend: Backend, tmp_path: Path, kind: str) -> None:
        assert backend.put_if_absent("a", _as(kind, b"first", tmp_path)) is True
        assert backend.put_if_absent("a", _as(kind, b"second", tmp_path)) is False
        assert backend.put_if_absent("a", _as(kind, b"first", tmp_path)) is False
        assert backend.get("a") == b"first"
        backend.delete("a")
        assert backend.put_if_absent("a", b"third") is True

    def test_of_many_threads_one_is_first(self, backend: Backend) -> None:
        for same in (False, True):
            start = threading.Barrier(16)

            def race(number: int, same: bool = same, start: threading.Barrier = start) -> bool:
                start.wait(60)
                return backend.put_if_absent(f"race {same}", b"same" if same else b"%d" % number)

            with ThreadPoolExecutor(16) as pool:
                won = list(pool.map(race, range(16)))
            assert won.count(True) == 1
            assert backend.get(f"race {same}") == (b"same" if same else b"%d" % won.index(True))

    def test_keys_come_back_as_they_were_given(self, backend: Backend) -> None:
        for key in STRANGE:
            backend.put(key, key.encode())
        assert [entry.key for entry in backend.list()] == sorted(STRANGE)
        for key in STRANGE:
            assert backend.get(key) == key.encode()
            assert [entry.key for entry in backend.list(key)] == [key]
            assert not backend.put_if_absent(key, b"")
            backend.delete(key)
            assert backend.look(key) is None
        assert list(backend.list()) == []

    @pytest.mark.parametrize("key", UNFIT)
    def test_what_cannot_be_a_key_is_refused(self, backend: Backend, key: str) -> None:
        asks: Iterable[Callable[[], object]] = (
            lambda: backend.get(key),
            lambda: backend.look(key),
            lambda: backend.put(key, b""),
            lambda: backend.put_if_absent(key, b""),
            lambda: backend.delete(key),
        )
        for ask in asks:
            with pytest.raises(ArgumentError, match="key"):
                ask()

    def test_lists_by_any_beginning_in_order(self, backend: Backend) -> None:
        keys = ["a", "a/b", "a/b/c", "a-b", "a.b/c", "a0", "a/B", "b/a", "a/bc", "é/a"]
        keys = [key for key in keys if key not in ("a", "a/b")]  # a folder cannot be an object as well
        for key in random.Random(0).sample(keys, len(keys)):
            backend.put(key, key.encode())
        for prefix in ("", "a", "a/", "a/b", "a/b/", "a/b/c", "a.", "b/a", "c", "a/b/c/d", "c/d/"):
            found = list(backend.list(prefix))
            assert [entry.key for entry in found] == sorted(key for key in keys if key.startswith(prefix)), prefix
            assert all(entry.size == len(entry.key.encode()) for entry in found)

    def test_times_grow_by_its_own_clock(self, backend: Backend) -> None:
        backend.put("a", b"")
        backend.put("b", b"")
        times = [entry.modified for entry in backend.list()]
        looked = [found.modified for key in "ab" if (found := backend.look(key))]
        assert len(looked) == 2
        known = [time for time in (*times, *looked) if time is not None]
        assert known in ([], [*times, *looked]) and sorted(times, key=lambda time: time or 0.0) == times

    def test_a_file_that_is_not_there_is_not_a_missing_object(self, backend: Backend, tmp_path: Path) -> None:
        for put in (backend.put, backend.put_if_absent):
            with pytest.raises(StoreError, match="nowhere") as caught:
                put("a", tmp_path / "nowhere")
            assert not isinstance(caught.value, NotFoundError)
        assert backend.look("a") is None

    def test_many_threads_share_it(self, backend: Backend) -> None:
        def work(number: int) -> None:
            backend.put(f"t/{number:02}", b"%d" % number)
            assert backend.get(f"t/{number:02}") == b"%d" % number

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(work, range(40)))
        assert len(list(backend.list("t/"))) == 40

    def test_it_is_pickled_as_an_address(self, backend: Backend) -> None:
        copy = pickle.loads(pickle.dumps(backend))
        assert copy.url == backend.url
        backend.put("a", b"here")
        assert copy.get("a") == b"here"

    def test_a_forked_child_uses_it(self, backend: Backend) -> None:
        """Or is refused, at once and in words, where it lies in one process."""
        backend.put("a", b"of the parent")
        told = _in_child(lambda: _told(backend))
        if self.travels:
            assert told == b"read"
            assert backend.get("child") == b"of the child"
        else:
            assert b"process" in told
        assert backend.get("a") == b"of the parent"


def _told(backend: Backend) -> bytes:
    try:
        if backend.get("a") != b"of the parent":
            return b"something else"
        backend.put("child", b"of the child")
    except StoreError as error:
        return str(error).encode()
    return b"read"


def _in_child(work: Callable[[], bytes], seconds: float = 30.0) -> bytes:
    """Return what a function gives in a forked child, which is killed if it hangs."""
    context = multiprocessing.get_context("fork")
    here, there = context.Pipe(duplex=False)

    def run() -> None:
        there.send_bytes(work())

    child = context.Process(target=run)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of a process with threads, which is what is tried
        child.start()
    there.close()
    try:
        assert here.poll(seconds), "the child hangs"
        return here.recv_bytes()
    finally:
        child.kill()
        child.join()


def _bytes(size: int) -> bytes:
    return random.Random(size).randbytes(size)


def _as(kind: str, content: bytes, folder: Path) -> Content:
    if kind == "path":
        path = folder / f"content-{os.urandom(4).hex()}"
        path.write_bytes(content)
        return path
    return memoryview(content) if kind == "memoryview" else content
