"""What is said of two keys: which field changed, what of it, and where that stands now."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import headrace as hr
from headrace.core.errors import ArgumentError
from headrace.keys import Field, Key, Part, explain, key_of, nearest

Load = Callable[..., Any]

STEPS = """import json
import pickle

from explained.text import clean

SIZE = 64
reader = json


def decode(x, rate=2):
    y = clean(x)
    z = y * rate
    if z > SIZE:
        z = reader.loads("1")
    return z


class Scale:
    factor = 3

    def __init__(self, offset):
        self.offset = offset

    def __call__(self, x):
        return x * self.factor


def maker(n):
    def made(x):
        return x + n
    return made
"""
TEXT = '''def clean(x):
    """Clean it."""
    x = x + 1
    return x
'''


@pytest.fixture
def load(tmp_path: Path) -> Iterator[Load]:
    """Write the project, with edits of its files, and import its steps anew."""

    def write(edits: dict[str, tuple[str, str]] | None = None) -> Any:
        (tmp_path / "explained").mkdir(exist_ok=True)
        for name, text in {"__init__.py": "", "steps.py": STEPS, "text.py": TEXT}.items():
            old, new = (edits or {}).get(name, ("", ""))
            assert old in text
            path = tmp_path / "explained" / name
            path.write_text(text.replace(old, new) if old else text)
        forget()
        importlib.invalidate_caches()
        return importlib.import_module("explained.steps")

    def forget() -> None:
        for name in [name for name in sys.modules if name.partition(".")[0] == "explained"]:
            del sys.modules[name]

    sys.path.insert(0, str(tmp_path))
    before, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    yield write
    sys.dont_write_bytecode = before
    sys.path.remove(str(tmp_path))
    forget()


def source() -> hr.Dataset:
    return hr.Dataset(x=np.arange(10), y=np.arange(10))


def key(dataset: hr.Dataset, *libraries: str) -> Key:
    return key_of(dataset._node, libraries)


def stored(made: Key) -> Key:
    """Return a key as it comes back from a store."""
    return Key.from_json(made.to_json())


@pytest.mark.parametrize(
    ("file", "old", "new", "lines"),
    [
        ("steps.py", "y * rate\n", "y * rate + 1\n", ["map(decode): its source changed, line 12"]),
        ("steps.py", "    z = y", "    z = 0\n    z = y", ["map(decode): its source changed, line 12"]),
        ("steps.py", "    y = clean(x)\n", "", ["map(decode): its source changed, line 11"]),
        ("steps.py", "import json\n", "import json\n\n\n", []),
        ("steps.py", "z > SIZE", "z >= SIZE", ["map(decode): its source changed, line 13"]),
        ("steps.py", "SIZE = 64", "SIZE = 32", ["map(decode): the value of SIZE changed from 64 to 32"]),
        (
            "steps.py",
            "rate=2",
            "rate=3",
            [
                "map(decode): its source changed, line 10",
                "map(decode): the value of default 'rate' changed from 2 to 3",
            ],
        ),
        ("steps.py", "reader = json", "reader = pickle", ["map(decode): reader is pickle, and was json"]),
        ("text.py", "x + 1", "x + 2", ["map(decode): helper 'clean' (explained/text.py) changed, line 3"]),
        ("text.py", "Clean it.", "Make it clean.", []),
    ],
)
def test_a_change_of_code_is_told_by_its_line_now(load: Load, file: str, old: str, new: str, lines: list[str]) -> None:
    before = stored(key(source().map(load().decode)))
    after = key(source().map(load({file: (old, new)}).decode))
    assert explain(before, after) == lines
    assert (before == after) == (not lines)


def test_a_change_of_an_object_is_told_by_its_attribute_or_method(load: Load) -> None:
    before = stored(key(source().map(load().Scale(1))))
    assert explain(before, key(source().map(load().Scale(2)))) == [
        "map(Scale): the value of attribute 'offset' changed from 1 to 2"
    ]
    edited = load({"steps.py": ("factor = 3", "factor = 4")})
    assert explain(before, key(source().map(edited.Scale(1)))) == [
        "map(Scale): the value of Scale.factor changed from 3 to 4"
    ]
    edited = load({"steps.py": ("x * self.factor", "x / self.factor")})
    assert explain(before, key(source().map(edited.Scale(1)))) == [
        "map(Scale): helper 'Scale.__call__' (explained/steps.py) changed, line 25"
    ]


def test_a_change_of_what_is_closed_over_is_told(load: Load) -> None:
    steps = load()
    assert explain(key(source().map(steps.maker(1))), key(source().map(steps.maker(2)))) == [
        "map(made): the value of closure 'n' changed from 1 to 2"
    ]


@pytest.mark.parametrize(
    ("one", "other", "lines"),
    [
        (lambda ds: ds.take(100), lambda ds: ds.take(200), ["take(100) became take(200)"]),
        (lambda ds: ds.shuffle(seed=0), lambda ds: ds.shuffle(seed=1), ["shuffle(seed=0) became shuffle(seed=1)"]),
        (lambda ds: ds, lambda ds: ds.map(len), ["a step was added: map(len)"]),
        (lambda ds: ds.map(len).take(3), lambda ds: ds.take(3), ["a step was removed: map(len)"]),
        (lambda ds: ds.map(len).take(3), lambda ds: ds.map(abs).take(3), ["map(len) became map(abs)"]),
        (
            lambda ds: ds.map(len).take(3),
            lambda ds: ds.take(3).map(len),
            ["a step was added: take(3)", "a step was removed: take(3)"],
        ),
        (lambda ds: ds.filter(len), lambda ds: ds.filter(len, batches=True), ["filter(len): batches was added"]),
        (lambda ds: ds + ds, lambda ds: ds + ds + ds, ["the steps are put together in another way"]),
        (
            lambda ds: hr.Dataset(x=np.arange(3)),
            lambda ds: hr.Dataset(x=np.arange(4)),
            ["source: column 'x' changed (int64[3] -> int64[4])"],
        ),
        (
            lambda ds: hr.Dataset(x=np.arange(3)),
            lambda ds: hr.Dataset(x=-np.arange(3)),
            ["source: column 'x' changed, its content"],
        ),
        (
            lambda ds: ds,
            lambda ds: hr.Dataset(x=np.arange(10), z=np.arange(10)),
            ["source: column 'z' is new", "source: column 'y' is gone"],
        ),
        (
            lambda ds: hr.Dataset([1, 2]),
            lambda ds: hr.Dataset([1, 2, 3]),
            ["source: list changed (list of 2 -> list of 3)"],
        ),
    ],
)
def test_a_change_of_a_step_or_a_source_is_told(one: Any, other: Any, lines: list[str]) -> None:
    before, after = key(one(source())), key(other(source()))
    assert explain(stored(before), after) == lines
    assert explain(after, after) == []


def test_a_file_that_changed_is_told_with_size_and_time(tmp_path: Path) -> None:
    path = tmp_path / "images.npy"
    np.save(path, np.zeros(100, np.uint8))
    before = stored(key(hr.Dataset(image=np.load(path, mmap_mode="r"))))
    np.save(path, np.zeros(120, np.uint8))
    os.utime(path, (1_800_000_000, 1_800_000_000))
    (line,) = explain(before, key(hr.Dataset(image=np.load(path, mmap_mode="r"))))
    assert line == "source: images.npy changed (size 228 -> 248 bytes, written 2027-01-15 08:00:00 UTC)"


def test_libraries_are_told_by_their_versions() -> None:
    def with_version(version: str) -> Key:
        return Key((Field("libraries", "libraries", (Part("library", version, name="torch", shown=version),)),))

    assert explain(with_version("2.1"), with_version("2.2")) == ["torch 2.1 -> 2.2"]
    assert explain(key(source()), key(source(), "numpy")) == [f"numpy {np.__version__} counts now"]
    assert explain(key(source(), "numpy"), key(source())) == [f"numpy {np.__version__} does not count any more"]


def test_the_nearest_key_is_the_one_with_most_in_common(load: Load) -> None:
    steps = load()
    ours = key(source().map(steps.decode).take(5))
    others = {
        "another source": key(hr.Dataset(range(3)).map(steps.decode)),
        "another length": key(source().map(steps.decode).take(6)),
        "no map": key(source().take(6)),
    }
    assert nearest(others.values(), ours) == others["another length"]
    assert nearest([], ours) is None
    edited = load({"text.py": ("x + 1", "x + 2")})
    near, far = key(source().map(edited.decode).take(5)), key(source().map(len).take(5))
    assert nearest([far, near], ours) == near


@pytest.mark.parametrize("damage", [{"version": 2}, {"digest": "00"}, {"fields": [{}]}, {"fields": 3}])
def test_what_is_no_key_is_refused(damage: dict[str, Any]) -> None:
    with pytest.raises(ArgumentError, match="cache key"):
        Key.from_json({**key(source()).to_json(), **damage})
