"""What variables are known by: texts that change when what lies in files and stores changes, equal in every process.

They cost little, whatever the size: nothing is read but metadata, the sizes and times of files, and, of what lies in
memory, 4 MiB. So they notice what is written by the usual ways, and prove nothing.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from headrace.core import fingerprint
from headrace.core.sampling import spread
from headrace.cubes.reading.unwrapping import View, elements

FILES = 10_000
"""Files whose sizes and times count; of more that many, evenly spread."""

ENTRIES = 200_000
"""Files and folders that are looked for; what comes after these does not count."""


def of_view(view: View, source: str) -> str:
    """Return the identity of what a view takes of a source with an identity, and of how it decodes it."""
    taken = [
        repr(here) if isinstance(here, int | range) else fingerprint.of_array(np.asarray(here))
        for here in view.positions
    ]
    return _digest([source, *taken, repr(view.order), fingerprint.of_record(list(view.decoders))])


def of_zarr(array: Any) -> str:
    """Return the identity of a Zarr array: where it lies, its metadata, and what of its store says that it changed.

    Of a folder these are sizes and times of its files, of a zip file its own, of memory the content, of a store far
    away what it says of the object that holds the metadata.
    """
    path = array.store_path
    return _digest(["zarr", *_metadata(array), *_store(path.store, str(path.path), array.metadata.zarr_format)])


def of_source(array: Any, source: Any = None) -> str:
    """Return the identity of an array that xarray reads from a file: of the file, and of the variable in it.

    Args:
        array: Of xarray.
        source: The path of the file, as xarray noted it; it counts where the array itself does not show one.
    """
    where, variable = _file(array), getattr(array, "variable_name", None)
    if where is None and isinstance(source, str):
        where = source
    if isinstance(where, str | os.PathLike):
        return _digest(["file", *of_path(where), str(variable)])
    return _digest([type(array).__name__, str(variable), _corners(array)])


def of_dask(array: Any, sources: Iterable[str]) -> str:
    """Return the identity of a dask array: its token, with the identities of what its graph reads."""
    return _digest(["dask", str(array.name), *sources])


def of_cube(variables: Iterable[Any], coords: Iterable[Any]) -> str:
    """Return the identity of a cube: of its variables and coordinates with names, dimensions, dtypes and lengths.

    What they say of themselves (attributes) changes nothing.
    """
    lines = [
        f"{kind} {variable.name} {variable.dims} {variable.dtype} {variable.shape} {variable.identity()}"
        for kind, several in (("variable", variables), ("coordinate", coords))
        for variable in sorted(several, key=lambda variable: str(variable.name))
    ]
    return f"cube {_digest(lines)}"


def of_path(path: str | os.PathLike[str]) -> list[str]:
    """Return where a file lies with its size and time; of a URL only itself, without user, password and query."""
    text = os.fspath(path)
    if "://" in text:
        found = urlsplit(text)
        return [f"{found.scheme}://{found.netloc.rpartition('@')[2]}{found.path}"]
    resolved = Path(text).resolve()
    with suppress(OSError):
        about = resolved.stat()
        return [str(resolved), f"{about.st_size}:{about.st_mtime_ns}"]
    return [str(resolved)]


def of_folder(folder: str | os.PathLike[str]) -> str:
    """Return a digest of names, sizes and times of the files below a folder, at most 10,000 of them.

    Times of folders count as well: in these, files that are replaced leave a trace, even where they are not looked at.
    """
    root = os.path.join(folder, "")  # with one slash at its end
    begin, found = len(root), list(_entries(root))
    some = found if len(found) <= FILES else [found[k] for k in spread(len(found), FILES, 1).tolist()]
    lines = [f"{len(found)}"]
    for path in some:
        with suppress(OSError):  # it has gone since
            about = os.stat(path)
            size = 0 if stat.S_ISDIR(about.st_mode) else about.st_size
            lines.append(f"{path[begin:] or '.'} {size} {about.st_mtime_ns}")
    return _digest(lines)


def _entries(folder: str) -> Iterator[str]:
    """Give folders and files below a folder, in an order of their names."""
    left, seen = [folder], 0
    while left and seen < ENTRIES:
        here = left.pop()
        yield here
        try:
            with os.scandir(here) as listed:
                entries = sorted(listed, key=lambda entry: entry.name)
        except OSError:  # no folder, or one that may not be looked into: reading will tell
            continue
        seen += len(entries)
        folders = {entry.path for entry in entries if _is_folder(entry)}
        left += [entry.path for entry in reversed(entries) if entry.path in folders]
        yield from (entry.path for entry in entries if entry.path not in folders)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # such as a link that leads to itself
        return False


# Zarr


def _metadata(array: Any) -> list[str]:
    try:
        said = array.metadata.to_dict()
    except Exception:  # of a kind of array that is not written so
        said = {"shape": list(array.shape), "dtype": str(array.dtype)}
    return [json.dumps(said, sort_keys=True, default=str)]


def _store(store: Any, path: str, version: int) -> list[str]:
    """Return where an array lies in a store, and what the store says of its content; another kind says its name."""
    kind = type(store).__name__
    if kind == "LocalStore":
        return _folder(store.root, path)
    if kind == "ZipStore":
        return ["zip", *of_path(store.path), path]
    if kind == "MemoryStore":
        return ["memory", path, _memory(store._store_dict, path)]
    key = f"{path}/{'zarr.json' if version == 3 else '.zarray'}".strip("/")
    if kind == "FsspecStore":
        return _file_system(store, path, key)
    if kind == "ObjectStore":
        return _objects(store.store, path, key)
    if hasattr(store, "_store"):  # one that stands before another
        return _store(store._store, path, version)
    return [kind, path, str(getattr(getattr(store, "session", None), "snapshot_id", ""))]


def _folder(root: str | os.PathLike[str], path: str) -> list[str]:
    folder = Path(root).resolve() / path
    return ["folder", str(folder), of_folder(folder)]


def _memory(content: Any, path: str) -> str:
    """Return a digest of chunks in memory: of 10,000 at most, and of each 1 KiB."""
    keys = sorted(key for key in content if str(key).startswith(f"{path}/" if path else ""))
    some = keys if len(keys) <= FILES else [keys[k] for k in spread(len(keys), FILES, 1).tolist()]
    return _digest([str(len(keys)), *(f"{key} {fingerprint.of_record(content[key].to_bytes())}" for key in some)])


def _file_system(store: Any, path: str, key: str) -> list[str]:
    system = getattr(store.fs, "sync_fs", store.fs)
    protocol = system.protocol if isinstance(system.protocol, str) else system.protocol[0]
    if protocol in ("file", "local"):
        return _folder(store.path, path)
    where = [protocol, str(store.path), path]
    with suppress(Exception):  # whatever a file system raises: then metadata have to do
        if protocol == "memory":
            found = system.find(f"{store.path}/{path}".rstrip("/"), detail=True)
            return [*where, _digest(f"{name} {_about(found[name])}" for name in sorted(found)[:FILES])]
        from zarr.core.sync import sync

        name = f"{store.path}/{key}"
        about = sync(store.fs._info(name), timeout=30) if store.fs.async_impl else system.info(name)
        return [*where, _about(about)]
    return where


_SAYS = ("etag", "last_modified", "lastmodified", "mtime", "updated", "created", "md5hash", "generation", "size")


def _about(info: Any) -> str:
    """Return what of a file system's words on an object tells of a change."""
    return " ".join(sorted(f"{name}={info[name]}" for name in info if str(name).lower().replace("-", "_") in _SAYS))


def _objects(store: Any, path: str, key: str) -> list[str]:
    import obstore

    kind = type(store).__name__
    if kind == "LocalStore" and getattr(store, "prefix", None) is not None:
        return _folder(store.prefix, path)
    where = [kind, str(store), path]
    with suppress(Exception):  # as above
        if kind == "MemoryStore":
            listed: Any = obstore.list(store, f"{path}/" if path else None).collect()
            said = sorted(f"{about['path']} {_about(about)}" for about in listed)
            return [kind, path, _digest(said[:FILES])]
        return [*where, _about(obstore.head(store, key))]
    return where


# Files


def _file(array: Any) -> Any:
    """Return the path of the file behind an array that xarray opened; None where it cannot be seen."""
    datastore = getattr(array, "datastore", None)
    with suppress(Exception):  # parts of xarray that may be made in another way
        found = getattr(datastore, "_filename", None)
        return found if found is not None else datastore._manager._args[0]  # type: ignore[union-attr]
    return None


def _corners(array: Any) -> str:
    """Return a digest of an array's first and last elements: the last resort."""
    ends = [[slice(0, 8) for _ in array.shape], [slice(max(length - 8, 0), length) for length in array.shape]]
    with suppress(Exception):
        return fingerprint.of_record([elements(array, tuple(box)) for box in ends])
    return f"{array.shape} {getattr(array, 'dtype', '')}"


def _digest(lines: Iterable[str]) -> str:
    return blake2b("\0".join(lines).encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
