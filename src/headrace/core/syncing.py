"""Names of files, brought to disk."""

from __future__ import annotations

import errno
import os
from pathlib import Path


def sync_folder(path: Path) -> None:
    """Bring a folder's entries to disk, so that names survive a power cut; as far as this user may."""
    try:
        folder = os.open(path, os.O_RDONLY)
    except PermissionError:  # such as of /home, in which a first store was made
        return
    try:
        os.fsync(folder)
    except OSError as error:
        if error.errno != errno.EINVAL:  # a file system that has no such thing
            raise
    finally:
        os.close(folder)
