"""`hr.patches(xr.open_zarr(path, chunks=None), sizes, overlap, chunk_cache="64 MB").batch(16).stream()`, in order; made
anew for each epoch, so that nothing is left decoded from the one before, and with a cache of half the cube. One thread
of ours.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import headrace as hr
from benchmarks import patching
from benchmarks.workloads import Data


def patches(data: Data, **options: Any) -> Any:
    """Return the patches, of a cube that was opened just now: none of its chunks has been read."""
    workload = data.workload
    cube = patching.opened(data, **{"chunks": None, **options})
    sizes, overlap = patching.sizes(workload), patching.overlap(workload)
    return hr.patches(cube, sizes=sizes, overlap=overlap, chunk_cache=patching.MEMORY)


def batches(records: Any, data: Data, workers: Any = 0) -> Iterator[Any]:
    """Return an epoch, batch by batch."""
    for batch in records.batch(data.workload.batch).stream(workers=workers):
        yield batch[patching.NAME]


class Loader:
    ordered = True

    def __init__(self, data: Data) -> None:
        self.data = data

    def epoch(self, number: int) -> Iterator[Any]:
        return batches(patches(self.data), self.data)
