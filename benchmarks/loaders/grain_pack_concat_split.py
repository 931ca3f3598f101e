"""The same with `ConcatThenSplitIterDataset`, which has no open bins."""

# mypy: disable-error-code="import-not-found, import-untyped"
# the library is in the benchmarks' environment only, and has no types

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import grain.experimental

from benchmarks.loaders import grain_pack_best_fit


class Loader(grain_pack_best_fit.Loader):
    splits = True
    packer = grain.experimental.ConcatThenSplitIterDataset
    bins: Mapping[str, int] = MappingProxyType({})
