"""A split as a file, so that what was held out stays held out: written once, and read by whoever comes after."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from headrace.core import seeds
from headrace.core.errors import ArgumentError, ExistsError, KindError
from headrace.core.source import Indices
from headrace.cubes.dividing.artifact_file import locked, read, write
from headrace.cubes.dividing.artifact_text import Labels, asked_for, division_of, document_of, require_same
from headrace.cubes.dividing.dealing import checked
from headrace.cubes.dividing.labels import marks
from headrace.cubes.dividing.plans import Along, Blocks, Groups, Plan, guards
from headrace.cubes.dividing.splitting import Division, Report, divided, draw, grow, require_some
from headrace.cubes.geometry import Geometry


def settle(
    path: str | os.PathLike[str] | None,
    plan: Plan,
    geometry: Geometry,
    numbers: Indices,
    fractions: Mapping[str, Any],
    seed: int = 0,
    guard: Mapping[str, int] | None = None,
    labels: Labels | None = None,
    grown: bool = False,
) -> Division:
    """Return what a file holds, if it is there and belongs to this; else draw it, and write the file.

    Of several processes that do so at once one writes, and all use what it wrote.

    Args:
        path: The file; None: draw, and write nothing.
        plan: By what the cube is divided; see :func:`headrace.cubes.dividing.splitting.draw` for this and what follows.
        geometry: Of the patches.
        numbers: Which of them there are.
        fractions: Of the parts.
        seed: Of the draw.
        guard: Elements between parts.
        labels: Coordinates of the divided dimensions, as far as there are any: what tells this cube from another.
        grown: Whether the cube may have grown at the ends of its dimensions since the file was written. Then old
            elements keep their part, new ones are dealt out (see :func:`headrace.cubes.dividing.splitting.grow`), and
            the file is replaced.

    Raises:
        ArgumentError: It cannot be meant, or a part has no patch; then no file is written.
        StateError: The file was written for something else; the message says what differs.
        DamageError: The file is not what was written.
        StoreError: The file cannot be read or written.
    """
    if path is None:
        return draw(plan, geometry, numbers, fractions, seed, guard)
    place = _place(path)
    lengths = {axis.name: axis.length for axis in geometry.axes}
    plan = plan.fitted(lengths)
    asked = asked_for(plan, checked(fractions), seeds.check(seed), guards(guard, plan), lengths, labels or {})
    if not place.exists():
        division = divided(plan, geometry, numbers, fractions, seed, guard)
        report = division.report(geometry, numbers)
        require_some(division, geometry, report)
        try:
            save(place, division, labels, report)
            return division
        except ExistsError:  # another process was faster
            pass
    document = read(place)
    if grown and document["cube"] != asked["cube"]:
        with locked(place):
            document = read(place)  # another process may have replaced it meanwhile
            return _grow(place, document, asked, plan, geometry, numbers, labels or {})
    return _read_for(place, document, asked, plan, geometry, numbers)


def save(
    path: str | os.PathLike[str], division: Division, labels: Labels | None = None, report: Report | None = None
) -> Path:
    """Write a division as JSON; the file appears whole, or not at all.

    Args:
        path: The file, which must not be there.
        division: What to write.
        labels: Coordinates of the divided dimensions, as far as there are any.
        report: How many patches lie in each part, for whoever reads the file.

    Returns:
        The path.

    Raises:
        ExistsError: The file is there.
        StoreError: It cannot be written.
    """
    place = _place(path)
    write(place, document_of(division, labels or {}, report), replace=False)
    return place


def load(path: str | os.PathLike[str], plan: Plan | None = None) -> Division:
    """Return what :func:`save` wrote.

    Args:
        path: The file.
        plan: By what the cube was divided; needed where that was groups, as the file holds their names alone.

    Raises:
        NotFoundError: There is no such file.
        DamageError: It is not what was written.
        StateError: It was divided by something else.
        ArgumentError: The labels of the groups are missing.
    """
    place = _place(path)
    document = read(place)
    by, lengths = document["by"], document["cube"]
    if plan is None:
        if "groups" in by:
            raise ArgumentError(f"{place} is divided by groups of {by['groups']!r}: load it with their labels")
        plan = Blocks(by["blocks"]) if "blocks" in by else Along(by["along"])
    plan = plan.fitted(lengths)
    asked = {**document, "by": plan.asked()}
    if isinstance(plan, Groups):
        asked["labels"] = {**document["labels"], plan.name: marks(plan.labels)}
    require_same(place, document, asked)
    return division_of(document, plan)


def _read_for(
    path: Path, document: Mapping[str, Any], asked: Mapping[str, Any], plan: Plan, geometry: Geometry, numbers: Indices
) -> Division:
    """Return what a file says, if it belongs, and each part has some of these patches."""
    require_same(path, document, asked)
    division = division_of(document, plan)
    require_some(division, geometry, division.report(geometry, numbers), str(path))
    return division


def _grow(
    path: Path,
    document: Mapping[str, Any],
    asked: Mapping[str, Any],
    plan: Plan,
    geometry: Geometry,
    numbers: Indices,
    labels: Labels,
) -> Division:
    """Return the division of a cube that has grown, and replace the file."""
    before = document["cube"]
    lengths = asked["cube"]
    if before == lengths or before.keys() != lengths.keys() or any(lengths[dim] < before[dim] for dim in before):
        return _read_for(path, document, asked, plan, geometry, numbers)  # another process wrote it; or it shrank
    old = plan.upto(before) if isinstance(plan, Groups) else plan
    first = {dim: labels[dim][: before[dim]] for dim in plan.dims if dim in labels}
    require_same(
        path, document, {**asked, "cube": before, "labels": asked_for(old, {}, 0, {}, before, first)["labels"]}
    )
    division = grow(division_of(document, old), plan, geometry, numbers)
    report = division.report(geometry, numbers)
    require_some(division, geometry, report)
    write(path, document_of(division, labels, report), replace=True)
    return division


def _place(path: str | os.PathLike[str]) -> Path:
    if not isinstance(path, str | os.PathLike):
        raise KindError(f"artifact must be the path of a file, got {path!r}")
    if "://" in str(path):
        raise ArgumentError(f"artifact must be a file in a folder of this machine, got {str(path)!r}")
    return Path(path)
