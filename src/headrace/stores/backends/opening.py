"""The back end for an address."""

from __future__ import annotations

import re
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from headrace.core.amounts import bytes_of
from headrace.core.errors import ArgumentError
from headrace.stores.backends.clouds import CLOUDS
from headrace.stores.backends.disk import Files
from headrace.stores.backends.fsspec import FileSystem
from headrace.stores.backends.memory import Memory
from headrace.stores.backends.objects import Objects
from headrace.stores.backends.protocol import Backend
from headrace.stores.backends.redis import Redis

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_OURS = ("file", "memory", "redis", "rediss", *CLOUDS)
_COMMON = {"ftp", "hdfs", "hf", "http", "https", "local", "oss", "sftp", "smb", "ssh", "webdav", "webhdfs"}


def open_backend(
    url: str | Path,
    endpoint: str | None = None,
    options: Mapping[str, Any] | None = None,
    ttl: float | None = None,
    limit: int | str | None = None,
) -> Backend:
    """Return the back end for an address. Nothing is asked of the place yet: ``check()`` does that.

    Args:
        url: A folder (a path, or ``file:///path``), ``memory://name``, ``s3://bucket/prefix``, ``gs://bucket/prefix``,
            ``az://container/prefix`` (or ``az://container@account/prefix``), ``redis://host:port/db/prefix``, or what
            fsspec opens, such as ``sftp://host/path``.
        endpoint: The address of a cloud's server, where it is not the cloud's own.
        options: Settings of the client, such as ``region``; also ``deadline`` and ``timeout`` in seconds, which say
            how long a place that does not answer is asked again, and when a silent request counts as failed.
        ttl: After how many seconds without being written or read a version expires; of ``redis://`` alone.
        limit: How many bytes are held, such as ``"2 GB"``; of ``memory://`` alone.

    Raises:
        ArgumentError: There is no such kind of address, or an argument does not go with it.
        MissingExtraError: What it needs is not installed.

    >>> open_backend("memory://one", limit="2 GB").url
    'memory://one'
    >>> open_backend("s4://bucket/prefix")
    Traceback (most recent call last):
    headrace.core.errors.ArgumentError: there are no addresses s4://... Did you mean s3://?
    """
    found = _SCHEME.match(str(url)) if isinstance(url, str) else None
    scheme = found[1].lower() if found else ""
    _fits(scheme, {"endpoint": endpoint, "ttl": ttl, "limit": limit, "options": options})
    settings = {name: _text(value) for name, value in (options or {}).items()}
    if scheme in ("", "file"):
        return Files(Path(unquote(urlsplit(str(url)).path) if scheme else url).expanduser().absolute())
    address = f"{scheme}{str(url)[len(scheme) :]}"
    if scheme == "memory":
        return Memory(address.partition("://")[2], None if limit is None else bytes_of(limit, "limit"))
    if scheme in CLOUDS:
        return Objects(address, endpoint, settings)
    if scheme in ("redis", "rediss"):
        return Redis(address, settings, ttl)
    if scheme in _others():
        return FileSystem(address, settings)
    raise ArgumentError(_unknown(scheme))


def _fits(scheme: str, given: Mapping[str, object]) -> None:
    """Refuse an argument that would do nothing."""
    takes = {
        "endpoint": tuple(CLOUDS),
        "ttl": ("redis", "rediss"),
        "limit": ("memory",),
    }
    for name, schemes in takes.items():
        if given[name] is not None and scheme not in schemes:
            there = f"{scheme}://" if scheme else "a folder"
            raise ArgumentError(
                f"{name}= does not go with {there}: it is of {', '.join(f'{one}://' for one in schemes)}"
            )
    if given["options"] and scheme in ("", "file", "memory"):
        raise ArgumentError(f"options= do not go with {f'{scheme}://' if scheme else 'a folder'}, which has none")


def _others() -> set[str]:
    """Return what fsspec opens; where it is not installed, what it is mostly used for, to say that it is missing."""
    try:
        import fsspec
    except ImportError:
        return _COMMON
    return set(fsspec.available_protocols())


def _unknown(scheme: str) -> str:
    near = get_close_matches(scheme, _OURS, n=1, cutoff=0.5)
    hint = f" Did you mean {near[0]}://?" if near else f" There are {', '.join(f'{one}://' for one in _OURS)}"
    return f"there are no addresses {scheme}://...{hint}"


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
