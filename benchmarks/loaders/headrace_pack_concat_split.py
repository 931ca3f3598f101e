"""The same with `strategy="concat_split"`: one sequence after another, split where a bin ends."""

from __future__ import annotations

from benchmarks.loaders import headrace_pack_best_fit


class Loader(headrace_pack_best_fit.Loader):
    splits = True
    strategy = "concat_split"
