"""The workloads, and where their records lie."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

FOLDER = Path(__file__).parent / ".data"
CROPPED = (56, 56, 3)
LONGEST = 20.0  # seconds of an epoch, after which it is left
CUBE, SMALL_CUBE = (2000, 128, 128), (200, 128, 128)


@dataclass(frozen=True)
class Workload:
    """Records of one shape, and how many make a batch.

    ``shape`` is that of one record without its label; None stands for a sequence whose length differs by record. With
    ``augmented`` a function is applied to each record (see ``augmenting.py``); ``files`` names the workload whose files
    are read, if it is another; ``lead_in`` counts the batches that are not timed. With ``carried`` a generator in
    another process makes batches of that shape (see ``carrying.py``); no files are read, and records are whole batches.

    With ``drawn`` an epoch is that many draws, and ``records`` those that are drawn from (see ``drawing.py``): from
    ``streams`` of equal length, ``active`` at a time, each for about ``rate`` records, or from three parts by
    ``weights``. With ``stored`` each loader also writes all records, from memory (see ``storing.py``). With ``packed``
    sequences are put together into bins of that length, of which ``batch`` make a batch (see ``packing.py``); no
    sequence is longer than ``longest``. With ``cube`` records are windows of a cube of that shape, of which neighbours
    in space share ``overlap`` elements; an epoch goes ``passes`` times through them (see ``patching.py``).
    """

    name: str
    records: int
    batch: int
    shape: tuple[int, ...] | None
    dtype: str
    quick: bool = False
    augmented: bool = False
    files: str = ""
    lead_in: int = 0
    carried: bool = False
    drawn: int = 0
    streams: int = 0
    active: int = 0
    rate: int = 0
    weights: tuple[float, ...] = ()
    packed: int = 0
    stored: bool = False
    longest: int = 20_000
    cube: tuple[int, ...] = ()
    overlap: int = 0
    passes: int = 1

    @property
    def ragged(self) -> bool:
        return self.shape is None

    @property
    def counted(self) -> int:
        """How many records an epoch hands over."""
        return self.drawn or self.records * self.passes

    @property
    def batches(self) -> int:
        return math.ceil(self.counted / self.batch)

    @property
    def folder(self) -> Path:
        return FOLDER / ("quick" if self.quick else "full") / (self.files or self.name)

    @property
    def title(self) -> str:
        if self.carried:
            how = "made anew each time" if self.name == "made" else "that lie ready"
            return (
                f"{self.name}: batches of {self.dtype} {list(self.shape or ())} {how}, from a process in the background"
            )
        if self.cube:
            return f"{self.name}: {self.records:,} patches of {self.dtype} {list(self.shape or ())}{self._cut_from}"
        if self.packed:
            return (
                f"{self.name}: {self.records:,} int32 sequences (lognormal, mean 500, but none above {self.longest:,}) "
                f"into bins of {self.packed:,}, batches of {self.batch} bins"
            )
        each = "int32 sequences (lognormal, mean 500)" if self.shape is None else f"{self.dtype} {list(self.shape)}"
        if self.drawn:
            return f"{self.name}: {self.drawn:,} records of {each} + label from {self._sources}, batch {self.batch}"
        if self.stored:
            what = f"{self.records:,} records of {each} + label"
            return f"{self.name}: {what}, written from memory, then read, batch {self.batch}"
        then = f", cropped to {list(CROPPED)}, flipped, float32" if self.augmented else ""
        return f"{self.name}: {self.records:,} records of {each} + label{then}, batch {self.batch}"

    @property
    def _cut_from(self) -> str:
        shared = f", overlap {self.overlap} in space" if self.overlap else ""
        where = "in memory" if self.name == "patches" else "in Zarr, compressed"
        passes = f", {self.passes} times, into torch" if self.passes > 1 else ""
        return f"{shared}, of a cube {list(self.cube)} {where}, batch {self.batch}{passes}"

    @property
    def _sources(self) -> str:
        if self.weights:
            return f"3 parts of the table at {' / '.join(f'{weight:g}' for weight in self.weights)}"
        return f"{self.streams:,} streams of {self.records // self.streams:,}, {self.active} active, rate {self.rate}"


WORKLOADS = {
    each.name: each
    for each in (
        Workload("images", 50_000, 256, (64, 64, 3), "uint8"),
        Workload("store", 50_000, 256, (64, 64, 3), "uint8", files="images", stored=True),
        Workload("table", 1_000_000, 1024, (32,), "float32"),
        Workload("ragged", 100_000, 64, None, "int32"),
        Workload("augment", 50_000, 256, (64, 64, 3), "uint8", augmented=True, files="images", lead_in=24),
        Workload("transport", 320, 1, (64, 3, 224, 224), "uint8", carried=True, lead_in=20),
        Workload("made", 320, 1, (64, 3, 224, 224), "uint8", carried=True, lead_in=20),
        Workload("hierarchical", 1_000_000, 256, (128,), "float32", drawn=131_072, streams=1000, active=100, rate=64),
        Workload("mixing", 1_000_000, 256, (32,), "float32", files="table", drawn=256_000, weights=(0.7, 0.2, 0.1)),
        Workload("packing", 100_000, 16, None, "int32", packed=2048, longest=2047),
        Workload("patches", 3_200, 16, (10, 32, 32), "float32", cube=CUBE),
        Workload("patches-zarr", 3_200, 16, (10, 32, 32), "float32", files="patches", cube=CUBE),
        Workload("patches-overlap", 9_800, 16, (10, 32, 32), "float32", files="patches", cube=CUBE, overlap=16),
        Workload("patches-torch", 3_200, 16, (10, 32, 32), "float32", files="patches", cube=CUBE, passes=5, lead_in=40),
    )
}
QUICK = {
    "images": replace(WORKLOADS["images"], records=2_100, quick=True),
    "store": replace(WORKLOADS["store"], records=2_100, quick=True),
    "table": replace(WORKLOADS["table"], records=15_000, quick=True),
    "ragged": replace(WORKLOADS["ragged"], records=2_000, quick=True),
    "augment": replace(WORKLOADS["augment"], records=2_100, quick=True, lead_in=4),
    "transport": replace(WORKLOADS["transport"], records=40, quick=True),
    "made": replace(WORKLOADS["made"], records=40, quick=True),
    "hierarchical": replace(WORKLOADS["hierarchical"], records=100_000, drawn=12_800, quick=True),
    "mixing": replace(WORKLOADS["mixing"], records=15_000, drawn=6_400, quick=True),
    "packing": replace(WORKLOADS["packing"], records=4_000, quick=True),
    "patches": replace(WORKLOADS["patches"], records=320, cube=SMALL_CUBE, quick=True),
    "patches-zarr": replace(WORKLOADS["patches-zarr"], records=320, cube=SMALL_CUBE, quick=True),
    "patches-overlap": replace(WORKLOADS["patches-overlap"], records=980, cube=SMALL_CUBE, quick=True),
    "patches-torch": replace(WORKLOADS["patches-torch"], records=320, cube=SMALL_CUBE, lead_in=4, quick=True),
}
PLAIN = ("images", "table", "ragged")


def chosen(name: str, size: str) -> Workload:
    """Return a workload by its name and ``"full"`` or ``"quick"``."""
    return {"full": WORKLOADS, "quick": QUICK}[size][name]


@dataclass(frozen=True)
class Data:
    """A workload's records on disk: plain ``.npy`` files, read mapped. The label of a record is its number."""

    workload: Workload

    def column(self, name: str) -> NDArray[Any]:
        """Return a column, mapped: ``payload`` (dense) or ``values`` and ``offsets`` (ragged), and ``label``.

        The mapping is private and writable (copy on write), since torch warns of arrays that cannot be written to; and
        it is a plain array, since NumPy's memmap class would slow down every slice.
        """
        return np.asarray(np.load(self.workload.folder / f"{name}.npy", mmap_mode="c"))

    @property
    def digest(self) -> int:
        return int(json.loads((self.workload.folder / "data.json").read_text())["digest"])

    @property
    def size(self) -> int:
        """Bytes that one epoch must hand over: all records and labels, without any padding."""
        if self.workload.carried:
            return self.workload.records * math.prod(self.workload.shape or ())
        if self.workload.augmented:
            return self.workload.records * (4 * math.prod(CROPPED) + 8)
        if self.workload.drawn:
            return self.workload.drawn * (4 * math.prod(self.workload.shape or ()) + 8)
        if self.workload.cube:
            return self.workload.counted * 4 * math.prod(self.workload.shape or ())
        if self.workload.packed:
            return self.column("values").nbytes
        names = ["values", "label"] if self.workload.ragged else ["payload", "label"]
        return sum(self.column(name).nbytes for name in names)
