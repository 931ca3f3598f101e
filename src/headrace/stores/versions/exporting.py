"""A version as files that other tools read: streamed, written beside, and moved into place when they are whole."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

from headrace.core.errors import ArgumentError, ExistsError, StoreError
from headrace.core.syncing import sync_folder
from headrace.stores.disk import appear, make_folders, speaking
from headrace.stores.mapped import Table
from headrace.stores.reader import Stored
from headrace.stores.versions import columnar, tars

Format: TypeAlias = Literal["parquet", "arrow", "webdataset"]
"""What can be written: a Parquet file, an Arrow IPC file, or a folder of tar shards."""

Told: TypeAlias = Callable[[int], object]

_BLOCK = 16 << 20  # bytes of records, about, that are written together: a row group, a record batch


def export(source: Stored, path: Path, format: Any, replace: bool = False, told: Told | None = None) -> None:
    """Write a version as a file, or as a folder of shards.

    Args:
        source: The version.
        path: Of the file or folder.
        format: One of ``Format``.
        replace: Whether what is at the path may be replaced.
        told: Called with the number of records that were written since the last call.

    Raises:
        ArgumentError: There is no such format.
        ExistsError: Something is at the path.
        SchemaError: A column has no place in this format; all of them are named, before anything is written.
        StoreError: It cannot be read or written.
        MissingExtraError: The format needs pyarrow.
    """
    if format not in get_args(Format):
        raise ArgumentError(f"format must be one of {', '.join(map(repr, get_args(Format)))}; got {format!r}")
    _check_place(path, format == "webdataset", replace)
    blocks = _blocks(source, told)
    if format == "webdataset":
        members = tars.members(source.manifest.layout)
        with _appearing(path) as beside:
            beside.mkdir()
            tars.write(beside, path.name, members, blocks)
        return
    writer = columnar.Writer(source.manifest, format)
    with _appearing(path) as beside:
        writer.write(beside, blocks)


def _blocks(source: Stored, told: Told | None) -> Iterator[tuple[Table, int, int]]:
    """Yield all records in order, as rows of parts: not more together than can be held in memory."""
    parts = source.manifest.parts
    for number, part in enumerate(parts):
        if source.expect is not None:
            source.expect(range(number, len(parts)))
        step = max(1, _BLOCK * part.length // max(1, part.size))
        for start in range(0, part.length, step):
            stop = min(start + step, part.length)
            yield source.part(number), start, stop
            if told is not None:
                told(stop - start)


def _check_place(path: Path, shards: bool, replace: bool) -> None:
    """Make sure that nothing is lost."""
    if not os.path.lexists(path):
        return
    if not replace:
        raise ExistsError(f"{path} is there already: choose another path, or replace it with replace=True")
    if path.is_dir() and not path.is_symlink():
        if not shards:
            raise StoreError(f"{path} is a folder, and this format is one file: choose another path")
        other = next((entry.name for entry in path.iterdir() if entry.suffix != ".tar"), None)
        if other is not None:
            raise StoreError(f"{path} holds {other!r}, which is no shard, so it is not replaced: choose another path")
    elif shards:
        raise StoreError(f"{path} is a file, and shards need a folder: choose another path")


@contextmanager
def _appearing(path: Path) -> Iterator[Path]:
    """Give a name beside a path, for what is to take it when the block ends well; else nothing stays."""
    known = os.path.lexists(path)
    beside, old = (path.with_name(f".{path.name[:200]}.{uuid.uuid4().hex[:8]}.{end}") for end in ("part", "old"))
    with speaking(path):
        make_folders(path.parent)
        try:
            yield beside
            if beside.is_dir():
                _swap(beside, path, old if known else None)
            elif known:
                os.replace(beside, path)
            elif not appear(beside, path):
                raise ExistsError(f"{path} was written by another meanwhile")
            sync_folder(path.parent)
        finally:
            shutil.rmtree(old, ignore_errors=True)
            if beside.is_dir():
                shutil.rmtree(beside, ignore_errors=True)
            else:
                with suppress(FileNotFoundError):
                    beside.unlink()


def _swap(made: Path, path: Path, old: Path | None) -> None:
    """Give a folder its name, and another name to the folder that has it, which stays if that fails."""
    if old is not None:
        os.rename(path, old)
    try:
        os.rename(made, path)
    except OSError:
        if old is not None:
            os.rename(old, path)
        raise
