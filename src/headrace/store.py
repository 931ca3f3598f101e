"""The face of stores: versions of datasets, kept on disk or far away."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import wraps
from typing import Any, ParamSpec

import numpy as np

from headrace.core.arguments import whole
from headrace.core.errors import ArgumentError, ExistsError
from headrace.core.watched import is_watched
from headrace.dataset import Dataset
from headrace.feed import feed_of
from headrace.stores.finding import find_home
from headrace.stores.local import Folder
from headrace.stores.manifest import Manifest
from headrace.stores.names import checked
from headrace.stores.parts import Writer
from headrace.stores.reader import Stored
from headrace.stores.verify import verify

Arguments = ParamSpec("Arguments")


class Store:
    """Versions of datasets: written once, whole or not at all, checked, and read in any order.

    A version never changes. Any number of processes and machines may read and write one store; who dies in the middle
    of a write leaves nothing that a reader could see.

    What lies far away is read through a folder on this machine, in which whole parts are kept as they are needed; all
    processes that name that folder share it.

    Args:
        path: A folder, made by the first ``submit`` (``~`` is the user's home), or a URL: ``s3://bucket/prefix``,
            ``gs://bucket/prefix``, ``az://container/prefix`` (extra ``cloud``), ``redis://host:port/db/prefix`` (extra
            ``redis``), ``memory://name`` (in this process), or any that fsspec knows (extra ``fsspec``). What a cloud
            wants to know of who asks comes from its usual environment variables and files.
        cache: The folder on this machine in which parts of a URL are kept; None holds them in memory.
        cache_bytes: How large that folder may become, such as ``"200 GB"``: what was not read for longest goes first.
        endpoint: The address of a server that speaks the cloud's protocol, such as ``http://127.0.0.1:9000``.
        lease: How long a builder of a version may be silent before another takes over, such as ``"60 s"``.
        allow_pickle: Whether objects that are nothing else are pickled, and unpickled when they are read. Whoever can
            write to such a store can run code wherever it is read.
        ttl: How long versions are kept in Redis, such as ``"7 days"``; None for ever.
        compression: How parts are packed far away: None, or ``"zstd"`` (extra ``zstd``).
        options: What else the place understands, such as ``{"region": "eu-central-1"}``.

    Raises:
        StoreError: The place cannot be used: there is a file where a folder is meant, no such bucket, no permission.
        ArgumentError: An argument cannot be meant, or is not for this kind of place.
        MissingExtraError: What the kind of URL needs is not installed.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     store = Store(folder)
    ...     written = store.submit({"x": [1.5, 2.5], "label": [0, 1]}, "numbers", "1.0")
    ...     store.ids(), store.versions("numbers"), store.fetch("numbers", "1.0")[1]
    (['numbers'], ['1.0'], {'x': 2.5, 'label': 1})
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        cache: str | os.PathLike[str] | None = "~/.cache/headrace",
        cache_bytes: int | str = "100 GB",
        endpoint: str | None = None,
        lease: float | str = "60 s",
        allow_pickle: bool = False,
        ttl: float | str | None = None,
        compression: str | None = None,
        options: Mapping[str, str] | None = None,
    ) -> None:
        self._home = find_home(path, cache, cache_bytes, endpoint, ttl, compression, options)
        self._catalog = self._home.catalog
        self.url = self._catalog.shown
        self.path = self._home.root if isinstance(self._home, Folder) else None
        """The folder; None of a store that lies elsewhere."""

    def __repr__(self) -> str:
        return f"Store({self.url!r})"

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
        self._home.check(id, version, replace)
        feed = feed_of(data)
        with self._home.staging() as stage, _bar(f"{id} {version}", feed.rows, progress) as told:
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
            published = self._home.publish(stage, draft, replace)
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
        source = Stored(self._home.shelf, manifest)
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
                if not self._catalog.has(id, version):
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
        self._home.delete(checked(id, "id"), checked(version, "version"))


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
