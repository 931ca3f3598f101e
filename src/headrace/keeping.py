"""What ``Dataset.cache`` stands on: records of chains, kept in a store under a key of all that they are made of."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from headrace.core.errors import ArgumentError, NotFoundError
from headrace.core.source import Source
from headrace.dataset import Dataset
from headrace.feed import feed_of
from headrace.nodes import rewrite
from headrace.nodes.cached import Cached
from headrace.nodes.node import Node
from headrace.stores.home import Home
from headrace.stores.manifest import Manifest
from headrace.stores.reader import Stored
from headrace.workers.inline import Inline
from headrace.workers.work import Workers
from headrace.writing import Draft, write_once

if TYPE_CHECKING:
    from headrace.keys import Key

_DIGITS = 20  # of a key that a version is called by


@dataclass(frozen=True)
class Keeping:
    """Keeps the records of chains.

    Args:
        home: Where.
        shown: What the place is called in a chain.
        id: The dataset that their versions belong to.
        version: What the version is called; None for its key.
        libraries: Packages whose versions belong to the key.
        progress: Whether to show a bar while they are made.
        workers: Who makes them.
        allow_pickle: Whether objects are pickled, and unpickled.
    """

    home: Home
    shown: str
    id: str
    version: str | None
    libraries: tuple[str, ...]
    progress: bool | None = None
    workers: Workers = field(default_factory=Inline)
    allow_pickle: bool = False

    def find(self, node: Node) -> Stored | None:
        """Return the kept records of a node; None where they were not made yet."""
        try:
            return self._open(self._name(node)[0])
        except NotFoundError:
            return None

    def make(self, node: Node) -> Stored:
        """Return the kept records of a node, written now if they are not there."""
        name, key = self._name(node)
        with suppress(NotFoundError):
            return self._open(name)
        notes: dict[str, Any] = {"order": list(node.order()), **({} if key is None else {"key": key.to_json()})}
        draft = Draft(
            self.id,
            name,
            progress=self.progress,
            notes=notes,
            allow_pickle=self.allow_pickle,
            workers=self.workers,
            identity="" if key is None else key.digest,
        )
        write_once(self.home, lambda: feed_of(Dataset._of(node)), draft)
        return self._open(name)

    def order(self, source: Source) -> tuple[str, ...] | None:
        """Return the lines of the order that were noted with kept records."""
        noted = source.manifest.notes.get("order") if isinstance(source, Stored) else None
        return None if noted is None else tuple(noted)

    def _name(self, node: Node) -> tuple[str, Key | None]:
        if self.version is not None:
            return self.version, None
        key = _key_of(node, self.libraries)
        return key.digest[:_DIGITS], key

    def _open(self, name: str) -> Stored:
        source = Stored(self.home.shelf, self.home.catalog.find(self.id, name), self.allow_pickle)
        source.check()
        return source

    def explain(self, node: Node) -> str:
        """Return a line for each thing that differs from the kept records that are most like a node's."""
        from headrace.keys import explain, nearest

        key = _key_of(node, self.libraries)
        kept = [manifest for _, manifest in self.home.catalog.everything([self.id]) if isinstance(manifest, Manifest)]
        keys = [found for found in map(_key_in, kept) if found is not None]
        closest = nearest(keys, key)
        if closest is None:
            return f"nothing is cached under {self.id!r} in {self.shown} yet"
        if key in keys:
            return f"it is cached in {self.shown}, as version {key.digest[:_DIGITS]!r} of {self.id!r}"
        return "\n".join(explain(closest, key))

    def words(self) -> str:
        """Return the step as a chain shows it."""
        return f"cache({self.shown!r})"


def _key_of(node: Node, libraries: tuple[str, ...] = ()) -> Key:
    from headrace.keys import key_of  # with all that reads code, which a store does without

    return key_of(node, libraries)


def _key_in(manifest: Manifest) -> Key | None:
    """Return the key that a manifest notes; None where it has none that this version of Headrace makes."""
    from headrace.keys import Key

    try:
        return Key.from_json(manifest.notes["key"]) if "key" in manifest.notes else None
    except ArgumentError:
        return None


def cached_part(node: Node) -> Node:
    """Return the chain that a cache in it holds, or else that one written after it would hold."""
    for below in _walk(node):
        if isinstance(below, Cached):
            return below.input
    return rewrite.content(node, rewrite.still(node, "cache()"))


def _walk(node: Node) -> Iterator[Node]:
    yield node
    for below in node.inputs:
        yield from _walk(below)
