"""Objects in a folder on this machine, a file each."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from headrace.core.errors import NotFoundError, StoreError
from headrace.stores.backends.protocol import Content, Entry
from headrace.stores.disk import appear, make_folders, speaking, sync_folder, write_synced

_PREPARED = ".writing-"  # what the names of files begin with that are not whole yet


@dataclass(frozen=True)
class Files:
    """A folder whose files are the objects.

    Args:
        root: The folder, absolute. Where it does not exist it holds nothing; the first write makes it.
    """

    root: Path

    @property
    def url(self) -> str:
        """The folder's path."""
        return str(self.root)

    def check(self) -> None:
        """Make sure that it is no file, and may be looked at."""
        try:
            if self.root.exists() and not self.root.is_dir():
                raise StoreError(f"{self.root} is a file, and a store is a folder: choose another place")
        except PermissionError as error:
            raise StoreError(f"cannot look at {self.root}: {error.strerror}") from error

    def get(self, key: str, start: int = 0, stop: int | None = None) -> bytes:
        """Return a file's bytes, or some of them."""
        path = self.root / key
        try:
            with open(path, "rb", buffering=0) as file:
                if start:
                    file.seek(start)
                return _read(file.fileno(), None if stop is None else max(0, stop - start))
        except (FileNotFoundError, NotADirectoryError) as error:
            raise NotFoundError(f"there is no {path}") from error
        except OSError as error:
            raise StoreError(f"cannot read {path}: {error.strerror}") from error

    def look(self, key: str) -> Entry | None:
        """Return a file's size and time; None where there is none."""
        path = self.root / key
        try:
            found = os.stat(path)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise StoreError(f"cannot look at {path}: {error.strerror}") from error
        return Entry(key, found.st_size, found.st_mtime)

    def put(self, key: str, content: Content) -> None:
        """Write a file beside, and move it into place."""
        path = self.root / key
        with speaking(self.root):
            written = self._prepare(path, content)
            try:
                os.replace(written, path)
            finally:
                written.unlink(missing_ok=True)
            sync_folder(path.parent)

    def put_if_absent(self, key: str, content: Content) -> bool:
        """Write a file beside, and link it into place."""
        path = self.root / key
        if path.exists():
            return False
        with speaking(self.root):
            written = self._prepare(path, content)
            try:
                appeared = appear(written, path)
            finally:
                written.unlink(missing_ok=True)
            sync_folder(path.parent)
        return appeared

    def _prepare(self, path: Path, content: Content) -> Path:
        make_folders(path.parent)
        whole = content.read_bytes() if isinstance(content, Path) else bytes(content)
        return write_synced(path.parent / f"{_PREPARED}{uuid.uuid4().hex}", whole)

    def list(self, prefix: str = "") -> Iterator[Entry]:
        """Yield the files below a folder whose paths begin with a prefix, sorted."""
        folder = prefix.rpartition("/")[0]
        found = sorted(self._below(self.root / folder, f"{folder}/" if folder else ""), key=lambda entry: entry.key)
        return (entry for entry in found if entry.key.startswith(prefix))

    def _below(self, folder: Path, start: str) -> Iterator[Entry]:
        try:
            found = list(os.scandir(folder))
        except (FileNotFoundError, NotADirectoryError):
            return
        except OSError as error:
            raise StoreError(f"cannot read {folder}: {error.strerror}") from error
        for one in found:
            if one.is_dir(follow_symlinks=False):
                yield from self._below(Path(one.path), f"{start}{one.name}/")
            elif not one.name.startswith(_PREPARED):
                with suppress(FileNotFoundError):  # it was taken away meanwhile
                    stat = one.stat()
                    yield Entry(start + one.name, stat.st_size, stat.st_mtime)

    def delete(self, key: str) -> None:
        """Take a file away, and the folders that become empty by it."""
        path = self.root / key
        with speaking(self.root), suppress(FileNotFoundError, NotADirectoryError):
            path.unlink()
            for folder in path.parents:
                if folder == self.root:
                    break
                with suppress(OSError):  # it holds other things
                    folder.rmdir()


def _read(file: int, size: int | None) -> bytes:
    """Read so many bytes, or up to the end."""
    left = os.fstat(file).st_size if size is None else size
    pieces: list[bytes] = []
    while left > 0:
        piece = os.read(file, min(left, 1 << 30))
        if not piece:
            break
        pieces.append(piece)
        left -= len(piece)
    return b"".join(pieces) if len(pieces) != 1 else pieces[0]
