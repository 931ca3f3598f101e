"""Measure all of Headrace's own figures, and lay them out."""

from __future__ import annotations

import importlib.util
import statistics
from collections.abc import Callable, Collection
from typing import Any

from benchmarks import making
from benchmarks.figures import child, patches, stores
from benchmarks.report import goal, number
from benchmarks.workloads import PLAIN, QUICK, WORKLOADS, Data

RUNS = 5
SOURCES = {"draws": "draws alone", "reads": "drawn and read", "generators": "generators", "bare": "generators"}
SHOWN = {
    "mix": "`mix`",
    "shuffled": "`ShuffledMux`",
    "stochastic": "`StochasticMux`, 10 active",
    "loop": "a plain loop in random order",
}
HEAD = ["## Headrace's other figures", "", "Medians over fresh processes.", "", "| what | figure |", "| --- | --- |"]

Lines = list[str]


def collect(quick: bool, own: bool, only: Collection[str], say: Callable[[str], None]) -> tuple[Lines, Lines]:
    """Return the lines of the figures' table, and those of the goals; with ``only`` those of some figures."""
    for name in () if tuple(only) in OF_WORKLOADS.values() else PLAIN:
        making.make(Data((QUICK if quick else WORKLOADS)[name]))
    size, runs = ("quick", 2) if quick else ("full", RUNS)
    lines, goals = list(HEAD), list[str]()
    for measure in (*MEASURES, *stores.measures(own), *patches.MEASURES):
        name = measure.__name__.strip("_")
        if only and name not in only:
            continue
        try:
            more_lines, more_goals = measure(size, runs)
        except child.FigureError as error:
            more_lines, more_goals = [f"| {name} | not measured: {error} |"], []
        lines += more_lines
        goals += more_goals
        say(f"  {name}")
    return [*lines, ""], goals


def _median(runs: int, *words: str, of: str = "seconds") -> float:
    return float(statistics.median(child.run(*words)[of] for _ in range(runs)))


def _latency(size: str, runs: int) -> tuple[Lines, Lines]:
    lines, goals = [], []
    for name in PLAIN:
        state = child.run("resume", "save", name, size)["bytes"]  # writes the store too, if need be
        first = _median(runs, "first_batch", name, size) * 1e3
        resume = _median(runs, "resume", "load", name, size) * 1e3
        lines.append(f"| {name}: opening the store to the first batch | {number(first)} ms |")
        lines.append(f"| {name}: resume at 50% (state: {state} bytes) | {number(resume)} ms |")
        goals.append(goal(f"{name}: first batch, ms", first, 50, most=True))
        goals.append(goal(f"{name}: resume at 50%, ms", resume, 20, most=True))
    return lines, goals


def _virtual(size: str, runs: int) -> tuple[Lines, Lines]:
    resume = _median(runs, "virtual") * 1e3
    return (
        [f"| resume at 50% of 10^9 virtual records | {number(resume)} ms |"],
        [goal("resume at 50% of 10^9 virtual records, ms", resume, 50, most=True)],
    )


def _writing(size: str, runs: int) -> tuple[Lines, Lines]:
    lines, goals = [], []
    for name in PLAIN if size == "full" else ("images",):
        found = child.run("writing", name, size)
        ratio = statistics.median(raw / ours for raw, ours in zip(found["raw"], found["store"], strict=True))
        speed = found["raw bytes"] / statistics.median(found["store"]) / 1e9
        excess = found["store bytes"] / found["raw bytes"]
        lines.append(f"| {name}: writing into a store | {number(speed)} GB/s, {number(ratio)} of raw write + fsync |")
        lines.append(f"| {name}: store size | {excess:.5f} of the raw bytes |")
        goals.append(goal(f"{name}: writing, of raw write + fsync", ratio, 0.5))
        goals.append(goal(f"{name}: store size, of the raw bytes", excess, 1.02, most=True))
    return lines, goals


def _memory(size: str, runs: int) -> tuple[Lines, Lines]:
    after: Any = child.run("memory", "images", size)["megabytes"]
    grown = after[-1] - after[1]
    text = f"{after[0]:.0f}, {after[1]:.0f}, ... {after[-1]:.0f} MB"
    return (
        [f"| images: own memory after epochs 1, 2, ... {len(after)} | {text} |"],
        [goal("images: memory grown from epoch 2 to 10, MB", grown, 5, most=True)],
    )


def _importing(size: str, runs: int) -> tuple[Lines, Lines]:
    found = [child.run("importing") for _ in range(2 * runs + 1)]
    bare, names = (statistics.median(each[of] for each in found) * 1e3 for of in ("import", "names"))
    text = f"{number(bare)} ms; the first use of `hr.Dataset` and `hr.Store`: {number(names)} ms more"
    return (
        [f"| `import headrace` beyond NumPy's own import | {text} |"],
        [goal("import beyond NumPy's own, ms", bare, 50, most=True)],
    )


def _starting(size: str, runs: int) -> tuple[Lines, Lines]:
    libraries = ["headrace", "torch"] if importlib.util.find_spec("torch") else ["headrace"]
    took: dict[tuple[str, str], list[float]] = {}
    for _ in range(runs):  # in turns, as the loaders are
        for method in ("forkserver", "spawn", "fork"):
            for library in libraries:
                found = child.run("starting", library, method, size)["seconds"]
                took.setdefault((library, method), []).append(found)
    names = {"headrace": "Headrace", "torch": "torch DataLoader"}
    lines = []
    for (library, method), each in took.items():
        text = f"{number(statistics.median(each) * 1e3)} ms"
        lines.append(f"| images: 2 processes started, to the first batch: {names[library]}, {method} | {text} |")
    if len(libraries) == 1:
        return lines, []
    ours, theirs = took["headrace", "forkserver"], took["torch", "forkserver"]
    ratio = statistics.median(one / other for one, other in zip(ours, theirs, strict=True))
    return lines, [goal("images: start of 2 processes by forkserver, of torch's time", ratio, 1, most=True)]


def _metering(size: str, runs: int) -> tuple[Lines, Lines]:
    cost = (child.run("metering", size)["ratio"] - 1) * 100
    return (
        [f"| images: what measuring for `report()` costs | {cost:.1f}% of an epoch |"],
        [goal("images: what measuring costs, % of an epoch", max(cost, 0.0), 2, most=True)],
    )


def _predicting(size: str, runs: int) -> tuple[Lines, Lines]:
    found = child.run("predicting", size)
    lines = []
    for each in found["predictions"]:
        text = f"predicted {number(each['predicted'])}, measured {number(each['measured'])} batches/s"
        lines.append(f"| `report()`, {each['case']}: {each['workers']} workers | {text}: {each['error']:+.0%} |")
    rate, known = found["headspace"], found["headspace measured"]
    text = f"predicted {number(rate)}, known {number(known)} batches/s: {rate / known - 1:+.0%}"
    lines.append(f"| `report()`, a consumer that computes: the rate if data were free | {text} |")
    right = found["verdicts"] == ["consumer waits", "data waits"]
    text = ", ".join(found["verdicts"]) + (": right" if right else ": **wrong**")
    lines.append(f"| `report()`, a consumer that does nothing, and one that computes: who waits | {text} |")
    return lines, []


def _sources(size: str, runs: int) -> tuple[Lines, Lines]:
    lines, goals = [], []
    for what, says in SOURCES.items():
        for kind, found in child.run("sources", what, size).items():
            name = f"{SHOWN[kind]}, {found['many']:,} sources against {found['few']}, {says}"
            each, first = found["record"][1] * 1e9, found["first"][1] * 1e3
            text = f"{number(found['ratio'])} times the time per record, {number(each)} ns"
            lines.append(f"| {name} | {text}; first batch {number(first)} ms |")
            if what in ("draws", "generators"):
                goals.append(goal(f"{name}, times", found["ratio"], 1.5, most=True))
    return lines, goals


OF_WORKLOADS = {"patches": tuple(measure.__name__ for measure in patches.MEASURES)}
MEASURES = (_latency, _virtual, _writing, _memory, _importing, _starting, _metering, _predicting, _sources)
