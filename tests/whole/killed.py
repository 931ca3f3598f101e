"""A run with workers that keeps a log, made to be killed: ``python -m tests.whole.killed KIND LOG``.

A line is written, and is on the disk, before each batch is asked for, when it is there, and when the step that used it
is over, with the state; from the last of these a run that was killed goes on.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import headrace as hr
from headrace import Stream
from tests.whole.pipelines import digests

STEP = 0.003  # seconds that a batch takes, in a worker and when it is used


def slow(record: dict[str, Any], rng: np.random.Generator) -> dict[str, Any]:
    time.sleep(STEP / 5)
    return {**record, "z": rng.random(4)}


def drawn(batch: hr.Batch, rng: np.random.Generator) -> hr.Batch:
    return batch.with_columns(w=rng.random(len(batch)))


def built(**given: Any) -> Stream:
    ds = hr.Dataset(n=np.arange(301), x=np.arange(301 * 8).reshape(301, 8))
    return ds.shuffle(seed=0).map(slow, seed=1).batch(5).stream(epochs=2, **given)


KINDS: dict[str, Callable[[], Stream]] = {
    "nobody": built,
    "processes": lambda: built(workers=2),
    "views": lambda: built(workers=2, copy=False, prefetch=3),
    "threads": lambda: built(workers=hr.Threads(2)),
    "background": lambda: built().background(),
    "maps": lambda: built().map(drawn, seed=3, workers=2).unbatch().window_shuffle(20, seed=0).batch(5),
    "maps of nobody": lambda: built().map(drawn, seed=3).unbatch().window_shuffle(20, seed=0).batch(5),
}


def lines_of(log: Path) -> list[dict[str, Any]]:
    """Return the lines of a log; the last one may be half of one."""
    text = log.read_text() if log.exists() else ""
    return [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]


def go_on(stream: Stream, log: Path) -> None:
    """Go on with a run where its log ends."""
    lines = lines_of(log)
    log.write_text("".join(json.dumps(line) + "\n" for line in lines))
    saved = [line for line in lines if line["what"] == "saved"]
    step = len(saved)
    iterator = iter(stream.resume(saved[-1]["state"]) if saved else stream)
    with log.open("a") as out:

        def note(**line: Any) -> None:
            out.write(json.dumps(line) + "\n")
            out.flush()
            os.fsync(out.fileno())

        while True:
            note(what="asked", step=step)
            item = next(iterator, None)
            if item is None:
                break
            note(what="got", step=step, digest=digests([item])[0])
            time.sleep(STEP)
            note(what="saved", step=step, state=iterator.state_dict())
            step += 1


if __name__ == "__main__":
    go_on(KINDS[sys.argv[1]](), Path(sys.argv[2]))
