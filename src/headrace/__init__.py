"""Data from where it lies to the model that learns from it: true shuffles, exact resume, memory speed.

The public names, each loaded when it is first used, so that ``import headrace`` costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import headrace.feeds.torch  # noqa: F401 - so that hr.feeds.torch is known
    from headrace.core.batch import Batch
    from headrace.core.builder import BatchBuilder
    from headrace.core.errors import (
        ArgumentError,
        CodeChangedWarning,
        ColumnError,
        DamageError,
        DeniedError,
        DryRunError,
        EndlessError,
        ExistsError,
        HeadraceError,
        HeadraceWarning,
        KindError,
        MissingExtraError,
        NotFoundError,
        OrderError,
        RecordError,
        ReplayWarning,
        SchemaError,
        StateError,
        StoreError,
        UnreachableError,
        WorkerError,
    )
    from headrace.core.failures import SKIP, Failure, Retry
    from headrace.core.ragged import Ragged
    from headrace.core.rowgenerator import RowGenerator
    from headrace.core.schema import Schema
    from headrace.core.source import Source
    from headrace.cubes.choosing.conditions import at_center, center_valid, patch_mean, valid_fraction
    from headrace.cubes.geometry import Geometry
    from headrace.cubes.measuring.statistics import Statistics
    from headrace.dataset import Dataset, concat, zip
    from headrace.muxes import ChainMux, Curriculum, Mux, RoundRobinMux, ShuffledMux, Stats, StochasticMux, mix
    from headrace.patching import Patches, patches
    from headrace.stitching import stitch
    from headrace.store import Store
    from headrace.stream import Stream, chain, interleave, streamable
    from headrace.workers.processes import Processes
    from headrace.workers.slots import empty
    from headrace.workers.threads import Threads

__version__ = "0.1.0"

__all__ = [
    "SKIP",
    "ArgumentError",
    "Batch",
    "BatchBuilder",
    "ChainMux",
    "CodeChangedWarning",
    "ColumnError",
    "Curriculum",
    "DamageError",
    "Dataset",
    "DeniedError",
    "DryRunError",
    "EndlessError",
    "ExistsError",
    "Failure",
    "Geometry",
    "HeadraceError",
    "HeadraceWarning",
    "KindError",
    "MissingExtraError",
    "Mux",
    "NotFoundError",
    "OrderError",
    "Patches",
    "Processes",
    "Ragged",
    "RecordError",
    "ReplayWarning",
    "Retry",
    "RoundRobinMux",
    "RowGenerator",
    "Schema",
    "SchemaError",
    "ShuffledMux",
    "Source",
    "StateError",
    "Statistics",
    "Stats",
    "StochasticMux",
    "Store",
    "StoreError",
    "Stream",
    "Threads",
    "UnreachableError",
    "WorkerError",
    "at_center",
    "center_valid",
    "chain",
    "concat",
    "empty",
    "interleave",
    "mix",
    "patch_mean",
    "patches",
    "stitch",
    "streamable",
    "valid_fraction",
    "zip",
]

# Where a name lives; the errors and warnings, the rest of __all__, live in core.errors.
_HOMES = {
    "Batch": "headrace.core.batch",
    "BatchBuilder": "headrace.core.builder",
    "Dataset": "headrace.dataset",
    "Failure": "headrace.core.failures",
    "Geometry": "headrace.cubes.geometry",
    "Patches": "headrace.patching",
    "Processes": "headrace.workers.processes",
    "Ragged": "headrace.core.ragged",
    "Retry": "headrace.core.failures",
    "RowGenerator": "headrace.core.rowgenerator",
    "SKIP": "headrace.core.failures",
    "Schema": "headrace.core.schema",
    "Source": "headrace.core.source",
    "Store": "headrace.store",
    "Statistics": "headrace.cubes.measuring.statistics",
    "Stream": "headrace.stream",
    "Threads": "headrace.workers.threads",
    "at_center": "headrace.cubes.choosing.conditions",
    "center_valid": "headrace.cubes.choosing.conditions",
    "chain": "headrace.stream",
    "concat": "headrace.dataset",
    "empty": "headrace.workers.slots",
    "interleave": "headrace.stream",
    "ChainMux": "headrace.muxes",
    "Curriculum": "headrace.muxes",
    "Mux": "headrace.muxes",
    "RoundRobinMux": "headrace.muxes",
    "ShuffledMux": "headrace.muxes",
    "Stats": "headrace.muxes",
    "StochasticMux": "headrace.muxes",
    "mix": "headrace.muxes",
    "patch_mean": "headrace.cubes.choosing.conditions",
    "patches": "headrace.patching",
    "stitch": "headrace.stitching",
    "streamable": "headrace.stream",
    "valid_fraction": "headrace.cubes.choosing.conditions",
    "zip": "headrace.dataset",
}


if not TYPE_CHECKING:  # a type checker would believe that every name exists

    def __getattr__(name: str) -> object:
        """Load a public name from where it lives, once (PEP 562)."""
        if name == "feeds":
            return import_module("headrace.feeds")
        if name not in __all__:
            raise AttributeError(f"module 'headrace' has no attribute {name!r}")
        value = getattr(import_module(_HOMES.get(name, "headrace.core.errors")), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
