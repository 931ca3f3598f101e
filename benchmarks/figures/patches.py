"""Lay out the figures of patches: making a geometry, how often chunks are decoded, memory over epochs."""

from __future__ import annotations

import statistics

from benchmarks import making
from benchmarks.figures import child
from benchmarks.report import goal, number
from benchmarks.workloads import QUICK, WORKLOADS, Data

DECODED = 1.2  # times each chunk, where patches overlap
GROWN = 5.0  # MB

Lines = list[str]


def geometry(size: str, runs: int) -> tuple[Lines, Lines]:
    found = child.run("patch_geometry", size)
    count, ours = found["patches"], found["headrace"] * 1e6
    lines = [
        f"| {count:,} patches: `hr.patches(...)`, and its geometry alone | {_us(ours)}, {_us(found['alone'] * 1e6)} |"
    ]
    if found["xbatcher"]:
        lines.append(f"| {count:,} patches: `xbatcher.BatchGenerator(...)` | {number(found['xbatcher'])} s |")
    return lines, [
        goal(f"patches: making the geometry of {count:,}, microseconds", found["alone"] * 1e6, 1000, most=True),
        goal(f"patches: `hr.patches(...)` of {count:,}, microseconds", ours, 1000, most=True),
    ]


def decoding(size: str, runs: int) -> tuple[Lines, Lines]:
    making.make(Data((QUICK if size == "quick" else WORKLOADS)["patches-overlap"]))
    lines, goals = [], []
    for how, each in child.run("patch_decoding", size).items():
        times = each["reads"] / each["chunks"]
        text = f"{each['reads']:,} reads of {each['chunks']:,} chunks: {number(times)} times"
        lines.append(f"| patches, overlap 16 in space, {how}: chunks read and decoded in an epoch | {text} |")
        if each["ours"]:
            goals.append(goal(f"patches, overlap 16, {how}: decoding, times each chunk", times, DECODED, most=True))
    return lines, goals


def patch_memory(size: str, runs: int) -> tuple[Lines, Lines]:
    making.make(Data((QUICK if size == "quick" else WORKLOADS)["patches-zarr"]))
    after = child.run("patch_memory", size)["megabytes"]
    grown = statistics.median(after[-4:]) - statistics.median(after[1:5])  # it goes up and down by some MB
    text = f"{after[0]:.0f}, {after[1]:.0f}, ... {after[-1]:.0f} MB"
    return (
        [f"| patches from Zarr, shuffled by blocks: own memory after epochs 1, 2, ... {len(after)} | {text} |"],
        [
            goal(
                f"patches from Zarr: memory grown from epochs 2 to 5 to the last four of {len(after)}, MB",
                grown,
                GROWN,
                most=True,
            )
        ],
    )


def _us(value: float) -> str:
    return f"{number(value)} µs"


MEASURES = (geometry, decoding, patch_memory)
