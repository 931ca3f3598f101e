"""Every loader that is measured: its name, what it is, and where its requirements lie.

Each is one module here with a class ``Loader``; the module's docstring says how the loader is used and stands as a note
below the tables.
"""

from __future__ import annotations

import ast
import importlib.util
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from benchmarks.workloads import PLAIN

ROOT = Path(__file__).parents[2]
Kind = Literal["baseline", "ours", "peer", "by hand"]


@dataclass(frozen=True)
class Entry:
    """A loader in the tables.

    ``kind`` is ``"peer"`` for a library used as its own documentation says, ``"by hand"`` for a library in which we
    wrote the gathering of a batch ourselves, to show what it can do at best.
    """

    name: str
    title: str
    kind: Kind
    environment: str | None = None  # a virtual environment of its own, beside the one that runs all others
    workloads: tuple[str, ...] = PLAIN
    absent: Mapping[str, str] = field(default_factory=dict)  # why not, of workloads in whose tables it is missed
    needs: str = ""  # a module, of ours and baselines, without which they are left out where there are no peers

    @property
    def note(self) -> str:
        """How the loader is used: the docstring of its module, in one line."""
        tree = ast.parse((Path(__file__).parent / f"{self.name}.py").read_text())
        return " ".join((ast.get_docstring(tree) or "").split())

    @property
    def python(self) -> str | None:
        """The interpreter that has what this loader needs; None if its environment was not made."""
        if self.environment is None:
            return sys.executable
        own = ROOT / self.environment / "bin" / "python"
        return str(own) if own.exists() else None


AUGMENT, CARRIED = ("augment",), ("transport", "made")
STORES = (*PLAIN, "store")
STREAMS, MIXING, PACKING = ("hierarchical",), ("mixing",), ("packing",)
PATCHES, IN_ZARR, INTO_TORCH = ("patches",), ("patches-zarr",), ("patches-torch",)
OVERLAPPING = (*IN_ZARR, "patches-overlap")
LOADERS = {
    each.name: each
    for each in (
        Entry("memcpy", "memcpy of the same bytes, in order", "baseline"),
        Entry("numpy_loop", "plain NumPy loop", "baseline", workloads=STORES),
        Entry("headrace_store", "Headrace", "ours", workloads=STORES),
        Entry("headrace_threads", "Headrace, 2 threads", "ours"),
        Entry("headrace_auto", 'Headrace, `workers="auto"`', "ours"),
        Entry("torch_records", "torch DataLoader, record by record", "peer"),
        Entry("torch_batches", "torch DataLoader, `__getitems__` by hand", "by hand"),
        Entry("grain_map", "Grain", "peer"),
        Entry("hf_numpy", "HF datasets", "peer", workloads=STORES),
        Entry("mosaic_mds", "MosaicML streaming", "peer", workloads=STORES),
        Entry("wds_tar", "WebDataset (no global shuffle)", "peer", workloads=STORES),
        Entry("lmdb_pickle", "LMDB + pickle, yogadl's design", "peer", workloads=("store",)),
        Entry("lance_safe", "Lance", "peer", workloads=("store",)),
        Entry("lance_take", "Lance, `take` by hand", "by hand", workloads=("store",)),
        Entry("tf_slices", "tf.data", "peer"),
        Entry("tf_gather", "tf.data, gather by hand", "by hand"),
        Entry(
            "ffcv_beton",
            "FFCV",
            "peer",
            environment=".venv-bench-ffcv",
            workloads=("images", "table"),
            absent={"ragged": "its fields have one shape for all records, or pad to the longest of the whole dataset"},
        ),
        Entry("floor_augment", "two processes, the function alone", "baseline", workloads=AUGMENT),
        Entry("headrace_augment", "Headrace, `map`", "ours", workloads=AUGMENT),
        Entry("headrace_augment_views", "Headrace, `map`, views", "ours", workloads=AUGMENT),
        Entry("headrace_augment_batches", "Headrace, `map_batches`", "ours", workloads=AUGMENT),
        Entry("torch_augment", "torch DataLoader", "peer", workloads=AUGMENT),
        Entry(
            "torch_augment_batches",
            "torch DataLoader, `__getitems__` for columns by hand",
            "by hand",
            workloads=AUGMENT,
        ),
        Entry("grain_augment", "Grain", "peer", workloads=AUGMENT),
        Entry("mosaic_augment", "MosaicML streaming", "peer", workloads=AUGMENT),
        Entry("nodes_augment", "torchdata nodes", "peer", workloads=AUGMENT),
        Entry("spdl_augment", "SPDL", "peer", workloads=AUGMENT),
        Entry("hf_augment", "HF datasets", "peer", workloads=AUGMENT),
        Entry("carry_inline", "the generator, in the same process", "baseline", workloads=("made",)),
        Entry("headrace_views", "Headrace, views", "ours", workloads=CARRIED),
        Entry("headrace_owned", "Headrace, owned arrays", "ours", workloads=CARRIED),
        Entry("headrace_offered", "Headrace, views of slots that were filled", "ours", workloads=("made",)),
        Entry("torch_worker", "torch DataLoader", "peer", workloads=CARRIED),
        Entry("torch_worker_shared", "torch DataLoader, shared tensors by hand", "by hand", workloads=("made",)),
        Entry("pescador_zmq", "pescador", "peer", workloads=CARRIED),
        Entry("spdl_pool", "SPDL, views", "peer", workloads=CARRIED),
        Entry("numpy_mux", "plain NumPy loop", "baseline", workloads=STREAMS),
        Entry("headrace_mux", "Headrace, Datasets", "ours", workloads=STREAMS),
        Entry("headrace_mux_arrays", "Headrace, Datasets with nothing in common", "ours", workloads=STREAMS),
        Entry("headrace_mux_generators", "Headrace, generators", "ours", workloads=STREAMS),
        Entry("headrace_mux_compat", "Headrace, `compat.pescador`, generators", "ours", workloads=STREAMS),
        Entry("pescador_mux", "pescador, generators", "peer", workloads=STREAMS),
        Entry("numpy_mix", "plain NumPy loop", "baseline", workloads=MIXING),
        Entry("headrace_mix", "Headrace, Datasets", "ours", workloads=MIXING),
        Entry("headrace_mix_slices", "Headrace, slices of one Dataset", "ours", workloads=MIXING),
        Entry("headrace_mix_shuffled", "Headrace, Datasets, each shuffled", "ours", workloads=MIXING),
        Entry("headrace_mix_streams", "Headrace, generators", "ours", workloads=MIXING),
        Entry("torch_mix", "torch DataLoader, `WeightedRandomSampler`", "peer", workloads=MIXING),
        Entry("nodes_mix", "torchdata nodes, `MultiNodeWeightedSampler`", "peer", workloads=MIXING),
        Entry("wds_mix", "WebDataset, `RandomMix`", "peer", workloads=MIXING),
        Entry("grain_mix", "Grain, `MapDataset.mix`", "peer", workloads=MIXING),
        Entry("hf_mix", "HF datasets, `interleave_datasets`", "peer", workloads=MIXING),
        Entry("tf_mix", "tf.data, `sample_from_datasets`", "peer", workloads=MIXING),
        Entry("numpy_pack", "plain Python and NumPy, best fit", "baseline", workloads=PACKING),
        Entry("headrace_pack_best_fit", "Headrace, best fit", "ours", workloads=PACKING),
        Entry("headrace_pack_first_fit", "Headrace, first fit", "ours", workloads=PACKING),
        Entry("headrace_pack_concat_split", "Headrace, split", "ours", workloads=PACKING),
        Entry("grain_pack_best_fit", "Grain, best fit", "peer", workloads=PACKING),
        Entry("grain_pack_first_fit", "Grain, first fit", "peer", workloads=PACKING),
        Entry("grain_pack_concat_split", "Grain, split", "peer", workloads=PACKING),
        Entry("numpy_patches", "plain NumPy loop, in order", "baseline", workloads=PATCHES),
        Entry("numpy_patches_shuffled", "plain NumPy loop, shuffled", "baseline", workloads=PATCHES),
        Entry("headrace_patches", "Headrace, in order", "ours", workloads=PATCHES, needs="xarray"),
        Entry("headrace_patches_shuffled", "Headrace, shuffled", "ours", workloads=PATCHES, needs="xarray"),
        Entry("xbatcher_patches", "xbatcher, in order, unstacked", "peer", workloads=PATCHES),
        Entry("xbatcher_patches_shuffled", "xbatcher, shuffled, unstacked", "peer", workloads=PATCHES),
        Entry("xbatcher_patches_concat", "xbatcher, in order, stacked", "peer", workloads=PATCHES),
        Entry("zarr_decode", "decompression alone, 2 threads", "baseline", workloads=OVERLAPPING, needs="zarr"),
        Entry("zarr_chunks", "zarr-python, each chunk once, in order", "baseline", workloads=IN_ZARR, needs="zarr"),
        Entry("tensorstore_chunks", "tensorstore, each chunk once, in order", "by hand", workloads=IN_ZARR),
        Entry("headrace_zarr", "Headrace, in order", "ours", workloads=OVERLAPPING, needs="zarr"),
        Entry("headrace_zarr_threads", "Headrace, in order, 2 threads", "ours", workloads=OVERLAPPING, needs="zarr"),
        Entry("headrace_zarr_dask", "Headrace, in order, through dask", "ours", workloads=IN_ZARR, needs="zarr"),
        Entry("headrace_zarr_blocks", "Headrace, shuffled by blocks", "ours", workloads=OVERLAPPING, needs="zarr"),
        Entry(
            "headrace_zarr_blocks_threads",
            "Headrace, shuffled by blocks, 2 threads",
            "ours",
            workloads=OVERLAPPING,
            needs="zarr",
        ),
        Entry("xbatcher_zarr", "xbatcher, in order", "peer", workloads=OVERLAPPING),
        Entry("xbatcher_zarr_dask", "xbatcher, in order, through dask", "peer", workloads=IN_ZARR),
        Entry("xbatcher_zarr_shuffled", "xbatcher, shuffled", "peer", workloads=OVERLAPPING),
        Entry("headrace_zarr_rust", "Headrace, shuffled by blocks, zarrs", "ours", workloads=IN_ZARR, needs="zarrs"),
        Entry("headrace_patches_torch", "Headrace", "ours", workloads=INTO_TORCH, needs="torch"),
        Entry("xbatcher_torch", "xbatcher, `MapDataset`", "peer", workloads=INTO_TORCH),
    )
}
OWN = [
    name
    for name, entry in LOADERS.items()
    if entry.kind in ("baseline", "ours") and (not entry.needs or importlib.util.find_spec(entry.needs))
]
