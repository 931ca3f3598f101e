"""Objects in the clouds: Amazon's S3 and what speaks its protocol, Google's and Microsoft's."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping

from headrace.stores.backends.bucket import Bucket
from headrace.stores.backends.clouds import Place, is_forked
from headrace.stores.backends.protocol import Backend, Content, Entry
from headrace.stores.backends.retrying import Patience


class Objects:
    """A :class:`~headrace.stores.backends.protocol.Backend` in a bucket, by obstore.

    Credentials come from the cloud's usual environment. An object is written whole or not at all: in one request, or
    in pieces that become an object with the last request; a writer that is killed in between leaves pieces that are
    no object (a rule of the bucket's life cycle can clear them: "abort incomplete multipart uploads"). Where there may
    be none already (``If-None-Match: *``, GCS's ``ifGenerationMatch=0``), each writer signs its own, so that a call
    whose answer was lost knows afterwards whether it was the one.

    In a child that was forked from a process which has the client loaded, a helper process makes the requests: the
    client's threads do not survive a fork.

    Args:
        url: ``s3://bucket/prefix``, ``gs://bucket/prefix``, ``az://container/prefix`` or
            ``az://container@account/prefix``.
        endpoint: The server's address, where it is not the cloud's own; ``http://`` is allowed if it says so.
        options: Settings by obstore's names, such as ``region`` or ``skip_signature``; also ``deadline`` and
            ``timeout`` in seconds (see :class:`~headrace.stores.backends.retrying.Patience`).
    """

    def __init__(self, url: str, endpoint: str | None = None, options: Mapping[str, str] | None = None) -> None:
        self._given = (url, endpoint, dict(options or {}))
        self._patience, settings = Patience.among(options or {})
        self._place = Place.of(url, endpoint, settings)
        self._opened: tuple[int, Backend] | None = None

    def __repr__(self) -> str:
        return f"Objects({self.url!r})"

    def __reduce__(self) -> tuple[type[Objects], tuple[str, str | None, dict[str, str]]]:
        return Objects, self._given

    @property
    def url(self) -> str:
        """The address, without secrets."""
        return self._place.url

    def check(self) -> None:
        """Make sure that the bucket is there and may be listed."""
        self._reached().check()

    def get(self, key: str, start: int = 0, stop: int | None = None) -> bytes | memoryview:
        """Return an object's bytes, or those from ``start`` up to ``stop``."""
        return self._reached().get(key, start, stop)

    def look(self, key: str) -> Entry | None:
        """Return what is known of an object; None where there is none."""
        return self._reached().look(key)

    def put(self, key: str, content: Content) -> None:
        """Write an object, in the place of what has the key; a large one in pieces, side by side."""
        self._reached().put(key, content)

    def put_if_absent(self, key: str, content: Content) -> bool:
        """Write an object if there is none of this key, in one request.

        Raises:
            ArgumentError: It is larger than 64 MiB: write such objects by :meth:`put` under a name of their content.
        """
        return self._reached().put_if_absent(key, content)

    def list(self, prefix: str = "") -> Iterator[Entry]:
        """Yield all objects whose keys begin with a prefix, sorted by key; a page at a time."""
        return self._reached().list(prefix)

    def delete(self, key: str) -> None:
        """Take an object away; nothing happens where there is none."""
        self._reached().delete(key)

    def _reached(self) -> Backend:
        """Return what makes requests in this process."""
        opened, process = self._opened, os.getpid()
        if opened is None or opened[0] != process:
            opened = (process, self._open())
            self._opened = opened
        return opened[1]

    def _open(self) -> Backend:
        if not is_forked():
            return Bucket(self._place, self._patience)
        from headrace.stores.backends.forked import Carried

        return Carried(self._place, self._patience)
