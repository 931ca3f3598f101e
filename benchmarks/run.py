"""Measure everything and write ``results.md``: ``python -m benchmarks.run``; see README.md beside this file."""

from __future__ import annotations

import argparse
import importlib.util
import shlex
import sys
import time
from pathlib import Path

from benchmarks import contest, machine, making, report
from benchmarks.figures import collect
from benchmarks.loaders import LOADERS, OWN
from benchmarks.workloads import FOLDER, QUICK, WORKLOADS, Data, Workload

RESULTS = Path(__file__).parent / "results.md"
READING = """\
One process each; the loaders take turns, epoch by epoch, with the page cache warm. *records/s* and *GB/s* (payload
and labels, without padding) are medians over *n* epochs; the ratios are medians of the ratios within a turn. *best
peer* is the fastest library used as its own documentation says; *by hand* rows, where we wrote the gather ourselves
inside a library, stand beside it. *cores*: processor time by wall time, threads included. *shuffle*: how far apart
neighbours end up, 1 for a true global shuffle. Every epoch is checked to hand over each record once, and one epoch of
each loader to hand over every byte; what is checked where records are drawn, or packed, stands below those tables.
*part of 1*: an epoch that was left after 20 s, at its rate so far; *5 x 25%*: five epochs, of each a quarter. With
worker processes the clock starts behind the first batches, and *cores* counts all processes (see README.md)."""


def arguments(words: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small data: about three minutes, figures mean little")
    parser.add_argument(
        "--workload", choices=sorted(WORKLOADS), help="only this one, and those that begin with its name"
    )
    parser.add_argument("--loaders", help="only these, by name, separated by commas: " + ", ".join(LOADERS))
    parser.add_argument("--own", action="store_true", help="only ours and the baselines: needs no other library")
    parser.add_argument("--figures", help="only these of our other figures, by name, separated by commas; no workload")
    parser.add_argument("--rounds", type=int, help="timed epochs of each loader (default: 5; with --quick: 2)")
    parser.add_argument("--output", type=Path, help="where to write (default: results.md for a full run)")
    chosen = parser.parse_args(words)
    unknown = set(chosen.loaders.split(",") if chosen.loaders else ()) - LOADERS.keys()
    if unknown:
        parser.error(f"no loader {', '.join(sorted(unknown))}; there are {', '.join(LOADERS)}")
    return chosen


def _wanted(workload: Workload, name: str | None) -> bool:
    return name is None or workload.name == name or workload.name.startswith(f"{name}-")


def _in_tables(name: str, chosen: str) -> bool:
    return any(_wanted(WORKLOADS[each], chosen) for each in LOADERS[name].workloads)


def say(line: str) -> None:
    print(f"[{time.perf_counter() - BEGAN:4.0f} s] {line}", file=sys.stderr, flush=True)


BEGAN = time.perf_counter()


def main() -> None:
    chosen = arguments()
    names = OWN if chosen.own else list(LOADERS)
    if chosen.loaders:
        wanted = {"numpy_loop", *contest.BASELINES.values(), *chosen.loaders.split(",")}
        names = [name for name in names if name in wanted]
    whole = not (chosen.quick or chosen.workload or chosen.loaders or chosen.own or chosen.figures)
    about = machine.describe()
    tables: list[str] = []
    goals: list[str] = []
    for workload in (QUICK if chosen.quick else WORKLOADS).values():
        if not chosen.figures and _wanted(workload, chosen.workload):
            say(workload.title)
            if workload.cube and importlib.util.find_spec("zarr") is None:
                say("  left out: it needs zarr and xarray")
                continue
            data = Data(workload)
            making.make(data)
            rounds = chosen.rounds or (2 if chosen.quick else 5)
            outcomes = contest.run(data, names, rounds, patience=1 if chosen.quick else 10, say=say)
            tables += report.table(workload, outcomes)
            goals += report.goals(workload, outcomes)
    figures: list[str] = []
    own_figures = collect.OF_WORKLOADS.get(chosen.workload, ())
    if (own_figures and not chosen.loaders) or (not chosen.workload and "headrace_store" in names):
        only = chosen.figures.split(",") if chosen.figures else own_figures
        figures, more = collect.collect(chosen.quick, chosen.own, only, say)
        goals += more
    shown = [name for name in names if not chosen.workload or _in_tables(name, chosen.workload)]
    lines = ["# Results", "", *(f"* {line}" for line in about)]
    lines.append("* " + ", ".join(f"{name} {version}" for name, version in machine.versions().items()))
    lines += [f"* `{shlex.join(['python', '-m', 'benchmarks.run', *sys.argv[1:]])}`", ""]
    if chosen.quick:
        lines += ["Small data: this shows that everything runs; the figures mean little.", ""]
    elif goals:
        lines += ["## Goals", "", "| what | goal | reached | |", "| --- | ---: | ---: | --- |", *goals, ""]
    lines += ["## Loaders", "", READING, "", *tables, *figures, "## How each is used", "", *report.notes(shown), ""]
    text = "\n".join(lines)
    print(text)
    output = chosen.output or (RESULTS if whole else FOLDER / "results.md")
    if not chosen.output and own_figures and not (chosen.quick or chosen.loaders or chosen.own):
        output = RESULTS.with_name(f"results-{chosen.workload}.md")
    output.write_text(text)
    say(f"written to {output}")


if __name__ == "__main__":
    main()
