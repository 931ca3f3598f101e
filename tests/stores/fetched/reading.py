"""A reader in a process of its own: ``python -m tests.stores.fetched.reading PLAN``, JSON both ways.

It waits for a line of its input before it begins, so that several begin at once.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
import warnings
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from headrace.core.errors import HeadraceWarning
from headrace.stores.backends.disk import Files
from headrace.stores.fetched import engine
from headrace.stores.fetched.shelf import Fetched
from headrace.stores.manifest import Manifest
from headrace.stores.mapped import Table


@dataclass(frozen=True)
class Slow(Files):
    """A place that takes its time."""

    seconds: float = 0.0

    def get(self, key: str, start: int = 0, stop: int | None = None) -> bytes | memoryview:
        time.sleep(self.seconds)
        return super().get(key, start, stop)


def read(said: dict[str, Any]) -> dict[str, Any]:
    """Read parts in an order, and make sure of every byte; return what the shelf did, and which warnings came."""
    manifest = Manifest.decode(Path(said["manifest"]).read_bytes(), said["manifest"])
    shelf = Fetched(Slow(Path(said["far"]), said.get("seconds", 0.0)), Path(said["cache"]), said["limit"])
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always", HeadraceWarning)
        if said.get("expect"):
            shelf.expect([manifest.parts[at] for at in said["order"]])
        kept: list[Table] = []
        for at in said["order"]:
            part = manifest.parts[at]
            table = shelf.open(part, manifest.layout)
            if said.get("keep"):  # as readers do
                kept.append(table)
            batch = table.take(np.arange(part.length))
            assert (batch["x"] == np.arange(part.length) + at * part.length).all() and (batch["y"] == at).all()
        if said.get("fork"):
            inherited(shelf, manifest, Path(said["cache"]))
    return {**asdict(shelf.stats()), "warned": [str(one.message) for one in warned]}


def inherited(shelf: Fetched, manifest: Manifest, cache: Path) -> None:
    """Fork while parts are open, being fetched and expected: parent and child go on, and free nothing of the other."""
    first, second, *rest = manifest.parts
    view = shelf.open(first, manifest.layout).whole()["x"]
    shelf.expect(rest)
    child = os.fork()
    if not child:
        try:
            for part in (second, *rest):
                assert len(shelf.open(part, manifest.layout).take(np.arange(part.length)))
            assert view[7] == 7
            del view, shelf
        except BaseException:
            sys.excepthook(*sys.exc_info())
            os._exit(1)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    for part in rest:
        shelf.open(part, manifest.layout)
    assert (cache / "parts" / first.digest).exists(), "the child has freed what the parent has open"
    assert view[7] == 7


def main(plan: str) -> None:
    said = json.loads(plan)
    if "most_bytes" in said:  # of a file: more fails, as on a full disk
        resource.setrlimit(resource.RLIMIT_FSIZE, (said["most_bytes"], said["most_bytes"]))
    if "user" in said:
        os.setgroups([])
        os.setgid(said["user"])
        os.setuid(said["user"])
    engine._PATIENCE = said.get("patience", engine._PATIENCE)
    print("ready", flush=True)
    sys.stdin.readline()
    print(json.dumps(read(said)), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
