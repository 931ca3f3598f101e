"""Runs with workers that are killed at any moment and resumed see what unbroken ones see.

``HEADRACE_KILLS`` says how many kills there are in all: 20 unless told otherwise, 300 by ``make soak``.
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import headrace as hr
from headrace import WorkerError
from tests.whole.killed import KINDS, STEP, lines_of
from tests.whole.living import NOTHING, Family
from tests.whole.pipelines import digests

KILLS = int(os.environ.get("HEADRACE_KILLS", "20"))
CASES = {"processes": 0.4, "views": 0.2, "background": 0.2, "maps": 0.2}  # which share of the kills each has
MOMENTS = ("asked", "got", "saved")


@pytest.mark.timeout(60 + 5 * KILLS)
@pytest.mark.parametrize("kind", CASES)
def test_a_run_that_is_killed_again_and_again_sees_what_an_unbroken_one_sees(kind: str, tmp_path: Path) -> None:
    unbroken = digests(KINDS["maps of nobody" if kind == "maps" else "nobody"]())
    random = np.random.default_rng([KILLS, len(kind)])
    wanted, runs = round(KILLS * CASES[kind]), 0
    moments: Counter[str] = Counter()
    while moments.total() < wanted:
        log = tmp_path / f"log {runs}"
        runs += 1
        while True:
            moment = killed(kind, log, random, len(unbroken), kill=moments.total() < wanted)
            if moment is None:
                break
            moments[moment] += 1
        check(log, unbroken)
    middle = moments["asked"] + moments["got"]
    print(f"{kind}: {moments.total()} kills in {runs} runs: {dict(moments)}")
    assert middle >= wanted / 2, f"of {wanted} kills only {middle} fell in the middle of a batch: {moments}"


def killed(kind: str, log: Path, random: np.random.Generator, steps: int, kill: bool) -> str | None:
    """Go on with a run and kill it somewhere; return what its log says last, or None where it has come to its end.

    Where: a little after it has asked for a batch, got one, or saved its place, some batches from here.
    """
    done = sum(line["what"] == "saved" for line in lines_of(log))
    target = done + int(random.integers(0, 12))
    after = json.dumps({"what": MOMENTS[int(random.integers(3))], "step": target})[:-1].encode()
    family = Family(["-m", "tests.whole.killed", kind, str(log)], log.parent)
    try:
        while family.program.poll() is None and (not kill or after not in read(log)):
            time.sleep(0.0005 if kill else 0.02)
        time.sleep(float(random.random()) * STEP)
        family.program.kill()  # SIGKILL; of one that has ended nothing
        code = family.program.wait()
        assert family.left_behind() == NOTHING
    finally:
        family.end()
    if code == -signal.SIGKILL:
        return str(lines_of(log)[-1]["what"])
    assert code == 0
    return None


def read(log: Path) -> bytes:
    return log.read_bytes() if log.exists() else b""


def check(log: Path, unbroken: list[str]) -> None:
    """Compare a run, all that was seen of it, with an unbroken one."""
    lines = lines_of(log)
    assert [line["step"] for line in lines if line["what"] == "saved"] == [*range(len(unbroken))]
    for line in lines:
        if line["what"] == "got":  # what was lost in a kill came again, and was the same then
            assert line["digest"] == unbroken[line["step"]], f"batch {line['step']}"


# A worker is killed


def named(record: dict[str, Any], rng: np.random.Generator) -> dict[str, Any]:
    return {**record, "z": rng.random(), "pid": os.getpid()}


@pytest.mark.parametrize("method", ["forkserver", "spawn"])
def test_after_the_death_of_a_worker_the_same_iterator_goes_on(method: Any) -> None:
    ds = hr.Dataset(n=np.arange(400)).shuffle(0).map(named, seed=1).batch(4)
    expected = [(batch["n"].tolist(), batch["z"].tolist()) for batch in ds.stream(2)]
    seen: list[Any] = []
    deaths = victim = 0
    with iter(ds.stream(2, workers=hr.Processes(2, start_method=method))) as iterator:
        while len(seen) < len(expected):
            try:
                batch = next(iterator)
            except WorkerError as error:
                assert f"process {victim}" in str(error) and "SIGKILL" in str(error), error
                deaths += 1
                continue
            assert batch["pid"][0] != os.getpid()
            seen.append((batch["n"].tolist(), batch["z"].tolist()))
            if len(seen) in (1, 90):
                victim = int(batch["pid"][0])
                os.kill(victim, signal.SIGKILL)
        assert list(iterator) == []
    assert seen == expected
    assert deaths == 2


def test_the_death_of_a_process_in_the_background_is_told_and_what_it_gave_is_right() -> None:
    ds = hr.Dataset(n=np.arange(4000)).shuffle(0).map(named, seed=1).batch(4)
    expected = [(batch["n"].tolist(), batch["z"].tolist()) for batch in ds.stream()]
    seen: list[Any] = []
    stream = ds.stream().background(buffer=1000)
    iterator = iter(stream)
    with pytest.raises(WorkerError, match="SIGKILL"):
        for batch in iterator:
            seen.append((batch["n"].tolist(), batch["z"].tolist()))
            if len(seen) == 5:
                os.kill(int(batch["pid"][0]), signal.SIGKILL)
    assert 5 <= len(seen) < len(expected)
    state = iterator.state_dict()
    seen += [(batch["n"].tolist(), batch["z"].tolist()) for batch in stream.resume(state)]
    assert seen == expected
