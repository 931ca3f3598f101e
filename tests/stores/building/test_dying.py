"""Builders that are killed at any moment lose little, and nothing that is published is wrong."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

DYING = Path(__file__).with_name("dying.py")
KILLS = int(os.environ.get("HEADRACE_KILLS", "20"))


def died(*arguments: object) -> tuple[int, int]:
    """Return how many records were read, and how many there are."""
    done = subprocess.run(
        [sys.executable, str(DYING), *map(str, arguments)], capture_output=True, text=True, timeout=60 + 5 * KILLS
    )
    assert done.returncode == 0, done.stderr
    read, there = map(int, done.stdout.split())
    return read, there


@pytest.mark.parametrize("part_bytes", [0, 100_000])
def test_killed_at_random_moments(tmp_path: Path, part_bytes: int) -> None:
    read, there = died(tmp_path, "random", KILLS // 2, part_bytes)
    assert there <= read <= there + KILLS // 2 * 0.25 * 600


@pytest.mark.parametrize("workers", [0, 2])
def test_killed_when_nine_tenths_are_read_a_quarter_at_most_is_read_again(tmp_path: Path, workers: int) -> None:
    read, there = died(tmp_path, "late", workers)
    assert there <= read < 1.25 * there


def test_killed_at_any_file_operation_after_the_last_record(tmp_path: Path) -> None:
    read, there = died(tmp_path, "end", 300_000)
    assert there <= read < 1.25 * there
