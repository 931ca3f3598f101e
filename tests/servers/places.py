"""The servers of the tests: S3, GCS's face, Azure's Azurite and Redis, each with what a client must be told."""

from __future__ import annotations

import base64
import hashlib
import hmac
import sys
import urllib.request
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import formatdate
from pathlib import Path

from tests.servers.running import free_port, program, running

ROOT = Path(__file__).parents[2]
AZURE_ACCOUNT = "devstoreaccount1"
AZURE_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="  # Azurite's own
"""The account that Azurite has, with the key that it is published with."""


@dataclass(frozen=True)
class Place:
    """A server that holds buckets.

    ::

        url = s3.fresh()                            # "s3://a-new-bucket/some prefix", empty
        hr.Store(url, endpoint=s3.endpoint, options=s3.options)

    Args:
        scheme: What its URLs begin with.
        endpoint: Where it listens; None for Redis, whose URLs say it.
        options: Credentials, and a short deadline: 20 s.
        make: Makes an empty bucket, or whatever holds objects, and returns the URL up to it.
    """

    scheme: str
    endpoint: str | None
    options: Mapping[str, str]
    make: Callable[[str], str] = field(repr=False)

    def fresh(self, prefix: str = "some prefix") -> str:
        """Return the URL of a place where nothing lies yet."""
        name = f"bucket{uuid.uuid4().hex[:12]}"  # GCS's client encodes a hyphen, which moto leaves as it comes
        return f"{self.make(name)}/{prefix}".rstrip("/")


_PATIENCE = {"deadline": "20", "timeout": "5"}


@contextmanager
def buckets() -> Iterator[tuple[Place, Place]]:
    """Run S3 and the face of GCS."""
    ports = free_port(), free_port()
    amazon, google = (f"http://127.0.0.1:{port}" for port in ports)
    keys = {"access_key_id": "test", "secret_access_key": "test secret", "region": "us-east-1"}

    def make(scheme: str) -> Callable[[str], str]:
        def bucket(name: str) -> str:
            _put(f"{amazon}/{name}")
            return f"{scheme}://{name}"

        return bucket

    command = [sys.executable, str(ROOT / "tests" / "servers" / "moto_faces.py"), *map(str, ports)]
    with running(command, *ports, env={"MOTO_S3_DEFAULT_MAX_KEYS": "50"}):  # small pages, so that there are several
        yield (
            Place("s3", amazon, {**keys, **_PATIENCE}, make("s3")),
            Place("gs", google, {"skip_signature": "true", **_PATIENCE}, make("gs")),
        )


@contextmanager
def azurite() -> Iterator[Place]:
    """Run Azurite, which is Microsoft's own emulator of its blob storage."""
    port = free_port()
    endpoint = f"http://127.0.0.1:{port}/{AZURE_ACCOUNT}"
    command = [program("azurite-blob", ROOT / ".servers" / "node_modules" / ".bin" / "azurite-blob")]
    command += ["--silent", "--inMemoryPersistence", "--skipApiVersionCheck", "--disableTelemetry"]

    def container(name: str) -> str:
        date = formatdate(usegmt=True)
        text = f"PUT{chr(10) * 12}x-ms-date:{date}\nx-ms-version:2021-08-06\n/{AZURE_ACCOUNT}/{AZURE_ACCOUNT}/{name}"
        key = base64.b64decode(AZURE_KEY)
        signature = hmac.new(key, f"{text}\nrestype:container".encode(), hashlib.sha256).digest()
        signed = f"SharedKey {AZURE_ACCOUNT}:{base64.b64encode(signature).decode()}"
        headers = {"x-ms-date": date, "x-ms-version": "2021-08-06", "Authorization": signed, "Content-Length": "0"}
        _put(f"{endpoint}/{name}?restype=container", headers)
        return f"az://{name}"

    options = {"account_name": AZURE_ACCOUNT, "account_key": AZURE_KEY, **_PATIENCE}
    with running([*command, "--blobPort", str(port)], port):
        yield Place("az", endpoint, options, container)


@contextmanager
def redis(*settings: str) -> Iterator[Place]:
    """Run Redis, with settings such as ``"--requirepass", "secret"``."""
    port = free_port()
    command = [program("redis-server"), "--port", str(port), "--bind", "127.0.0.1", "--save", "", *settings]
    with running(command, port):
        yield Place("redis", None, _PATIENCE, lambda name: f"redis://127.0.0.1:{port}/0/{name}")


def _put(url: str, headers: Mapping[str, str] | None = None) -> None:
    request = urllib.request.Request(url, method="PUT", headers=dict(headers or {}))
    with urllib.request.urlopen(request, timeout=30) as answer:
        answer.read()
