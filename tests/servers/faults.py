"""A proxy that stands before a server over HTTP and does what networks and busy servers do."""

from __future__ import annotations

import random
import re
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException, HTTPMessage, parse_headers
from io import BufferedReader
from typing import Literal, TypeAlias

Kind: TypeAlias = Literal["500", "503", "429", "403", "reset", "lost", "stall", "truncate", "corrupt"]


@dataclass
class Fault:
    """What goes wrong, and with which requests.

    Args:
        kind: ``"500"``, ``"503"``, ``"429"`` and ``"403"`` are answered without asking the server. ``"reset"`` breaks
            the connection before the server is asked, ``"lost"`` after it has done what was asked. ``"stall"`` gives
            no answer for ``seconds``, then breaks off. ``"truncate"`` breaks off in the middle of the body, of which
            all had been promised. ``"corrupt"`` flips one bit in the middle of the body.
        times: This many requests, then no more; None for all.
        chance: Of those that match, how many are hit.
        method: Only requests of this method, such as ``"PUT"``.
        path: Only requests whose path with its query matches this regular expression somewhere.
        body: The least number of bytes of an answer's body, for ``"truncate"`` and ``"corrupt"``: listings and errors
            are small.
        seconds: How long a stall lasts.
    """

    kind: Kind
    times: int | None = 1
    chance: float = 1.0
    method: str | None = None
    path: str = ""
    body: int = 1
    seconds: float = 30.0
    hits: int = 0


@dataclass
class Request:
    """One request as it came."""

    method: str
    path: str
    headers: HTTPMessage
    body: bytes


@dataclass
class Answer:
    """What the server said."""

    status: int
    reason: str
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""


class FaultProxy:
    """An HTTP proxy before a server, which can be told what shall go wrong.

    ::

        with FaultProxy.before(s3.endpoint) as proxy:              # any server: S3, GCS, Azure
            backend = open_backend("s3://bucket/x", endpoint=proxy.endpoint, options=s3.options)
            proxy.fail("503", times=2)                             # the next two requests
            proxy.fail("truncate", method="GET", body=1000)        # the next answer with so large a body
            proxy.fail("reset", times=None, chance=0.1, seed=7)    # one in ten, until `proxy.heal()`
            with proxy.failing("stall", times=None, seconds=5):    # while the block lasts
                ...
            proxy.requests["PUT"], proxy.hits                      # how many came, how many were hit
            proxy.log                                              # (method, path) of each request, in order
            proxy.lag = 2.0                                        # listings as they were 2 seconds ago

    Bodies pass whole: what is sent through it must fit into memory. A **lagging listing** answers as the same listing
    was answered ``lag`` seconds ago: the proxy asks the server for it now, and shows of all answers that it has seen
    the youngest that is old enough, or an empty one, with what lies under the prefix hidden, where there is none.
    """

    def __init__(self, upstream: str) -> None:
        host, _, port = upstream.partition("://")[2].partition("/")[0].partition(":")
        self.upstream = (host, int(port))
        self.lag = 0.0
        self.requests: Counter[str] = Counter()
        self.log: list[tuple[str, str]] = []
        self.hits = 0
        self._tail = upstream.partition("://")[2].partition("/")[2]
        self._faults: list[Fault] = []
        self._seen: dict[str, list[tuple[float, Answer]]] = {}
        self._lock = threading.Lock()
        self._random = random.Random(0)
        self._open: set[socket.socket] = set()
        self._closed = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)

    @classmethod
    @contextmanager
    def before(cls, upstream: str) -> Iterator[FaultProxy]:
        """Start a proxy before the server at an address (``http://127.0.0.1:9000``), and end it with the block."""
        proxy = cls(upstream)
        thread = threading.Thread(target=proxy._listen, name="fault proxy", daemon=True)
        thread.start()
        try:
            yield proxy
        finally:
            proxy.close()
            thread.join(10)

    @property
    def endpoint(self) -> str:
        """Where it listens, with the path of the server's own address."""
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}" + (f"/{self._tail}" if self._tail else "")

    def fail(
        self,
        kind: Kind,
        times: int | None = 1,
        *,
        chance: float = 1.0,
        seed: int | None = None,
        method: str | None = None,
        path: str = "",
        body: int = 1,
        seconds: float = 30.0,
    ) -> Fault:
        """Let something go wrong from now on; see :class:`Fault`. Its ``hits`` say how often it did."""
        fault = Fault(kind, times, chance, method, path, body, seconds)
        with self._lock:
            if seed is not None:
                self._random = random.Random(seed)
            self._faults.append(fault)
        return fault

    def heal(self) -> None:
        """Let nothing go wrong any more."""
        with self._lock:
            self._faults.clear()

    @contextmanager
    def failing(self, kind: Kind, times: int | None = None, **which: object) -> Iterator[Fault]:
        """Let something go wrong while the block lasts."""
        fault = self.fail(kind, times, **which)  # type: ignore[arg-type]
        try:
            yield fault
        finally:
            with self._lock:
                with suppress(ValueError):
                    self._faults.remove(fault)

    def close(self) -> None:
        """Break all connections and listen no more."""
        self._closed.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            for connection in self._open:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def _listen(self) -> None:
        while not self._closed.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                self._open.add(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        """Answer the requests of one connection until either side is through with it."""
        upstream = HTTPConnection(*self.upstream, timeout=60)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            with connection, connection.makefile("rb") as incoming:
                while (request := _read(incoming, connection)) is not None:
                    if not self._handle(request, connection, upstream):
                        return
        except (OSError, ValueError, HTTPException):
            pass  # the client or the server went away, or the proxy was closed
        finally:
            upstream.close()
            with self._lock:
                self._open.discard(connection)

    def _handle(self, request: Request, connection: socket.socket, upstream: HTTPConnection) -> bool:
        """Answer one request; return whether the connection is still good."""
        fault = self._note(request)
        kind = fault.kind if fault else None
        if kind in ("500", "503", "429", "403"):
            assert kind is not None
            body = f"<Error><Code>Planted</Code><Message>planted {kind}</Message></Error>".encode()
            _send(connection, request, Answer(int(kind), "Planted", [("Content-Type", "application/xml")], body))
            return True
        if kind == "reset":
            return _reset(connection)
        if kind == "stall":
            assert fault is not None
            self._closed.wait(fault.seconds)
            return False
        answer = self._answer(request, upstream)
        if kind == "lost":
            return _reset(connection)
        late = self._strike(request, answer)
        if late == "corrupt":
            middle = len(answer.body) // 2
            answer.body = answer.body[:middle] + bytes([answer.body[middle] ^ 4]) + answer.body[middle + 1 :]
        _send(connection, request, answer, part=0.5 if late == "truncate" else 1.0)
        return late != "truncate"

    def _note(self, request: Request) -> Fault | None:
        """Count a request, and return what goes wrong with it before its answer is known."""
        with self._lock:
            self.requests[request.method] += 1
            self.log.append((request.method, request.path))
            return self._pick(request, lambda fault: fault.kind not in ("truncate", "corrupt"))

    def _strike(self, request: Request, answer: Answer) -> Kind | None:
        """Return what goes wrong with an answer's body."""
        if answer.status >= 300 or request.method == "HEAD":
            return None
        with self._lock:
            fault = self._pick(
                request, lambda fault: fault.kind in ("truncate", "corrupt") and len(answer.body) >= fault.body
            )
            return fault.kind if fault else None

    def _pick(self, request: Request, fits: object) -> Fault | None:
        for fault in self._faults:
            if not fits(fault) or (fault.times is not None and fault.hits >= fault.times):  # type: ignore[operator]
                continue
            if fault.method not in (None, request.method) or not re.search(fault.path, request.path):
                continue
            if self._random.random() < fault.chance:
                fault.hits += 1
                self.hits += 1
                return fault
        return None

    def _answer(self, request: Request, upstream: HTTPConnection) -> Answer:
        answer = _ask(upstream, request)
        if not self.lag or request.method != "GET" or not re.search(r"[?&](list-type|comp=list|prefix=)", request.path):
            return answer
        now = time.monotonic()
        with self._lock:
            seen = self._seen.setdefault(request.path, [])
            seen.append((now, answer))
            old = [one for when, one in seen if when <= now - self.lag]
        return old[-1] if old else Answer(answer.status, answer.reason, answer.headers, _emptied(answer.body))


def _emptied(body: bytes) -> bytes:
    """Return a listing without its objects: S3's and GCS's, or Azure's."""
    body = re.sub(rb"<Contents>.*</Contents>", b"", body, flags=re.DOTALL)
    return re.sub(rb"<Blobs>.*</Blobs>", b"<Blobs></Blobs>", body, flags=re.DOTALL)


def _read(incoming: BufferedReader, connection: socket.socket) -> Request | None:
    line = incoming.readline(65537).decode("latin-1").split()
    if len(line) != 3:
        return None
    headers = parse_headers(incoming)
    if headers.get("Expect", "").lower() == "100-continue":
        connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
    if "chunked" in headers.get("Transfer-Encoding", "").lower():
        body = b"".join(_chunks(incoming))
    else:
        body = incoming.read(int(headers.get("Content-Length", 0)))
    return Request(line[0], line[1], headers, body)


def _chunks(incoming: BufferedReader) -> Iterator[bytes]:
    while size := int(incoming.readline().split(b";")[0], 16):
        yield incoming.read(size)
        incoming.readline()
    while incoming.readline().strip():
        pass


def _ask(upstream: HTTPConnection, request: Request) -> Answer:
    """Hand a request on, on a connection that is kept; a server may have closed it since."""
    for last in (False, True):
        try:
            upstream.putrequest(request.method, request.path, skip_host=True, skip_accept_encoding=True)
            for name, value in request.headers.items():
                if name.lower() not in ("transfer-encoding", "expect", "connection", "content-length"):
                    upstream.putheader(name, value)
            if request.body or request.method in ("PUT", "POST"):
                upstream.putheader("Content-Length", str(len(request.body)))
            upstream.endheaders(request.body)
            response = upstream.getresponse()
            break
        except (ConnectionError, HTTPException):
            upstream.close()
            if last:
                raise
    kept = [(n, v) for n, v in response.getheaders() if n.lower() not in ("transfer-encoding", "connection")]
    return Answer(response.status, response.reason, kept, response.read())


def _send(connection: socket.socket, request: Request, answer: Answer, part: float = 1.0) -> None:
    """Send an answer, or the first part of its body, of which all had been promised."""
    named = {name.lower() for name, _ in answer.headers}
    if request.method == "HEAD" or answer.status in (204, 304):
        extra = [] if "content-length" in named or answer.status in (204, 304) else [("Content-Length", "0")]
        body = b""
    else:
        answer.headers = [(name, value) for name, value in answer.headers if name.lower() != "content-length"]
        extra, body = [("Content-Length", str(len(answer.body)))], answer.body
    head = "".join(f"{name}: {value}\r\n" for name, value in [*answer.headers, *extra])
    sent = body[: int(len(body) * part)]
    connection.sendall(f"HTTP/1.1 {answer.status} {answer.reason}\r\n{head}\r\n".encode("latin-1") + sent)


def _reset(connection: socket.socket) -> bool:
    """Close a connection so that the other side is told of a reset and not of an end."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    return False
