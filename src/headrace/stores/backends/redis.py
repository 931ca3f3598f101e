"""A Redis server."""

from __future__ import annotations

import os
import re
import struct
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast
from urllib.parse import unquote, urlsplit

from headrace.core.errors import ArgumentError, DeniedError, HeadraceError, MissingExtraError, NotFoundError, StoreError
from headrace.stores.backends.content import sending, size_of, whole
from headrace.stores.backends.keys import checked_key
from headrace.stores.backends.protocol import Content, Entry
from headrace.stores.backends.redis_scripts import GONE, HEADER, KEPT, PUT, USED
from headrace.stores.backends.retrying import Passing, Patience

if TYPE_CHECKING:
    from redis import Redis as Client

T = TypeVar("T")

CHUNK: Final = 16 << 20
"""How large a value becomes; Redis allows 512 MB, and hands out only whole commands."""

_DAY = 86_400.0
_MARGIN = 60.0  # seconds for which parts outlive the manifest that named them last
_CHECK = 15.0
_HEAD = struct.Struct("<Q16s16s")  # behind the time: size, the chunks' token, the writer's
_INLINE = bytes(16)
_MANIFEST = re.compile(r"datasets/[^/]+/(\.replaced/)?[^/.][^/]*\.json")
_SETTINGS = {"username", "password", "ssl_ca_certs", "ssl_certfile", "ssl_keyfile"}
_CHECKS = "the user and the password, in the URL, among the options, or as REDISCLI_AUTH"


class Redis:
    """A :class:`~headrace.stores.backends.protocol.Backend` in a Redis server (version 6 or newer; no cluster).

    An object is one value, or a header and chunks of 16 MiB if it is larger; it appears with its header, in one step.
    The server should not evict by itself (``maxmemory-policy noeviction``): it knows nothing of versions.

    With a **ttl**, whole versions expire: that many seconds after they were last written or read. A version's manifest
    goes first and its parts a minute later; publishing or reading a version renews all of it in one step, a part that
    several versions share lives as long as the longest of them. Parts that no manifest names yet stay for a day, from
    when they were written or looked for. Tags and the like do not expire.

    Args:
        url: ``redis://host:port/db/prefix``, or ``rediss://`` for TLS; port 6379 and database 0 where none are said.
        options: ``username``, ``password``, ``ssl_ca_certs``, ``ssl_certfile``, ``ssl_keyfile``; also ``deadline`` and
            ``timeout`` in seconds (see :class:`~headrace.stores.backends.retrying.Patience`).
        ttl: In seconds; None for no end.
    """

    def __init__(self, url: str, options: Mapping[str, str] | None = None, ttl: float | None = None) -> None:
        self._given = (url, dict(options or {}), ttl)
        self._patience, settings = Patience.among(options or {})
        self._server = _Server.of(url, settings)
        if ttl is not None and not ttl > 0:
            raise ArgumentError(f"ttl must be a number of seconds above 0, got {ttl!r}")
        self._ttl = 0 if ttl is None else max(1, round(ttl * 1000))
        self._space = f"{self._server.prefix}/" if self._server.prefix else ""
        self._parts = f"\0part/{self._space}"
        self._opened: dict[int, Client] = {}

    def __repr__(self) -> str:
        return f"Redis({self.url!r})"

    def __reduce__(self) -> tuple[type[Redis], tuple[str, dict[str, str], float | None]]:
        return Redis, self._given

    @property
    def url(self) -> str:
        """The address, without user and password."""
        return self._server.url

    def check(self) -> None:
        """Make sure that the server answers, and lets us in."""
        self._ask(lambda: self._client().exists("\0"), "looking at", None, self._patience.at_most(_CHECK))

    def get(self, key: str, start: int = 0, stop: int | None = None) -> bytes | memoryview:
        """Return an object's bytes, or some of them: of the chunks that they lie in alone."""
        name = self._name(key)
        return self._ask(lambda: self._got(key, name, start, stop), "reading", key)

    def look(self, key: str) -> Entry | None:
        """Return what is known of an object; None where there is none. A part stays for a while, to be named."""
        name, digest = self._name(key), _digest(key)

        def head() -> bytes:
            if not digest:
                return cast(bytes, self._client().getrange(name, 0, HEADER - 1))
            making = _milliseconds(_DAY)
            return cast(bytes, self._run(KEPT, name, self._ttl, making, self._parts, digest))

        found = self._ask(head, "looking at", key)
        return self._header(key, found).entry(key) if found else None

    def put(self, key: str, content: Content) -> None:
        """Write an object, in the place of what has the key."""
        self._write(key, content, absent=False)

    def put_if_absent(self, key: str, content: Content) -> bool:
        """Write an object if there is none of this key, in one step."""
        return self._write(key, content, absent=True)

    def list(self, prefix: str = "") -> Iterator[Entry]:
        """Yield all objects whose keys begin with a prefix, sorted by key; all their names are held meanwhile."""
        pattern = re.sub(r"([\[\]*?\\^])", r"\\\1", self._space + prefix) + "*"
        names = self._ask(lambda: set(self._client().scan_iter(match=pattern, count=1000)), "listing", None)
        keys = iter(sorted(name.decode()[len(self._space) :] for name in names if not name.startswith(b"\0")))
        while some := tuple(islice(keys, 500)):
            heads = self._ask(partial(self._heads, some), "listing", None)
            yield from (self._header(key, head).entry(key) for key, head in zip(some, heads) if head)

    def delete(self, key: str) -> None:
        """Take an object away, with its chunks."""
        name = self._name(key)

        def remove() -> None:
            if head := cast(bytes, self._run(GONE, name)):
                self._discard(self._header(key, head))

        self._ask(remove, "deleting", key)

    def _heads(self, keys: Iterable[str]) -> Sequence[bytes]:
        pipe = self._client().pipeline(transaction=False)
        for key in keys:
            pipe.getrange(self._space + key, 0, HEADER - 1)
        return cast("Sequence[bytes]", pipe.execute())

    def _got(self, key: str, name: str, start: int, stop: int | None) -> bytes | memoryview:
        """Read the header and what follows it in one step; then the chunks, which a writer may take away meanwhile."""
        pipe = self._client().pipeline(transaction=True)
        pipe.getrange(name, 0, HEADER - 1)
        if stop is None or stop > start:
            pipe.getrange(name, HEADER + start, -1 if stop is None else HEADER + stop - 1)
        head, *body = pipe.execute()
        if not head:
            raise NotFoundError(f"there is no {key!r} in {self.url}")
        header = self._header(key, head)
        self._used(key, name)
        stop = header.size if stop is None else min(stop, header.size)
        if stop <= start:
            return b""
        found = cast(bytes, body[0]) if header.token == _INLINE else self._joined(header, start, stop)
        if len(found) != stop - start:
            raise Passing(f"{len(found)} bytes of {stop - start}: it is being replaced, or chunks of it are lost")
        return found

    def _joined(self, header: _Header, start: int, stop: int) -> bytes:
        chunks = self._chunks(header)
        pieces = []
        for number in range(start // CHUNK, (stop - 1) // CHUNK + 1):
            first, last = max(start - number * CHUNK, 0), min(stop - number * CHUNK, CHUNK)
            pieces.append(cast(bytes, self._client().getrange(chunks[number], first, last - 1)))
        return b"".join(pieces)

    def _used(self, key: str, name: str) -> None:
        kind, digest = _kind(key), _digest(key)
        if self._ttl and kind != "other":
            self._run(USED, name, kind, self._ttl, _milliseconds(_MARGIN), self._parts, digest)

    def _write(self, key: str, content: Content, absent: bool) -> bool:
        name, writer, size = self._name(key), uuid.uuid4().bytes, size_of(content)
        inline = size <= CHUNK or _kind(key) == "manifest"  # of which the server reads what it names
        header = _Header(0.0, size, _INLINE if inline else uuid.uuid4().bytes, writer)
        if absent and self.look(key) is not None:
            return False

        def send() -> bool:
            body = bytes(whole(content)) if header.token == _INLINE else b""
            chunks = self._chunks(header)
            for chunk, piece in zip(chunks, _pieces(content)):
                self._client().set(chunk, piece, px=_milliseconds(_DAY))  # should nobody come to name it
            times = self._ttl, _milliseconds(_MARGIN), _milliseconds(_DAY)
            about = int(absent), _kind(key), *times, self._parts, _digest(key)
            written, old = self._run(PUT, name, header.encode() + body, *about, *chunks)
            before = self._header(key, old) if old else None
            ours = bool(written) or (before is not None and before.writer == writer)
            if not ours:
                self._discard(header)
            elif before is not None and before.writer != writer:
                self._discard(before)
            return ours

        return self._ask(send, "writing", key)

    def _discard(self, header: _Header) -> None:
        """Take away the chunks of what is no object any more."""
        if chunks := self._chunks(header):
            self._client().delete(*chunks)

    def _chunks(self, header: _Header) -> Sequence[str]:
        """Return the names of an object's chunks, none where it has none."""
        if header.token == _INLINE:
            return ()
        return [f"\0chunk/{self._space}{header.token.hex()}/{number}" for number in range(-(-header.size // CHUNK))]

    def _header(self, key: str, head: bytes) -> _Header:
        try:
            return _Header(int(head[:16]) / 1000, *_HEAD.unpack(head[16:HEADER]))
        except (ValueError, struct.error):
            raise StoreError(f"{key!r} in {self.url} was not written by Headrace: choose another prefix") from None

    def _run(self, script: str, name: str, *args: str | bytes | int) -> Any:
        return self._client().register_script(script)(keys=[name], args=[*args])

    def _ask(self, work: Callable[[], T], doing: str, key: str | None, patience: Patience | None = None) -> T:
        what = f"{doing} {key!r} in {self.url}" if key is not None else f"{doing} {self.url}"

        def once() -> T:
            try:
                return work()
            except (HeadraceError, Passing):
                raise
            except Exception as error:
                raise _judged(error, what) from None

        return (patience or self._patience).ask(what, once)

    def _client(self) -> Client:
        """Return this process's client: one for all threads, since one that is dropped closes what it has open."""
        process = os.getpid()
        if process not in self._opened:  # without a lock, which a fork might leave taken
            self._opened.setdefault(process, self._server.client(self._patience))
        return self._opened[process]

    def _name(self, key: str) -> str:
        return self._space + checked_key(key)


@dataclass(frozen=True)
class _Server:
    """A server, and a prefix in one of its databases."""

    host: str
    port: int
    database: int
    prefix: str
    secure: bool
    settings: Mapping[str, str]

    @classmethod
    def of(cls, url: str, settings: Mapping[str, str]) -> _Server:
        found = urlsplit(url)
        first, _, prefix = found.path.lstrip("/").partition("/")
        if unknown := set(settings) - _SETTINGS:
            raise ArgumentError(f"no option {min(unknown)!r} of redis://; there are {', '.join(sorted(_SETTINGS))}")
        try:
            host, port, database = found.hostname, found.port or 6379, int(first or 0)
        except ValueError:
            host, port, database = None, 0, 0
        if host is None or found.query or found.fragment:
            raise ArgumentError(
                f"a {found.scheme}:// URL reads {found.scheme}://host:port/db/prefix, db being a number"
            )
        if prefix := prefix.strip("/"):
            checked_key(prefix)
        said = {"username": found.username, "password": found.password}
        given = {name: unquote(value) for name, value in said.items() if value}
        return cls(host, port, database, prefix, found.scheme == "rediss", {**given, **settings})

    @property
    def url(self) -> str:
        return f"redis{'s' * self.secure}://{self.host}:{self.port}/{self.database}" + (
            f"/{self.prefix}" if self.prefix else ""
        )

    def client(self, patience: Patience) -> Client:
        try:
            from redis import Redis as Client
            from redis.backoff import NoBackoff
            from redis.retry import Retry
        except ImportError as error:
            raise MissingExtraError.of("redis", "redis", "a store at redis://") from error
        settings: dict[str, Any] = {"password": os.environ.get("REDISCLI_AUTH"), **self.settings}
        return Client(
            host=self.host,
            port=self.port,
            db=self.database,
            ssl=self.secure,
            socket_timeout=patience.timeout,
            socket_connect_timeout=min(patience.timeout, 10.0),
            retry=Retry(NoBackoff(), 0),  # by us, until the deadline
            **settings,
        )


@dataclass(frozen=True)
class _Header:
    """What stands before an object's content."""

    modified: float
    size: int
    token: bytes
    writer: bytes

    def encode(self) -> bytes:
        return _HEAD.pack(self.size, self.token, self.writer)

    def entry(self, key: str) -> Entry:
        return Entry(key, self.size, self.modified)


def _judged(error: Exception, what: str) -> Exception:
    from redis import exceptions

    text = str(error).partition("\n")[0]
    if isinstance(error, exceptions.AuthenticationError | exceptions.NoPermissionError | exceptions.AuthorizationError):
        return DeniedError(f"{what}: permission denied ({text}). Check {_CHECKS}")
    if re.match(r"NOAUTH|WRONGPASS|NOPERM", text):
        return DeniedError(f"{what}: permission denied ({text}). Check {_CHECKS}")
    if isinstance(error, exceptions.ConnectionError | exceptions.TimeoutError | exceptions.BusyLoadingError | OSError):
        return Passing(text or type(error).__name__)
    if text.startswith("OOM") or isinstance(error, exceptions.OutOfMemoryError):
        return StoreError(f"{what}: the server is full ({text}). Raise its maxmemory, delete versions, or set ttl=")
    return StoreError(f"{what}: the server refused it: {text}")


def _pieces(content: Content) -> Iterator[bytes]:
    """Give the chunks of a large object, one at a time."""
    if isinstance(content, Path):
        with sending(content):
            file = open(content, "rb")
        with file:
            while piece := file.read(CHUNK):
                yield piece
    else:
        view = whole(content)
        yield from (bytes(view[start : start + CHUNK]) for start in range(0, len(view), CHUNK))


def _kind(key: str) -> str:
    if _digest(key):
        return "part"
    return "manifest" if _MANIFEST.fullmatch(key) else "other"


def _digest(key: str) -> str:
    """Return the name of the part that an object belongs to, if it does to one."""
    found = re.match(r"objects/([0-9a-f]{64})/", key)
    return found[1] if found else ""


def _milliseconds(seconds: float) -> int:
    return round(seconds * 1000)
