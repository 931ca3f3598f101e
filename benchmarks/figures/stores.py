"""Lay out the figures of stores: writing from a pipeline, opening, sharing memory, reading from a bucket."""

from __future__ import annotations

import importlib.util
import statistics
from collections.abc import Sequence

from benchmarks.figures import child
from benchmarks.report import goal, number

SHARED = 1.1  # of the files' size: what 64 processes may hold of them together
SERVERS = {"near": "", "far": ", 15 ms and 60 MB/s a connection"}

Lines = list[str]


def piping(size: str, runs: int) -> tuple[Lines, Lines]:
    found = child.run("piping", size)
    lines, goals = [], []
    for name, turns in found.items():
        what = f"images: a store written from a tf.data pipeline of {name}"
        ratio = statistics.median(iterating / writing for iterating, writing in turns)
        iterating, writing = (statistics.median(each) for each in zip(*turns, strict=True))
        lines.append(f"| {what} | {number(writing)} s, iterating it alone {number(iterating)} s |")
        goals.append(goal(f"{what}, times the speed of iterating it", ratio, 1.0))
    return lines, goals


def opening(size: str, runs: int) -> tuple[Lines, Lines]:
    child.run("opening", "write", size)
    lines, goals = [], []
    for version in ("one", "many"):
        found = [child.run("opening", size, version) for _ in range(runs)]
        imported, names, opened, read = (
            statistics.median(each[of] for each in found) * 1e3 for of in ("import", "names", "open", "read")
        )
        what = f"a version of {found[0]['records']:,} records in {_parts(found[0]['parts'])}"
        before = f"after `import headrace` ({number(imported)} ms) and its names ({number(names)} ms)"
        lines.append(f"| opening {what} | {number(opened)} ms {before}; a first record {number(read)} ms more |")
        goals.append(goal(f"opening {what}, ms", opened, 50, most=True))
    return lines, goals


def _parts(count: int) -> str:
    return "one part" if count == 1 else f"{count} parts"


def sharing(size: str, runs: int) -> tuple[Lines, Lines]:
    found = child.run("sharing", size)
    count, files = found["processes"], found["files"]
    together, grown = found["mapped"] / files, (found["after"] - found["before"]) / 1e6
    text = f"{together:.3f} of the files' {files / 1e6:.0f} MB"
    more = f"all memory grew by {grown:.0f} MB, of which {found['own'] / count / 1e6:.0f} MB are each one's own"
    return (
        [f"| images: {count} processes that each read all of one version: PSS of the files, in sum | {text}; {more} |"],
        [goal(f"images: PSS of the files in {count} processes, of the files' size", together, SHARED, most=True)],
    )


def remote(size: str, runs: int) -> tuple[Lines, Lines]:
    found = child.run("remote", size)
    lines, goals = [], []
    written = found["written"]
    if "bucket" in written:  # else they were written by an earlier run
        speeds = (number(written["bytes"] / written[where] / 1e6) for where in ("bucket", "folder") if where in written)
        lines.append(f"| images: written into a bucket, and into a folder | {', '.join(speeds)} MB/s |")
    local, away, whole = (found["second"][where] for where in ("local", "remote", "one part"))
    ratio, of_one = _ratio(local, away), _ratio(whole, away)
    what = "images from a bucket: second epoch"
    text = f"{number(ratio)} of the speed of a local store of the same parts, {number(of_one)} of that of one part"
    lines.append(f"| {what} | {number(statistics.median(away))} s, {text} |")
    goals.append(goal(f"{what}, of a local store's speed", ratio, 0.95))
    for name, says in SERVERS.items():
        if name in found:
            more_lines, more_goals = _cold(found[name], found["bytes"], f"images from a bucket{says}")
            lines, goals = lines + more_lines, goals + more_goals
    return lines, goals


def _cold(found: dict[str, list[float]], size: int, what: str) -> tuple[Lines, Lines]:
    speed = size / statistics.median(found["cold"]) / 1e6
    plain = size / statistics.median(found["files"]) / 1e6
    ratio, memory = _ratio(found["files"], found["cold"]), _ratio(found["memory"], found["cold"])
    text = f"{number(speed)} MB/s; a plain download into files {number(plain)} MB/s ({number(ratio)} of it)"
    return (
        [
            f"| {what}: a cold epoch in blocks | {text}, into memory {number(memory)} of it; "
            f"{found['fetched']:.3f} of the bytes were fetched |"
        ],
        [goal(f"{what}: a cold epoch in blocks, of a plain parallel download into files", ratio, 0.8)],
    )


def _ratio(others: Sequence[float], ours: Sequence[float]) -> float:
    """Return the median of the ratios within a turn."""
    return statistics.median(other / own for other, own in zip(others, ours, strict=True))


def measures(own: bool) -> tuple[child.Measure, ...]:
    """Return all of these that can be taken: some need a library that is not ours."""
    pipes = () if own or not importlib.util.find_spec("tensorflow") else (piping,)
    return (*pipes, opening, sharing, *((remote,) if importlib.util.find_spec("obstore") else ()))
