"""A local folder."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from headrace.core.errors import DeniedError, HeadraceError, NotFoundError, StoreError
from headrace.core.syncing import sync_folder
from headrace.stores.backends.content import sending, size_of
from headrace.stores.backends.keys import checked_key
from headrace.stores.backends.protocol import Content, Entry
from headrace.stores.disk import appear, make_folders, speaking

_OWN = ".put-"  # how files begin that are not yet objects; they lie in tmp/
_GONE = (FileNotFoundError, NotADirectoryError, IsADirectoryError)


@dataclass(frozen=True)
class Files:
    """A :class:`~headrace.stores.backends.protocol.Backend` over a folder: each object a file of its key's path.

    A file gets its name when all its bytes are on disk, by a rename or, where nothing may be replaced, by a hard link;
    so no lock is needed. The folder is made with the first object.

    Args:
        root: The folder.
    """

    root: Path

    @property
    def url(self) -> str:
        """The folder."""
        return str(self.root)

    def check(self) -> None:
        """Make sure that the folder may be read, if it is there, or that it could be made."""
        with _reading(str(self.root)), suppress(FileNotFoundError):
            os.scandir(self.root).close()

    def get(self, key: str, start: int = 0, stop: int | None = None) -> bytes | memoryview:
        """Return an object's bytes, or some of them."""
        with _reading(f"{key!r} in {self.root}"), open(self._path(key), "rb", buffering=0) as file:
            size = os.fstat(file.fileno()).st_size
            stop = size if stop is None else min(stop, size)
            return _read(file.fileno(), start, stop)

    def look(self, key: str) -> Entry | None:
        """Return what is known of an object; None where there is none."""
        try:
            with _reading(f"{key!r} in {self.root}"):
                return _entry(key, self._path(key))
        except NotFoundError:
            return None

    def put(self, key: str, content: Content) -> None:
        """Write an object, in the place of what has the key."""
        self._publish(key, content, _replace)

    def put_if_absent(self, key: str, content: Content) -> bool:
        """Write an object if there is none of this key, in one step."""
        return self._publish(key, content, appear)

    def list(self, prefix: str = "") -> Iterator[Entry]:
        """Yield all objects whose keys begin with a prefix, sorted by key."""
        folder, _, begin = prefix.rpartition("/")
        with _reading(str(self.root)):
            yield from _walk(self.root / folder, f"{folder}/" if folder else "", begin)

    def delete(self, key: str) -> None:
        """Take an object away, and the folders that it leaves empty, but for those right below the root."""
        path = self._path(key)
        with speaking(self.root), suppress(*_GONE):
            path.unlink()
            sync_folder(path.parent)
        for folder in path.parents:
            if self.root in (folder, folder.parent) or not _removed(folder):
                return  # the folders right below the root are those of a store, which others count on

    def _path(self, key: str) -> Path:
        return self.root / checked_key(key)

    def _publish(self, key: str, content: Content, name: Callable[[Path, Path], bool]) -> bool:
        path = self._path(key)
        written = self.root / "tmp" / f"{_OWN}{uuid.uuid4().hex}"
        with speaking(self.root, lambda: f"{key!r} needs {size_of(content)} bytes"):
            try:
                _in_folder(written, lambda: _write(written, content))
                done = _in_folder(path, lambda: name(written, path))
                sync_folder(path.parent)
                return done
            finally:
                written.unlink(missing_ok=True)


@contextmanager
def _reading(what: str) -> Iterator[None]:
    try:
        yield
    except HeadraceError:
        raise
    except _GONE as error:
        if isinstance(error, NotADirectoryError) and error.filename == what:
            raise StoreError(f"{what} is a file: a store needs a folder") from error
        raise NotFoundError(f"there is no {what}") from error
    except PermissionError as error:
        raise DeniedError(f"cannot read {what}: no permission for this user") from error
    except OSError as error:
        raise StoreError(f"cannot read {what}: {error.strerror or error}") from error


def _read(file: int, start: int, stop: int) -> bytes | memoryview:
    """Read a range, however many bytes the system gives at once."""
    if stop <= start:
        return b""
    found = bytearray(stop - start)
    view, done = memoryview(found), 0
    while done < len(found):
        count = os.preadv(file, [view[done:]], start + done)
        if not count:
            return view[:done]  # it was cut meanwhile; what is read is compared with its sum
        done += count
    return view


def _entry(key: str, path: Path) -> Entry | None:
    status = path.stat()
    return Entry(key, status.st_size, status.st_mtime) if path.is_file() else None


def _walk(folder: Path, above: str, begin: str = "") -> Iterator[Entry]:
    """Give the files below a folder by key: a folder is sorted as its name with the slash."""
    try:
        with os.scandir(folder) as entries:
            found = sorted((one.name + "/" * one.is_dir(), one) for one in entries if one.name.startswith(begin))
    except _GONE[:2]:
        return
    for name, one in found:
        if name.endswith("/"):
            yield from _walk(Path(one.path), above + name)
        elif not (above == "tmp/" and name.startswith(_OWN)):
            with suppress(FileNotFoundError):  # taken away meanwhile
                status = one.stat()
                yield Entry(above + name, status.st_size, status.st_mtime)


def _in_folder(path: Path, work: Callable[[], bool]) -> bool:
    """Do something in a path's folder, which who deletes may take away as empty just before."""
    for _ in range(100):
        make_folders(path.parent)
        try:
            return work()
        except FileNotFoundError:
            if path.parent.exists():
                raise
    return work()


def _write(path: Path, content: Content) -> bool:
    """Write a file whose bytes are on disk when this returns."""
    with open(path, "wb") as file:
        if isinstance(content, Path):
            with sending(content):
                source = open(content, "rb")
            with source:
                shutil.copyfileobj(source, file, 1 << 20)
        else:
            file.write(content)
        file.flush()
        os.fsync(file.fileno())
    return True


def _replace(written: Path, path: Path) -> bool:
    os.replace(written, path)
    return True


def _removed(folder: Path) -> bool:
    try:
        folder.rmdir()
    except OSError:  # not empty, or not ours
        return False
    return True
