"""What one would write with tensorstore: reads of eight chunks at a time, each once, in order, and the same copy."""

# mypy: disable-error-code="import-not-found, import-untyped"

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import tensorstore

from benchmarks import patching
from benchmarks.loaders.zarr_chunks import chunks, cut
from benchmarks.workloads import Data

AT_ONCE = 8


class Loader:
    ordered = True

    def __init__(self, data: Data) -> None:
        self.data = data

    def epoch(self, number: int) -> Iterator[Any]:
        path = str(patching.zarr_folder(self.data) / patching.NAME)
        spec = {"driver": "zarr3", "kvstore": {"driver": "file", "path": path}}
        array = tensorstore.open(spec, open=True, read=True).result()
        places = chunks(self.data)
        for start in range(0, len(places), AT_ONCE):
            for read in [array[chunk].read() for chunk in places[start : start + AT_ONCE]]:
                yield cut(read.result(), self.data)
