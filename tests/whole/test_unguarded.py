"""Programs as people write them: without a guard, with all that they need defined in main, from files and otherwise."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.whole.living import NOTHING, Family

SCRIPT = '''
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

import numpy as np

import headrace as hr

print("begins")
offset = 100


@dataclass
class Scale:
    factor: int

    def __call__(self, x):
        return x * self.factor


class Point(NamedTuple):
    x: int
    y: int


class Colour(Enum):
    RED = 1
    BLUE = 2


class Reader:
    """A source of its own kind."""

    def __len__(self):
        return 12

    def __getitem__(self, index):
        return index


class OddError(Exception):
    def __init__(self, what, where):
        super().__init__(f"{what} at {where}")
        self.where = where


def closure(n):
    return lambda x: x + n + offset


def paint(x):
    return {"x": x, "colour": Colour.RED if x % 2 else Colour.BLUE}


def refuse(x):
    if x == 7:
        raise OddError("seven", x)
    return x


def count():
    for x in range(4):
        yield Point(x, x * x)


WORKERS = given_workers
ds = hr.Dataset(Reader()).map(Scale(2)).map(closure(3))
print([batch.tolist() for batch in ds.batch(6).stream(workers=WORKERS)])
painted = hr.Dataset(Reader()).map(paint).stream(workers=WORKERS).list()
print(sum(record["colour"] is Colour.RED for record in painted), "red")
print(type(hr.Stream(count).background().list()[3]) is Point)
print(hr.Stream(range(3)).map(lambda x: Scale(x), workers=WORKERS).list()[2] == Scale(2))
try:
    hr.Dataset(Reader()).map(refuse).stream(workers=WORKERS).list()
except hr.RecordError as error:
    print(type(error.__cause__) is OddError, error.__cause__.where, "refuse" in str(error))
'''

PRINTED = """begins
[[103, 105, 107, 109, 111, 113], [115, 117, 119, 121, 123, 125]]
6 red
True
True
True 7 True
"""


def run(arguments: list[str], folder: Path, script: str = "") -> tuple[str, str]:
    """Return what a program prints, to both of its streams; nothing else is left of it."""
    family = Family(arguments, folder, stdin=subprocess.PIPE, stdout=-1, stderr=-1, text=True)
    try:
        printed = family.program.communicate(script, timeout=60)
        assert family.left_behind() == NOTHING
        return printed
    finally:
        family.end()


def text(workers: str) -> str:
    return SCRIPT.replace("given_workers", workers)


@pytest.mark.parametrize(
    "workers",
    ["2", "hr.Processes(1, start_method='spawn')", "hr.Processes(2, start_method='fork')", "hr.Threads(2)", "'auto'"],
)
def test_a_script_without_a_guard(workers: str, tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(text(workers))
    assert run(["script.py"], tmp_path) == (PRINTED, "")


@pytest.mark.parametrize("workers", ["2", "hr.Processes(1, start_method='spawn')"])
def test_a_program_from_the_command_line(workers: str, tmp_path: Path) -> None:
    assert run(["-c", text(workers)], tmp_path) == (PRINTED, "")


def test_a_program_from_standard_input(tmp_path: Path) -> None:
    assert run(["-"], tmp_path, text("2")) == (PRINTED, "")


def test_a_module_that_is_run_and_one_beside_it(tmp_path: Path) -> None:
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "__init__.py").write_text("")
    (tmp_path / "package" / "beside.py").write_text("def double(x):\n    return 2 * x\n")
    main = text("2") + "from .beside import double\nprint(hr.Dataset(range(3)).map(double).stream(workers=2).list())\n"
    (tmp_path / "package" / "__main__.py").write_text(main)
    assert run(["-m", "package"], tmp_path) == (PRINTED + "[0, 2, 4]\n", "")


def test_a_script_that_changes_its_folder_and_where_modules_are_found(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "found_there.py").write_text("def where(x):\n    return open('here').read() + str(x)\n")
    (tmp_path / "elsewhere" / "here").write_text("there ")
    script = """
import os, sys
import headrace as hr
sys.path.insert(0, os.path.abspath("elsewhere"))
os.chdir("elsewhere")
import found_there
print(hr.Dataset(range(2)).map(found_there.where).stream(workers=2).list())
"""
    (tmp_path / "script.py").write_text(script)
    assert run(["script.py"], tmp_path) == ("['there 0', 'there 1']\n", "")
