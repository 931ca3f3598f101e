"""A split as a file, so that what was held out stays held out: written once, and read by whoever comes after."""

from __future__ import annotations

import errno
import fcntl
import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path
from secrets import token_hex
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headrace.core.errors import ArgumentError, DamageError, ExistsError, NotFoundError, StateError, StoreError
from headrace.core.source import Indices
from headrace.cubes.geometry import Geometry
from headrace.cubes.labels import marks
from headrace.cubes.splitting import Division, Report, divided, grow, owners, require_some
from headrace.cubes.splitting_deal import checked
from headrace.cubes.splitting_plans import Along, Blocks, Groups, Plan, guards

FORMAT = 1

Labels = Mapping[str, NDArray[Any]]
"""Coordinates of dimensions, by name."""

_NO_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}


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
        plan: By what the cube is divided; see :func:`headrace.cubes.splitting.draw` for this and what follows.
        geometry: Of the patches.
        numbers: Which of them there are.
        fractions: Of the parts.
        seed: Of the draw.
        guard: Elements between parts.
        labels: Coordinates of the divided dimensions, as far as there are any: what tells this cube from another.
        grown: Whether the cube may have grown at the ends of its dimensions since the file was written. Then old
            elements keep their part, new ones are dealt out (see :func:`headrace.cubes.splitting.grow`), and the file
            is replaced.

    Raises:
        ArgumentError: It cannot be meant, or a part has no patch; then no file is written.
        StateError: The file was written for something else; the message says what differs.
        DamageError: The file is not what was written.
        StoreError: The file cannot be read or written.
    """
    if path is None:
        division = divided(plan, geometry, numbers, fractions, seed, guard)
        require_some(division, geometry, division.report(geometry, numbers))
        return division
    place = _place(path)
    lengths = {axis.name: axis.length for axis in geometry.axes}
    plan = plan.fitted(lengths)
    asked = _asked(plan, checked(fractions), seed, guards(guard, plan), lengths, labels or {})
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
        with _locked(place):
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
    _write(place, _text(_document(division, labels or {}, report)), replace=False)
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
    _require_same(place, document, asked)
    return _division(document, plan)


def read(path: Path) -> dict[str, Any]:
    """Return what a file says, as it stands.

    Raises:
        NotFoundError: There is no such file.
        DamageError: It is not what was written.
        StoreError: It cannot be read.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise NotFoundError(f"there is no split at {path}") from None
    except OSError as error:
        raise StoreError(f"cannot read the split at {path}: {error.strerror or error}") from error
    try:
        document = json.loads(content)
        told = document.pop("digest")
        right = document["headrace"] == "split"
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DamageError(f"{path} is no split, or it is damaged ({error}): {_MEND}") from error
    if right and document.get("format") != FORMAT:
        raise StateError(f"{path} has format {document.get('format')!r}; this version reads {FORMAT} alone")
    if not right or told != _digest(document):
        raise DamageError(f"{path} is not what was written, it was changed or damaged: {_MEND}")
    found: dict[str, Any] = document
    return found


_MEND = "bring back a copy; or delete it or take another name to draw anew, and know that held-out data may change"


# What a file says


def _asked(
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
        "seed": int(seed),
        "guard": guard,
        "cube": dict(lengths),
        "labels": told,
    }


def _document(division: Division, labels: Labels, report: Report | None) -> dict[str, Any]:
    asked = _asked(
        division.plan,
        dict(division.fractions),
        division.seed,
        dict(division.guard),
        division.lengths,
        labels,
    )
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
        name if isinstance(name, bool) else int(name) if isinstance(name, int | np.integer) else str(name)
        for name in plan.names
    ]
    if len({(type(name), name) for name in found}) < len(found):
        raise ArgumentError(f"by={plan.name!r}: two groups have names that read alike, so they cannot be written")
    return found


def _division(document: Mapping[str, Any], plan: Plan) -> Division:
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


def _read_for(
    path: Path, document: Mapping[str, Any], asked: Mapping[str, Any], plan: Plan, geometry: Geometry, numbers: Indices
) -> Division:
    """Return what a file says, if it belongs, and each part has some of these patches."""
    _require_same(path, document, asked)
    division = _division(document, plan)
    require_some(division, geometry, division.report(geometry, numbers), str(path))
    return division


def _require_same(path: Path, document: Mapping[str, Any], asked: Mapping[str, Any]) -> None:
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


# Growth


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
    _require_same(path, document, {**asked, "cube": before, "labels": _asked(old, {}, 0, {}, before, first)["labels"]})
    division = grow(_division(document, old), plan, geometry, numbers)
    report = division.report(geometry, numbers)
    require_some(division, geometry, report)
    _write(path, _text(_document(division, labels, report)), replace=True)
    return division


# The file


def _place(path: str | os.PathLike[str]) -> Path:
    if "://" in str(path):
        raise ArgumentError(f"artifact must be a file in a folder of this machine, got {str(path)!r}")
    return Path(path)


def _text(document: dict[str, Any]) -> bytes:
    """Return JSON with a line for each thing that it says."""
    lines = [f"  {json.dumps(key)}: {json.dumps(value)}" for key, value in document.items()]
    lines.append(f'  "digest": {json.dumps(_digest(document))}')
    return ("{\n" + ",\n".join(lines) + "\n}\n").encode()


def _digest(document: Mapping[str, Any]) -> str:
    return blake2b(json.dumps(document).encode(), digest_size=8).hexdigest()


def _write(path: Path, content: bytes, replace: bool) -> None:
    beside = path.with_name(f".{path.name}.{token_hex(4)}")
    try:
        try:
            with open(beside, "xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            _appear(beside, path, os.replace if replace else _link)
        finally:
            beside.unlink(missing_ok=True)
    except FileExistsError:
        raise ExistsError(f"{path} is there already, and a split is never written over") from None
    except OSError as error:
        raise StoreError(f"cannot write the split to {path}: {error.strerror or error}") from error


def _appear(beside: Path, path: Path, name: Callable[[Path, Path], None]) -> None:
    """Give a finished file its name in one step, and bring the name to disk."""
    name(beside, path)
    try:
        folder = os.open(path.parent, os.O_RDONLY)
    except PermissionError:  # a folder that may be written to and not be listed
        return
    try:
        os.fsync(folder)
    except OSError as error:
        if error.errno != errno.EINVAL:  # a file system that has no such thing
            raise
    finally:
        os.close(folder)


def _link(beside: Path, path: Path) -> None:
    """Name a file, unless the name is taken; where there are no links (FAT, some shares) by a look and a rename."""
    try:
        os.link(beside, path)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        if path.exists():
            raise FileExistsError from error
        os.rename(beside, path)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Be the only one who replaces a file; the lock is on the file that has the name when it is taken."""
    while True:
        try:
            file = open(path, "rb")
        except OSError as error:
            raise StoreError(f"cannot read the split at {path}: {error.strerror or error}") from error
        with file:
            fcntl.flock(file, fcntl.LOCK_EX)
            if path.exists() and os.fstat(file.fileno()).st_ino == path.stat().st_ino:
                try:
                    yield
                finally:
                    fcntl.flock(file, fcntl.LOCK_UN)  # closing is not enough where a process was forked meanwhile
                return
