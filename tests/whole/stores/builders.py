"""Many who want, write, move and clear away at once: ``python -m tests.whole.stores.builders SCENARIO WHERE FOLDER``.

It prints what came of it, as JSON.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import headrace as hr
from headrace.stores.leases.remote import RemoteTurn
from tests.whole.stores.where import Crowd, Where, check, content

LEASE = 0.8


def shifted(crowd: Crowd) -> None:
    """Give this process a clock that may be an hour off, in either direction."""
    real, shift = time.time, (os.getpid() % 3 - 1) * 3600.0
    time.time = lambda: real() + shift
    crowd.note("shifts", shift)


def build(where: Where, crowd: Crowd, work: Callable[[int], object]) -> None:
    """Want a version, be it as the one who builds it; who has built is seen in the records."""
    shifted(crowd)

    @where.open(lease=LEASE).cacheable("data", "1")
    def load() -> Iterator[dict[str, Any]]:
        crowd.note("builders", os.getpid())
        number = len(crowd.notes("builders"))
        for at in range(100):
            yield {"n": at, "by": os.getpid()}
            if at == 50:
                work(number)

    found = load().collect()
    assert found["n"].tolist() == list(range(100)) and len(set(found["by"].tolist())) == 1
    crowd.note("got", found["by"][0])


def killed(where: Where, crowd: Crowd) -> dict[str, Any]:
    """8 builders, of which the first is killed in the middle of its records."""
    for _ in range(8):
        crowd.fork(lambda: build(where, crowd, lambda number: time.sleep(30 if number == 1 else 0.05)))
    crowd.until("builders")
    time.sleep(0.1)
    os.kill(int(crowd.notes("builders")[0]), signal.SIGKILL)
    return {"ends": sorted(crowd.ends())}


def stopped(where: Where, crowd: Crowd) -> dict[str, Any]:
    """A builder that is stopped for longer than its lease while another takes over and publishes."""
    first = crowd.fork(lambda: build(where, crowd, lambda number: crowd.until("continued")))
    return {"ends": _taken_over(first, where, crowd, "builders")}


def late(where: Where, crowd: Crowd) -> dict[str, Any]:
    """A builder that is stopped after it has made sure of its turn, and before it publishes: no lease can help."""

    def act() -> None:
        checked = RemoteTurn.check

        def then_stop(turn: RemoteTurn) -> None:
            checked(turn)
            crowd.note("checked", os.getpid())
            crowd.until("continued")

        RemoteTurn.check = then_stop  # type: ignore[assignment,method-assign]
        build(where, crowd, lambda number: None)

    return {"ends": _taken_over(crowd.fork(act), where, crowd, "checked")}


def _taken_over(first: int, where: Where, crowd: Crowd, sign: str) -> list[int]:
    crowd.until(sign)
    os.kill(first, signal.SIGSTOP)
    crowd.fork(lambda: build(where, crowd, lambda number: None))
    crowd.until("got")
    crowd.note("continued", 1)
    os.kill(first, signal.SIGCONT)
    return crowd.ends()


def replacing(where: Where, crowd: Crowd) -> dict[str, Any]:
    """Two who move one name again and again, and one who reads it meanwhile."""
    crowd.does(lambda: where.open().submit(content(1), "data", "1"))

    def move(seeds: range) -> None:
        store = where.open()
        for seed in seeds:
            check(store.submit(content(seed), "data", "1", replace=True), seed)
        crowd.note("moved", 1)

    def read() -> None:
        store = where.open()
        while len(crowd.notes("moved")) < 2:
            ds = store.fetch("data", "1")
            check(ds, int(ds[0]["x"][0]) // 1000)

    for act in (lambda: move(range(2, 6)), lambda: move(range(12, 16)), read):
        crowd.fork(act)
    ends = crowd.ends()

    def after() -> None:
        store = where.open()
        kept = [found for _, found in store._catalog.everything(["data"])]
        lost = set(map(str, [1, *range(2, 6), *range(12, 16)]))
        lost -= {str(int(store._read(one)[0]["x"][0]) // 1000) for one in kept}  # type: ignore[arg-type]
        crowd.note("lost", sorted(lost))
        crowd.note("versions", store.versions("data"))
        store.verify()

    crowd.does(after)
    return {"ends": ends}


def collecting(where: Where, crowd: Crowd) -> dict[str, Any]:
    """Two who submit, delete and submit the same again, while a third clears away all that nobody needs, at once."""

    def write(own: int) -> None:
        store = where.open()
        for turn in range(3):
            for seed in (0, own):  # both write the same one, and take it away
                name = f"{own}, {seed}, {turn}"
                check(store.submit(content(seed), "data", name, part_bytes=30_000), seed)
                if turn < 2:
                    store.delete("data", name)
        crowd.note("wrote", own)

    def clear() -> None:
        store = where.open()
        while len(crowd.notes("wrote")) < 2:
            store.gc(dry_run=False, grace=0)
            crowd.note("cleared", 1)

    for act in (lambda: write(1), lambda: write(2), clear):
        crowd.fork(act)
    ends = crowd.ends()

    def after() -> None:
        store = where.open()
        store.verify()
        store.gc(dry_run=False, grace=0)
        store = where.cached(Path(where.cache).with_name("fresh")).open()
        for own in (1, 2):
            for seed in (0, own):
                check(store.fetch("data", f"{own}, {seed}, 2"), seed)
        assert store.gc(grace=0).parts == 0 and len(store.versions("data")) == 4

    crowd.does(after)
    return {"ends": ends}


def opening(where: Where, crowd: Crowd) -> dict[str, Any]:
    """64 processes that open one version at once, with an empty folder for what is fetched."""

    def read() -> None:
        ds = where.open().fetch("data", "1")
        crowd.note("ready", 1)
        crowd.until("go")
        check(ds, 1)

    crowd.does(lambda: where.open().submit(content(1), "data", "1"))
    for _ in range(64):
        crowd.fork(read)
    crowd.until("ready", 64)
    crowd.note("go", 1)
    return {"ends": crowd.ends()}


SCENARIOS = {act.__name__: act for act in (killed, stopped, late, replacing, collecting, opening)}


def main(scenario: str, where: Where, crowd: Crowd) -> None:
    found = SCENARIOS[scenario](where, crowd)

    def after() -> None:
        store: hr.Store = where.open()
        store.verify()

    crowd.does(after)
    names = ("builders", "got", "shifts", "lost", "versions", "cleared")
    print(json.dumps({name: crowd.notes(name) for name in names} | found))


if __name__ == "__main__":
    main(sys.argv[1], Where(**json.loads(sys.argv[2])), Crowd(Path(sys.argv[3])))
