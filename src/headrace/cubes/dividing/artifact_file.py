"""The file of a split: it appears whole or not at all, and what was changed in it is noticed."""

from __future__ import annotations

import errno
import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path
from secrets import token_hex
from typing import Any

from headrace.core.errors import DamageError, ExistsError, NotFoundError, StateError, StoreError
from headrace.core.syncing import sync_folder

FORMAT = 1

_NO_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}
_MEND = "bring back a copy; or delete it or take another name to draw anew, and know that held-out data may change"


def read(path: Path) -> dict[str, Any]:
    """Return what a file says, as it stands.

    Raises:
        NotFoundError: There is no such file.
        DamageError: It is not what was written.
        StoreError: It cannot be read.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise NotFoundError(f"there is no split at {path}") from None
    except OSError as error:
        raise StoreError(f"cannot read the split at {path}: {error.strerror or error}") from error
    try:
        document = json.loads(content)
        told = document.pop("digest")
        right = document["headrace"] == "split"
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DamageError(f"{path} is no split, or it is damaged ({error}): {_MEND}") from error
    if right and document.get("format") != FORMAT:
        raise StateError(f"{path} has format {document.get('format')!r}; this version reads {FORMAT} alone")
    if not right or told != _digest(document):
        raise DamageError(f"{path} is not what was written, it was changed or damaged: {_MEND}")
    found: dict[str, Any] = document
    return found


def _text(document: Mapping[str, Any]) -> bytes:
    """Return JSON with a line for each thing that it says."""
    lines = [f"  {json.dumps(key)}: {json.dumps(value)}" for key, value in document.items()]
    lines.append(f'  "digest": {json.dumps(_digest(document))}')
    return ("{\n" + ",\n".join(lines) + "\n}\n").encode()


def _digest(document: Mapping[str, Any]) -> str:
    return blake2b(json.dumps(document).encode(), digest_size=8).hexdigest()


def write(path: Path, document: Mapping[str, Any], replace: bool) -> None:
    """Write a file, which has its name once it is whole and safe on disk.

    Args:
        path: The file.
        document: What it is to say.
        replace: Whether it takes the place of one that is there.

    Raises:
        ExistsError: The name is taken.
        StoreError: It cannot be written.
    """
    beside = path.with_name(f".{path.name}.{token_hex(4)}")
    try:
        try:
            with open(beside, "xb") as file:
                file.write(_text(document))
                file.flush()
                os.fsync(file.fileno())
            (os.replace if replace else _link)(beside, path)
            sync_folder(path.parent)
        finally:
            beside.unlink(missing_ok=True)
    except FileExistsError:
        raise ExistsError(f"{path} is there already, and a split is never written over") from None
    except OSError as error:
        raise StoreError(f"cannot write the split to {path}: {error.strerror or error}") from error


def _link(beside: Path, path: Path) -> None:
    """Name a file, unless the name is taken; where there are no links (FAT, some shares) by a look and a rename."""
    try:
        os.link(beside, path)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        if path.exists():
            raise FileExistsError from error
        os.rename(beside, path)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Be the only one who replaces a file; the lock is on the file that has the name when it is taken."""
    while True:
        try:
            file = open(path, "rb")
        except OSError as error:
            raise StoreError(f"cannot read the split at {path}: {error.strerror or error}") from error
        with file:
            fcntl.flock(file, fcntl.LOCK_EX)
            if path.exists() and os.fstat(file.fileno()).st_ino == path.stat().st_ino:
                try:
                    yield
                finally:
                    fcntl.flock(file, fcntl.LOCK_UN)  # closing is not enough where a process was forked meanwhile
                return
