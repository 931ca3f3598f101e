"""From what a user calls a store to where it lies."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from headrace.core.amounts import bytes_of
from headrace.core.durations import seconds_of
from headrace.core.errors import ArgumentError, KindError, StoreError
from headrace.stores import packing
from headrace.stores.backends.opening import open_backend
from headrace.stores.bucket import Bucket
from headrace.stores.fetched.shelf import Fetched
from headrace.stores.local import Folder

_CACHE_BYTES = 100 * 10**9


def find_home(
    path: Any,
    cache: Any,
    cache_bytes: Any,
    endpoint: str | None,
    lease: Any,
    ttl: Any,
    compression: Any,
    options: Mapping[str, str] | None,
) -> Folder | Bucket:
    """Return where a store lies, once it is sure to be usable; see ``headrace.Store`` for the arguments.

    Raises:
        KindError: It is named by neither a string nor a path.
        ArgumentError: It has no name, or an argument is not for its kind of place.
        StoreError: The place cannot be used.
    """
    if not isinstance(path, str | os.PathLike):
        raise KindError(f"a store is a folder or a URL, named by a string or a Path; got a {type(path).__name__}")
    text = os.fspath(path)
    if not isinstance(text, str) or not text:
        raise ArgumentError(f"a store needs the name of a folder or a URL, got {text!r}")
    if "://" not in text or text.startswith("file://"):
        for name, value in (("endpoint", endpoint), ("ttl", ttl), ("compression", compression), ("options", options)):
            if value is not None:
                raise ArgumentError(f"{name}= is for stores at a URL, and {text!r} is a folder: leave it out")
        return _folder(text.removeprefix("file://"))
    kept = None if cache is None else Path(os.path.abspath(os.path.expanduser(cache)))
    limit = None if cache_bytes is None else bytes_of(cache_bytes, "cache_bytes")
    codec, seconds = packing.checked(compression), seconds_of(lease, "lease")
    in_memory = text.startswith("memory://")
    expiry = None if ttl is None else seconds_of(ttl, "ttl")
    backend = open_backend(text, endpoint, options, expiry, limit if in_memory else None)
    backend.check()
    shelf = Fetched(backend, None, None) if in_memory else Fetched(backend, kept, limit or _CACHE_BYTES)
    return Bucket(backend, shelf, _desk(kept), codec, seconds)


def _folder(text: str) -> Folder:
    path = Path(os.path.abspath(os.path.expanduser(text)))
    try:
        if path.exists() and not path.is_dir():
            raise StoreError(f"{path} is a file, and a store is a folder: choose another place")
    except PermissionError as error:
        raise StoreError(f"cannot look at {path}: {error.strerror}") from error
    return Folder(path)


def _desk(kept: Path | None) -> Path:
    """Return the folder in which parts are prepared before they are sent: beside what was fetched, if that is kept."""
    if kept is not None:
        return kept / "desk"
    return Path(tempfile.gettempdir()) / f"headrace-{os.getuid()}"
