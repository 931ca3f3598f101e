"""Run the loaders of one workload side by side: each in its own process, in turns A B C, A B C, ..."""

from __future__ import annotations

import json
import os
import signal
import statistics
import subprocess
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any

from benchmarks.loaders import LOADERS, ROOT, Entry
from benchmarks.workloads import FOLDER, Data

BASELINES = {
    "augment": "floor_augment",
    "transport": "carry_inline",
    "made": "carry_inline",
    "hierarchical": "numpy_mux",
    "mixing": "numpy_mix",
    "packing": "numpy_pack",
    "patches": "numpy_patches",
    "patches-zarr": "zarr_chunks",
    "patches-overlap": "zarr_decode",
}  # of all others the plain NumPy loop
WRITES = 3  # of everything, by each store


def baseline(workload: str) -> str:
    """Return the loader that the others of a workload are compared with."""
    return BASELINES.get(workload, "numpy_loop")


@dataclass
class Outcome:
    """What one loader did, or why it did not.

    ``seconds`` holds the time of each timed epoch, by its turn; one that was left in the middle counts with the time
    that all of it would have taken at its rate, and ``cut`` says so; ``share`` is less than 1 of a loader that always
    goes through a part only. ``spent`` is the time that passed. Of stores ``written`` holds the time of each writing,
    and ``stored`` the bytes on disk.
    """

    entry: Entry
    records: int
    size: int
    seconds: dict[int, float] = field(default_factory=dict)
    cut: bool = False
    cores: list[float] = field(default_factory=list)
    reach: float = 0.0
    digest: str = ""
    padding: float = 0.0
    share: float = 1.0
    spent: float = 0.0
    problem: str = ""
    written: dict[int, float] = field(default_factory=dict)
    stored: int = 0

    @property
    def median(self) -> float:
        return statistics.median(self.seconds.values())

    @property
    def records_per_second(self) -> float:
        return self.records / self.median

    @property
    def gigabytes_per_second(self) -> float:
        return self.size / self.median / 1e9

    def against(self, other: Outcome) -> float | None:
        """Return how many times as fast as another this was: the median over the rounds that both took part in."""
        shared = self.seconds.keys() & other.seconds.keys()
        if not shared:
            return None
        return statistics.median(other.seconds[turn] / self.seconds[turn] for turn in shared)

    def written_against(self, other: Outcome) -> float | None:
        """Return how many times as fast as another this wrote, in the same way."""
        shared = self.written.keys() & other.written.keys()
        if not shared:
            return None
        return statistics.median(other.written[turn] / self.written[turn] for turn in shared)


class Process:
    """A loader in a process of its own."""

    def __init__(self, entry: Entry, data: Data) -> None:
        size = "quick" if data.workload.quick else "full"
        log = FOLDER / "logs" / f"{size}-{data.workload.name}-{entry.name}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        assert entry.python is not None
        with log.open("w") as errors:
            self.process = subprocess.Popen(
                [entry.python, "-m", "benchmarks.worker", entry.name, data.workload.name, size],
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                bufsize=1,
                start_new_session=True,
            )

    def answer(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            return {"error": f"the process ended with code {self.process.wait()}"}
        found: dict[str, Any] = json.loads(line)
        return found

    def order(self, do: str, epoch: int) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"do": do, "epoch": epoch}) + "\n")

    def close(self) -> None:
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:  # a library's threads that do not end
            os.killpg(self.process.pid, signal.SIGKILL)  # and the processes that they wait for
            self.process.wait()
        self.process.stdout.close()


def run(data: Data, names: list[str], rounds: int, patience: float, say: Callable[[str], None]) -> dict[str, Outcome]:
    """Check each loader, then time epochs of all of them in turns.

    A loader whose epochs have taken more than ``patience`` seconds in sum leaves the turns, so that the slow ones,
    whose ratio is far from 1 anyway, do not make the run last for hours; each has one timed epoch at least.
    """
    outcomes: dict[str, Outcome] = {}
    running: dict[str, Process] = {}
    try:
        for name in names:
            if data.workload.name not in (*LOADERS[name].workloads, *LOADERS[name].absent):
                continue
            outcome = Outcome(LOADERS[name], data.workload.counted, data.size)
            outcomes[name] = outcome
            outcome.problem = _start(outcome, data, running)
        for name, outcome in outcomes.items():
            if not outcome.problem:
                outcome.problem = _checked(outcome, running)
            say(f"  {name}: {outcome.problem or 'checked'}")
        if data.workload.stored:
            _write(outcomes, running, min(rounds, WRITES), patience, say)
        for turn in range(1, rounds + 1):
            for name, process in running.items():
                outcome = outcomes[name]
                if outcome.problem or outcome.spent > patience:
                    continue
                process.order("time", turn)
                answer = process.answer()
                if "error" in answer:
                    outcome.problem = answer["error"]
                    continue
                outcome.spent += answer["seconds"]
                outcome.seconds[turn] = answer["seconds"] * outcome.records / answer["records"]
                outcome.cut |= answer["cut"]
                outcome.cores.append(answer["cpu"] / answer["seconds"])
            say(f"  round {turn} of {rounds}")
    finally:
        for process in running.values():
            process.close()
    return outcomes


def _write(
    outcomes: dict[str, Outcome], running: dict[str, Process], rounds: int, patience: float, say: Callable[[str], None]
) -> None:
    """Let the loaders of stores write everything, in turns."""
    for turn in range(1, rounds + 1):
        for name, process in running.items():
            outcome = outcomes[name]
            if outcome.problem or sum(outcome.written.values()) > patience:
                continue
            process.order("write", turn)
            answer = process.answer()
            if "error" in answer:
                outcome.problem = f"writing: {answer['error']}"
                continue
            outcome.written[turn], outcome.stored = answer["seconds"], answer["bytes"]
        say(f"  written {turn} of {rounds}")


def _start(outcome: Outcome, data: Data, running: dict[str, Process]) -> str:
    """Start a loader's process and order its check; return what is wrong, or nothing.

    All of them import, write their files and check at the same time: nothing is timed yet.
    """
    entry = outcome.entry
    if data.workload.name not in entry.workloads:
        return entry.absent[data.workload.name]
    if entry.python is None:
        return f"not installed: there is no {entry.environment} (see benchmarks/README.md)"
    running[entry.name] = Process(entry, data)
    running[entry.name].order("check", 0)
    return ""


def _checked(outcome: Outcome, running: dict[str, Process]) -> str:
    """Wait for a loader's check; return what is wrong, or nothing."""
    process = running[outcome.entry.name]
    answer = process.answer()  # that it is ready
    if "error" not in answer:
        answer = process.answer()
    if "error" in answer:
        running.pop(outcome.entry.name).close()
        return str(answer["error"])
    outcome.reach = answer.get("reach", 0.0)
    outcome.digest = answer.get("digest", "")
    outcome.padding = answer.get("padding", 0.0)
    outcome.share = answer.get("share", 1.0)
    return ""


def best_peer(
    outcomes: dict[str, Outcome], by_hand: bool = False, among: Collection[str] | None = None
) -> Outcome | None:
    """Return the fastest peer as documented, or the fastest of all that is not ours and no baseline."""
    kinds = {"peer", "by hand"} if by_hand else {"peer"}
    peers = [
        each
        for name, each in outcomes.items()
        if each.entry.kind in kinds and each.seconds and not each.problem and (among is None or name in among)
    ]
    return min(peers, key=lambda each: each.median, default=None)
