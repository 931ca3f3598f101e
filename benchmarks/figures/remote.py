"""A store in a bucket, on a server of this machine: cold epochs beside plain downloads, later ones beside a folder's.

The server (``serving.py``) runs once as fast as it can, and once as a far one: with a delay before each answer and a
limit for each connection. Every cold epoch and every download runs in a fresh process, in turns, and fetches all anew.
A plain download is one of obstore's ``get_range`` for each 8 MiB, in as many threads as Headrace has connections: into
files, as Headrace's cache does, or into memory, where it is dropped.
"""

# mypy: disable-error-code="import-not-found, import-untyped"
# obstore is not in every environment

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

import headrace as hr
from benchmarks import checks
from benchmarks.loaders import ROOT
from benchmarks.loaders.headrace_store import VERSION, batches, fetch, payload
from benchmarks.workloads import FOLDER, Data, chosen

BUCKET, NAME = "bench", "records"
CONNECTIONS = 8
PIECE = 8 << 20  # bytes of one request
FAR = ("0.015", "60")  # seconds before each answer, and MB/s of each connection
PART_BYTES = {"full": 8 << 20, "quick": 256 << 10}
MEMORY = {"full": "256 MB", "quick": "10 MB"}  # of the blocks that are shuffled together: two fifths of the data
ROUNDS = 3
KEYS = {
    "AWS_ACCESS_KEY_ID": "benchmark",
    "AWS_SECRET_ACCESS_KEY": "benchmark",
    "AWS_REGION": "us-east-1",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_ALLOW_HTTP": "true",
}


def served(size: str) -> Path:
    return FOLDER / size / "remote"


@contextmanager
def server(size: str, *words: str) -> Iterator[str]:
    """Run the server, and give its address."""
    (served(size) / BUCKET).mkdir(parents=True, exist_ok=True)
    with subprocess.Popen(
        [sys.executable, "-m", "benchmarks.serving", str(served(size)), *words],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as running:
        assert running.stdout is not None and running.stdin is not None
        try:
            yield running.stdout.readline().strip()
        finally:
            running.stdin.close()


def remote(address: str, cache: str) -> hr.Store:
    return hr.Store(f"s3://{BUCKET}/store", endpoint=address, cache=cache)


def write(data: Data, size: str, folder: str, address: str) -> dict[str, Any]:
    """Write the records into the bucket, and into a local store of the same parts, unless they are there."""
    records = hr.Dataset(payload=payload(data), label=data.column("label"))
    found = {}
    for name, store in (("bucket", remote(address, folder)), ("folder", hr.Store(FOLDER / size / "remote-local"))):
        if VERSION not in store.versions(NAME):
            start = time.perf_counter()
            store.submit(records, NAME, VERSION, part_bytes=PART_BYTES[size])
            found[name] = time.perf_counter() - start
    return {**found, "bytes": data.size}


def epoch(records: hr.Dataset, data: Data, seed: int) -> float:
    """Go through all records in a true shuffle; return the seconds."""
    seen = []
    start = time.perf_counter()
    for batch in batches(records, data, seed).stream():
        seen.append(batch["label"])
    seconds = time.perf_counter() - start
    checks.check_permutation(np.concatenate(seen), data.workload.records)
    return seconds


def second(data: Data, size: str, folder: str, address: str) -> dict[str, Any]:
    """Epochs of a remote store whose parts are all here, in turns with those of local ones: of these parts, of one."""
    far, near = remote(address, folder).fetch(NAME, VERSION), hr.Store(FOLDER / size / "remote-local")
    here, whole, total = near.fetch(NAME, VERSION), fetch(data), 0
    for batch in batches(far, data, 0).stream():
        total += checks.digest(batch["payload"], batch["label"])
    if total & checks.MASK != data.digest:
        raise checks.CheckError("the bytes that came from the bucket are not those of the records")
    stores = {"local": here, "remote": far, "one part": whole}
    found: dict[str, list[float]] = {name: [] for name in stores}
    for seed in range(2 * ROUNDS + 1):  # the first one warms up
        for name, records in stores.items():
            found[name].append(epoch(records, data, seed))
    return {name: taken[1:] for name, taken in found.items()}


def cold(data: Data, size: str, folder: str, address: str) -> dict[str, Any]:
    """One epoch in blocks from a bucket of which nothing is here."""
    import obstore.store

    seen = []
    names = (hr.Dataset, hr.Store, obstore.store, importlib.import_module("headrace.stores.far"))
    assert names  # what stands behind them is loaded now
    start = time.perf_counter()
    records = remote(address, folder).fetch(NAME, VERSION)
    for batch in records.block_shuffle(memory=MEMORY[size], seed=0).batch(data.workload.batch).stream():
        seen.append(batch["label"])
    seconds = time.perf_counter() - start
    checks.check_permutation(np.concatenate(seen), data.workload.records)
    return {"seconds": seconds}


def plain(data: Data, size: str, folder: str, address: str, into: str) -> dict[str, Any]:
    """Download all objects of the version's parts."""
    import obstore
    from obstore.store import S3Store

    bucket = served(size) / BUCKET
    objects = [path for path in (bucket / "store" / "objects").rglob("*") if path.is_file()]
    store = S3Store(
        BUCKET,
        endpoint=address,
        access_key_id="benchmark",
        secret_access_key="benchmark",
        region="us-east-1",
        client_options={"allow_http": True},
    )
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        start = time.perf_counter()
        files = {}
        if into == "files":
            for number, path in enumerate(objects):
                files[path] = os.open(Path(folder) / str(number), os.O_WRONLY | os.O_CREAT)

        def get(path: Path, first: int, last: int) -> int:
            content = obstore.get_range(store, str(path.relative_to(bucket)), start=first, end=last)
            if into == "files":
                os.pwrite(files[path], content, first)
            return len(content)

        asked = []
        for path in objects:
            length = path.stat().st_size
            for first in range(0, length, PIECE):
                asked.append(pool.submit(get, path, first, min(first + PIECE, length)))
        came = sum(each.result() for each in asked)
        for file in files.values():
            os.close(file)
        seconds = time.perf_counter() - start
    return {"seconds": seconds, "bytes": came}


def fresh(what: str, size: str, *words: str) -> dict[str, Any]:
    """Run one of these in a process of its own, with a folder that is removed when the process has ended."""
    with tempfile.TemporaryDirectory(dir=FOLDER) as folder:
        answer = subprocess.run(
            [sys.executable, "-m", "benchmarks.figures.remote", what, size, folder, *words],
            cwd=ROOT,
            env=os.environ | KEYS,
            capture_output=True,
            text=True,
        )
    if answer.returncode:
        raise RuntimeError((answer.stderr.strip() or "no message").splitlines()[-1])
    found: dict[str, Any] = json.loads(answer.stdout.splitlines()[-1])
    return found


def sent(address: str) -> int:
    """Return how many bytes of objects the server has sent so far."""
    with urllib.request.urlopen(address) as answer:
        return int(answer.read())


def figure(size: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    with server(size) as address:
        found["written"] = fresh("write", size, address)
        found["second"] = fresh("second", size, address)
    for name, words in (("near", ()), ("far", FAR))[: 2 if size == "full" else 1]:
        with server(size, *words) as address:
            turns: dict[str, list[float]] = {"cold": [], "files": [], "memory": []}
            for _ in range(ROUNDS if size == "full" else 1):
                for what in turns:
                    before = sent(address)
                    taken = fresh("cold", size, address) if what == "cold" else fresh("plain", size, address, what)
                    turns[what].append(taken["seconds"])
                    if what == "cold":
                        fetched = sent(address) - before
                    else:
                        found["bytes"] = taken["bytes"]
            found[name] = {**turns, "fetched": fetched / found["bytes"]}
    return found


if __name__ == "__main__":
    if len(sys.argv) == 2:
        print(json.dumps(figure(sys.argv[1])))
    else:
        does: dict[str, Any] = {"write": write, "second": second, "cold": cold, "plain": plain}
        what, size, *more = sys.argv[1:]
        print(json.dumps(does[what](Data(chosen("images", size)), size, *more)))
