"""The same with `strategy="first_fit"`: each sequence goes into the first open bin that has room."""

from __future__ import annotations

from benchmarks.loaders import headrace_pack_best_fit


class Loader(headrace_pack_best_fit.Loader):
    strategy = "first_fit"
