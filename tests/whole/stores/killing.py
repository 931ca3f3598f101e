"""Writers of whole versions that are killed: ``python -m tests.whole.stores.killing WHERE KIND TIMES FOLDER``.

After each death the store must be what a reader expects: all that was published is there and right, and the next writer
succeeds. It prints how many writers died, and how many of these had published.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from pathlib import Path
from typing import Any

import headrace as hr
from tests.whole.stores.where import Crowd, Where, check, content

LEASE = 0.3


def submit(store: hr.Store, seed: int) -> None:
    store.submit(content(seed), "data", str(seed), part_bytes=30_000)


def replace(store: hr.Store, seed: int) -> None:
    store.submit(content(seed), "data", "moved", replace=True)


def cacheable(store: hr.Store, seed: int) -> None:
    @store.cacheable("data", str(seed))
    def load() -> dict[str, Any]:
        return content(seed)

    check(load(), seed)


def cache(store: hr.Store, seed: int) -> None:
    ds = hr.Dataset(content(seed)).map(same).cache(store, id="data", version=str(seed))
    check(ds, seed)


def same(record: dict[str, Any]) -> dict[str, Any]:
    return record


KINDS = {"cache": cache, "submit": submit, "replace": replace, "cacheable": cacheable}


def look(where: Where, kind: str, seed: int, said: bool) -> bool:
    """Look at the store as a reader does; return whether the version of the one that died is there."""
    store = where.open(lease=LEASE)
    if kind == "replace":
        there = [one for one in (seed, seed - 1) if _holds(store, one)]
        assert there and (there[0] == seed or not said), "neither the old one nor the new one"
        return there[0] == seed
    versions = store.versions("data")
    for old in {0, max(0, seed - 1), *([seed] if str(seed) in versions else [])}:
        check(store.fetch("data", str(old)), old)
    assert set(map(str, range(seed))) <= set(versions) <= set(map(str, range(seed + 1)))
    assert not said or str(seed) in versions, "it was told that it had published"
    return str(seed) in versions


def _holds(store: hr.Store, seed: int) -> bool:
    try:
        check(store.fetch("data", "moved"), seed)
    except AssertionError:
        return False
    return True


def go_on(where: Where, kind: str, seed: int) -> None:
    """Be the next writer."""
    KINDS[kind](where.open(lease=LEASE), seed)
    look(where, kind, seed, True)


def whole(where: Where) -> None:
    store = where.open()
    store.verify()
    store.gc(dry_run=False, grace=0)
    store.verify()
    assert store.tags("data") == {}


def main(where: Where, kind: str, times: int, crowd: Crowd) -> None:
    crowd.does(lambda: KINDS[kind](where.open(lease=LEASE), 0))
    seed = kills = published = 0
    longest = 0.3 if where.is_far else 0.02
    while kills < times:
        seed += 1

        def write(seed: int = seed) -> None:
            store = where.open(lease=LEASE)
            crowd.note("begun", seed)
            KINDS[kind](store, seed)
            crowd.note("said", seed)

        child = crowd.fork(write)
        crowd.until("begun", seed)
        time.sleep(random.random() * longest)
        os.kill(child, signal.SIGKILL)
        died = crowd.end(child) == -signal.SIGKILL
        said = str(seed) in crowd.notes("said")
        longest = 0.7 * longest + 0.02 if not died or said else 1.3 * longest  # where the end is, about
        kills += died

        def after(seed: int = seed, said: bool = said) -> None:
            there = look(where, kind, seed, said)
            crowd.note("there", there)
            if not there or kind != "submit":
                go_on(where, kind, seed)

        crowd.does(after)
        published += died and crowd.notes("there")[-1] == "True"
    crowd.does(lambda: whole(where))
    print(json.dumps({"kills": kills, "published": published}))


if __name__ == "__main__":
    main(Where(**json.loads(sys.argv[1])), sys.argv[2], int(sys.argv[3]), Crowd(Path(sys.argv[4])))
