"""Ranks that are real processes: all are killed at once, and another number of them goes on with another batch size."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from typing import Any

import numpy as np
import pytest

from headrace import Dataset

LENGTH = 803
READERS = {  # how many one after the other, and records in a batch of each
    "drop": [(2, 7), (3, 5), (8, 2)],
    "pad": [(4, 3), (1, 6), (3, 4)],
}

RANK = """
import json, sys
import numpy as np
from headrace import Dataset
length, size, remainder, state = int(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:]
ds = Dataset(n=np.arange(length)).shuffle(seed=0).map(lambda record, rng: {**record, "r": rng.random()}, seed=1)
iterator = iter(ds.shard_by_rank(remainder).batch(size).stream())
iterator.load_state_dict(json.loads(state) or iterator.state_dict())
sys.stdin.readline()
for batch in iterator:
    rows = [[row["n"], row["r"], bool(row.get("padded", False))] for row in batch.rows()]
    print(json.dumps([rows, iterator.state_dict()]), flush=True)
    sys.stdin.readline()  # as a collective step waits for the other ranks
"""


def start(count: int, size: int, remainder: str, state: Any) -> list[subprocess.Popen[str]]:
    """Start as many ranks as a launcher would."""
    arguments = [sys.executable, "-c", RANK, str(LENGTH), str(size), remainder, json.dumps(state)]
    return [
        subprocess.Popen(
            arguments,
            env={**os.environ, "RANK": str(rank), "WORLD_SIZE": str(count)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for rank in range(count)
    ]


def killed(running: list[subprocess.Popen[str]], steps: int, pause: float) -> list[list[Any]]:
    """Let all ranks make some steps together, kill them within the next, and return what each had said."""
    said: list[list[str]] = [[] for _ in running]
    for step in range(steps + 1):
        for rank in running:
            assert rank.stdin is not None
            rank.stdin.write("\n")
            rank.stdin.flush()
        for rank, lines in zip(running, said, strict=True):
            assert rank.stdout is not None
            if step < steps:
                lines.append(rank.stdout.readline())
    time.sleep(pause)
    for rank in running:
        rank.kill()
    rests = [rank.communicate()[0] for rank in running]
    assert {rank.returncode for rank in running} == {-signal.SIGKILL}
    return [
        list(map(json.loads, [*lines, *rest.split("\n")[:-1]]))  # a line that the kill has cut is none
        for lines, rest in zip(said, rests, strict=True)
    ]


def ended(running: list[subprocess.Popen[str]]) -> list[list[Any]]:
    """Let all ranks go to the end, and return what each has said."""
    for rank in running:
        assert rank.stdin is not None
        rank.stdin.close()
        rank.stdin = None
    said = [rank.communicate()[0] for rank in running]
    assert [rank.returncode for rank in running] == [0] * len(running)
    return [list(map(json.loads, text.splitlines())) for text in said]


@pytest.mark.parametrize(("remainder", "readers"), READERS.items(), ids=READERS)
def test_every_record_comes_once_however_many_ranks_go_on(remainder: str, readers: list[tuple[int, int]]) -> None:
    chance = random.Random(remainder)
    seen: list[Any] = []
    state = None
    for count, size in readers:
        running = start(count, size, remainder, state)
        try:
            last = (count, size) == readers[-1]
            pause = chance.uniform(0, 0.001)
            ranks = ended(running) if last else killed(running, chance.randrange(1, 12), pause)
        finally:
            for rank in running:
                rank.kill()
                rank.wait()
        common = min(map(len, ranks))  # the last step that all have made: where a training saves
        states = [steps[common - 1][1] for steps in ranks]
        assert all(one == states[0] for one in states)
        state = states[0]
        seen += [row for steps in ranks for rows, _ in steps[:common] for row in rows]
    assert len({len(steps) for steps in ranks}) == 1  # to the end: none has a step more
    records = Counter(record for record, _, padded in seen if not padded)
    most = max(count for count, _ in readers)
    assert max(records.values()) == 1
    if remainder == "pad":
        assert len(records) == LENGTH
        assert len(seen) - LENGTH < most
    else:
        assert LENGTH - len(records) < most
        assert not any(padded for _, _, padded in seen)
    assert {record: number for record, number, _ in seen}.items() <= drawn().items()


def drawn() -> dict[int, float]:
    """Return what the random map gives for each record in one process."""
    ds = Dataset(n=np.arange(LENGTH)).shuffle(seed=0).map(lambda record, rng: {**record, "r": rng.random()}, seed=1)
    return {int(record["n"]): float(record["r"]) for record in ds}
