"""A training with workers that is killed and goes on ends with the same weights, bit for bit."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import numpy as np
import pytest

from tests.whole.living import Family

pytestmark = pytest.mark.torch
SCRIPT = Path(__file__).with_name("training.py")


def start(checkpoint: Path, workers: int) -> Family:
    return Family([str(SCRIPT), str(checkpoint), str(workers)], checkpoint.parent, stdout=-1, text=True)


def finish(family: Family) -> str:
    try:
        out, _ = family.program.communicate(timeout=120)
        assert family.program.returncode == 0
        assert family.left_behind()["processes"] == []  # files are torch's
        return str(out)
    finally:
        family.end()


def test_the_weights_of_a_killed_training_are_those_of_an_unbroken_one(tmp_path: Path) -> None:
    unbroken = finish(start(tmp_path / "unbroken", workers=0))
    checkpoint = tmp_path / "killed"
    family = start(checkpoint, workers=2)
    try:
        while not checkpoint.exists():
            assert family.program.poll() is None
            time.sleep(0.001)
        time.sleep(float(np.random.default_rng().random()) * 0.1)
        assert len(family.members()) == 4  # the program, two workers, and who watches them
        family.program.kill()
        assert family.program.wait() == -signal.SIGKILL
        assert family.left_behind()["processes"] == []
    finally:
        family.end()
        family.program.communicate()
    assert finish(start(checkpoint, workers=2)) == unbroken
    digest, right = unbroken.split()
    assert len(digest) == 64 and float(right) > 0.6
