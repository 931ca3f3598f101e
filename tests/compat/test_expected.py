"""The list of expected failures: what fails otherwise, or passes, or is not there, fails the run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.compat.expected import read_expected

ROOT = Path(__file__).parents[2]
TESTS = "def test_passes(): pass\ndef test_fails(): assert False, 'it does'\n"


@pytest.mark.parametrize(
    ("lines", "result", "words"),
    [
        ("test_some.py::test_fails  # a reason\n", 0, "1 passed, 1 xfailed"),
        ("test_some.py::test_passes  # why\n", 1, "2 failed"),
        ("test_some.py::test_gone  # why\n", 4, "there is no such test: test_some.py::test_gone"),
    ],
)
def test_a_run_passes_only_if_it_fails_as_expected(tmp_path: Path, lines: str, result: int, words: str) -> None:
    (tmp_path / "test_some.py").write_text(TESTS)
    (tmp_path / "expected.txt").write_text(f"# comment\n\n{lines}")
    options = ["-c", os.devnull, "--rootdir", ".", "-p", "no:cacheprovider", "-p", "tests.compat.expected"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, "--expected", "expected.txt", "."],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == result and words in done.stdout + done.stderr, done.stdout + done.stderr


def test_a_line_without_a_reason_is_refused(tmp_path: Path) -> None:
    (tmp_path / "expected.txt").write_text("test_some.py::test_fails\n")
    with pytest.raises(pytest.UsageError, match="say why"):
        read_expected(tmp_path / "expected.txt")


def test_the_list_for_pescador_can_be_read() -> None:
    assert read_expected(ROOT / "scripts" / "pescador-expected.txt") == {}
