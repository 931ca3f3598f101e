"""Commands that look: ``ls``, ``log``, ``show``, ``diff``, ``du``."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import replace

from headrace.cli.places import Commands, command, opened
from headrace.cli.saying import FINE, aligned, counted, human, printed, when
from headrace.core import table
from headrace.core.errors import NotFoundError, StoreError
from headrace.core.records import wrap
from headrace.store import Store
from headrace.stores.manifest import Manifest
from headrace.stores.versions.log import Log

_HEAD = ("DATASET", "VERSION", "RECORDS", "SIZE", "CREATED", "TAGS")


def add(commands: Commands) -> None:
    """Add the commands."""
    ls = command(commands, "ls", "list datasets and versions", "List all versions in a store.")
    ls.add_argument("id", metavar="ID", nargs="?", help="only this dataset")
    ls.set_defaults(run=_ls)

    log = command(
        commands,
        "log",
        "where versions come from",
        "List the versions of a dataset, the newest first: what each was made from, when, and by which code.",
    )
    log.add_argument("id", metavar="ID", help="the dataset")
    log.set_defaults(run=_log)

    show = command(
        commands,
        "show",
        "describe a version",
        "Show the size, the schema and the first records of a version.",
        pickles=True,
    )
    show.add_argument("id", metavar="ID", help="the dataset")
    show.add_argument("version", metavar="VERSION", nargs="?", help="the version or a tag; left out: the newest")
    show.add_argument("-n", "--records", metavar="N", type=_count, default=5, help="how many records to show (5)")
    show.set_defaults(run=_show)

    diff = command(
        commands,
        "diff",
        "compare two versions",
        "Compare two versions: columns, and records that came, went or changed.",
        pickles=True,
    )
    diff.add_argument("id", metavar="ID", help="the dataset")
    diff.add_argument("a", metavar="A", help="a version or a tag")
    diff.add_argument("b", metavar="B", help="another one")
    diff.add_argument("--key", metavar="COLUMN", help="the column that tells records from each other")
    diff.set_defaults(run=_diff)

    du = command(
        commands,
        "du",
        "how much room versions take up",
        "Show how many bytes versions take up, how many they share, and how many belong to none.",
    )
    du.add_argument("id", metavar="ID", nargs="?", help="only this dataset")
    du.set_defaults(run=_du)


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of records")
    return int(text)


def _ls(arguments: argparse.Namespace) -> int:
    store = opened(arguments)
    rows: list[tuple[str, ...]] = []
    problems: list[str] = []
    for id in store.ids() if arguments.id is None else [arguments.id]:
        try:
            rows += _of_dataset(store, id, problems)
        except NotFoundError:
            if arguments.id is not None:  # else it was deleted meanwhile
                raise
        except StoreError as error:
            problems.append(str(error))
            rows.append((id, "", "", "", "cannot be read", ""))
    if not rows:
        return printed(f"{store.url} has no datasets", problems)
    shown = 6 if any(row[5] for row in rows) else 5
    return printed(aligned([row[:shown] for row in (_HEAD, *rows)], right=(2, 3)), problems)


def _of_dataset(store: Store, id: str, problems: list[str]) -> Iterator[tuple[str, ...]]:
    """Yield a row for each version of a dataset."""
    log = store.log(id)
    found = [entry for entry in reversed(log) if not entry.replaced]
    if log.unreadable:
        problems += log.unreadable
        known = {entry.version for entry in found}
        yield from ((id, name, "", "", "cannot be read", "") for name in store.versions(id) if name not in known)
    for one in found:
        yield id, one.version, f"{one.records:,}", human(one.bytes), when(one.created), ", ".join(one.tags)


def _log(arguments: argparse.Namespace) -> int:
    log = opened(arguments).log(arguments.id)
    return printed(repr(Log(log.id, log)), log.unreadable)


def _show(arguments: argparse.Namespace) -> int:
    store = opened(arguments)
    found = store.manifest(arguments.id, arguments.version)
    dataset = store.fetch(found.id, found.version)
    newest = store.versions(found.id)[-1] == found.version
    tags = [tag for tag, version in store.tags(found.id).items() if version == found.version]
    about = [
        ("dataset", f"{found.id}, version {found.version}{' (the newest)' if newest else ''}"),
        *([("tags", ", ".join(tags))] if tags else []),
        ("records", f"{found.length:,}"),
        ("size", f"{human(found.size)} in {counted(len(found.parts), 'part')}"),
        ("schema", str(found.schema)),
        ("fingerprint", found.fingerprint),
        ("created", f"{when(found.created)}, by Headrace {found.headrace} with NumPy {found.numpy}"),
        *_parents(store, found),
    ]
    print(aligned(about))
    shown = min(arguments.records, found.length)
    if shown:
        print()
        print(table.text(wrap(dataset.take(shown).collect()).batch, shown).partition("\n")[2])
    return FINE


def _parents(store: Store, manifest: Manifest) -> Iterator[tuple[str, str]]:
    """Yield a line for each version that this one replaces, or was made from."""
    known = {entry.digest: entry for entry in store.log(manifest.id)} if manifest.parents else {}
    for digest in manifest.parents:
        parent = known.get(digest)
        if parent is None or (parent.replaced and parent.version == manifest.version):
            yield "replaces" if parent else "made from", digest
        else:
            yield "made from", f"version {parent.version}"


def _diff(arguments: argparse.Namespace) -> int:
    return printed(repr(opened(arguments).diff(arguments.id, arguments.a, arguments.b, arguments.key)))


def _du(arguments: argparse.Namespace) -> int:
    used = opened(arguments).du(arguments.id)
    return printed(repr(replace(used, unreadable=())), used.unreadable)
