"""S3 in one process, and the same buckets under the face of GCS: ``python moto_faces.py S3_PORT GCS_PORT``.

The second face is the S3 protocol in GCS's clothes: enough to exercise a client's side of it, no proof of GCS itself.
Where a request may only succeed if the object is not there, moto looks first and writes then; a lock makes it the one
step that it is in the clouds.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterable
from typing import Any, TypeAlias

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

App: TypeAlias = Any  # of WSGI

_SIGNED = "AWS4-HMAC-SHA256 Credential=a/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0"
_writing = threading.Lock()


def one_at_a_time(app: App) -> App:
    """Let requests that change something follow each other."""

    def serve(environ: dict[str, Any], start: Any) -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] in ("GET", "HEAD"):
            answer: Iterable[bytes] = app(environ, start)
            return answer
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        environ["wsgi.input"] = _Body(body)
        with _writing:
            return list(app(environ, start))

    return serve


def as_gcs(app: App) -> App:
    """Serve the protocol of GCS's XML interface, as far as it differs and obstore uses it."""

    def serve(environ: dict[str, Any], start: Any) -> Iterable[bytes]:
        if not environ.get("HTTP_AUTHORIZATION", "").startswith("AWS4"):
            environ["HTTP_AUTHORIZATION"] = _SIGNED
        if environ.get("HTTP_X_GOOG_IF_GENERATION_MATCH") == "0":
            environ["HTTP_IF_NONE_MATCH"] = "*"
        for name, value in list(environ.items()):
            if name.startswith("HTTP_X_GOOG_META_") or name == "HTTP_X_GOOG_COPY_SOURCE":
                environ[name.replace("_GOOG_", "_AMZ_")] = value

        def begin(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
            both = [(name.lower().replace("x-amz-meta-", "x-goog-meta-"), value) for name, value in headers]
            return start(status, [*both, ("x-goog-generation", "1")], *rest)

        answer: Iterable[bytes] = app(environ, begin)
        return answer

    return serve


class _Body:
    """A request's body that was read already."""

    def __init__(self, body: bytes) -> None:
        self._left = memoryview(body)

    def read(self, size: int = -1) -> bytes:
        size = len(self._left) if size is None or size < 0 else size
        found, self._left = bytes(self._left[:size]), self._left[size:]
        return found

    def readline(self, size: int = -1) -> bytes:
        line = bytes(self._left).partition(b"\n")
        return self.read(len(line[0]) + len(line[1]))


def main(s3_port: int, gcs_port: int) -> None:
    """Serve both faces until killed."""
    s3 = one_at_a_time(DomainDispatcherApplication(create_backend_app))
    other = make_server("127.0.0.1", gcs_port, as_gcs(s3), threaded=True)
    threading.Thread(target=other.serve_forever, daemon=True).start()
    make_server("127.0.0.1", s3_port, s3, threaded=True).serve_forever()


if __name__ == "__main__":
    main(*map(int, sys.argv[1:3]))
