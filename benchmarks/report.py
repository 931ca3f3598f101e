"""Lay the figures out as Markdown: a table for each workload, Headrace's own figures, the notes below them."""

from __future__ import annotations

import statistics

from benchmarks import contest
from benchmarks.contest import Outcome
from benchmarks.loaders import LOADERS
from benchmarks.workloads import Workload

HEAD = (
    "| loader | records/s | GB/s | × {base} | × best peer | cores | shuffle | n |",
    "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
)
OURS = {  # of all others headrace_store
    "augment": "headrace_augment",
    "hierarchical": "headrace_mux",
    "mixing": "headrace_mix",
    "packing": "headrace_pack_best_fit",
    "patches": "headrace_patches",
    "patches-zarr": "headrace_zarr_blocks",
    "patches-overlap": "headrace_zarr_blocks",
    "patches-torch": "headrace_patches_torch",
}
BASES = {  # what a baseline is called at the head of a column, where it is no NumPy loop
    "augment": "floor",
    "patches-zarr": "zarr-python",
    "patches-overlap": "decompression",
}
FLOOR = {"images": 0.9, "store": 0.9, "table": 0.7, "augment": 0.75}  # of the baseline
RAW = 0.5  # of a raw write and fsync of the same bytes
FOUNDATION = {"store": 0.933}  # what reading a store reached of the baseline when that was all that a store could do
LEAD = {"ragged": 3.0}  # over the best peer
AGAINST_OURS = {  # by workload: the least that another of ours must reach, as a multiple of the main one
    "images": (("headrace_threads", 1.2), ("headrace_auto", 0.95)),
    "table": (("headrace_auto", 0.95),),
    "ragged": (("headrace_auto", 0.95),),
}
AGAINST_PEERS = {  # by workload: the least that others of ours must reach, as a multiple of the best peer
    "augment": (("headrace_augment", 1.0), ("headrace_augment_batches", 3.0)),
    "transport": (("headrace_views", 4.0), ("headrace_owned", 2.5)),
    "made": (("headrace_offered", 5.0),),
    "hierarchical": (("headrace_mux", 25.0), ("headrace_mux_generators", 5.0)),
    "mixing": (("headrace_mix", 8.0), ("headrace_mix_slices", 8.0)),
    "packing": (),
    **dict.fromkeys(("patches", "patches-zarr", "patches-overlap", "patches-torch"), ()),
}
AGAINST_ONE = {  # by workload: the least that one of ours must reach, as a multiple of another that does the same
    "patches": (
        ("headrace_patches", "numpy_patches", 0.9),
        ("headrace_patches_shuffled", "numpy_patches_shuffled", 0.9),
        ("headrace_patches", "xbatcher_patches", 5.0),
        ("headrace_patches_shuffled", "xbatcher_patches_shuffled", 3.0),
        ("headrace_patches", "xbatcher_patches_concat", 100.0),
    ),
    "patches-zarr": (
        ("headrace_zarr_blocks", "xbatcher_zarr_shuffled", 18.0),
        ("headrace_zarr", "xbatcher_zarr", 12.0),
    ),
    "patches-torch": (("headrace_patches_torch", "xbatcher_torch", 10.0),),
    "packing": (
        ("headrace_pack_best_fit", "grain_pack_best_fit", 1.0),
        ("headrace_pack_first_fit", "grain_pack_first_fit", 1.0),
        ("headrace_pack_concat_split", "grain_pack_concat_split", 1.0),
    ),
}
RIVALS = {  # by workload: the peers that a goal speaks of, where it does not speak of all
    "transport": ("pescador_zmq", "torch_worker"),
    "made": ("pescador_zmq", "torch_worker"),
}
CARRIED_HEAD = (
    "| loader | batches/s | GB/s | × best peer | cores | n |",
    "| --- | ---: | ---: | ---: | ---: | ---: |",
)
UNBASED_HEAD = (
    "| loader | records/s | GB/s | × best peer | cores | shuffle | n |",
    "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
)
WRITTEN = ("write", "raw", "size")  # cells of stores alone
DRAWN_HEAD = (
    "| loader | records/s | GB/s | × {base} | × best peer | cores | n |",
    "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
)
STORED_HEAD = (
    "| loader | write MB/s | × raw write | size | records/s | × {base} | × best peer | cores | shuffle | n |",
    "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
)
PACKED_HEAD = (
    "| loader | sequences/s | GB/s | × {base} | × best peer | cores | padding | n |",
    "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
)


def ours(workload: Workload) -> str:
    """Return the main one of our loaders for a workload."""
    return OURS.get(workload.name, "headrace_store")


def number(value: float | None) -> str:
    """Return a ratio or a rate with as many digits as mean something."""
    if value is None:
        return ""
    if value >= 1000:
        return f"{float(f'{value:.3g}'):,.0f}"
    return f"{value:.3g}" if value < 10 else f"{value:.1f}"


def table(workload: Workload, outcomes: dict[str, Outcome]) -> list[str]:
    """Return the table of one workload: baselines, ours, then the rest, fastest first."""
    base, best = outcomes.get(contest.baseline(workload.name)), contest.best_peer(outcomes)
    words = BASES.get(workload.name, "NumPy loop")
    head = _head(workload)
    lines = [f"### {workload.title}", "", *(line.format(base=words) for line in head)]
    rank = {"baseline": 0, "ours": 1}
    ran = [each for each in outcomes.values() if each.seconds and not each.problem]
    for each in sorted(ran, key=lambda each: (rank.get(each.entry.kind, 2), each.median)):
        name = f"**{each.entry.title}**" if each.entry.kind == "ours" else each.entry.title
        cells = {
            "name": name,
            **_writing(each, base),
            "records": number(each.records_per_second),
            "bytes": number(each.gigabytes_per_second),
            "base": number(each.against(base)) if base else "",
            "best": number(each.against(best)) if best else "",
            "cores": number(max(each.cores)) if each.cores else "",
            "shuffle": f"{each.reach:.2f}" if each.reach else "none",
            "padding": f"{each.padding:.2%}",
            "n": _epochs(each),
        }
        for name in _without(workload):
            del cells[name]
        lines.append("| " + " | ".join(cells.values()) + " |")
    for each in outcomes.values():
        if each.problem:
            lines.append(f"| {each.entry.title} | not run: {each.problem} |" + " |" * (head[1].count("|") - 3))
    return [*lines, "", *_handed_over(workload, ran), ""]


def _epochs(each: Outcome) -> str:
    if each.cut:
        return "part of 1"
    return str(len(each.seconds)) + (f" x {each.share:.0%}" if each.share < 1 else "")


def _head(workload: Workload) -> tuple[str, str]:
    if workload.carried:
        return CARRIED_HEAD
    if workload.packed:
        return PACKED_HEAD
    if workload.stored:
        return STORED_HEAD
    if workload.name not in contest.BASELINES and workload.cube:
        return UNBASED_HEAD
    return DRAWN_HEAD if workload.drawn else HEAD


def _without(workload: Workload) -> tuple[str, ...]:
    """Return which cells a workload's table has not."""
    if workload.stored:
        return ("bytes", "padding")
    if workload.carried:
        return (*WRITTEN, "base", "shuffle", "padding")
    if workload.packed:
        return (*WRITTEN, "shuffle")
    if workload.name not in contest.BASELINES and workload.cube:
        return (*WRITTEN, "base", "padding")
    return (*WRITTEN, "shuffle", "padding") if workload.drawn else (*WRITTEN, "padding")


def _writing(each: Outcome, base: Outcome | None) -> dict[str, str]:
    """Return the cells that only stores have; the baseline's writing is a raw one."""
    if not each.written:
        return dict.fromkeys(WRITTEN, "")
    speed = each.size / statistics.median(each.written.values()) / 1e6
    return {
        "write": number(speed),
        "raw": number(each.written_against(base)) if base else "",
        "size": f"{each.stored / each.size:.3f}",
    }


def _handed_over(workload: Workload, ran: list[Outcome]) -> list[str]:
    """Say what was checked, beside the order."""
    digests = {each.digest for each in ran if each.digest}
    if digests:
        return [f"Bytes handed over by every loader in an epoch: {ran[0].size:,}, digest {', '.join(digests)}."]
    if workload.cube and ran:
        return [
            f"Bytes of a whole epoch: {ran[0].size:,}. Every patch of one epoch was looked up, by a digest of its "
            "words, among those cut straight from the cube: none was missing, doubled or other than there. Of a loader "
            "that goes through a part, that part."
        ]
    if workload.augmented and ran:
        return [
            f"Bytes handed over by every loader in an epoch: {ran[0].size:,}. Each record of every fifth batch was "
            "found to be a crop of its own image, value by value."
        ]
    if workload.drawn and ran:
        law = (
            "The parts' shares of each epoch and of each batch are those asked for."
            if workload.weights
            else "Streams are gone through from their beginnings, for as long as the rate says, and chosen evenly."
        )
        return [
            f"Bytes handed over by every loader in an epoch: {ran[0].size:,}. {law} Each row of one epoch was compared "
            "with the record that its label names."
        ]
    if workload.packed and ran:
        return [
            f"Bytes of tokens in every loader's bins: {ran[0].size:,}; beside them as many of ids and of positions. "
            "Each sequence was found once and whole; of those that are split, all tokens in their order."
        ]
    return []


def goals(workload: Workload, outcomes: dict[str, Outcome]) -> list[str]:
    """Return a line for each goal: what was to be reached, and what was."""
    main, base = outcomes.get(ours(workload)), outcomes.get(contest.baseline(workload.name))
    lines = []
    if main and main.seconds and not main.problem:
        if workload.name in FLOOR and base and (ratio := main.against(base)):
            lines.append(goal(f"{workload.name}: of the {base.entry.title}", ratio, FLOOR[workload.name]))
            if workload.name in FOUNDATION:
                what = f"{workload.name}: of what reading reached of that loop before stores could do more"
                lines.append(goal(what, ratio / FOUNDATION[workload.name], 0.95))
        if base and (ratio := main.written_against(base)):
            lines.append(goal(f"{workload.name}: writing from memory, of raw write + fsync", ratio, RAW))
        if workload.name not in AGAINST_PEERS:
            lines += _leads(workload, outcomes, main)
        for name, least in AGAINST_OURS.get(workload.name, ()):
            other = outcomes.get(name)
            if other and (ratio := other.against(main)):
                lines.append(goal(f"{workload.name}: {other.entry.title}, times inline", ratio, least))
    rivals = RIVALS.get(workload.name)
    best = contest.best_peer(outcomes, among=rivals)
    words = "the best peer" if rivals is None else "the better of torch and pescador"
    for name, least in AGAINST_PEERS.get(workload.name, ()):
        if name in outcomes and best and (ratio := outcomes[name].against(best)):
            what = f"{workload.name}: {outcomes[name].entry.title}, times {words} ({best.entry.title})"
            lines.append(goal(what, ratio, least))
    for name, rival, least in AGAINST_ONE.get(workload.name, ()):
        if name in outcomes and rival in outcomes and (ratio := outcomes[name].against(outcomes[rival])):
            title = outcomes[rival].entry.title
            lines.append(goal(f"{workload.name}: {outcomes[name].entry.title}, times {title}", ratio, least))
    return lines


def _leads(workload: Workload, outcomes: dict[str, Outcome], main: Outcome) -> list[str]:
    """Return the goals over other libraries: as documented, and where we wrote the gathering for them."""
    lines = []
    for by_hand in (False, True):
        best = contest.best_peer(outcomes, by_hand)
        ratio = main.against(best) if best else None
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
