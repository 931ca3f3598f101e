"""Stages: the folders in which versions are prepared, and how long one stays whose writer has died.

A stage that can be gone on with is named by what is written: by the id and version in front, and by all that decides
what its files hold behind. It stays when its writer dies or fails, for a week; nobody but who writes the same uses it.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import time
import uuid
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from headrace.core.errors import ExistsError
from headrace.stores.building.journal import NAME
from headrace.stores.disk import is_held, take_lock
from headrace.stores.manifest import FORMAT

KEPT = 7 * 24 * 3600.0
"""Seconds for which a stage stays that nobody goes on with."""

_JOURNALS = 1  # the format of what lies in a stage


@dataclass(frozen=True)
class About:
    """What is written: who writes the same goes on where another has died.

    Args:
        id: The dataset.
        version: The version.
        identity: Of the records: a digest of what they are made of. Records that could differ must have another.
        length: How many there are.
        part_bytes: About how large a part becomes.
        allow_pickle: Whether objects are pickled.
    """

    id: str
    version: str
    identity: str
    length: int
    part_bytes: int | None = None
    allow_pickle: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return all that decides what the files hold, their format included."""
        return {**asdict(self), "format": FORMAT, "journals": _JOURNALS}

    @property
    def name(self) -> str:
        """The name of the stage.

        >>> About("data", "1", "a", 3).name.split("-")[0] == About("data", "1", "b", 3).name.split("-")[0]
        True
        """
        return f"{_digest([self.id, self.version])}-{_digest(self.to_json())}"


def claim(folder: Path, about: About | None) -> tuple[Path, int]:
    """Make a stage in a folder, or take over the one that a dead writer of the same has left.

    Call it under a lock of the folder, under which stages are cleared away, too.

    Args:
        folder: Of all stages.
        about: What is to be written; None for a stage that nobody can go on with.

    Returns:
        The stage and its lock, which is held. Where another process is writing the same, it is a stage of one's own.
    """
    stage = folder / uuid.uuid4().hex
    if about is not None:
        for other in folder.glob(f"{about.name.partition('-')[0]}-*"):
            if other.name != about.name and not is_held(other / "lock"):  # the same version, of something else
                shutil.rmtree(other, ignore_errors=True)
        if not is_held(folder / about.name / "lock"):
            stage = folder / about.name
    stage.mkdir(exist_ok=True)
    return stage, take_lock(stage / "lock")


def is_kept(stage: Path, seconds: float = KEPT) -> bool:
    """Tell whether a stage that nobody holds is worth keeping: something in it is safe, and not older than this."""
    with suppress(OSError):
        return time.time() - (stage / NAME).stat().st_mtime < seconds
    return False


def leave(stage: Path, error: BaseException | None) -> None:
    """Take a stage away when it is left, unless the error leaves something to go on with. Its lock is still held."""
    if error is None or isinstance(error, ExistsError) or not is_kept(stage):
        shutil.rmtree(stage, ignore_errors=True)


def _digest(said: Any) -> str:
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:20]
