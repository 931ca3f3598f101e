"""`for patch in xbatcher.BatchGenerator(dataset, input_dims, input_overlap=...)`, and `patch[name].values`: one patch
at a time, which it does not stack. The Dataset lies in memory.
"""

# mypy: disable-error-code="import-not-found, import-untyped"

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import xbatcher

from benchmarks import patching
from benchmarks.workloads import Data


def generator(dataset: Any, data: Data, **options: Any) -> Any:
    """Return its generator of a workload's patches."""
    workload = data.workload
    return xbatcher.BatchGenerator(
        dataset, patching.sizes(workload), input_overlap=patching.overlap(workload), **options
    )


def ordered(made: Any) -> Iterator[Any]:
    """Return its patches in order."""
    for patch in made:
        yield patch[patching.NAME].values[None]


def shuffled(made: Any, number: int) -> Iterator[Any]:
    """Return its patches in random order."""
    for index in np.random.default_rng(number).permutation(len(made)).tolist():
        yield made[index][patching.NAME].values[None]


class Loader:
    ordered = True

    def __init__(self, data: Data) -> None:
        self.patches = generator(patching.labelled(data), data)

    def epoch(self, number: int) -> Iterator[Any]:
        return ordered(self.patches)
