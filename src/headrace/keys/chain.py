"""The key of a chain: a field for each source and each step."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping, Sequence
from dataclasses import MISSING, fields, is_dataclass
from functools import partial
from importlib import metadata
from typing import Any

from headrace.core.errors import ArgumentError
from headrace.core.failures import Retry
from headrace.core.kinds import Nested
from headrace.core.ragged import Ragged
from headrace.formats.arrays import Arrays
from headrace.formats.rows import Counting
from headrace.formats.rows import Sequence as Listed
from headrace.keys.contents import Contents, mapped_file, size_and_place
from headrace.keys.key import Field, Key, Part, digest_of
from headrace.keys.reached import Reached
from headrace.nodes.block_shuffled import BlockShuffled
from headrace.nodes.cached import Cached
from headrace.nodes.joined import Joined
from headrace.nodes.leaf import Leaf
from headrace.nodes.maps import Map
from headrace.nodes.node import Node
from headrace.nodes.ordered import Ordered


def key_of(node: Node, libraries: Sequence[str] = (), known: MutableMapping[str, str] | None = None) -> Key:
    """Return what the records of a chain are made of.

    The sources are read, all of them; of a file that is mapped read-only this is remembered. No function is run.

    Args:
        node: The chain.
        libraries: Installed packages whose versions count.
        known: Where the digests of files are kept, by path, size, time and inode; None for this process's own.

    Raises:
        ArgumentError: A function or a source holds what cannot be told to be the same in another process, such as an
            open file; it is named, and how it is reached. Or a library is not installed.
    """
    chain = _Chain(Contents() if known is None else Contents(known))
    versions = [_library(name) for name in sorted({*libraries})]
    return Key((*chain.fields(node), *([Field("libraries", "libraries", tuple(versions))] if versions else [])))


class _Chain:
    """Makes the fields of nodes, of each once."""

    def __init__(self, contents: Contents) -> None:
        self._contents = contents
        self._fields: dict[int, tuple[Node, tuple[Field, ...]]] = {}

    def fields(self, node: Node) -> tuple[Field, ...]:
        """Return the fields of a chain, from its sources up."""
        steps: list[Node] = []
        while id(node) not in self._fields and len(node.inputs) == 1 and not isinstance(node, Joined):
            if isinstance(node, Cached) and _version(node) is not None:
                break
            if not isinstance(node, Cached):  # its records are those below
                steps.append(node)
            node = node.inputs[0]
        if id(node) not in self._fields:
            if isinstance(node, Cached):
                made: tuple[Field, ...] = (self._named(node),)
            else:
                made = self._joined(node) if node.inputs else (self._source(node),)
            self._fields[id(node)] = (node, made)
        found = self._fields[id(node)][1]
        for step in reversed(steps):
            found = (*found, self._step(step))
            self._fields[id(step)] = (step, found)
        return found

    def digest(self, node: Node) -> str:
        """Return one digest of a chain."""
        return digest_of(one.digest for one in self.fields(node))

    def _joined(self, node: Node) -> tuple[Field, ...]:
        """Return the fields of all inputs, equal ones once, and that of what joins them."""
        below: dict[str, Field] = {}
        for one in node.inputs:
            for made in self.fields(one):
                below.setdefault(made.digest, made)
        inputs = Part("below", digest_of(map(self.digest, node.inputs)), name="inputs", shown=str(len(node.inputs)))
        own = self._step(node)
        return (*below.values(), Field(own.kind, own.name, (inputs, *own.parts)))

    # Sources

    def _source(self, node: Node) -> Field:
        if not isinstance(node, Leaf):
            return self._step(node)
        source, words = node.source, node.words()
        reached = Reached(self._contents, self.digest)
        if isinstance(source, Arrays):
            reached.setting("structure", source.structure, (words,))
            for name in source.batch.keys() if node.names is None else node.names:
                self._column(reached, name, source.batch._columns[name], (words,))
            return Field("Arrays", words, tuple(reached.parts))
        if node.names is not None:
            reached.setting("names", node.names, (words,))
        if isinstance(source, Listed):
            records = source.records
            if type(records) in (list, tuple):
                reached.content("records", records, (words,), f"{words} of {len(records)}")
            else:
                reached.add(records, (words,))
        elif isinstance(source, Counting):
            reached.setting("numbers", source.numbers, (words,))
        else:
            self._foreign(reached, source, node.fingerprint, words)
        return Field(type(source).__name__, words, tuple(reached.parts))

    def _column(self, reached: Reached, name: str, column: Any, route: tuple[str, ...]) -> None:
        if isinstance(column, Nested):
            reached.setting(name, "tuple" if column._tuples else "mapping", route)
            for inner, one in column._columns.items():
                self._column(reached, f"{name}.{inner}", one, route)
            return
        before = len(reached.parts)
        shown = f"{column.dtype}[{', '.join(map(str, getattr(column, 'shape', (len(column), '?'))))}]"
        reached.content(name, column, (*route, f"column {name!r}"), shown)
        part, *others = reached.parts[before:]
        file = mapped_file(column.values if isinstance(column, Ragged) else column)
        size, place = (0, None) if file is None else size_and_place(file)
        named = Part("column", digest_of([name, part.digest]), name=name, shown=shown, size=size, place=place)
        reached.parts[before:] = [named, *others]

    def _foreign(self, reached: Reached, source: Any, fingerprint: str, words: str) -> None:
        """Look at a source of another class: by what it says itself of its content, or else by what it holds."""
        if not fingerprint:
            reached.add(source, (words,))
            return
        reached.add(type(source), (words,))
        reached.setting("fingerprint", fingerprint, (words,))
        reached.setting("length", len(source), (words,))
        for path in sorted(source.files()) if hasattr(source, "files") else ():
            size, place = size_and_place(path)
            part = Part("column", self._contents.of_file(path), name=place.file, size=size, place=place)
            reached.parts.append(part)

    def _named(self, node: Cached) -> Field:
        """Return the field of records whose user has said what they are."""
        reached = Reached(self._contents)
        for name in ("id", "version"):
            reached.setting(name, getattr(node.keeper, name, None), (node.words(),))
        return Field("Cached", node.words(), tuple(reached.parts))

    # Steps

    def _step(self, node: Node) -> Field:
        words = node.words()
        reached = Reached(self._contents, self.digest)
        kind = type(node).__name__
        settings: dict[str, Any] = dict(_settings(node))
        if type(node) is Ordered and isinstance(node.make, partial) and not node.make.args:
            if node.make.func.__module__.startswith("headrace."):  # all the rest follows from it
                kind, settings = node.make.func.__name__.strip("_"), dict(node.make.keywords)
        if isinstance(node, BlockShuffled):
            settings["runs"] = node.runs  # which records lie in one block is a matter of how they are stored
        settings.pop("says", None)
        if isinstance(node, Map):
            settings["place"] = None if node.seed is None else node.place
        for name, value in settings.items():
            self._setting(reached, node, name, value, (words,))
        return Field(kind, words, tuple(reached.parts))

    def _setting(self, reached: Reached, node: Node, name: str, value: Any, route: tuple[str, ...]) -> None:
        if isinstance(value, Retry):
            value = value.then  # how often and how long makes no other records
        if name == "on_error" and value == "raise":
            value = None
        if value is None:
            return
        if _is_node(value):
            if not any(value is one for one in node.inputs):
                reached.parts.append(Part("below", self._above(value, node.inputs), name=name))
        elif callable(value):
            reached.parts.append(Part("setting", digest_of([name]), name=name))
            reached.add(value, route, "" if name in ("function", "predicate", "by") else name)
        else:
            reached.setting(name, value, route)

    def _above(self, node: Node, ends: tuple[Node, ...]) -> str:
        """Return a digest of the steps of a chain that lie above other nodes, which are told elsewhere."""
        steps = []
        while not any(node is end for end in ends) and len(node.inputs) == 1 and not isinstance(node, Joined):
            steps.append(self._step(node).digest)
            node = node.inputs[0]
        rest = "" if any(node is end for end in ends) else self.digest(node)
        return digest_of([*steps, rest])


def _settings(node: Node) -> Iterator[tuple[str, Any]]:
    """Give the arguments of a node that are not as they always are."""
    if not is_dataclass(node):
        raise ArgumentError(f"no cache key can be made of {node.words()}: a {type(node).__name__} is no dataclass")
    for one in fields(node):
        if one.name in ("input", "inputs") or one.name.startswith("_"):
            continue
        value = getattr(node, one.name)
        usual = one.default if one.default is not MISSING else MISSING
        if usual is MISSING or type(value) is not type(usual) or value != usual:
            yield one.name, value


def _version(node: Cached) -> str | None:
    """Return what the user calls the version of a cache's records; None where their own key does."""
    version: str | None = getattr(node.keeper, "version", None)
    return version


def _is_node(value: Any) -> bool:
    return all(hasattr(value, name) for name in ("inputs", "universe", "read", "words"))


def _library(name: str) -> Part:
    try:
        version = metadata.version(name)
    except metadata.PackageNotFoundError:
        raise ArgumentError(f"libraries: {name!r} is not installed, so its version cannot count") from None
    return Part("library", digest_of([name, version]), name=name, shown=version)
