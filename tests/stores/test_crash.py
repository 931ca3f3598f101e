"""A writer that is killed at any moment leaves the store readable, and the next one goes on."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

DYING = Path(__file__).with_name("dying.py")


def kills(*arguments: object) -> int:
    done = subprocess.run(
        [sys.executable, str(DYING), *map(str, arguments)], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


@pytest.mark.parametrize(("scenario", "least"), [("submit", 25), ("replace", 25), ("delete", 10)])
def test_killed_at_any_file_operation(tmp_path: Path, scenario: str, least: int) -> None:
    assert kills(tmp_path / "store", scenario) >= least


@pytest.mark.parametrize("scenario", ["submit", "replace"])
def test_killed_at_random_moments(tmp_path: Path, scenario: str) -> None:
    assert kills(tmp_path / "store", scenario, 10) == 10
