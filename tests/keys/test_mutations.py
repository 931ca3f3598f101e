"""Every edit of what a function reaches is a miss, and no other edit is."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.keys.some_project import CHANGES, FILES, NO_CHANGES

Digests = dict[str, str]


def write(folder: Path, edit: tuple[str, str, str] | None) -> None:
    """Write the project, with one edit."""
    for name, text in FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if edit is not None and edit[0] == name:
            assert text.count(edit[1]) >= 1, edit
            text = text.replace(edit[1], edit[2], 1)
        path.write_text(text, encoding="utf-8")


@pytest.fixture(scope="module")
def digests(tmp_path_factory: pytest.TempPathFactory) -> Digests:
    """Return the digest of the chain over each variant, and over the project in a process of another hash seed."""
    root = tmp_path_factory.mktemp("variants")
    for number, edit in enumerate(CHANGES.values()):
        write(root / f"change {number}", edit)
    for number, edit in enumerate(NO_CHANGES.values()):
        write(root / f"same {number}", edit)
    write(root / "as it is", None)
    found: Digests = run(root, "1")
    other = tmp_path_factory.mktemp("elsewhere")
    write(other / "deeper", None)
    found["another process"] = run(other, "2")["deeper"]
    return found


def run(root: Path, seed: str) -> Digests:
    script = Path(__file__).with_name("key_of_project.py")
    done = subprocess.run(
        [sys.executable, str(script), str(root)],
        env={**os.environ, "PYTHONHASHSEED": seed},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    digests: Digests = json.loads(done.stdout)
    return digests


@pytest.mark.parametrize("number", range(len(CHANGES)), ids=list(CHANGES))
def test_an_edit_of_what_is_reached_is_a_miss(digests: Digests, number: int) -> None:
    assert digests[f"change {number}"] != digests["as it is"]


@pytest.mark.parametrize("number", range(len(NO_CHANGES)), ids=list(NO_CHANGES))
def test_an_edit_that_makes_no_other_records_is_a_hit(digests: Digests, number: int) -> None:
    assert digests[f"same {number}"] == digests["as it is"]


def test_the_key_is_the_same_in_another_folder_and_another_process(digests: Digests) -> None:
    assert digests["another process"] == digests["as it is"]


def test_all_mutations_are_told_apart(digests: Digests) -> None:
    changed = [digest for name, digest in digests.items() if name.startswith("change")]
    assert len({*changed}) == len(changed)


SCRIPT = """
import dataclasses
import enum

from headrace.formats.rows import Counting
from headrace.keys import key_of
from headrace.nodes.leaf import Leaf
from headrace.nodes.maps import RecordMap


class Colour(enum.Enum):
    RED = 1


@dataclasses.dataclass
class Item:
    x: int
    colour: Colour = Colour.RED


class Tool:
    def __init__(self):
        self.item = Item(3)

    def __call__(self, x):
        return helper(x), Colour.RED


def helper(x):
    assert x
    return Item(x)


print(key_of(RecordMap(Leaf(Counting(range(3))), Tool(), None, 0)).digest)
"""


def test_a_script_has_the_key_that_it_has_when_it_is_imported(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(SCRIPT)
    ways = [["script.py"], ["-O", "script.py"], ["-c", "import script"]]
    printed = {
        subprocess.run([sys.executable, *way], cwd=tmp_path, capture_output=True, text=True, check=True).stdout
        for way in ways
    }
    assert len(printed) == 1 and len(printed.pop().strip()) == 40
