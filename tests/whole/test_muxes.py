"""Muxes in real processes: killed and resumed, in the background, beneath workers, sent from one to the other.

``HEADRACE_KILLS`` says how many kills there are in all: 20 unless told otherwise.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import cloudpickle
import numpy as np
import pytest

import headrace as hr
from tests.whole.muxed import ITEMS, KINDS, datasets, doubled, generators, noisy, tree
from tests.whole.pipelines import digests

KILLS = int(os.environ.get("HEADRACE_KILLS", "20"))

pytestmark = pytest.mark.filterwarnings("ignore::headrace.core.errors.ReplayWarning")


@pytest.mark.timeout(60 + 5 * KILLS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_run_that_is_killed_again_and_again_sees_what_an_unbroken_one_sees(kind: str, tmp_path: Path) -> None:
    unbroken = digests(list(islice(KINDS[kind](tmp_path), ITEMS)))
    random = np.random.default_rng([KILLS, len(kind)])
    log = tmp_path / "log"
    kills = 0
    while True:
        done = count_of(log)
        stop = done + int(random.integers(1, ITEMS // 2)) if kills < max(KILLS // len(KINDS), 2) else None
        command = [sys.executable, "-m", "tests.whole.muxed", kind, str(log), str(tmp_path)]
        with subprocess.Popen(command) as program:
            while program.poll() is None and (stop is None or count_of(log) < stop):
                time.sleep(0.001)
            program.kill()  # SIGKILL; of one that has ended nothing
        if program.returncode == 0:
            break
        assert program.returncode == -signal.SIGKILL
        kills += 1
    found = [json.loads(line)["digest"] for line in log.read_text().splitlines()]
    assert found == unbroken
    assert kills


def count_of(log: Path) -> int:
    return log.read_bytes().count(b"\n") if log.exists() else 0


MUXES: dict[str, Callable[[Path], hr.Stream]] = {
    "generators": lambda folder: hr.StochasticMux(generators(), 3, 8, seed=1),
    "datasets": lambda folder: hr.mix([hr.Stream(one).repeat() for one in datasets()], np.arange(1, 7)),
    "a tree": tree,
}


@pytest.mark.parametrize("kind", MUXES)
def test_a_process_in_the_background_gives_the_same_bytes_and_states(kind: str, tmp_path: Path) -> None:
    batches = MUXES[kind](tmp_path).batch(64)
    expected = digests(list(islice(batches, 12)))
    with iter(batches.background()) as running:
        assert digests(list(islice(running, 5))) == expected[:5]
        state = json.loads(json.dumps(running.state_dict()))
    with iter(batches.background().resume(state)) as resumed:
        assert digests(list(islice(resumed, 7))) == expected[5:]


@pytest.mark.parametrize("workers", [hr.Threads(2), hr.Processes(2)], ids=["threads", "processes"])
def test_workers_map_the_items_of_a_mux(workers: Any, tmp_path: Path) -> None:
    expected = digests(list(islice(tree(tmp_path).map(noisy, seed=1), 60)))
    mapped = tree(tmp_path).map(noisy, seed=1, workers=workers)
    with iter(mapped) as running:
        assert digests(list(islice(running, 30))) == expected[:30]
        state = running.state_dict()
    with iter(mapped.resume(state)) as resumed:
        assert digests(list(islice(resumed, 30))) == expected[30:]


def test_streams_with_workers_of_their_own_lie_below_a_mux() -> None:
    def made(workers: Any) -> hr.Stream:
        streams = [one.map(doubled).stream(2, workers=workers) for one in datasets(3)]
        return hr.RoundRobinMux(streams)

    expected = digests(made(0).list())
    assert digests(made(hr.Threads(2)).list()) == expected
    with iter(made(2)) as running:
        assert digests(list(islice(running, 40))) == expected[:40]


@pytest.mark.parametrize("kind", MUXES)
def test_a_mux_that_has_run_travels(kind: str, tmp_path: Path) -> None:
    mux = MUXES[kind](tmp_path)
    with iter(mux) as running:
        list(islice(running, 33))
        state = running.state_dict()
        travelled = cloudpickle.loads(cloudpickle.dumps(mux))
        expected = digests(list(islice(running, 40)))
    assert digests(list(islice(travelled.resume(state), 40))) == expected
    assert digests(list(islice(travelled, 33))) == digests(list(islice(mux, 33)))


def test_an_iterator_over_a_mux_travels_with_its_place() -> None:
    with iter(hr.StochasticMux(datasets(), 3, 8, seed=1)) as running:
        list(islice(running, 20))
        with cloudpickle.loads(cloudpickle.dumps(running)) as other:
            assert digests(list(islice(other, 30))) == digests(list(islice(running, 30)))


def test_weights_are_not_set_in_another_process_without_a_word() -> None:
    mux = hr.ShuffledMux(generators(), seed=1)
    with iter(mux.background()) as running:
        next(running)
        with pytest.raises(hr.OrderError, match="background"):
            mux.set_weights([1, 0, 0, 0, 0, 0])


def test_weights_that_were_set_are_in_a_state_that_another_process_goes_on_from() -> None:
    mux = hr.StochasticMux(datasets(), 3, 8, seed=1)
    with iter(mux.batch(8)) as running:
        list(islice(running, 3))
        mux.set_weights([0, 0, 1, 0, 2, 0])
        next(running)
        state = json.dumps(running.state_dict())
        rest = list(islice(running, 9))
    assert {int(stream) for batch in rest for stream in batch["stream"]} == {2, 4}
    program = (
        "import json, sys, headrace as hr; from itertools import islice; from tests.whole.muxed import datasets;"
        "from tests.whole.pipelines import digests; stream = hr.StochasticMux(datasets(), 3, 8, seed=1).batch(8);"
        "print(json.dumps(digests(list(islice(stream.resume(json.load(sys.stdin)), 9)))))"
    )
    found = subprocess.run([sys.executable, "-c", program], input=state, capture_output=True, text=True, check=True)
    assert json.loads(found.stdout) == digests(rest)


def test_what_a_mux_in_the_background_has_given_is_told() -> None:
    mux = hr.RoundRobinMux(datasets(3))
    with iter(mux.batch(8).background()) as running:
        assert len(list(running)) == 8
    assert mux.stats().records.tolist() == [20, 21, 22]
