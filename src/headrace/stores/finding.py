"""From what a user calls a store to where it lies."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from headrace.core.errors import ArgumentError, KindError, StoreError
from headrace.stores.local import Folder

if TYPE_CHECKING:
    from headrace.stores.bucket import Bucket


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
    scheme = text.partition("://")[0].lower() if "://" in text else "file"
    if not scheme:
        raise ArgumentError(f"{text!r} is no address: write a folder, or what it is of, such as s3{text}")
    if scheme == "file":
        for name, value in (("endpoint", endpoint), ("ttl", ttl), ("compression", compression), ("options", options)):
            if value is not None:
                raise ArgumentError(f"{name}= is for stores at a URL, and {text!r} is a folder: leave it out")
        return _folder(unquote(urlsplit(text).path) if "://" in text else text)
    from headrace.stores.far import find_bucket  # with all that a folder does without

    return find_bucket(text, cache, cache_bytes, endpoint, lease, ttl, compression, options)


def _folder(text: str) -> Folder:
    path = Path(os.path.abspath(os.path.expanduser(text)))
    try:
        if path.exists() and not path.is_dir():
            raise StoreError(f"{path} is a file, and a store is a folder: choose another place")
    except PermissionError as error:
        raise StoreError(f"cannot look at {path}: {error.strerror}") from error
    return Folder(path)
