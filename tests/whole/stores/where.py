"""A store as several processes open it, what lies in its versions, and processes that do things to it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

import headrace as hr
from tests.servers.places import Place

ROOT = Path(__file__).parents[3]
LENGTH = 400
LIMIT = 60.0  # seconds after which something hangs


@dataclass(frozen=True)
class Where:
    """Where a store lies, as JSON between processes.

    Args:
        url: A folder or a URL.
        endpoint: Of a server.
        options: Of a client.
        cache: The folder for what is fetched.
    """

    url: str
    endpoint: str | None
    options: Mapping[str, str] | None
    cache: str

    @classmethod
    def at(cls, place: Place, folder: Path, **options: str) -> Where:
        """Return an empty place at a server; what is fetched goes to a folder."""
        return cls(place.fresh(), place.endpoint, {**place.options, **options}, str(folder / "cache"))

    @classmethod
    def local(cls, folder: Path) -> Where:
        """Return a store in a folder."""
        return cls(str(folder / "store"), None, None, str(folder / "cache"))

    def through(self, endpoint: str, **options: str) -> Where:
        """Return the same by another address."""
        return Where(self.url, endpoint, {**(self.options or {}), **options}, self.cache)

    def cached(self, folder: Path) -> Where:
        """Return the same with another folder for what is fetched."""
        return Where(self.url, self.endpoint, self.options, str(folder))

    def open(self, **given: Any) -> hr.Store:
        return hr.Store(self.url, endpoint=self.endpoint, options=self.options, cache=self.cache, **given)

    @property
    def is_far(self) -> bool:
        return "://" in self.url

    def text(self) -> str:
        return json.dumps(asdict(self))


def content(seed: int, length: int = LENGTH) -> dict[str, Any]:
    """Return the records of a version as columns; two versions share nothing."""
    number = np.arange(length) + 1000 * seed
    return {"x": np.repeat(number, 16).reshape(length, 16), "text": [f"{seed}/{n % 7}" for n in number.tolist()]}


def check(ds: hr.Dataset, seed: int, length: int = LENGTH) -> None:
    """Make sure that a dataset has the records of a version: every byte of them, in their order."""
    wanted, found = content(seed, length), ds.collect()
    assert (found["x"] == wanted["x"]).all() and found["x"].shape == wanted["x"].shape
    assert list(found["text"]) == wanted["text"]


class Crowd:
    """Processes that are forked, and lines that they write for each other in a folder.

    What forks must not have a cloud's client loaded, so that its children may make requests by themselves.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.children: list[int] = []
        with TemporaryDirectory() as warm:  # what is imported now is not imported by each child
            check(hr.Store(warm).submit(content(0), "data", "0"), 0)

    def fork(self, act: Callable[[], object]) -> int:
        child = os.fork()
        if child:
            self.children.append(child)
            return child
        try:
            act()
        except BaseException:
            traceback.print_exc()
            sys.stderr.flush()
            os._exit(1)
        os._exit(0)

    def does(self, act: Callable[[], object]) -> None:
        """Do something in a child, and wait for it."""
        assert self.end(self.fork(act)) == 0

    def end(self, child: int) -> int:
        """Wait for a child; return how it ended."""
        return self._ended([child])[child]

    def ends(self) -> list[int]:
        """Wait for all; return how they ended, in no order. If one fails, the others are not waited for."""
        return list(self._ended(list(self.children)).values())

    def _ended(self, children: list[int]) -> dict[int, int]:
        limit = time.monotonic() + LIMIT
        ends: dict[int, int] = {}
        while len(ends) < len(children):
            for child in [one for one in children if one not in ends]:
                ended, status = os.waitpid(child, os.WNOHANG)
                if ended:
                    self.children.remove(child)
                    ends[child] = os.waitstatus_to_exitcode(status)
            if any(code > 0 for code in ends.values()) or time.monotonic() > limit:
                self.kill()
                assert time.monotonic() < limit, "it hangs"
                break
            time.sleep(0.005)
        return ends

    def kill(self) -> None:
        for child in self.children:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
        self.children.clear()

    def note(self, name: str, text: object) -> None:
        """Write a line, in one step."""
        with open(self.folder / name, "ab", buffering=0) as file:
            file.write(f"{text}\n".encode())

    def notes(self, name: str) -> list[str]:
        path = self.folder / name
        return path.read_text().splitlines() if path.exists() else []

    def until(self, name: str, count: int = 1) -> None:
        """Wait until there are so many lines."""
        limit = time.monotonic() + LIMIT
        while len(self.notes(name)) < count:
            assert time.monotonic() < limit, f"no {name}"
            time.sleep(0.005)


def program(module: str, *arguments: object, limit: float = 120.0) -> Any:
    """Run a program of these tests, and return what it prints, which is JSON."""
    command = [sys.executable, "-W", "error", "-m", f"tests.whole.stores.{module}", *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=limit)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])
