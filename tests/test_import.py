"""What ``import headrace`` gives, and what it leaves unloaded."""

from __future__ import annotations

import ast
import importlib.metadata
import json
import subprocess
import sys
from pathlib import Path

import pytest

import headrace

NOT_NEEDED = {"tqdm", "multiprocessing", "asyncio", "sqlite3", "unittest"}
NOT_NEEDED |= {"pandas", "pyarrow", "torch", "sklearn", "scipy", "pytest", "hypothesis"}
SLOW = {"concurrent.futures", "importlib.metadata", "socket"}


def loaded_by(code: str) -> set[str]:
    """Return the modules that a fresh interpreter has loaded after running the code."""
    report = f"{code}\nimport json, sys\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", report], capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout))


def test_importing_the_package_loads_neither_numpy_nor_any_module_of_its_own() -> None:
    loaded = loaded_by("import headrace")
    assert "numpy" not in loaded
    assert {name for name in loaded if name.startswith("headrace")} == {"headrace"}


def test_all_public_names_together_load_nothing_that_a_user_did_not_ask_for() -> None:
    ours = loaded_by("from headrace import *") - loaded_by("import numpy")
    assert "headrace.dataset" in ours
    assert not ours & NOT_NEEDED


def test_a_dataset_that_is_streamed_loads_nothing_slow() -> None:
    run = "from headrace import Dataset\nlist(Dataset(range(10)).shuffle(seed=0).batch(4).stream(epochs=2))"
    assert not (loaded_by(run) - loaded_by("import numpy")) & (SLOW | NOT_NEEDED)


@pytest.mark.parametrize("name", headrace.__all__)
def test_a_public_name_is_found_where_the_package_says_it_lives(name: str) -> None:
    value = getattr(headrace, name)
    assert getattr(value, "__name__", repr(value)) == name
    assert name in dir(headrace)


def test_type_checkers_see_the_same_names_as_users() -> None:
    tree = ast.parse(Path(headrace.__file__).read_text(encoding="utf-8"))
    typed = next(node for node in tree.body if isinstance(node, ast.If))
    names = [
        alias.asname or alias.name
        for node in ast.walk(typed)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    ]
    assert sorted(names) == sorted(headrace.__all__)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'headrace' has no attribute 'Dataste'"):
        getattr(headrace, "Dataste")  # noqa: B009


def test_the_version_is_the_one_that_is_installed() -> None:
    assert headrace.__version__ == importlib.metadata.version("headrace")
