"""Parts that are sent while the next ones are being made."""

from __future__ import annotations

import time
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path
from types import TracebackType
from typing import Self

from headrace.core.errors import HeadraceError
from headrace.stores.backends.protocol import Backend
from headrace.stores.manifest import Part
from headrace.stores.packing import Codec
from headrace.stores.transfer.upload import upload

_PARTS = 4  # sent at once
_THREADS = 8  # that send files, and pack pieces of them


class Sending:
    """Sends parts ahead of their version's publication, which sends what this did not get done.

    Nothing that goes wrong here is told: it goes wrong again there, or it does not matter.

    Args:
        backend: Where to.
        compression: How files are packed.
        scratch: A folder for packed files until they are sent.
    """

    def __init__(self, backend: Backend, compression: Codec | None, scratch: Path) -> None:
        self._backend = backend
        self._compression = compression
        self._scratch = scratch
        self._parts = ThreadPoolExecutor(_PARTS, "headrace-send")
        self._pieces = ThreadPoolExecutor(_THREADS, "headrace-upload")
        self._running: dict[str, Future[Part | None]] = {}
        self._sent: dict[str, tuple[float, Part]] = {}
        self._vain = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._vain = True
        for future in self._running.values():
            future.cancel()
        self._parts.shutdown()
        self._pieces.shutdown()

    def part(self, folder: Path, part: Part, /) -> None:
        """Begin to send a part that lies in a folder."""
        if not self._vain and part.digest not in self._running and part.digest not in self._sent:
            self._running[part.digest] = self._parts.submit(self._send, folder, part)

    def _send(self, folder: Path, part: Part) -> Part | None:
        if self._vain:
            return None
        try:
            return upload(
                self._backend, folder, part, self._compression, self._pieces, scratch=self._scratch, known=True
            )
        except (HeadraceError, OSError, RuntimeError):
            self._vain = True  # one does not wait for the same answer with each part
            return None

    def settle(self) -> None:
        """Wait for what was begun."""
        wait(self._running.values())
        for digest, future in self._running.items():
            sent = future.result()
            if sent is not None:
                self._sent[digest] = time.monotonic(), sent
        self._running.clear()

    def sent(self, digest: str, seconds: float) -> Part | None:
        """Return a part that was sent in the last seconds, with how it is packed."""
        at, part = self._sent.get(digest, (0.0, None))
        return part if time.monotonic() - at < seconds else None
