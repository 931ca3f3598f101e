"""However a stream with workers ends, nothing is left of it: no process, thread, descriptor, file or memory."""

from __future__ import annotations

import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.whole.endings import KINDS
from tests.whole.living import NOTHING, SOON, Family, listening


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_left_of_streams_that_end_in_any_way(kind: str, tmp_path: Path) -> None:
    family = Family(["-m", "tests.whole.endings", "all", kind], tmp_path, stdout=-1, stderr=-1, text=True)
    try:
        out, errors = family.program.communicate()
        assert (out, errors, family.program.returncode) == ("", "", 0)
        assert family.left_behind() == NOTHING
    finally:
        family.end()


def waiting(kind: str, folder: Path) -> Family:
    """Start a program, and come back when it is in the middle of a run."""
    family = Family(["-m", "tests.whole.endings", "wait", kind], folder, stdout=-1, stderr=-1, text=True)
    try:
        assert family.program.stdout is not None
        line = family.program.stdout.readline()
        assert line == "ready\n", family.program.stderr and family.program.stderr.read()
        assert listening(family.members()) == []
    except BaseException:
        family.end()
        raise
    return family


@pytest.mark.parametrize("kind", ["processes", "spawned", "forked", "threads", "background", "maps"])
def test_nothing_is_left_when_a_program_is_killed(kind: str, tmp_path: Path) -> None:
    family = waiting(kind, tmp_path)
    try:
        until = time.monotonic() + 10
        while len(family.members()) < (1 if kind == "threads" else 3):  # one may answer before another has begun
            assert time.monotonic() < until, family.members()
            time.sleep(0.01)
        family.program.kill()
        assert family.program.wait() == -signal.SIGKILL
        assert family.left_behind() == NOTHING
    finally:
        family.end()
        family.program.communicate()


@pytest.mark.parametrize(
    ("kind", "whom"),
    [
        *((kind, "all, as a terminal does") for kind in ("processes", "spawned", "forked", "threads", "background")),
        *((kind, "the program") for kind in ("processes", "maps")),
    ],
)
def test_ctrl_c_ends_all_with_one_traceback(kind: str, whom: str, tmp_path: Path) -> None:
    family = waiting(kind, tmp_path)
    try:
        began = time.monotonic()
        for number in [family.program.pid] if whom == "the program" else family.members():
            subprocess.run(["kill", "-INT", str(number)], check=False)
        out, errors = family.program.communicate(timeout=10)
        assert time.monotonic() - began < SOON
        assert family.program.returncode == -signal.SIGINT
        assert errors.count("Traceback (most recent call last)") == 1 and errors.rstrip().endswith("KeyboardInterrupt")
        assert out == ""
        assert family.left_behind() == NOTHING
    finally:
        family.end()


@pytest.mark.parametrize("kind", ["processes", "background"])
def test_sigterm_ends_all(kind: str, tmp_path: Path) -> None:
    family = waiting(kind, tmp_path)
    try:
        family.program.terminate()
        assert family.program.wait() == -signal.SIGTERM
        assert family.left_behind() == NOTHING
    finally:
        family.end()
        family.program.communicate()
