"""Machines whose clocks differ: ``python -m tests.whole.stores.clocks WHERE HOURS FOLDER``, which prints JSON."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from tests.whole.stores.where import Crowd, Where, check, content


def main(where: Where, hours: float, crowd: Crowd) -> None:
    real = time.time

    def wrong() -> None:
        time.time = lambda: real() + 3600 * hours

    def write(version: str, is_wrong: bool) -> None:
        if is_wrong:
            wrong()
        store = where.open()
        seed = int(version)
        check(store.submit(content(seed), "data", version), seed)
        check(store.fetch("data"), seed)  # the newest
        crowd.note("read", 1)

    def collect() -> None:
        wrong()
        store = where.open()
        store.submit(content(4), "data", "4")
        store.delete("data", "4")
        found = store.gc(dry_run=False, grace="30 min")
        crowd.note("found", json.dumps({"parts": found.parts, "young": found.young}))
        crowd.note("versions", json.dumps(store.versions("data")))

    for version, is_wrong in (("1", True), ("2", False), ("3", True)):
        crowd.does(lambda version=version, is_wrong=is_wrong: write(version, is_wrong))  # type: ignore[misc]
    crowd.does(collect)
    print(json.dumps({**json.loads(crowd.notes("found")[0]), "versions": json.loads(crowd.notes("versions")[0])}))


if __name__ == "__main__":
    main(Where(**json.loads(sys.argv[1])), float(sys.argv[2]), Crowd(Path(sys.argv[3])))
