"""The face of stores: versions of datasets, kept on disk or far away."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import wraps
from pathlib import Path
from typing import Any, Literal, ParamSpec, overload

from headrace.core.arguments import whole
from headrace.core.durations import seconds_of
from headrace.core.errors import ArgumentError, KindError, NotFoundError, StoreError
from headrace.core.fingerprint import of_function
from headrace.dataset import Dataset
from headrace.feed import feed_of
from headrace.keeping import Keeping, cached_part
from headrace.stores.bars import bar
from headrace.stores.building.prediction import Prediction
from headrace.stores.finding import find_home
from headrace.stores.layout import check_pickles
from headrace.stores.local import Folder
from headrace.stores.manifest import Manifest
from headrace.stores.names import checked
from headrace.stores.reader import Stored
from headrace.stores.tags import Tag
from headrace.stores.verify import verify
from headrace.stores.versions.copying import copy
from headrace.stores.versions.diff import Diff, diff
from headrace.stores.versions.exporting import Format, export
from headrace.stores.versions.garbage import Garbage
from headrace.stores.versions.log import Log, log
from headrace.stores.versions.usage import Usage, usage
from headrace.workers.choose import as_workers
from headrace.writing import Draft, now, predicted, write, write_derived, write_once

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
        cache_bytes: How large that folder may become, such as ``"200 GB"``; 100 GB if None, and 512 MiB of memory.
            What was not read for longest goes first. Of ``memory://`` how much is held, in whole versions; without a
            bound if None.
        endpoint: The address of a server that speaks the cloud's protocol, such as ``http://127.0.0.1:9000``.
        lease: How long a builder of a version may be silent before another takes over, such as ``"60 s"``.
        allow_pickle: Whether objects that are nothing else are pickled, and unpickled when they are read. Whoever can
            write to such a store can run code wherever it is read.
        ttl: How long versions are kept in Redis, such as ``"7 d"``; None for ever.
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
        cache_bytes: int | str | None = None,
        endpoint: str | None = None,
        lease: float | str = "60 s",
        allow_pickle: bool = False,
        ttl: float | str | None = None,
        compression: str | None = None,
        options: Mapping[str, str] | None = None,
    ) -> None:
        self._home = find_home(path, cache, cache_bytes, endpoint, lease, ttl, compression, options)
        self._catalog = self._home.catalog
        self._allow_pickle = bool(allow_pickle)
        self.url = self._catalog.shown
        """Where the store lies, without secrets."""

    @property
    def path(self) -> Path:
        """The folder of a store on this machine.

        Raises:
            StoreError: It lies elsewhere; ``url`` says where.
        """
        if isinstance(self._home, Folder):
            return self._home.root
        raise StoreError(f"{self.url} is no folder on this machine, so it has no path: see the store's url")

    def __repr__(self) -> str:
        return f"Store({self.url!r})"

    @overload
    def submit(
        self,
        data: Any,
        id: str,
        version: str,
        replace: bool = False,
        progress: bool | None = None,
        part_bytes: int | None = None,
        batches: bool = False,
        workers: Any = 0,
        dry_run: Literal[False] = False,
    ) -> Dataset: ...
    @overload
    def submit(
        self,
        data: Any,
        id: str,
        version: str,
        replace: bool = False,
        progress: bool | None = None,
        part_bytes: int | None = None,
        batches: bool = False,
        workers: Any = 0,
        *,
        dry_run: Literal[True],
    ) -> Prediction: ...
    def submit(
        self,
        data: Any,
        id: str,
        version: str,
        replace: bool = False,
        progress: bool | None = None,
        part_bytes: int | None = None,
        batches: bool = False,
        workers: Any = 0,
        dry_run: bool = False,
    ) -> Dataset | Prediction:
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
                or another iterable of records, or of Batches, or a function that returns one; a loader of another
                library: a ``tf.data.Dataset``, a torch Dataset or DataLoader (the records of its dataset, in order), a
                Keras ``PyDataset`` (the rows of its batches), a TensorPack-style DataFlow, a Hugging Face dataset.
            id: What the dataset is called. Spaces and any letters are fine; slashes and a dot in front are not.
            version: What this version is called, such as ``"1.0"``.
            replace: Move the name to the new data, if it is taken. Who reads the old data reads on, and it stays in
                the store until the version is deleted.
            progress: Show a progress bar; None for where somebody would see it.
            part_bytes: About how large a part becomes. On this machine the default is one part, which is read fastest;
                far away, where parts are what is fetched, it is 64 MiB.
            batches: Whether each batch is a record, of data that makes batches.
            workers: Who reads the records of a Dataset, as for ``Dataset.stream``; what is written is the same. When
                the writing is killed or fails, the next ``submit`` of the same goes on from there, if what the records
                are made of can be told (see ``Dataset.cache``).
            dry_run: Write nothing, and return what it would take: records, bytes, seconds, parts.

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
        feed, who = feed_of(data, batches), as_workers(workers)[0]
        draft = Draft(id, version, part_bytes, replace, progress, allow_pickle=self._allow_pickle, workers=who)
        return predicted(self._home, feed, draft) if dry_run else self._read(write(self._home, feed, draft))

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
        source = self._stored(manifest)
        source.check()
        return Dataset(source)

    def _stored(self, manifest: Manifest) -> Stored:
        return Stored(self._home.shelf, manifest, self._allow_pickle)

    def manifest(self, id: str, version: str | None = None) -> Manifest:
        """Return what is known of a version: length, size in bytes, schema, fingerprint, parents, when it was made.

        Raises:
            NotFoundError: There is no such version.
            DamageError: The manifest is damaged.
        """
        wanted = None if version is None else checked(version, "version")
        return self._catalog.find(checked(id, "id"), wanted)

    def cacheable(
        self, id: str, version: str, progress: bool | None = None, batches: bool = False, workers: Any = 0
    ) -> Callable[[Callable[Arguments, Any]], Callable[Arguments, Dataset]]:
        """Turn a function that makes data into one that makes it once, and fetches it ever after.

        The name is the key: whoever changes what the function gives must change the version. Of all processes that want
        a version at the same time one makes it, whichever comes first; the others wait, show how far it is, and go on
        with it when it dies.

        Args:
            id: What the dataset is called.
            version: The version.
            progress: Show a progress bar; None for where somebody would see it.
            batches: Whether each batch is a record, of data that makes batches.
            workers: Who reads the records, of a Dataset; see :meth:`submit`.

        >>> import numpy as np
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
        who = as_workers(workers)[0]

        def decorate(function: Callable[Arguments, Any]) -> Callable[Arguments, Dataset]:
            @wraps(function)
            def fetched(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Dataset:
                draft = Draft(
                    id,
                    version,
                    progress=progress,
                    notes={"code": of_function(function)},
                    allow_pickle=self._allow_pickle,
                    workers=who,
                )
                write_once(self._home, lambda: feed_of(function(*args, **kwargs), batches), draft)
                return self.fetch(id, version)

            return fetched

        return decorate

    def keeper(
        self,
        id: str | None = None,
        version: str | None = None,
        libraries: Sequence[str] = (),
        progress: bool | None = None,
        workers: Any = 0,
    ) -> Keeping:
        """Return what keeps the records of chains here: what ``Dataset.cache`` stands on."""
        if version is not None and id is None:
            raise ArgumentError(
                f"version {version!r} stands in the place of a key, and is not bound to what is cached: give an id, too"
            )
        where = checked("cache" if id is None else id, "id")
        name = None if version is None else checked(version, "version")
        return Keeping(
            self._home, self.url, where, name, tuple(libraries), progress, as_workers(workers)[0], self._allow_pickle
        )

    def explain_miss(self, ds: Dataset, id: str = "cache", libraries: Sequence[str] = ()) -> str:
        """Say why a dataset is not in the cache: what changed since the version that is most like it was made.

        Args:
            ds: A Dataset that ends with ``cache(...)``, or what that would be written after.
            id: Under which versions are looked for, as given to ``cache``.
            libraries: As given to ``cache``.

        Returns:
            A line for each difference, or that there is none.
        """
        return self.keeper(id, None, libraries).explain(cached_part(ds._node))

    def versions(self, id: str) -> list[str]:
        """Return the versions of a dataset, the one published last at the end; empty if there is no such dataset.

        A version whose manifest is damaged comes first, since its place cannot be told.
        """
        return [name for name, _ in self._catalog.ordered(checked(id, "id"))]

    def ids(self) -> list[str]:
        """Return the ids of all datasets, sorted."""
        return self._catalog.ids()

    def verify(self, id: str | None = None, version: str | None = None, progress: bool | None = None) -> int:
        """Read every file and compare it with the checksum that was taken when it was written.

        Copies in the cache folder are compared, too; one that is damaged goes, and is fetched again when it is needed.

        Args:
            id: A dataset; None for all.
            version: One version of it; None for all.
            progress: Show a progress bar; None for where somebody would see it.

        Returns:
            How many parts were checked; one that several versions share counts once.

        Raises:
            DamageError: Files are missing, cut or changed. The message has a line for each.
            NotFoundError: There is no such version.
        """
        if id is None and version is not None:
            raise ArgumentError(f"version {version!r} of which dataset? Give its id, too")
        wanted = None if version is None else checked(version, "version")
        return verify(self._catalog, None if id is None else checked(id, "id"), wanted, progress, self._home.shelf)

    def delete(self, id: str, version: str) -> None:
        """Take a version away, with those that it replaced, and the files that no other version shares.

        Who has read from it reads on. While a manifest somewhere in the store is damaged, no files are taken away,
        since it cannot be told which of them it needs. Far away, where a writer may be about to share them, files stay
        until :meth:`gc`.

        Raises:
            NotFoundError: There is no such version.
            StoreError: The store cannot be written to; or a tag names this version.
        """
        id, version = checked(id, "id"), checked(version, "version")
        tags = [tag for tag, tagged in self.tags(id).items() if tagged == version]
        if tags and self._catalog.has(id, version):
            raise StoreError(
                f"version {version!r} of {id!r} is tagged {', '.join(map(repr, tags))}: untag(...) it first"
            )
        self._home.delete(id, version)

    def tag(self, id: str, version: str, tag: str) -> None:
        """Give a version another name, such as ``"best"``, which works wherever a version does and can be moved.

        Args:
            id: The dataset.
            version: The version, or another tag of it.
            tag: The name; what it named before keeps its own.

        Raises:
            NotFoundError: There is no such version.
            ArgumentError: The tag cannot be a name, or is a version's.

        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     store = Store(folder)
        ...     _ = store.submit([1, 2, 3], "numbers", "1.0")
        ...     store.tag("numbers", "1.0", "best")
        ...     store.tags("numbers"), store.fetch("numbers", "best")[2]
        ({'best': '1.0'}, 3)
        """
        id, tag = checked(id, "id"), checked(tag, "tag")
        if self._catalog.has(id, tag):
            raise ArgumentError(f"{tag!r} is a version of {id!r}, and cannot be a tag as well: choose another name")
        manifest = self.manifest(id, version)
        said = Tag(manifest.version, manifest.digest, now())
        self._catalog.backend.put(self._catalog.tag_key(id, tag), said.encode())

    def untag(self, id: str, tag: str) -> None:
        """Take a tag away; the version stays.

        Raises:
            NotFoundError: There is no such tag.
        """
        id, tag = checked(id, "id"), checked(tag, "tag")
        if self._catalog.tagged(id, tag) is None:
            there = ", ".join(map(repr, self.tags(id))) or "none"
            raise NotFoundError(f"no tag {tag!r} of {id!r}; there are {there}")
        self._catalog.backend.delete(self._catalog.tag_key(id, tag))

    def tags(self, id: str) -> dict[str, str]:
        """Return the version under each tag of a dataset."""
        return self._catalog.tags(checked(id, "id"))

    def diff(self, id: str, a: str, b: str, key: str | None = None) -> Diff:
        """Compare two versions: records that came, went or changed, and columns.

        Args:
            id: The dataset.
            a: The first version, or a tag.
            b: The second.
            key: A column of whole numbers or strings, none twice, that tells records from each other. Without one whole
                records are compared, as often as they occur, and none counts as changed.

        Returns:
            What differs; false where nothing does. Parts that both versions share are not read.

        Raises:
            NotFoundError: There is no such version.
            ColumnError: The key is no column of both, or no key.
            SchemaError: The versions have no column in common.

        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     store = Store(folder)
        ...     _ = store.submit({"id": [1, 2, 3], "x": [0.5, 1.5, 2.5]}, "points", "1")
        ...     _ = store.derive("points", "1", "2", update={"id": [2], "x": [9.0]}, delete=[3], key="id")
        ...     store.diff("points", "1", "2", key="id")
        1 removed: id 3
        1 changed: id 2
        1 unchanged
        """
        return diff(self._stored(self.manifest(id, a)), self._stored(self.manifest(id, b)), key)

    def derive(
        self,
        id: str,
        base: str,
        new_version: str,
        append: Any = None,
        update: Any = None,
        delete: Iterable[Any] | None = None,
        key: str | None = None,
        part_bytes: int | None = None,
    ) -> Dataset:
        """Make a version of another one. Parts in which nothing changes are shared, and not written again.

        Args:
            id: The dataset.
            base: The version that it is made of, or a tag.
            new_version: What the new one is called.
            append: Records that come behind those of the base: whatever ``submit`` takes.
            update: Records, known by ``key``, that take the place of those of the base; columns that they lack stay as
                they were. All of them are held in memory.
            delete: Values of the key whose records go; without a key positions in the base.
            key: The column that tells records from each other, see :meth:`diff`.
            part_bytes: About how large a part of appended records becomes. What is to be changed often is better kept
                in small parts from the start.

        Raises:
            NotFoundError: There is no such base.
            ExistsError: The new version is there.
            SchemaError: New records do not fit the columns of the base.
            ColumnError: A value of the key is not there, or the key is none.
            ArgumentError: Nothing is to be changed; or a record is meant twice.

        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     store = Store(folder)
        ...     _ = store.submit([1, 2, 3], "numbers", "1")
        ...     store.derive("numbers", "1", "2", append=[4, 5], delete=[0]).list()
        [2, 3, 4, 5]
        """
        if append is None and update is None and delete is None:
            raise ArgumentError("nothing to derive: give append, update or delete")
        part_bytes = None if part_bytes is None else whole(part_bytes, "part_bytes", 1)
        draft = Draft(checked(id, "id"), checked(new_version, "version"), part_bytes)
        self._home.check(draft.id, draft.version, False)
        source = self._stored(self.manifest(id, base))
        return self._read(write_derived(self._home, source, draft, append, update, delete, key))

    def log(self, id: str) -> Log:
        """Return the versions of a dataset, the newest first: parents, when, by which code, records, bytes, tags.

        Raises:
            NotFoundError: There is no such dataset.
        """
        return log(self._catalog, checked(id, "id"))

    def copy(
        self, id: str, version: str | None = None, *, to: Store, tags: bool = False, progress: bool | None = None
    ) -> Dataset:
        """Bring a version to another store, under the same names, and return it as it is read there.

        Every byte is checked on the way. Parts that are there already are not sent again; so a copy that was killed
        goes on where it ended. The version appears last. What is known of it (when and by which code it was made, of
        which parents) goes along.

        Args:
            id: The dataset.
            version: The version, or a tag; None for the newest.
            to: The other store, of whatever kind.
            tags: Whether the tags of the version go along; who has the name there loses it.
            progress: Show a progress bar; None for where somebody would see it.

        Raises:
            NotFoundError: There is no such version.
            ExistsError: There is a version of this name with other records in the other store.
            DamageError: What lies here is not what was written.
            StoreError: The other store cannot be written to; or may not read pickled objects.

        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as here, TemporaryDirectory() as there:
        ...     store, other = Store(here), Store(there)
        ...     _ = store.submit([1, 2, 3], "numbers", "1.0")
        ...     store.copy("numbers", "1.0", to=other).list(), other.versions("numbers")
        ([1, 2, 3], ['1.0'])
        """
        if not isinstance(to, Store):
            raise KindError(f"to= is the other store, such as headrace.Store('s3://bucket'); got {type(to).__name__}")
        manifest = self.manifest(id, version)
        check_pickles(manifest.layout, to._allow_pickle)
        size = sum({part.digest: part.size for part in manifest.parts}.values())
        with bar(progress, f"copy {manifest.id} {manifest.version}", size, "B") as told:
            copied = copy(self._home, manifest, to._home, told)
        for tag, named in self.tags(id).items() if tags else ():
            if named == manifest.version:
                to.tag(id, named, tag)
        return to._read(copied)

    def export(
        self,
        id: str,
        version: str | None,
        path: str | os.PathLike[str],
        format: Format = "parquet",
        replace: bool = False,
        progress: bool | None = None,
    ) -> None:
        """Write a version as files that other tools read.

        They are written beside and moved into place when they are whole. Records are written as they are read, so
        there may be more of them than fit in memory.

        ``"parquet"`` and ``"arrow"`` (extra ``arrow``) make one file. Arrays of more than one axis are of the type
        ``fixed_shape_tensor``, for most readers a list; ragged rows are lists, nested columns and tuples structs, with
        fields "0", "1", ... of tuples. ``"webdataset"`` makes a folder of tar files of at most 1 GB, called like the
        folder, with a member for each column of each record: ``.npy`` of arrays and numbers, ``.cls`` of integers,
        ``.txt`` of strings, ``.bin`` of bytes.

        Args:
            id: The dataset.
            version: The version, or a tag; None for the newest.
            path: Of the file, or of the folder.
            format: One of these.
            replace: Whether what is there may be replaced.
            progress: Show a progress bar; None for where somebody would see it.

        Raises:
            NotFoundError: There is no such version.
            ExistsError: Something is at the path, and ``replace`` is not set.
            SchemaError: A column has no place in the format, as pickled objects have none in any.
            StoreError: The version cannot be read, or the path not be written.
            MissingExtraError: The format needs pyarrow.

        >>> from pathlib import Path
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     store = Store(Path(folder) / "store")
        ...     _ = store.submit({"x": [1.5, 2.5], "label": [0, 1]}, "numbers", "1.0")
        ...     store.export("numbers", "1.0", Path(folder) / "out", format="webdataset")
        ...     [path.name for path in (Path(folder) / "out").iterdir()]
        ['out-000000.tar']
        """
        manifest = self.manifest(id, version)
        source = Stored(self._home.shelf, manifest, allow_pickle=True)  # nothing is unpickled for it
        place = Path(os.path.abspath(os.path.expanduser(path)))
        with bar(progress, f"export {manifest.id} {manifest.version}", manifest.length, " records") as told:
            export(source, place, format, replace, told)

    def du(self, id: str | None = None) -> Usage:
        """Return how many bytes versions take up, how many they share, and what belongs to none.

        Args:
            id: A dataset; None for all.

        Raises:
            NotFoundError: There is no such dataset.

        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     store = Store(folder)
        ...     _ = store.submit([1, 2, 3], "numbers", "1.0")
        ...     store.du()
        DATASET  VERSION  RECORDS   SIZE   KEPT  SHARED
        numbers  1.0            3  152 B  152 B     0 B
        152 B in 1 part
        """
        return usage(self._home, None if id is None else checked(id, "id"))

    def gc(self, dry_run: bool = True, grace: float | str = "1 h") -> Garbage:
        """Find the parts that no version refers to, and take them away.

        Args:
            dry_run: Whether to look only.
            grace: How old a part must be, such as ``"1 h"``, by the clock of the place where it lies: writers send
                parts before the version that needs them.

        Returns:
            How many parts, and of how many bytes, went or would go.

        Raises:
            StoreError: A manifest is damaged, so that it cannot be told what is garbage; or it cannot be taken away.
        """
        return self._home.collect(seconds_of(grace, "grace") if grace else 0.0, bool(dry_run))
