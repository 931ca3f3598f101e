"""The workloads ``patches...``: windows of a cube, in memory or in Zarr.

A loader hands over arrays of patches, alone or in batches, without a label: which patch it is, is known from its bytes,
of which no two windows have the same. So in the epoch that is not timed each patch is looked up by a digest of its
words, which shows any that is missing, doubled or wrong, and the order. In timed epochs their number and bytes are
counted. A loader that is slow has an attribute ``share``: the part of an epoch that it goes through.
"""

from __future__ import annotations

import gc
import json
import math
import shutil
import time
import warnings
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from benchmarks import processes
from benchmarks.checks import WEIGHTS, CheckError, check_permutation, reach
from benchmarks.workloads import LONGEST, Data, Workload

NAME = "sst"
DIMS = ("time", "lat", "lon")
CHUNKS = (50, 64, 64)
MEMORY = "64 MB"  # for decoded chunks: half of the cube
BLOCK = 256  # patches whose digests are taken at a time


class Loader(Protocol):
    """What a module of ``benchmarks.loaders`` has for these workloads.

    One with an attribute ``floor`` that is true hands over what is no patches, and is not checked.
    """

    def __init__(self, data: Data) -> None: ...
    def epoch(self, number: int) -> Iterator[Any]:
        """Hand over arrays ``(n, *shape of a patch)``."""
        ...


# What there is


def sizes(workload: Workload) -> dict[str, int]:
    """Return the size of a patch by dimension."""
    assert workload.shape is not None
    return dict(zip(DIMS, workload.shape, strict=True))


def overlap(workload: Workload) -> dict[str, int]:
    """Return what neighbours share, by dimension."""
    return {"lat": workload.overlap, "lon": workload.overlap} if workload.overlap else {}


def corners(workload: Workload) -> list[tuple[int, ...]]:
    """Return where each patch begins, those of the last dimension next to each other."""
    shared = overlap(workload)
    along = [
        range(0, length - size + 1, size - shared.get(dim, 0))
        for length, (dim, size) in zip(workload.cube, sizes(workload).items(), strict=True)
    ]
    return list(product(*along))


def cube(data: Data) -> NDArray[np.float32]:
    """Return the cube, in memory."""
    return np.asarray(np.load(data.workload.folder / "cube.npy"), np.float32)


def zarr_folder(data: Data) -> Path:
    """Return where the cube lies as a Zarr group, version 3."""
    return data.workload.folder / "cube.zarr"


def labelled(data: Data) -> Any:
    """Return the cube in memory as an xarray Dataset."""
    import xarray as xr

    return xr.Dataset({NAME: (DIMS, cube(data))}, coordinates(data.workload))


def opened(data: Data, **options: Any) -> Any:
    """Return the cube in Zarr as an xarray Dataset."""
    import xarray as xr

    return xr.open_zarr(zarr_folder(data), **options)


def coordinates(workload: Workload) -> dict[str, NDArray[Any]]:
    """Return a coordinate of each dimension."""
    time, lat, lon = workload.cube
    return {
        "time": np.datetime64("2001-01-01", "ns") + np.arange(time) * np.timedelta64(1, "D"),
        "lat": np.linspace(-60, 60, lat),
        "lon": np.arange(lon, dtype=np.float64),
    }


# Making


def make(data: Data) -> None:
    """Write the cube as an array, and as Zarr with the compression that zarr takes by itself."""
    import zarr

    workload = data.workload
    workload.folder.mkdir(parents=True, exist_ok=True)
    if not (workload.folder / "cube.json").exists():
        found = field(workload.cube)
        np.save(workload.folder / "cube.npy", found)
        shutil.rmtree(zarr_folder(data), ignore_errors=True)
        group = zarr.create_group(zarr_folder(data))
        array = group.create_array(NAME, shape=found.shape, chunks=CHUNKS, dtype=found.dtype, dimension_names=DIMS)
        array[:] = found
        for name, values in coordinates(workload).items():
            days = np.arange(len(values)) if name == "time" else values
            one = group.create_array(
                name, shape=days.shape, chunks=days.shape, dtype=days.dtype, dimension_names=(name,)
            )
            one[:] = days
            if name == "time":
                one.attrs["units"] = "days since 2001-01-01"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that version 3 does not speak of it; xarray warns where it is missing
            zarr.consolidate_metadata(group.store)
        stored = array.nbytes_stored() / found.nbytes
        (workload.folder / "cube.json").write_text(json.dumps({"stored": stored}))
    digests = workload.folder / f"digests-{workload.overlap}.npy"
    if not digests.exists():
        np.save(digests, digests_of(data))


def field(shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Return something like a temperature: waves, noise of half a degree, and hundredths."""
    rng = np.random.default_rng(20261121)
    day, lat, lon = (np.arange(length, dtype=np.float32) for length in shape)
    found = rng.standard_normal(shape, dtype=np.float32) * np.float32(0.5)
    found += (288 + 10 * np.sin(day * (2 * math.pi / 365))).astype(np.float32)[:, None, None]
    found += (15 * np.cos(lat * (math.pi / shape[1]))).astype(np.float32)[:, None]
    found += (3 * np.sin(lon * (6 * math.pi / shape[2]))).astype(np.float32)
    return np.asarray(np.round(found * 100) / np.float32(100), np.float32)


# Checking


def digests_of(data: Data) -> NDArray[np.uint64]:
    """Return the digest of each patch, in their order, cut straight from the cube."""
    workload, whole = data.workload, cube(data)
    found = []
    places = corners(workload)
    for start in range(0, len(places), BLOCK):
        rows = [window(whole, corner, workload) for corner in places[start : start + BLOCK]]
        found.append(digest(np.stack(rows)))
    all_of_them = np.concatenate(found)
    if len(all_of_them) != workload.records or len(np.unique(all_of_them)) != workload.records:
        raise CheckError(f"{workload.records:,} patches, of which each must differ, are {len(all_of_them):,}")
    return all_of_them


def window(whole: NDArray[Any], corner: tuple[int, ...], workload: Workload) -> NDArray[Any]:
    """Return one patch, a view."""
    assert workload.shape is not None
    return whole[tuple(slice(at, at + size) for at, size in zip(corner, workload.shape, strict=True))]


def digest(rows: NDArray[Any]) -> NDArray[np.uint64]:
    """Return a digest of each row: a sum of its words, each times an odd number of its own."""
    words = np.ascontiguousarray(rows).reshape(len(rows), -1).view(np.uint64)
    return np.asarray((words * WEIGHTS[: words.shape[1]]).sum(axis=1, dtype=np.uint64), np.uint64)


def check(loader: Loader, data: Data, number: int) -> dict[str, Any]:
    """Run one epoch and look at every patch that is handed over."""
    workload, share = data.workload, getattr(loader, "share", 1.0)
    if getattr(loader, "floor", False):
        for _ in loader.epoch(number):
            pass
        return {"reach": 0.0, "share": share}
    known = np.load(workload.folder / f"digests-{workload.overlap}.npy")
    by = np.argsort(known)
    seen: list[NDArray[np.int64]] = []
    count = 0
    for patches in loader.epoch(number):
        rows = np.asarray(patches)
        if rows.shape[1:] != workload.shape or rows.dtype != workload.dtype:
            raise CheckError(f"a batch is {rows.dtype}{list(rows.shape)}, not of {workload.dtype}{workload.shape}")
        found = digest(rows)
        at = by[np.minimum(np.searchsorted(known, found, sorter=by), len(by) - 1)]
        if not np.array_equal(known[at], found):
            raise CheckError(f"behind {count:,} patches comes one that is none of the cube's")
        seen.append(at)
        count += len(at)
        if share < 1 and count >= share * workload.counted:
            break
    order = np.concatenate(seen)
    shuffled = not getattr(loader, "ordered", False)
    passes = [order] if share < 1 else np.split(order, workload.passes)
    for one in passes:
        if share == 1:
            check_permutation(one, workload.records, shuffled)
        elif len(np.unique(one)) != len(one):
            raise CheckError("a patch came twice")
    return {"reach": reach(passes[0]) if shuffled and share == 1 else 0.0, "share": share}


def timed(loader: Loader, data: Data, number: int) -> dict[str, Any]:
    """Time one epoch, or the share of it that a loader goes through; check the number of patches and bytes.

    As with other work in processes, the clock starts when the workload's first ``lead_in`` batches are there.
    """
    workload, share = data.workload, getattr(loader, "share", 1.0)
    lead_in, enough = workload.lead_in, share * workload.counted
    count = size = untimed = 0
    gc.collect()
    processor, start = processes.ProcessorTime(), time.perf_counter()
    for patches in loader.epoch(number):
        count += len(patches)
        size += patches.nbytes
        lead_in -= 1
        if lead_in == 0:
            processor, start, untimed = processes.ProcessorTime(), time.perf_counter(), count
        if (share < 1 and count >= enough) or time.perf_counter() - start > LONGEST:
            break
    seconds = time.perf_counter() - start
    cpu = processor.seconds()
    cut = count < enough
    if not getattr(loader, "floor", False):
        if not cut and share == 1 and count != workload.counted:
            raise CheckError(f"{count:,} patches of {workload.counted:,}")
        if size * workload.counted != count * data.size:
            raise CheckError(f"{size:,} bytes in {count:,} patches")
    return {"seconds": seconds, "cpu": cpu, "records": count - untimed, "cut": cut}
