"""Any file system that fsspec opens."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

from headrace.core.errors import (
    DeniedError,
    HeadraceError,
    HeadraceWarning,
    MissingExtraError,
    NotFoundError,
    StoreError,
)
from headrace.core.warn import warn
from headrace.stores.backends.content import sending, whole
from headrace.stores.backends.keys import checked_key
from headrace.stores.backends.protocol import Content, Entry
from headrace.stores.backends.retrying import Passing, Patience

T = TypeVar("T")

_CREATES: Final = {"s3", "s3a", "gs", "gcs", "abfs", "az"}
"""Kinds of file systems whose ``pipe_file(mode="create")`` is one step."""

_warned: set[str] = set()


class FileSystem:
    """A :class:`~headrace.stores.backends.protocol.Backend` in a file system of fsspec, for which there is no other.

    An object is written under another name first, in ``tmp/``, and then moved; that is as much one step as the file
    system's move is. **Where there may be none already** most file systems have no such step: there it is a look and
    then a write, so of two writers at the same moment both may succeed, and the last one's content stays. A warning
    says so, once for each kind. Let one writer work at a time there.

    Args:
        url: Such as ``sftp://user@host/path``.
        options: What the file system is opened with; also ``deadline`` in seconds.
    """

    def __init__(self, url: str, options: Mapping[str, str] | None = None) -> None:
        self._given = (url, dict(options or {}))
        self._patience, self._settings = Patience.among(options or {})
        self._scheme = url.partition("://")[0]
        self._opened: tuple[int, Any, str] | None = None

    def __repr__(self) -> str:
        return f"FileSystem({self.url!r})"

    def __reduce__(self) -> tuple[type[FileSystem], tuple[str, dict[str, str]]]:
        return FileSystem, self._given

    @property
    def url(self) -> str:
        """The address, without user and password."""
        found = urlsplit(self._given[0])
        return f"{found.scheme}://{found.netloc.rpartition('@')[2]}{found.path}".rstrip("/")

    def check(self) -> None:
        """Make sure that the file system answers."""
        self._ask(lambda fs, root: fs.exists(root), "looking at", None, self._patience.at_most(15.0))

    def get(self, key: str, start: int = 0, stop: int | None = None) -> bytes | memoryview:
        """Return an object's bytes, or some of them."""
        name = checked_key(key)

        def read(fs: Any, root: str) -> bytes:
            found = fs.info(f"{root}/{name}")
            if found["type"] == "directory":
                raise FileNotFoundError(name)
            if start == 0 and stop is None:
                return bytes(fs.cat_file(f"{root}/{name}"))
            end = found["size"] if stop is None else min(stop, found["size"])
            return bytes(fs.cat_file(f"{root}/{name}", start=start, end=end)) if end > start else b""

        return self._ask(read, "reading", key)

    def look(self, key: str) -> Entry | None:
        """Return what is known of an object; None where there is none."""
        name = checked_key(key)
        try:
            found = self._ask(lambda fs, root: fs.info(f"{root}/{name}"), "looking at", key)
        except NotFoundError:
            return None
        return None if found["type"] == "directory" else _entry(key, found)

    def put(self, key: str, content: Content) -> None:
        """Write an object, in the place of what has the key."""
        name = checked_key(key)
        self._ask(lambda fs, root: _moved(fs, content, f"{root}/tmp", f"{root}/{name}"), "writing", key)

    def put_if_absent(self, key: str, content: Content) -> bool:
        """Write an object if there is none of this key: in one step where the file system has one."""
        name = checked_key(key)

        def write(fs: Any, root: str) -> bool:
            path = f"{root}/{name}"
            if self._scheme in _CREATES:
                fs.makedirs(path.rpartition("/")[0], exist_ok=True)
                with suppress(FileExistsError):
                    fs.pipe_file(path, bytes(whole(content)), mode="create")
                    return True
                return False
            _warn_once(self._scheme)
            if fs.exists(path):
                return False
            _moved(fs, content, f"{root}/tmp", path)
            return True

        return self._ask(write, "writing", key)

    def list(self, prefix: str = "") -> Iterator[Entry]:
        """Yield all objects whose keys begin with a prefix, sorted by key; all of the folder's are held meanwhile."""
        folder = prefix.rpartition("/")[0]

        def find(fs: Any, root: str) -> dict[str, Any]:
            fs.invalidate_cache()
            above = f"{root}/{folder}".rstrip("/")
            found = fs.find(above, detail=True) if fs.isdir(above) else {}
            return {path[len(root) + 1 :]: info for path, info in found.items()}

        found = self._ask(find, "listing", None)
        for key in sorted(found):
            if key.startswith(prefix) and not key.startswith("tmp/.put-"):
                yield _entry(key, found[key])

    def delete(self, key: str) -> None:
        """Take an object away; nothing happens where there is none."""
        name = checked_key(key)

        def remove(fs: Any, root: str) -> None:
            if fs.isfile(f"{root}/{name}"):
                fs.rm_file(f"{root}/{name}")

        with suppress(NotFoundError):
            self._ask(remove, "deleting", key)

    def _ask(self, work: Callable[[Any, str], T], doing: str, key: str | None, patience: Patience | None = None) -> T:
        what = f"{key!r} in {self.url}" if key is not None else self.url

        def once() -> T:
            try:
                return work(*self._file_system())
            except HeadraceError:
                raise
            except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
                raise NotFoundError(f"there is no {what}") from None
            except PermissionError as error:
                raise DeniedError(f"{doing} {what}: permission denied ({type(error).__name__})") from None
            except (ConnectionError, TimeoutError, EOFError) as error:
                raise Passing(type(error).__name__) from None
            except Exception as error:
                raise StoreError(f"{doing} {what}: {type(error).__name__}: {error}") from error

        return (patience or self._patience).ask(f"{doing} {what}", once)

    def _file_system(self) -> tuple[Any, str]:
        """Return this process's own file system, and the path of the place."""
        opened = self._opened
        if opened is None or opened[0] != os.getpid():
            opened = self._opened = (os.getpid(), *self._open())
        return opened[1:]

    def _open(self) -> tuple[Any, str]:
        try:
            import fsspec
        except ImportError as error:
            raise MissingExtraError.of("fsspec", "fsspec", f"a store at {self._scheme}://") from error
        settings = {**self._settings, "use_listings_cache": False, "skip_instance_cache": True}
        try:
            fs, root = fsspec.url_to_fs(self._given[0], **settings)
        except ImportError as error:
            raise MissingExtraError(f"a store at {self._scheme}:// needs more than fsspec: {error}") from error
        return fs, str(root).rstrip("/")


def _moved(fs: Any, content: Content, folder: str, path: str) -> None:
    """Write a file under another name, and move it."""
    written = f"{folder}/.put-{os.urandom(8).hex()}"
    for one in (folder, path.rpartition("/")[0]):
        fs.makedirs(one, exist_ok=True)
    try:
        if isinstance(content, Path):
            with sending(content):
                content.stat()
            fs.put_file(str(content), written)
        else:
            fs.pipe_file(written, bytes(whole(content)))
        fs.mv(written, path)
    except BaseException:
        with suppress(Exception):
            fs.rm_file(written)
        raise


def _warn_once(scheme: str) -> None:
    if scheme not in _warned:
        _warned.add(scheme)
        warn(
            f"{scheme}:// has no step that writes a file only where there is none: a store there is safe for one "
            "writer at a time",
            HeadraceWarning,
        )


def _entry(key: str, found: Mapping[str, Any]) -> Entry:
    known = next((found[name] for name in ("mtime", "modified", "LastModified", "created") if name in found), None)
    moment = known.timestamp() if isinstance(known, datetime) else known
    return Entry(key, int(found["size"]), float(moment) if isinstance(moment, int | float) else None)
