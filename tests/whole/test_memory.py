"""Data in memory is there once, however many workers read it; and a run takes no more as it goes on."""

from __future__ import annotations

import json
import os
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest

from headrace.core.cache import ByteCache
from tests.whole.held import KINDS
from tests.whole.living import Family

SIZE = int(os.environ.get("HEADRACE_MEGABYTES", "300"))  # 1000 by `make soak`
OWN = 0 if SIZE >= 1000 else 40_000_000  # bytes that six processes and their slots take, whatever the size of the data
SLACK = 1.05


@pytest.mark.timeout(600)
@pytest.mark.parametrize("kind", KINDS)
def test_four_workers_hold_the_data_once_and_memory_is_flat(kind: str, tmp_path: Path) -> None:
    family = Family(["-m", "tests.whole.held", kind, str(SIZE), str(tmp_path)], tmp_path, stdout=subprocess.PIPE)
    try:
        out, _ = family.program.communicate()
        assert family.program.returncode == 0
    finally:
        family.end()
    told = json.loads(out)
    epochs = told["epochs"]
    print(f"{kind}, {SIZE} MB: {epochs[1] / 1e6:.0f} MB in epoch 2, {epochs[-1] / 1e6:.0f} MB in epoch 10")
    assert told["processes"] == 6  # the program, four workers, and who watches them
    assert max(epochs) < 1.6 * SIZE * 1e6 + OWN
    warm = max(epochs[1:4])  # until then each worker has met the slots and buffers that it needs
    assert epochs[-1] < SLACK * warm + OWN / 2


def test_a_cache_lets_go_of_what_nobody_has_asked_for() -> None:
    cache: ByteCache[int, np.ndarray[tuple[int, ...], np.dtype[np.int64]]] = ByteCache(limit=1 << 20, idle=0.05)
    kept = cache.get(1, np.arange)
    cache.get(2, np.arange)
    time.sleep(0.06)
    assert cache.get(1, np.arange) is kept  # asked for again: it stays
    cache.get(3, np.arange)
    assert [*cache._entries] == [1, 3]
    assert cache._held == sum(array.nbytes + 1024 for array in cache._entries.values())
    assert cache._used.keys() == cache._entries.keys()
