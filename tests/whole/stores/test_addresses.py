"""A place that cannot be used is told at ``hr.Store(...)``, in words that say what to do, and soon."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

import headrace as hr
from headrace.core.errors import ArgumentError, DeniedError, StoreError, UnreachableError
from tests.servers import places
from tests.servers.faults import FaultProxy
from tests.servers.places import Place
from tests.servers.running import free_port

pytestmark = pytest.mark.servers

SECRET = "a very secret key"
KEYS = {"access_key_id": "somebody", "secret_access_key": SECRET, "region": "us-east-1", "deadline": "1"}


@pytest.fixture(autouse=True)
def soon() -> Iterator[None]:
    began = time.monotonic()
    yield
    assert time.monotonic() - began < 20


@contextmanager
def answering(status: int, body: str, **headers: str) -> Iterator[str]:
    """Run a server that gives one answer to everything."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name.replace("_", "-"), value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body.encode())

        do_HEAD = do_PUT = do_GET

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def told(kind: type[StoreError], match: str, url: str, **given: Any) -> None:
    with pytest.raises(kind, match=match) as caught:
        hr.Store(url, cache=None, **given)
    assert SECRET not in str(caught.value) and "Traceback" not in str(caught.value)


@pytest.mark.parametrize("name", ["s3", "gcs", "azure"])
def test_a_wrong_bucket(name: str, request: pytest.FixtureRequest) -> None:
    place: Place = request.getfixturevalue(name)
    told(
        StoreError,
        r"there is no (bucket|container) 'nosuchbucket'. Check its name",
        f"{place.scheme}://nosuchbucket/x",
        endpoint=place.endpoint,
        options=place.options,
    )


def test_a_wrong_key(s3: Place, s3_faults: FaultProxy, azure: Place) -> None:
    s3_faults.fail("403", None)
    given = {"endpoint": s3_faults.endpoint, "options": KEYS}
    told(
        DeniedError,
        r"permission denied .*Check the credentials, which come from AWS_ACCESS_KEY_ID",
        s3.fresh(),
        **given,
    )
    wrong = {**azure.options, "account_key": "d3JvbmcgYnV0IGxvbmcgZW5vdWdo"}
    told(DeniedError, "permission denied .*AZURE_STORAGE", azure.fresh(), endpoint=azure.endpoint, options=wrong)


@pytest.mark.parametrize(
    ("status", "code"), [(400, "AuthorizationHeaderMalformed"), (301, "PermanentRedirect"), (301, "")]
)
def test_a_wrong_region(status: int, code: str) -> None:
    message = "the region 'us-east-1' is wrong; expecting 'eu-west-1'"
    body = f"<Error><Code>{code}</Code><Message>{message}</Message><Region>eu-west-1</Region></Error>" if code else ""
    with answering(status, body, x_amz_bucket_region="eu-west-1") as endpoint:
        told(
            StoreError,
            "lies in another region .*Give region= among the options",
            "s3://b/x",
            endpoint=endpoint,
            options=KEYS,
        )


def test_a_wrong_endpoint(s3: Place) -> None:
    nobody = f"http://127.0.0.1:{free_port()}"
    told(UnreachableError, "no connection. Is the address right", "s3://b/x", endpoint=nobody, options=KEYS)
    with answering(200, "<html>A page of somebody's</html>") as endpoint:
        told(
            StoreError,
            f"s3://b/x at {endpoint}: .* no object store .*Check the endpoint",
            "s3://b/x",
            endpoint=endpoint,
            options=KEYS,
        )
    with answering(404, "<html>not found</html>") as endpoint:
        told(
            StoreError,
            "there is no bucket 'b'. Check its name, the account and the endpoint",
            "s3://b/x",
            endpoint=endpoint,
            options=KEYS,
        )
    with pytest.raises(ArgumentError, match="endpoint must begin with http"):
        hr.Store("s3://b/x", endpoint="127.0.0.1:9000", options=KEYS)


def test_redis() -> None:
    options = {"deadline": "1", "timeout": "1"}
    told(UnreachableError, "Is the address right", f"redis://127.0.0.1:{free_port()}/0/x", options=options)
    with places.redis("--requirepass", SECRET) as place:
        url = place.fresh()
        told(DeniedError, "permission denied", url, options=options)
        told(DeniedError, "permission denied", url, options={**options, "password": "wrong"})
        assert SECRET not in repr(hr.Store(url, cache=None, options={**options, "password": SECRET}))


def test_folders(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(StoreError, match="file"):
            hr.Store(path).submit([1], "a", "1")
    for url in ("s4://bucket/x", "s3://", "redis://host:port/x"):
        with pytest.raises(ArgumentError):
            hr.Store(url)
