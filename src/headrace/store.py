"""The face of the store: versions of datasets, kept in a folder."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec

import numpy as np

from headrace.core.address import At
from headrace.core.arguments import whole
from headrace.core.errors import ArgumentError, EndlessError, ExistsError, KindError, StoreError
from headrace.core.flow import Flow
from headrace.core.records import Columns, Records, wrap
from headrace.core.watched import is_watched
from headrace.dataset import Dataset
from headrace.nodes.crossing import Crossing
from headrace.nodes.leaf import Leaf
from headrace.nodes.node import Context, Node
from headrace.stages.batch import Batched
from headrace.stages.flat_map import FlatMap
from headrace.stages.stage import below, is_endless
from headrace.stages.unbatch import Unbatch
from headrace.stores.blocks import blocks
from headrace.stores.local import Folder
from headrace.stores.manifest import Manifest
from headrace.stores.names import checked
from headrace.stores.parts import CHUNK_BYTES, Writer
from headrace.stores.reader import Stored
from headrace.stores.verify import verify
from headrace.stream import Stream

Arguments = ParamSpec("Arguments")

_MOST_RECORDS = 1 << 16  # read together for writing, however small they are
_FIRST = 64  # records read to see how large they are


class Store:
    """Versions of datasets in a folder: written once, whole or not at all, checked, and read in any order.

    A version never changes. Any number of processes may read and write one store; who dies in the middle of a write
    leaves nothing that a reader could see, and the next ``submit`` clears it away.

    Args:
        path: The folder; ``~`` is the user's home. It is made by the first ``submit``.

    Raises:
        StoreError: There is a file in that place, or it may not be looked at.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     store = Store(folder)
    ...     written = store.submit({"x": [1.5, 2.5], "label": [0, 1]}, "numbers", "1.0")
    ...     store.ids(), store.versions("numbers"), store.fetch("numbers", "1.0")[1]
    (['numbers'], ['1.0'], {'x': 2.5, 'label': 1})
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        if not isinstance(path, str | os.PathLike):
            raise KindError(f"a store is a folder, named by a string or a Path; got a {type(path).__name__}")
        text = os.fspath(path)
        if not isinstance(text, str) or not text:
            raise ArgumentError(f"a store needs the name of a folder, got {text!r}")
        if "://" in text:
            raise ArgumentError(f"a store is a folder on disk, and {text!r} is a URL")
        self.path = Path(os.path.abspath(os.path.expanduser(text)))
        try:
            if self.path.exists() and not self.path.is_dir():
                raise StoreError(f"{self.path} is a file, and a store is a folder: choose another place")
        except PermissionError as error:
            raise StoreError(f"cannot look at {self.path}: {error.strerror}") from error
        self._folder = Folder(self.path)
        self._catalog = self._folder.catalog

    def __repr__(self) -> str:
        return f"Store({str(self.path)!r})"

    def submit(
        self,
        data: Any,
        id: str,
        version: str,
        replace: bool = False,
        progress: bool | None = None,
        part_bytes: int | None = None,
    ) -> Dataset:
        """Write a version of a dataset, and return it as it is read from now on.

        Records are written as they come, so there may be more of them than fit in memory; they are read once, from
        epoch 0. Structure (mappings, tuples, values, nested mappings), dtypes and shapes are kept: of arrays, of rows
        that differ in length, of strings, of bytes, and of torch tensors.

        The columns are those of the first records, of which at least 1,024 (or 16 MB) are looked at together. Numbers
        that come later in another type are converted where NumPy would promote them to the column's. Rows that come
        to differ in their first axis make a column ragged.

        Args:
            data: A Dataset or a Stream (of batches their records are written); whatever ``Dataset(...)`` takes: a
                mapping of columns, an array, a Batch, a DataFrame, a list of records; a tuple of columns; a generator
                or another iterable of records, or of Batches.
            id: What the dataset is called. Spaces and any letters are fine; slashes and a dot in front are not.
            version: What this version is called, such as ``"1.0"``.
            replace: Move the name to the new data, if it is taken. Who reads the old data reads on, and it stays in
                the store until the version is deleted.
            progress: Show a progress bar; None for where somebody would see it.
            part_bytes: About how large a part becomes. One part, the default, is read fastest.

        Raises:
            ExistsError: The version is there, and ``replace`` is not set; also if it came while this one was written.
            SchemaError: A record does not fit those before it (its number, the column, what was expected and what
                came are named), or holds what cannot be kept.
            StoreError: It cannot be written: the disk is full, or read-only.
            ArgumentError: A name cannot be one.
        """
        id, version = checked(id, "id"), checked(version, "version")
        part_bytes = None if part_bytes is None else whole(part_bytes, "part_bytes", 1)
        self._folder.check(id, version, replace)
        feed = _feed(data)
        with self._folder.staging() as stage, _bar(f"{id} {version}", feed.rows, progress) as told:
            with Writer(stage, feed.rows, part_bytes, told) as writer:
                for records in feed.read(writer):
                    writer.append(records)
                parts = tuple(writer.finish())
            draft = Manifest(
                id,
                version,
                0,
                writer.structure,
                writer.layout,
                parts,
                (),
                _now(),
                _own_version(),
                np.__version__,
            )
            published = self._folder.publish(stage, draft, replace)
        return self._read(published)

    def fetch(self, id: str, version: str | None = None) -> Dataset:
        """Return a version of a dataset, read from mapped files: nothing is read yet, and nothing copied.

        The Dataset holds on to the version that it was made of, whatever becomes of the name.

        Args:
            id: The dataset.
            version: The version; None for the newest, which is the one that was published last.

        Raises:
            NotFoundError: There is no such version; the message says which there are.
            DamageError: A file is missing or has the wrong size, or the manifest is damaged. See :meth:`verify` for
                what only reading all of it can tell.
        """
        return self._read(self.manifest(id, version))

    def _read(self, manifest: Manifest) -> Dataset:
        source = Stored(self.path, manifest)
        source.check()
        return Dataset(source)

    def manifest(self, id: str, version: str | None = None) -> Manifest:
        """Return what is known of a version: length, size in bytes, schema, fingerprint, parents, when it was made.

        Raises:
            NotFoundError: There is no such version.
            DamageError: The manifest is damaged.
        """
        wanted = None if version is None else checked(version, "version")
        return self._catalog.find(checked(id, "id"), wanted)

    def cacheable(
        self, id: str, version: str, progress: bool | None = None
    ) -> Callable[[Callable[Arguments, Any]], Callable[Arguments, Dataset]]:
        """Turn a function that makes data into one that makes it once, and fetches it ever after.

        The name is the key: whoever changes what the function gives must change the version. Where two processes make
        the same version at the same time, the first one published is what both fetch.

        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     @Store(folder).cacheable("squares", "1.0")
        ...     def squares():
        ...         print("computing")
        ...         return {"square": np.arange(4) ** 2}
        ...
        ...     squares()[3], squares()[3]
        computing
        ({'square': 9}, {'square': 9})
        """
        id, version = checked(id, "id"), checked(version, "version")

        def decorate(function: Callable[Arguments, Any]) -> Callable[Arguments, Dataset]:
            @wraps(function)
            def fetched(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Dataset:
                if version not in self._catalog.versions(id):
                    data = function(*args, **kwargs)
                    with suppress(ExistsError):  # another was faster: its version is as good
                        return self.submit(data, id, version, progress=progress)
                return self.fetch(id, version)

            return fetched

        return decorate

    def versions(self, id: str) -> list[str]:
        """Return the versions of a dataset, the one published last at the end; empty if there is no such dataset.

        A version whose manifest is damaged comes first, since its place cannot be told.
        """
        return [name for name, _ in self._catalog.ordered(checked(id, "id"))]

    def ids(self) -> list[str]:
        """Return the ids of all datasets, sorted."""
        return self._catalog.ids()

    def verify(self, id: str | None = None, version: str | None = None) -> int:
        """Read every file and compare it with the checksum that was taken when it was written.

        Args:
            id: A dataset; None for all.
            version: One version of it; None for all.

        Returns:
            How many parts were checked; one that several versions share counts once.

        Raises:
            DamageError: Files are missing, cut or changed. The message has a line for each.
            NotFoundError: There is no such version.
        """
        if id is None and version is not None:
            raise ArgumentError(f"version {version!r} of which dataset? Give its id, too")
        wanted = None if version is None else checked(version, "version")
        return verify(self._catalog, None if id is None else checked(id, "id"), wanted)

    def delete(self, id: str, version: str) -> None:
        """Take a version away, with those that it replaced, and the files that no other version shares.

        Who has read from it reads on. While a manifest somewhere in the store is damaged, no files are taken away,
        since it cannot be told which of them it needs.

        Raises:
            NotFoundError: There is no such version.
            StoreError: The store cannot be written to.
        """
        self._folder.delete(checked(id, "id"), checked(version, "version"))


@dataclass(frozen=True)
class _Feed:
    """Where records come from when they are written.

    Args:
        read: Gives them, once; is told the writer, to see how large they are.
        rows: How many there will be, where that is known beforehand.
    """

    read: Callable[[Writer], Iterator[Records]]
    rows: int | None = None


def _feed(data: Any) -> _Feed:
    """Return how to read what was handed over."""
    if isinstance(data, Dataset):
        return _of_node(data._node)
    if isinstance(data, Stream):
        return _of_stream(data)
    if isinstance(data, tuple):
        if not data:
            raise ArgumentError("no data: the tuple has no columns")
        columns = wrap(data)
        return _Feed(lambda writer: iter([columns]), len(columns))
    if isinstance(data, Iterable) and not hasattr(data, "__len__"):
        return _Feed(lambda writer: blocks(data))
    return _of_node(Dataset(data)._node)


def _of_node(node: Node) -> _Feed:
    length = node.length
    if length is None:
        raise EndlessError("an endless dataset cannot be written: take(n) of it first")
    if node.batched:
        return _Feed(lambda writer: blocks(_batches(node, length), batched=True))
    if isinstance(node, Leaf) and node.columns is not None:
        columns = Columns(node.columns, node.structure)
        return _Feed(lambda writer: iter([columns]), length)
    return _Feed(lambda writer: _read(node, length, writer), length)


def _batches(node: Node, length: int) -> Iterator[Any]:
    context = Context()
    for step in range(length):
        yield node.read(At(np.array([step], np.int64)), context).rows()[0]


def _read(node: Node, length: int, writer: Writer) -> Iterator[Records]:
    """Read records in order, as many together as make a good piece to write."""
    context = Context()
    start, step = 0, _FIRST
    while start < length or start == 0:  # of no records the columns are read all the same
        stop = min(start + step, length)
        yield node.read(At(np.arange(start, stop, dtype=np.int64)), context)
        start = max(stop, 1)
        step = min(max(1, CHUNK_BYTES * writer.length // max(1, writer.size)), _MOST_RECORDS)


def _of_stream(stream: Stream) -> _Feed:
    flow = stream._flow
    if is_endless(flow):
        raise EndlessError("an endless stream cannot be written: take(n) of it first")

    def read(writer: Writer) -> Iterator[Records]:
        with iter(stream) as items:
            yield from blocks(items, _gives_batches(flow))

    return _Feed(read, None if _gives_batches(flow) else flow.length())


def _gives_batches(flow: Flow) -> bool:
    """Tell whether items are batches: they are after a ``batch``, until something takes them apart."""
    if isinstance(flow, Crossing):
        return flow.node.batched
    if isinstance(flow, Batched):
        return True
    return not isinstance(flow, Unbatch | FlatMap) and any(map(_gives_batches, below(flow)))


@contextmanager
def _bar(name: str, total: int | None, shown: bool | None) -> Iterator[Callable[[int], object] | None]:
    """Give what is told of records that were written, and shows them on a bar."""
    if shown is False or (shown is None and not is_watched()):
        yield None
        return
    from tqdm import tqdm

    # tqdm starts a monitor thread, which outlives the bar, unless its class says not to
    kind = type("Bar", (tqdm,), {"monitor_interval": 0})
    with kind(total=total, desc=name, unit=" records", unit_scale=True) as bar:
        yield bar.update


def _own_version() -> str:
    """Return the version of Headrace; the package is loaded whenever this module is, but stands above it."""
    return str(sys.modules["headrace"].__version__)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
