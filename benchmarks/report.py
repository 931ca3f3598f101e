"""Lay the figures out as Markdown: a table for each workload, Headrace's own figures, the notes below them."""

from __future__ import annotations

from benchmarks import contest
from benchmarks.contest import BASELINE, Outcome
from benchmarks.loaders import LOADERS
from benchmarks.workloads import Workload

HEAD = (
    "| loader | records/s | GB/s | × NumPy loop | × best peer | cores | shuffle | n |",
    "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
)
OURS = "headrace_store"
FLOOR = {"images": 0.9, "table": 0.7}  # of the plain NumPy loop
LEAD = {"ragged": 3.0}  # over the best peer


def number(value: float | None) -> str:
    """Return a ratio or a rate with as many digits as mean something."""
    if value is None:
        return ""
    if value >= 1000:
        return f"{float(f'{value:.3g}'):,.0f}"
    return f"{value:.3g}" if value < 10 else f"{value:.1f}"


def table(workload: Workload, outcomes: dict[str, Outcome]) -> list[str]:
    """Return the table of one workload: baselines, ours, then the rest, fastest first."""
    lines = [f"### {workload.title}", "", *HEAD]
    base, best = outcomes.get(BASELINE), contest.best_peer(outcomes)
    rank = {"baseline": 0, "ours": 1}
    ran = [each for each in outcomes.values() if each.seconds and not each.problem]
    for each in sorted(ran, key=lambda each: (rank.get(each.entry.kind, 2), each.median)):
        name = f"**{each.entry.title}**" if each.entry.kind == "ours" else each.entry.title
        cells = [
            name,
            number(each.records_per_second),
            number(each.gigabytes_per_second),
            number(each.against(base)) if base else "",
            number(each.against(best)) if best else "",
            number(max(each.cores)) if each.cores else "",
            f"{each.reach:.2f}" if each.reach else "none",
            "part of 1" if each.cut else str(len(each.seconds)),
        ]
        lines.append("| " + " | ".join(cells) + " |")
    for each in outcomes.values():
        if each.problem:
            lines.append(f"| {each.entry.title} | not run: {each.problem} | | | | | | |")
    digests = {each.digest for each in ran if each.digest}
    if digests:
        lines += ["", f"Bytes handed over by every loader in an epoch: {ran[0].size:,}, digest {', '.join(digests)}."]
    return [*lines, ""]


def goals(workload: Workload, outcomes: dict[str, Outcome]) -> list[str]:
    """Return a line for each goal: what was to be reached, and what was."""
    ours, base = outcomes.get(OURS), outcomes.get(BASELINE)
    if ours is None or ours.problem or not ours.seconds:
        return []
    lines = []
    if workload.name in FLOOR and base and (ratio := ours.against(base)):
        lines.append(goal(f"{workload.name}: of the plain NumPy loop", ratio, FLOOR[workload.name]))
    for by_hand in (False, True):
        best = contest.best_peer(outcomes, by_hand)
        ratio = ours.against(best) if best else None
        if best and ratio:
            lead = 1.0 if by_hand else LEAD.get(workload.name, 1.0)
            what = "anything, written by hand too" if by_hand else "the best peer as documented"
            lines.append(goal(f"{workload.name}: times {what} ({best.entry.title})", ratio, lead))
    return lines


def goal(what: str, reached: float, wanted: float, most: bool = False) -> str:
    """Return a line of the table of goals: ``wanted`` is the least that will do, or the most."""
    met = reached <= wanted if most else reached >= wanted
    return f"| {what} | {'≤' if most else '≥'} {wanted:g} | {number(reached)} | {'yes' if met else '**no**'} |"


def notes(names: list[str]) -> list[str]:
    """Return how each loader is used."""
    kinds = {"by hand": " (by hand)", "baseline": " (baseline)"}
    return [f"* **{LOADERS[name].title}**{kinds.get(LOADERS[name].kind, '')}: {LOADERS[name].note}" for name in names]
