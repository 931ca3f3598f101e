"""Parts that are about to go: said before they go, so that whoever publishes at this moment can tell.

Who collects garbage writes ``tmp/<unique>.going``, which names parts, *before* it reads the manifests for the last
time. Who publishes a version looks for such notes *after* its manifest has appeared. So either the collector sees the
manifest and spares the parts, or the writer sees the note, waits until it is gone, and sends again what is missing.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress

from headrace.core.errors import NotFoundError
from headrace.stores.backends.protocol import Backend

_SUFFIX = ".going"
_POLL = 0.05  # seconds between two looks


@contextmanager
def going(backend: Backend, digests: Collection[str], patience: float) -> Iterator[float]:
    """Say for the block that parts are about to go.

    Args:
        backend: The place.
        digests: The parts.
        patience: For how many seconds writers wait for the end of the block; then they take its collector for dead.

    Yields:
        Until when, by ``time.monotonic()``, parts may be taken away.
    """
    note = f"tmp/{uuid.uuid4().hex}{_SUFFIX}"
    until = time.monotonic() + patience / 2
    backend.put(note, json.dumps({"patience": patience, "parts": sorted(digests)}).encode())
    try:
        yield until
    finally:
        backend.delete(note)


def wait_for_collectors(backend: Backend, digests: Collection[str]) -> None:
    """Wait until none of these parts is about to go; notes of collectors that died are taken away."""
    wanted = frozenset(digests)
    began = time.monotonic()
    for note in [entry.key for entry in backend.list("tmp/") if entry.key.endswith(_SUFFIX)]:
        while (patience := _patience(backend, note, wanted)) is not None:
            if time.monotonic() - began > patience:
                backend.delete(note)
                break
            time.sleep(_POLL)


def _patience(backend: Backend, note: str, wanted: frozenset[str]) -> float | None:
    """Return how long to wait for a note; None where it is gone, or tells of other parts."""
    with suppress(NotFoundError, ValueError, KeyError, TypeError):  # gone; or no note of ours
        said = json.loads(bytes(backend.get(note)))
        return None if wanted.isdisjoint(said["parts"]) else float(said["patience"])
    return None
