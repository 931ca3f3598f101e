"""A bucket in one of the clouds, by requests of this very process."""

from __future__ import annotations

import re
import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, TypeVar

from headrace.core.amounts import text_of
from headrace.core.errors import ArgumentError, HeadraceError, NotFoundError, StoreError
from headrace.stores.backends.answers import judged, status_of
from headrace.stores.backends.clouds import Place
from headrace.stores.backends.content import size_of, whole
from headrace.stores.backends.keys import checked_key
from headrace.stores.backends.protocol import Content, Entry
from headrace.stores.backends.retrying import Passing, Patience

if TYPE_CHECKING:
    from obstore import ObjectMeta

    from headrace.stores.backends.clouds import Client

T = TypeVar("T")

MOST_ABSENT = 64 << 20
"""The largest object that is written only where there is none: what is sent in pieces cannot be so conditioned."""

_PIECE = 8 << 20  # of an upload in pieces
_WHOLE = 8 << 20  # up to this size an object is sent in one request
_SOON = 1 << 20  # up to this size sending takes no time of which one would have to think
_SENDING = 60.0  # seconds that a request with more may be silent in addition, while it is sent
_TRIES = 8  # of each piece, within an upload
_CHECK = 15.0  # seconds: a wrong address should be told soon
_WRITER = "writer"


class Bucket:
    """What :class:`~headrace.stores.backends.objects.Objects` does, where this process may make requests itself.

    Args:
        place: The bucket and the prefix.
        patience: How long to wait for it.
    """

    def __init__(self, place: Place, patience: Patience) -> None:
        self._place, self._patience = place, patience
        self._clients: dict[tuple[int, bool], Client] = {}
        self._opening = threading.Lock()

    @property
    def url(self) -> str:
        """The address, without secrets."""
        return self._place.url

    def check(self) -> None:
        """Make sure that the bucket is there and may be listed."""

        def first() -> None:
            next(iter(_obstore().list(self._client(), chunk_size=1)), None)

        self._ask(first, "looking at", None, self._patience.at_most(_CHECK))
        if self._place.endpoint and self.look(f"tmp/{uuid.uuid4().hex}") is not None:
            raise StoreError(
                f"{self.url}{self._place.server}: whatever is asked for is there, so this is no object store but a "
                "server of something else. Check the endpoint"
            )

    def get(self, key: str, start: int = 0, stop: int | None = None) -> bytes | memoryview:
        """Return an object's bytes, or those from ``start`` up to ``stop``."""
        name = self._name(key)
        if stop is not None and stop <= start:
            if self.look(key) is None:
                raise NotFoundError(f"there is no {key!r} in {self.url}")
            return b""
        return self._ask(lambda: self._got(name, start, stop), "reading", key)

    def look(self, key: str) -> Entry | None:
        """Return what is known of an object; None where there is none."""
        try:
            name = self._name(key)
            found = self._ask(lambda: _obstore().head(self._client(), name), "looking at", key)
        except NotFoundError:
            return None
        return _entry(key, found)

    def put(self, key: str, content: Content) -> None:
        """Write an object, in the place of what has the key; a large one in pieces, side by side."""
        name, large = self._name(key), size_of(content) > _WHOLE

        def send() -> None:
            body = content if large and isinstance(content, Path) else whole(content)
            client = self._client(_TRIES if large else 0, size_of(content))
            _obstore().put(client, name, body, use_multipart=large, chunk_size=_PIECE, max_concurrency=4)

        self._ask(send, "writing", key)

    def put_if_absent(self, key: str, content: Content) -> bool:
        """Write an object if there is none of this key, in one request.

        Raises:
            ArgumentError: It is larger than 64 MiB: write such objects by :meth:`put` under a name of their content.
        """
        if size_of(content) > MOST_ABSENT:
            raise ArgumentError(
                f"{key!r} has {text_of(size_of(content))}: at most {text_of(MOST_ABSENT)} can be written on condition"
            )
        name, writer, body = self._name(key), uuid.uuid4().hex, bytes(whole(content))
        unsure = False

        def send() -> bool:
            nonlocal unsure
            before, unsure = unsure, True  # until an answer comes
            try:
                client = self._client(sending=len(body))
                _obstore().put(client, name, body, mode="create", use_multipart=False, attributes={_WRITER: writer})
            except Exception as error:
                if type(error).__name__ not in ("AlreadyExistsError", "PreconditionError"):
                    raise
                if "ConditionalRequestConflict" in str(error):
                    raise Passing("another writer at the same moment") from None
                return before and self._is_by(name, writer)
            return True

        return self._ask(send, "writing", key)

    def list(self, prefix: str = "") -> Iterator[Entry]:
        """Yield all objects whose keys begin with a prefix, sorted by key; a page at a time."""
        if self._place.cloud == "az":  # its order is not that of the keys
            return iter(sorted(self._listed(prefix), key=lambda entry: entry.key))
        return self._listed(prefix)

    def delete(self, key: str) -> None:
        """Take an object away; nothing happens where there is none."""
        name = self._name(key)
        try:
            self._ask(lambda: _obstore().delete(self._client(), name), "deleting", key)
        except NotFoundError:
            pass

    def _listed(self, prefix: str) -> Iterator[Entry]:
        """Give what is below a prefix; after a page that failed, go on behind the last key that came."""
        above = self._encoded(prefix.rpartition("/")[0]) or None
        pages, behind = _Pages(self._client, above), None
        while page := self._ask(partial(pages.turn, behind), "listing", None):
            for found in page:
                behind = found["path"]
                key = self._decoded(behind)
                if key.startswith(prefix):
                    yield _entry(key, found)

    def _got(self, name: str, start: int, stop: int | None) -> bytes | memoryview:
        """Ask once for a range, and make sure that it came whole."""
        obstore, client = _obstore(), self._client()
        try:
            if stop is not None:
                return memoryview(obstore.get_range(client, name, start=start, end=stop))
            options = {"range": {"offset": start}} if start else None
            answer = obstore.get(client, name, options=options)
            body = memoryview(answer.bytes())
        except Exception as error:
            if _past_end(error) and start >= obstore.head(client, name)["size"]:
                return b""
            raise
        first, last = answer.range
        if len(body) != last - first or first != start:
            raise Passing(f"{len(body)} bytes for the range from {first} to {last}")
        return body

    def _is_by(self, name: str, writer: str) -> bool:
        """Return whether an object was written by this very call."""
        try:
            return bool(_obstore().get(self._client(), name).attributes.get(_WRITER) == writer)
        except FileNotFoundError:
            return False

    def _ask(self, work: Callable[[], T], doing: str, key: str | None, patience: Patience | None = None) -> T:
        def once() -> T:
            try:
                return work()
            except (HeadraceError, Passing):
                raise
            except Exception as error:
                raise judged(error, self._place, key) from None

        what = f"{doing} {key!r} in {self.url}" if key is not None else f"{doing} {self.url}"
        return (patience or self._patience).ask(what + self._place.server, once)

    def _client(self, tries: int = 0, sending: int = 0) -> Client:
        """Return a client.

        Args:
            tries: How often it tries again by itself, which is worth it for the pieces of a large upload.
            sending: How many bytes are sent: until all are, it hears nothing.
        """
        slow = sending > _SOON
        with self._opening:
            if (tries, slow) not in self._clients:
                patience = replace(self._patience, timeout=self._patience.timeout + _SENDING * slow)
                self._clients[tries, slow] = self._place.client(patience, tries)
            return self._clients[tries, slow]

    def _name(self, key: str) -> str:
        return self._encoded(checked_key(key))

    def _encoded(self, key: str) -> str:
        """Return the name of an object: Azure drops dots at the end of a part, so there a ``~`` follows them."""
        return re.sub(r"\.(~*)(?=/|$)", r".\1~", key) if self._place.cloud == "az" else key

    def _decoded(self, name: str) -> str:
        return re.sub(r"\.(~*)~(?=/|$)", r".\1", name) if self._place.cloud == "az" else name


@dataclass
class _Pages:
    """A listing as it comes."""

    client: Callable[[], Client]
    above: str | None
    left: Iterator[Sequence[ObjectMeta]] | None = None

    def turn(self, behind: str | None) -> Sequence[ObjectMeta]:
        """Return the next page, which is empty at the end; begin again behind a name where the last call failed."""
        left, self.left = self.left, None
        if left is None:
            left = iter(_obstore().list(self.client(), self.above, offset=behind, chunk_size=1000))
        page = next(left, ())
        self.left = left
        return page


def _past_end(error: Exception) -> bool:
    """Return whether a range may begin behind the end, which each server says in its own way."""
    text = str(error)
    return status_of(text)[0] == 416 or "StartTooLarge" in text or "ParseContentRange" in text


def _entry(key: str, found: ObjectMeta) -> Entry:
    return Entry(key, found["size"], found["last_modified"].timestamp())


def _obstore() -> ModuleType:
    """Return the library, which a client that is there has proved to be installed."""
    import obstore

    return obstore
