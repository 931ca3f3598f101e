"""A store far away, from what a user says of it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from headrace.core.amounts import bytes_of
from headrace.core.durations import seconds_of
from headrace.stores import packing
from headrace.stores.backends.opening import open_backend
from headrace.stores.bucket import Bucket
from headrace.stores.fetched.shelf import Fetched

_CACHE_BYTES = 100 * 10**9


def find_bucket(
    url: str,
    cache: Any,
    cache_bytes: Any,
    endpoint: str | None,
    lease: Any,
    ttl: Any,
    compression: Any,
    options: Mapping[str, str] | None,
) -> Bucket:
    """Return a store at a URL, once it is sure to be usable; see ``headrace.Store`` for the arguments.

    Raises:
        ArgumentError: An argument cannot be meant, or is not for this kind of place.
        MissingExtraError: What it needs is not installed.
        StoreError: The place cannot be used.
    """
    kept = None if cache is None else Path(os.path.abspath(os.path.expanduser(cache)))
    limit = None if cache_bytes is None else bytes_of(cache_bytes, "cache_bytes")
    codec, seconds = packing.checked(compression), seconds_of(lease, "lease")
    in_memory = url.startswith("memory://")
    expiry = None if ttl is None else seconds_of(ttl, "ttl")
    backend = open_backend(url, endpoint, options, expiry, limit if in_memory else None)
    backend.check()
    bound = _CACHE_BYTES if limit is None and kept is not None else limit  # memory has a bound of its own
    shelf = Fetched(backend, None, None) if in_memory else Fetched(backend, kept, bound)
    return Bucket(backend, shelf, _desk(None if in_memory else kept), codec, seconds)


def _desk(kept: Path | None) -> Path:
    """Return the folder in which parts are prepared before they are sent: beside what was fetched, if that is kept."""
    if kept is not None:
        return kept / "desk"
    return Path(tempfile.gettempdir()) / f"headrace-{os.getuid()}"
