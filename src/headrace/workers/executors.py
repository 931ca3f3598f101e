"""Work done by an executor of the user's: anything that speaks ``concurrent.futures``, Dask's and loky's too."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

from headrace.workers.work import Pool, Work


@dataclass(frozen=True, eq=False)
class Executors:
    """Workers that are an executor's; it stays the user's, and is never shut down here.

    Args:
        executor: Has ``submit(function, *arguments)``, which returns a future.
    """

    executor: Any

    def open(self, work: Work, depth: int, copy: bool) -> Pool:
        from headrace.workers.tasks import ExecutorPool  # with concurrent.futures, which is slow to load

        return ExecutorPool(self.executor, work, self.size)

    @property
    def size(self) -> int:
        return int(getattr(self.executor, "_max_workers", None) or os.cpu_count() or 1)

    def words(self) -> str:
        return f"{type(self.executor).__name__}({self.size})"
