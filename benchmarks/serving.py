"""A folder as an S3 server on this machine: ``python -m benchmarks.serving FOLDER`` prints its address.

For the benchmarks of remote stores, where the servers that tests use are too slow to tell a good client from a bad one:
bodies go from the page cache to the socket without passing through Python. It speaks what object stores are used for
here: objects, ranges, conditional writes, uploads in parts, listings, deletes. It checks no signature.

Two more words make it a far one: ``DELAY``, seconds before each answer, and ``LIMIT``, MB/s of each connection.
"""

from __future__ import annotations

import os
import re
import sys
import threading
import time
import urllib.parse
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import formatdate
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from xml.sax.saxutils import escape

BLOCK = 1 << 20
STEP = 1 << 19  # bytes between two looks at the clock, where there is a limit
PAGE = 1000  # keys in one answer
UPLOADS = ".uploads"


class Server(ThreadingHTTPServer):
    """Serves the folders below ``root``, each a bucket that holds the files in it; the address alone tells ``sent``.

    Args:
        root: The folder.
        delay: Seconds before each answer.
        limit: Bytes a second of each connection; 0 for no limit.
    """

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, root: Path, delay: float = 0.0, limit: float = 0.0) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.root = root
        self.delay = delay
        self.limit = limit
        self.sent = 0  # bytes of objects
        self.writing = threading.Lock()  # so that what a write depends on is still so when it happens

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, format: str, *args: object) -> None:
        pass

    def parse_request(self) -> bool:
        if not super().parse_request():
            return False
        path, _, query = self.path.partition("?")
        self.words = dict(urllib.parse.parse_qsl(query, keep_blank_values=True))
        self.bucket, _, self.key = urllib.parse.unquote(path).lstrip("/").partition("/")
        self.place = self.server.root / self.bucket / self.key
        time.sleep(self.server.delay)
        return True

    def answer(
        self, status: HTTPStatus, body: bytes = b"", headers: dict[str, str] | None = None, length: int | None = None
    ) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def refuse(self, status: HTTPStatus, code: str) -> None:
        self.answer(status, f"<Error><Code>{code}</Code><Message>{code}</Message></Error>".encode())

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        if not self.bucket:
            self.answer(HTTPStatus.OK, str(self.server.sent).encode())
            return
        if not self.key:
            self.listing()
            return
        try:
            file = self.place.open("rb", buffering=0)
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
            self.refuse(HTTPStatus.NOT_FOUND, "NoSuchKey")
            return
        with file:
            about = os.fstat(file.fileno())
            start, stop, headers = 0, about.st_size, described(about)
            wanted = re.fullmatch(r"bytes=(\d*)-(\d*)", self.headers.get("Range", ""))
            if wanted:
                first, last = wanted.groups()
                if first:
                    start, stop = int(first), min(int(last) + 1, stop) if last else stop
                else:
                    start = max(0, stop - int(last))
                if start >= stop:
                    self.refuse(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, "InvalidRange")
                    return
                headers["Content-Range"] = f"bytes {start}-{stop - 1}/{about.st_size}"
            self.answer(HTTPStatus.PARTIAL_CONTENT if wanted else HTTPStatus.OK, b"", headers, stop - start)
            if self.command == "GET":
                self.send(file.fileno(), start, stop)

    def send(self, file: int, start: int, stop: int) -> None:
        at, began, most = start, time.perf_counter(), STEP if self.server.limit else stop
        while at < stop:
            sent = os.sendfile(self.connection.fileno(), file, at, min(most, stop - at))
            if not sent:
                break
            at += sent
            if self.server.limit:
                time.sleep(max(0.0, began + (at - start) / self.server.limit - time.perf_counter()))
        with self.server.writing:
            self.server.sent += at - start

    def listing(self) -> None:
        folder = self.server.root / self.bucket
        if not folder.is_dir():
            self.refuse(HTTPStatus.NOT_FOUND, "NoSuchBucket")
            return
        prefix, delimiter = self.words.get("prefix", ""), self.words.get("delimiter", "")
        after = self.words.get("continuation-token", self.words.get("start-after", ""))
        found, common = [], dict[str, None]()
        for key in sorted(keys(folder, prefix)):
            head, mark, _ = key[len(prefix) :].partition(delimiter) if delimiter else (key, "", "")
            name = prefix + head + mark if mark else key
            if name > after:
                (common.__setitem__(name, None) if mark else found.append(key))
        shown = sorted([*found, *common])[: int(self.words.get("max-keys", PAGE))]
        cut = len(shown) < len(found) + len(common)
        entries = "".join(prefixed(name) if name in common else contents(folder, name) for name in shown)
        rest = f"<NextContinuationToken>{escape(shown[-1])}</NextContinuationToken>" if cut else ""
        self.answer(
            HTTPStatus.OK,
            f"<ListBucketResult><IsTruncated>{str(cut).lower()}</IsTruncated>{rest}{entries}</ListBucketResult>".encode(),
        )

    def do_PUT(self) -> None:
        made = self.server.root / UPLOADS / uuid.uuid4().hex
        if "uploadId" in self.words:
            made = self.server.root / UPLOADS / self.words["uploadId"] / self.words["partNumber"].zfill(5)
        made.parent.mkdir(parents=True, exist_ok=True)
        left = int(self.headers.get("Content-Length", 0))
        with made.open("wb") as file:
            while left:
                block = self.rfile.read(min(left, BLOCK))
                if not block:
                    return
                file.write(block)
                left -= len(block)
        if "uploadId" in self.words:
            self.answer(HTTPStatus.OK, b"", described(made.stat()))
        else:
            self.publish(made)

    def publish(self, made: Path, body: bytes = b"") -> None:
        """Give a file its name, if what the request asks for is so."""
        self.place.parent.mkdir(parents=True, exist_ok=True)
        with self.server.writing:
            there = described(self.place.stat())["ETag"] if self.place.exists() else None
            match = self.headers.get("If-Match")
            if (self.headers.get("If-None-Match") == "*" and there) or (match and match != there):
                made.unlink()
                self.refuse(HTTPStatus.PRECONDITION_FAILED, "PreconditionFailed")
                return
            made.replace(self.place)
            about = described(self.place.stat())
        self.answer(HTTPStatus.OK, body.replace(b"ETAG", escape(about["ETag"]).encode()), {"ETag": about["ETag"]})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if "uploads" in self.words:
            upload = uuid.uuid4().hex
            (self.server.root / UPLOADS / upload).mkdir(parents=True)
            text = f"<UploadId>{upload}</UploadId>"
            self.answer(
                HTTPStatus.OK, f"<InitiateMultipartUploadResult>{text}</InitiateMultipartUploadResult>".encode()
            )
        elif "uploadId" in self.words:
            folder = self.server.root / UPLOADS / self.words["uploadId"]
            whole = folder.with_suffix(".whole")
            with whole.open("wb") as file:
                for part in sorted(folder.iterdir()):
                    file.write(part.read_bytes())
            text = f"<Bucket>{self.bucket}</Bucket><Key>{escape(self.key)}</Key><ETag>ETAG</ETag>"
            self.publish(whole, f"<CompleteMultipartUploadResult>{text}</CompleteMultipartUploadResult>".encode())
        else:  # many deletes in one
            named = re.findall(r"<Key>(.*?)</Key>", body.decode())
            for key in named:
                (self.server.root / self.bucket / key).unlink(missing_ok=True)
            text = "".join(f"<Deleted><Key>{key}</Key></Deleted>" for key in named)
            self.answer(HTTPStatus.OK, f"<DeleteResult>{text}</DeleteResult>".encode())

    def do_DELETE(self) -> None:
        if "uploadId" not in self.words:
            self.place.unlink(missing_ok=True)
        self.answer(HTTPStatus.NO_CONTENT)


def keys(folder: Path, prefix: str) -> Iterator[str]:
    for at, _, names in os.walk(folder / prefix.rpartition("/")[0]):
        for name in names:
            key = os.path.relpath(os.path.join(at, name), folder)
            if key.startswith(prefix):
                yield key


def described(about: os.stat_result) -> dict[str, str]:
    modified = formatdate(about.st_mtime, usegmt=True)
    tag = f'"{about.st_mtime_ns:x}-{about.st_ino:x}-{about.st_size:x}"'
    return {"ETag": tag, "Last-Modified": modified, "Accept-Ranges": "bytes"}


def prefixed(name: str) -> str:
    return f"<CommonPrefixes><Prefix>{escape(name)}</Prefix></CommonPrefixes>"


def contents(folder: Path, key: str) -> str:
    about = (folder / key).stat()
    when = datetime.fromtimestamp(about.st_mtime, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
    return (
        f"<Contents><Key>{escape(key)}</Key><LastModified>{when}</LastModified><Size>{about.st_size}</Size>"
        f"<ETag>{escape(described(about)['ETag'])}</ETag></Contents>"
    )


if __name__ == "__main__":
    folder, delay, limit = (*sys.argv[1:], "0", "0")[:3]
    with Server(Path(folder), float(delay), float(limit) * 1e6) as server:
        print(server.address, flush=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        sys.stdin.read()  # until whoever started it ends, or closes this
