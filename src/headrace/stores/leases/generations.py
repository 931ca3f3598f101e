"""Where leases lie on a back end, and how the newest is found even where listings lag.

::

    leases/<key>/<n>         the lease of the n-th holder, written if absent: who writes it has the turn, n is the fence
    leases/<key>/<n>.beat    a sign of life, which its holder alone writes again and again

Numbers rise and none is given twice: the newest lease always stays, and what is cleared away are the oldest, in order.
So from any lease that is there, the newest is found by looking for one number after the other. A listing only says
where to begin. It may lag by up to an hour, since all leases stay that were given within an hour (by the clock of the
place, compared with itself) and the newest before that. Whoever slept for so long that it wrote a number anew which was
cleared away meanwhile, finds a newer one right after.
"""

from __future__ import annotations

from dataclasses import dataclass

from headrace.core.errors import NotFoundError
from headrace.stores.backends.protocol import Backend, Entry

_KEPT = 3600.0
"""Seconds for which a lease stays, once a newer one is there."""


@dataclass(frozen=True)
class Generations:
    """The leases that were given for one version.

    Args:
        backend: Where they lie.
        key: The version's, as by :func:`~headrace.stores.leases.turns.key_of`.
    """

    backend: Backend
    key: str

    def _lease(self, n: int) -> str:
        return f"leases/{self.key}/{n}"

    def newest(self, known: int = 0) -> int:
        """Return the number of the newest lease, 0 if there is none; it is ``known`` or higher."""
        return self.above(max([known, *self._listed()]))

    def above(self, n: int) -> int:
        """Return the number of the newest lease, from that of one which is there."""
        while self.backend.look(self._lease(n + 1)) is not None:
            n += 1
        return n

    def claim(self, n: int, content: bytes) -> bool:
        """Write the lease of a number that follows the newest; return whether it is ours, and the newest now."""
        return self.backend.put_if_absent(self._lease(n), content) and self.newest(n) == n

    def holds(self, n: int, content: bytes) -> bool:
        """Return whether the lease of a number is ours still, and the newest.

        One that vanished, as where everything expires after a while, is put back unless there is another.
        """
        if self.above(n) > n:
            return False
        found = self.read(n)
        return self.claim(n, content) if found is None else found == content

    def read(self, n: int) -> bytes | None:
        """Return what was written with a lease; None where it is gone."""
        return self._get(self._lease(n))

    def beat(self, n: int, content: bytes) -> None:
        """Give a sign of life."""
        self.backend.put(f"{self._lease(n)}.beat", content)

    def last_beat(self, n: int) -> bytes | None:
        """Return the last sign of life; None if none was given yet."""
        return self._get(f"{self._lease(n)}.beat")

    def _get(self, key: str) -> bytes | None:
        try:
            return bytes(self.backend.get(key))
        except NotFoundError:
            return None

    def _listed(self) -> dict[int, Entry]:
        """Return the leases that a listing shows, by number."""
        prefix = f"leases/{self.key}/"
        found = ((entry.key.removeprefix(prefix), entry) for entry in self.backend.list(prefix))
        return {int(name): entry for name, entry in found if name.isdecimal()}

    def clear(self, n: int) -> None:
        """Take old leases away, the oldest first, when the newest is that of a number."""
        listed = self._listed()
        now = listed[n].modified if n in listed else None
        if now is None:  # the place keeps no times, or does not list it yet: the next one clears
            return
        old = [m for m, entry in sorted(listed.items()) if entry.modified is not None and now - entry.modified > _KEPT]
        for m in old[:-1]:
            self.backend.delete(f"{self._lease(m)}.beat")
            self.backend.delete(self._lease(m))
