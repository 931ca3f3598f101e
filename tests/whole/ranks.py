"""Ranks of a distributed run: processes that a launcher's environment numbers, all killed at a moment of their own.

``python -m tests.whole.ranks PLAN`` goes through the phases that a plan lists, each with another number of ranks. In
each the ranks log their batches and the state after each step; when all have come as far as the checkpoint, and some of
them further, they are killed, and the next phase goes on from that checkpoint. The last phase runs to the end.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
import traceback
from pathlib import Path
from typing import Any

import numpy as np

import headrace as hr
from headrace import Batch, Dataset, Stream

PATIENCE = 30.0  # seconds


def noisy(record: dict[str, Any], rng: np.random.Generator) -> dict[str, Any]:
    return {"n": record["n"], "noise": rng.random()}


def records(length: int) -> Dataset:
    return Dataset(n=np.arange(length)).shuffle(seed=0).map(noisy, seed=1)


def built(plan: dict[str, Any], phase: dict[str, Any]) -> Stream:
    workers = hr.Threads(2) if phase["workers"] == "threads" else phase["workers"]
    ds = records(plan["length"])
    share = ds.shard_by_rank() if plan["remainder"] == "drop" else ds.shard_by_rank(remainder=plan["remainder"])
    return share.batch(phase["size"]).stream(plan["epochs"], workers=workers)


def plain(batch: Batch) -> list[Any]:
    """Return a batch's records as plain numbers: which, what was drawn for it, whether it fills up."""
    padded = batch["padded"].tolist() if "padded" in batch else [False] * len(batch)
    return [*zip(batch["n"].tolist(), [number.hex() for number in batch["noise"].tolist()], padded)]


def live(plan: dict[str, Any], phase: dict[str, Any], log: Path, state: Any, until: int | None) -> None:
    """Run as one rank; after so many steps wait to be killed."""
    stream = built(plan, phase)
    iterator = iter(stream if state is None else stream.resume(state))
    with log.open("a", buffering=1) as out:
        step = 0
        while until is None or step < until:
            item = next(iterator, None)
            if item is None:
                break
            step += 1
            out.write(json.dumps({"step": step, "items": plain(item), "state": iterator.state_dict()}) + "\n")
        out.write(json.dumps({"step": "end", "state": iterator.state_dict()}) + "\n")
    if until is not None:
        time.sleep(PATIENCE)


def rank(plan: dict[str, Any], phase: dict[str, Any], index: int, log: Path, state: Any, until: int | None) -> int:
    """Start a rank; return its process number."""
    number = os.fork()
    if number:
        return number
    code = 1
    try:
        os.environ.update(RANK=str(index), WORLD_SIZE=str(phase["ranks"]))
        live(plan, phase, log, state, until)
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def lines_of(log: Path) -> list[Any]:
    text = log.read_text() if log.exists() else ""
    return [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]


def go(plan: dict[str, Any], folder: Path) -> list[Any]:
    """Go through all phases; return for each the records that its ranks saw, step by step, up to the checkpoint."""
    state, seen = None, []
    for place, phase in enumerate(plan["phases"]):
        last = place == len(plan["phases"]) - 1
        logs = [folder / f"{place} {index}" for index in range(phase["ranks"])]
        untils = [None if last else phase["steps"] + index % 3 for index in range(phase["ranks"])]
        numbers = [rank(plan, phase, index, log, state, until) for index, (log, until) in enumerate(zip(logs, untils))]
        if last:
            codes = [os.waitstatus_to_exitcode(os.waitpid(number, 0)[1]) for number in numbers]
            assert codes == [0] * len(codes), codes
        else:
            _kill_all(numbers, logs, phase["steps"])
        lines = [lines_of(log) for log in logs]
        kept = [
            [line for line in mine if line["step"] != "end" and (last or line["step"] <= phase["steps"])]
            for mine in lines
        ]
        seen.append([[line["items"] for line in mine] for mine in kept])
        whom = (place + 1) % phase["ranks"]  # whose state is kept
        state = (kept[whom] or [{"state": state}])[-1]["state"]
        others = [(mine or [{"state": state}])[-1]["state"]["at"] for mine in kept]
        assert last or all(other == state["at"] for other in others), others
    return seen


def _kill_all(numbers: list[int], logs: list[Path], steps: int) -> None:
    until = time.monotonic() + PATIENCE
    while not all(any(line["step"] in (steps, "end") for line in lines_of(log)) for log in logs):
        assert time.monotonic() < until, "the ranks did not come so far"
        time.sleep(0.002)
    for number in numbers:
        os.kill(number, signal.SIGKILL)
    for number in numbers:
        assert os.waitstatus_to_exitcode(os.waitpid(number, 0)[1]) == -signal.SIGKILL


if __name__ == "__main__":
    given = json.loads(sys.argv[1])
    print(json.dumps(go(given, Path(sys.argv[2]))))
