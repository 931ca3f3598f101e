"""Writing a version: from what was handed over to what readers see, by whoever's turn it is."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from headrace.core.errors import ArgumentError
from headrace.core.schema import Structure
from headrace.feed import ByNumber, Feed, feed_of
from headrace.stores.bars import bar, line
from headrace.stores.building.build import Built, build
from headrace.stores.building.prediction import Prediction, predict
from headrace.stores.building.stages import About
from headrace.stores.home import Home
from headrace.stores.layout import Layout
from headrace.stores.leases.turns import Turn, build_once
from headrace.stores.manifest import Manifest, Part
from headrace.stores.parts import Finished, Writer
from headrace.stores.reader import Stored
from headrace.stores.versions.derive import Changes, derive
from headrace.workers.inline import Inline
from headrace.workers.work import Workers


@dataclass(frozen=True)
class Draft:
    """What is known of a version before it is written.

    Args:
        id: The dataset.
        version: The version's name.
        part_bytes: About how large a part becomes; None for what suits the store.
        replace: Whether the name may be taken from a version that has it.
        progress: Whether to show a bar; None for where somebody would see it.
        parents: Digests of the manifests that it is made from.
        notes: What else the manifest says.
        allow_pickle: Whether objects are pickled.
        workers: Who reads records that can be read by their numbers.
        identity: A digest of what the records are made of, if it is known already. Where it cannot be told, a writer
            that follows a dead one begins anew.
    """

    id: str
    version: str
    part_bytes: int | None = None
    replace: bool = False
    progress: bool | None = None
    parents: tuple[str, ...] = ()
    notes: Mapping[str, Any] = field(default_factory=dict)
    allow_pickle: bool = False
    workers: Workers = field(default_factory=Inline)
    identity: str = ""


def write(home: Home, feed: Feed, draft: Draft, turn: Turn | None = None) -> Manifest:
    """Write a version and publish it.

    Args:
        home: Where.
        feed: Gives the records.
        draft: What else there is to say.
        turn: Told how far it is, and asked whether it still is ours before publishing.

    Returns:
        The manifest as published.
    """
    if draft.workers.size and feed.node is None:
        raise ArgumentError("workers read records by their numbers, and these only flow: leave workers out")
    part_bytes = _part_bytes(home, draft)
    about = _about(feed, draft, part_bytes)
    shows = bar(draft.progress, f"{draft.id} {draft.version}", feed.rows, " records", leave=True)
    with home.staging(about) as stage, home.sending(stage) as sending, shows as shown:
        told = shown if turn is None else _saying(turn, feed.rows, shown)
        if feed.node is not None and not feed.at_hand:
            read, length = ByNumber(feed.node), feed.rows or 0
            built = build(stage, read, length, part_bytes, draft.workers, about, told, draft.allow_pickle, sending)
        else:
            built = _flowing(stage, feed, draft, part_bytes, told, sending)
        if turn is not None:
            turn.check()
        manifest = _manifest(draft, built.structure, built.layout, built.parts)
        return home.publish(stage, manifest, draft.replace, sending)


def _part_bytes(home: Home, draft: Draft) -> int | None:
    return home.part_bytes if draft.part_bytes is None else draft.part_bytes


def _about(feed: Feed, draft: Draft, part_bytes: int | None) -> About | None:
    """Return what tells whether another writer writes the same; None where nobody could go on with it."""
    identity = draft.identity or feed.identity()
    if not identity:
        return None
    return About(draft.id, draft.version, identity, feed.rows or 0, part_bytes, draft.allow_pickle)


def _flowing(
    stage: Path,
    feed: Feed,
    draft: Draft,
    part_bytes: int | None,
    told: Callable[[int], object] | None,
    sending: Finished | None,
) -> Built:
    """Write records as they come; what is sent elsewhere need not outlive this machine."""
    durable = sending is None
    with Writer(stage, feed.rows, part_bytes, told, draft.allow_pickle, sending, durable) as writer:
        for records in feed.read(writer):
            writer.append(records)
        parts = tuple(writer.finish())
    return Built(writer.structure, writer.layout, parts)


def predicted(home: Home, feed: Feed, draft: Draft) -> Prediction:
    """Say how long writing a version would take, and how large it would be; nothing is published.

    Raises:
        ArgumentError: The records only flow: none could be read without losing it.
    """
    if feed.node is None or feed.rows is None:
        raise ArgumentError("dry_run reads some records by their numbers, and these only flow: give a Dataset")
    part_bytes = _part_bytes(home, draft)
    read = ByNumber(feed.node)
    return predict(read, feed.rows, home.desk, part_bytes, draft.workers, allow_pickle=draft.allow_pickle)


def write_derived(
    home: Home, base: Stored, draft: Draft, append: Any, update: Any, delete: Iterable[Any] | None, key: str | None
) -> Manifest:
    """Write a version that is made of another and publish it; see ``headrace.Store.derive``."""
    with home.staging() as stage, Writer(stage) as nothing:
        new = None if update is None else feed_of(update).read(nothing)
        changes = Changes.of(base, delete, new, key)
        more = None if append is None else feed_of(append).read
        part_bytes = _part_bytes(home, draft)
        parts = derive(base, changes, more, stage, part_bytes)
        notes = {"deleted": len(changes.deleted), "updated": len(changes.updated)}
        manifest = _manifest(draft, base.structure, base.manifest.layout, parts)
        parents = (base.manifest.digest,)
        return home.publish(stage, replace(manifest, parents=parents, notes={**draft.notes, "derived": notes}))


def _manifest(draft: Draft, structure: Structure, layout: Layout, parts: tuple[Part, ...]) -> Manifest:
    return Manifest(
        draft.id,
        draft.version,
        0,
        structure,
        layout,
        parts,
        draft.parents,
        now(),
        _own_version(),
        np.__version__,
        draft.notes,
    )


def write_once(home: Home, feed: Callable[[], Feed], draft: Draft) -> bool:
    """Write a version unless it is there; of many processes that want it at once, one does, and the others wait.

    Args:
        home: Where.
        feed: Called where it is to be written, for the records.
        draft: What else there is to say.

    Returns:
        Whether it was written here.
    """

    def done() -> bool:
        return home.catalog.has(draft.id, draft.version)

    if done():
        return False

    def build(turn: Turn) -> Manifest:
        return write(home, feed(), draft, turn)

    with line(draft.progress) as told:
        return build_once(home.turns, draft.id, draft.version, done, build, told)


def now() -> str:
    """Return the time, in UTC, as manifests say it."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _saying(turn: Turn, rows: int | None, shown: Callable[[int], object] | None) -> Callable[[int], object]:
    """Return what passes the number of records on to a bar, and to those who wait."""
    written = 0

    def told(records: int) -> None:
        nonlocal written
        written += records
        if shown is not None:
            shown(records)
        turn.say(f"{written:,} records" if not rows else f"{100 * written // rows}% of {rows:,} records")

    return told


def _own_version() -> str:
    """Return the version of Headrace; the package is loaded whenever this module is, but stands above it."""
    return str(sys.modules["headrace"].__version__)
