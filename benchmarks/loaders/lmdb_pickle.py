"""yogadl's published design, written anew: an LMDB database with one pickled record for each key, the keys shuffled
anew in each epoch, records read one by one in one transaction, unpickled and stacked. Written in one transaction, as a
record comes; the database is synced when it is committed.
"""

# mypy: disable-error-code="import-not-found, import-untyped"
# the library is in the benchmarks' environment only, and has no types

from __future__ import annotations

import pickle
from collections.abc import Iterator
from pathlib import Path

import lmdb
import numpy as np

from benchmarks.worker import Batch
from benchmarks.workloads import Data

MOST = 1 << 40  # bytes of address space that the database may grow to


def key(number: int) -> bytes:
    return f"{number:08d}".encode()


def write(data: Data, folder: Path) -> None:
    database = lmdb.open(str(folder), map_size=MOST)
    with database.begin(write=True) as transaction:
        for label, row in zip(data.column("label").tolist(), data.column("payload"), strict=True):
            transaction.put(key(label), pickle.dumps({"payload": row, "label": label}, pickle.HIGHEST_PROTOCOL))
        transaction.put(b"keys", pickle.dumps(list(map(key, range(data.workload.records)))))
    database.close()


class Loader:
    def __init__(self, data: Data) -> None:
        folder = data.workload.folder / "lmdb"
        if not (folder / "done").exists():
            write(data, folder)
            (folder / "done").touch()
        self.size = data.workload.batch
        self.database = lmdb.open(str(folder), map_size=MOST, readonly=True, lock=False, readahead=False)

    def epoch(self, number: int) -> Iterator[Batch]:
        with self.database.begin(buffers=True) as transaction:
            keys = pickle.loads(transaction.get(b"keys"))
            np.random.default_rng(number).shuffle(keys)
            for start in range(0, len(keys), self.size):
                records = [pickle.loads(transaction.get(each)) for each in keys[start : start + self.size]]
                yield np.stack([one["payload"] for one in records]), np.array([one["label"] for one in records])
