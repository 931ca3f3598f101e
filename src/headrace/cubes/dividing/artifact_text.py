"""What the file of a split says, and how that differs from what is asked for."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headrace.core.errors import ArgumentError, StateError
from headrace.core.source import Indices
from headrace.cubes.dividing.artifact_file import FORMAT
from headrace.cubes.dividing.division import Division, Report
from headrace.cubes.dividing.labels import marks, shown
from headrace.cubes.dividing.plans import Along, Blocks, Groups, Plan
from headrace.cubes.dividing.splitting import owners

Labels = Mapping[str, NDArray[Any]]
"""Coordinates of dimensions, by name."""


def asked_for(
    plan: Plan,
    fractions: dict[str, float],
    seed: int,
    guard: dict[str, int],
    lengths: Mapping[str, int],
    labels: Labels,
) -> dict[str, Any]:
    """Return what must be the same for a file to belong."""
    told = {dim: marks(labels[dim]) for dim in plan.dims if dim in labels}
    if isinstance(plan, Groups):
        told[plan.name] = marks(plan.labels)
    return {
        "by": plan.asked(),
        "parts": fractions,
        "seed": seed,
        "guard": guard,
        "cube": dict(lengths),
        "labels": told,
    }


def document_of(division: Division, labels: Labels, report: Report | None) -> dict[str, Any]:
    """Return what the file of a division says."""
    fractions, guard = dict(division.fractions), dict(division.guard)
    asked = asked_for(division.plan, fractions, division.seed, guard, division.lengths, labels)
    document = {"headrace": "split", "format": FORMAT, **asked, "assignment": _assignment(division)}
    if report is not None:
        left = {"border": report.border, "guard": report.guard, "nowhere": report.nowhere}
        document["patches"] = {"in": dict(report.parts), "left out": left}
    return document


def _assignment(division: Division) -> Any:
    """Return who has what: stretches of a dimension, runs of blocks in order, or names of groups."""
    names = division.names
    if isinstance(division.plan, Along):
        ends = division.edges[0].tolist()
        return {name: [first, last] for name, first, last in zip(names, ends, ends[1:])}
    if isinstance(division.plan, Groups):
        given: dict[str, list[Any]] = {name: [] for name in names}
        for group, owner in zip(_plain(division.plan), owners(division).tolist(), strict=True):
            given[names[owner]].append(group)
        return given
    flat = division.owner.reshape(-1)
    first = np.flatnonzero(np.append(True, flat[1:] != flat[:-1]))
    runs = np.diff(np.append(first, len(flat)))
    return [[names[owner], count] for owner, count in zip(flat[first].tolist(), runs.tolist(), strict=True)]


def _plain(plan: Groups) -> list[Any]:
    """Return the names of groups as JSON has them, all different."""
    found = [
        name if isinstance(name, bool) else int(name) if isinstance(name, int | np.integer) else shown(name)
        for name in plan.names
    ]
    if len({(type(name), name) for name in found}) < len(found):
        raise ArgumentError(f"by={plan.name!r}: two groups have names that read alike, so they cannot be written")
    return found


def division_of(document: Mapping[str, Any], plan: Plan) -> Division:
    """Return what a file that belongs says."""
    names, given = list(document["parts"]), document["assignment"]
    edges: tuple[Indices, ...]
    lengths = document["cube"]
    if isinstance(plan, Along):
        ends = np.array([*(given[name][0] for name in names), lengths[plan.dim]], np.int64)
        edges = (ends,)
        owner = np.arange(len(names), dtype=np.int16)
    elif isinstance(plan, Groups):
        of_group = {(type(name), name): number for number, part in enumerate(names) for name in given[part]}
        codes = [of_group[type(name), name] for name in _plain(plan)]
        edges = tuple(np.arange(lengths[dim] + 1, dtype=np.int64) for dim in plan.dims)
        owner = np.array([*codes, -1], np.int16)[plan.codes]
    else:
        sizes = document["by"]["blocks"]  # in the order in which they were dealt out
        plan = Blocks(sizes)
        edges = tuple(np.append(np.arange(0, lengths[dim], size), lengths[dim]) for dim, size in sizes.items())
        number = {name: place for place, name in enumerate(names)}
        flat = np.repeat(np.array([number[name] for name, _ in given], np.int16), [count for _, count in given])
        owner = flat.reshape([len(ends) - 1 for ends in edges])
    return Division(plan, document["parts"], document["seed"], document["guard"], lengths, edges, owner)


def require_same(path: Path, document: Mapping[str, Any], asked: Mapping[str, Any]) -> None:
    """Refuse a file that belongs to something else.

    Raises:
        StateError: It says all that differs.
    """
    found = [*_differences(document, asked)]
    if found:
        raise StateError(
            f"{path} holds another split: {'; '.join(found)}. Delete it, or take another name, to draw anew; "
            "what was held out may then be learnt from"
        )


def _differences(document: Mapping[str, Any], asked: Mapping[str, Any]) -> Iterator[str]:
    for key, what in (("by", "it was divided by {}, not by {}"), ("seed", "its seed is {}, not {}")):
        if document[key] != asked[key]:
            yield what.format(json.dumps(document[key]), json.dumps(asked[key]))
    if [*document["parts"].items()] != [*asked["parts"].items()]:
        yield f"its parts are {_shown(document['parts'])}, not {_shown(asked['parts'])}"
    if document["guard"] != asked["guard"]:
        yield f"its guard is {_shown(document['guard'])}, not {_shown(asked['guard'])}"
    if document["cube"] != asked["cube"]:
        more = asked["cube"].keys() == document["cube"].keys() and all(
            asked["cube"][dim] >= length for dim, length in document["cube"].items()
        )
        hint = " (it has grown: grown=True keeps the parts of old elements, and deals new ones out)" if more else ""
        yield f"its cube has {_shown(document['cube'])}, this one has {_shown(asked['cube'])}{hint}"
        return  # labels of other lengths differ, which says nothing more
    yield from _of_labels(document["labels"], asked["labels"])


def _of_labels(known: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    for name in {**known, **now}:
        if name not in now or name not in known:
            had, has = ("no" if name not in named else "some" for named in (known, now))
            yield f"{name!r} had {had} labels, and has {has} now"
        elif known[name] != now[name]:
            was, are = ("{first} to {last}".format(**one) for one in (known[name], now[name]))
            yield f"the labels of {name!r} differ: they were {was}, and are {are}" + (
                " with others between them" if was == are else ""
            )


def _shown(named: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={value}" for name, value in named.items()) or "none"
