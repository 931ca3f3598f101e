"""The same with `FirstFitPackIterDataset`."""

# mypy: disable-error-code="import-not-found, import-untyped"
# the library is in the benchmarks' environment only, and has no types

from __future__ import annotations

import grain.experimental

from benchmarks.loaders import grain_pack_best_fit


class Loader(grain_pack_best_fit.Loader):
    packer = grain.experimental.FirstFitPackIterDataset
