"""Imports run downwards only: every import under src/headrace is read with ``ast``, deferred ones included."""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Literal

import pytest

SOURCES = Path(__file__).parents[1] / "src"

# From the ground up; what stands on one floor does not import its neighbours.
FLOORS = (
    {"core"},
    {"workers"},
    {"nodes", "formats", "stages", "stores", "feeds", "loaders", "cubes"},
    {"mux"},
    {"explain", "dryrun", "keys"},
    {"parts", "show", "stream"},
    {"dataset"},
    {"feed"},
    {"writing"},
    {"keeping"},
    {"store", "muxes"},
    {"remembering"},
    {"patching"},
    {"stitching"},
    {"__init__"},
    {"testing", "demo", "compat"},
    {"accessors"},
    {"cli"},
    {"__main__"},
)
FLOOR_OF = {part: number for number, parts in enumerate(FLOORS) for part in parts}

ALWAYS_THERE = {"numpy", "cloudpickle", "tqdm"}
# Imported only by who has the extra: a format is one file, the kits are for test suites, the demo is a command.
MAY_NEED_EXTRAS = {"formats", "feeds", "loaders", "cubes", "accessors", "compat", "testing", "demo"}
LATE = {"tqdm"}  # always there, but slow to import and seldom used
LATE_MODULES = {
    ("headrace.cli", "headrace.demo"),
    ("headrace.workers.processes", "headrace.workers.pool"),  # with sockets and subprocesses
    ("headrace.workers.executors", "headrace.workers.tasks"),  # with concurrent.futures
    ("headrace.stores.finding", "headrace.stores.far"),  # with all that a folder does without
    ("headrace.keeping", "headrace.keys"),  # with all that reads code
    ("headrace.feed", "headrace.keys"),
    ("headrace.cubes.reading.zarr_chunks", "asyncio"),  # which who reads arrays does without
    ("headrace.stitching", "headrace.cubes.stitching.assemble"),
    ("headrace.stitching", "headrace.cubes.stitching.sink"),
    ("headrace.stores.backends.objects", "headrace.stores.backends.forked"),  # with sockets and subprocesses
}
CONVERSIONS = "headrace.core.interop"  # the ground floor's only file that knows other libraries, inside functions

When = Literal["loading", "deferred", "typing"]


@dataclass(frozen=True)
class Import:
    """One import statement: which module names which, where, and when it runs."""

    importer: str
    imported: str
    line: int
    when: When

    def __str__(self) -> str:
        return f"{self.importer}:{self.line} imports {self.imported}"


def part_of(module: str) -> str:
    """Return the part of the package that a module belongs to: the first name below ``headrace``."""
    return [*module.split("."), "__init__"][1]


def find_modules(root: Path) -> dict[str, Path]:
    """Return the file of each module below ``root``, by its dotted name."""
    files = {path.relative_to(root).with_suffix(""): path for path in sorted(root.rglob("*.py"))}
    return {
        ".".join(name.parent.parts if name.name == "__init__" else name.parts): path for name, path in files.items()
    }


def read_imports(root: Path) -> list[Import]:
    """Return every import of every module below ``root``."""
    modules = find_modules(root)

    def of_module(name: str, path: Path) -> Iterator[Import]:
        package = name if path.name == "__init__.py" else name.rpartition(".")[0]
        for node, when in walk(ast.parse(path.read_text(encoding="utf-8")), "loading"):
            for target in targets(node, package, modules):
                yield Import(name, target, node.lineno, when)

    return [found for name, path in modules.items() for found in of_module(name, path)]


def walk(node: ast.AST, when: When) -> Iterator[tuple[ast.stmt | ast.expr, When]]:
    """Give every statement and expression with the time at which it runs."""
    if isinstance(node, ast.stmt | ast.expr):
        yield node, when
    inner: dict[str, When] = {}
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) and when == "loading":
        inner["body"] = "deferred"
    elif isinstance(node, ast.If) and ast.unparse(node.test) in {"TYPE_CHECKING", "typing.TYPE_CHECKING"}:
        inner["body"] = "typing"
    for name, value in ast.iter_fields(node):
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST):
                yield from walk(child, inner.get(name, when))


def targets(node: ast.AST, package: str, modules: dict[str, Path]) -> list[str]:
    """Return the modules that a node imports: by statement, or by a call of ``import_module`` or ``__import__``."""
    match node:
        case ast.Import(names=names):
            return [alias.name for alias in names]
        case ast.ImportFrom(module=module, names=names, level=level):
            near = package.split(".")[: len(package.split(".")) - level + 1] if level else []
            source = ".".join([*near, *([module] if module else [])])
            return [f"{source}.{alias.name}" if f"{source}.{alias.name}" in modules else source for alias in names]
        case ast.Call(func=func, args=[name, *_]) if ast.unparse(func).split(".")[-1] in {
            "import_module",
            "__import__",
        }:
            return [str(name.value) if isinstance(name, ast.Constant) else "a name made while running"]
    return []


def check(root: Path) -> list[str]:
    """Return a line for each import that breaks a rule, and for a circle."""
    imports = read_imports(root)
    rules: list[Callable[[Import], str | None]] = [on_its_floor, needs_no_extra, not_hidden]
    broken = [f"{found}: {reason}" for found in imports for rule in rules if (reason := rule(found))]
    lost = [
        f"{name}: no floor is given for {part_of(name)!r}"
        for name in find_modules(root)
        if part_of(name) not in FLOOR_OF
    ]
    return lost + broken + circles(imports)


def on_its_floor(found: Import) -> str | None:
    """An import goes down, or stays within its part."""
    if found.imported.split(".")[0] != "headrace":
        return None
    here, there = part_of(found.importer), part_of(found.imported)
    if here == there or FLOOR_OF.get(here, 0) > FLOOR_OF.get(there, 99):
        return None
    return f"{here} stands {'beside' if FLOOR_OF.get(here) == FLOOR_OF.get(there) else 'below'} {there}"


def needs_no_extra(found: Import) -> str | None:
    """What loads with a module is there in every installation, and on the ground floor it is NumPy at most."""
    package, part = found.imported.split(".")[0], part_of(found.importer)
    if package in sys.stdlib_module_names | {"headrace"} or found.imported == "a name made while running":
        return None
    if part == "core":
        fine = package == "numpy" or (found.importer == CONVERSIONS and found.when != "loading")
        return None if fine else "the ground floor needs numpy and the standard library alone"
    fine = package in ALWAYS_THERE or part in MAY_NEED_EXTRAS or found.when != "loading"
    return None if fine else f"{package} is an extra, which may not be there"


def not_hidden(found: Import) -> str | None:
    """An import runs when its module loads, except of what may be missing, what is slow, and in the lazy face."""
    package = found.imported.split(".")[0]
    if found.when != "deferred" or found.importer == "headrace":
        return None
    if (found.importer, found.imported) in LATE_MODULES:
        return None
    extra = package not in sys.stdlib_module_names | ALWAYS_THERE | {"headrace", "a name made while running"}
    return None if extra or package in LATE else "an import inside a function hides an arrow; put it at the top"


def circles(imports: list[Import]) -> list[str]:
    """Return one circle of modules that need each other to load, if there is one."""
    graph: dict[str, set[str]] = {}
    for found in imports:
        if found.when != "typing" and found.imported != found.importer:
            graph.setdefault(found.importer, set()).add(found.imported)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return ["a circle: " + " needs ".join(reversed(error.args[1]))]
    return []


def test_imports_of_the_package_run_downwards() -> None:
    assert len(read_imports(SOURCES)) > 50, "the walk found next to nothing"
    assert not check(SOURCES), "\n".join(check(SOURCES))


Plant = Callable[[dict[str, str]], list[str]]


@pytest.fixture
def plant(tmp_path: Path) -> Plant:
    """Write a small package and return what the check says of it."""

    def write(files: dict[str, str]) -> list[str]:
        for name, text in files.items():
            path = tmp_path / "headrace" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return check(tmp_path)

    return write


def test_a_package_that_keeps_the_rules_passes(plant: Plant) -> None:
    files = {
        "__init__.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from headrace.dataset import Dataset\n"
        "def __getattr__(name):\n    return import_module(name)\n",
        "core/__init__.py": "",
        "core/batch.py": "import numpy as np\nfrom headrace.core import errors\n",
        "core/errors.py": "import difflib\n",
        "core/interop.py": "def to_pandas(batch):\n    import pandas\n",
        "formats/parquet.py": "import pyarrow.parquet\nfrom headrace.core.batch import Batch\n",
        "stages/progress.py": "def progress():\n    from tqdm import tqdm\n",
        "dataset.py": "import cloudpickle\nfrom .core import batch\nfrom headrace.stages.progress import progress\n",
        "cli.py": "def demo():\n    from headrace.demo import run\n",
        "demo.py": "import sklearn\nfrom headrace.dataset import Dataset\n",
        "__main__.py": "from headrace.cli import main\n",
    }
    assert plant(files) == []


UP = "stands below"
PLANTED = {
    "an arrow up": ({"core/batch.py": "from headrace.dataset import Dataset", "dataset.py": ""}, UP),
    "an arrow up inside a function": ({"core/batch.py": "def f():\n    import headrace.stream", "stream.py": ""}, UP),
    "an arrow up inside a method": (
        {"core/b.py": "class B:\n  def f(self):\n    import headrace.cli", "cli.py": ""},
        UP,
    ),
    "an arrow up in a lambda": ({"core/b.py": "f = lambda: __import__('headrace.cli')", "cli.py": ""}, UP),
    "an arrow up for types only": (
        {"stages/map.py": "if TYPE_CHECKING:\n    from headrace.stream import Stream", "stream.py": ""},
        UP,
    ),
    "an arrow up by a dotted name": ({"core/b.py": "from .. import cli", "cli.py": "", "__init__.py": ""}, UP),
    "an arrow up by import_module": ({"core/b.py": "x = importlib.import_module('headrace.cli')", "cli.py": ""}, UP),
    "an arrow up to the public names": ({"stages/map.py": "from headrace import Dataset", "__init__.py": ""}, UP),
    "the lower face on the higher": ({"stream.py": "import headrace.dataset", "dataset.py": ""}, UP),
    "a neighbour": ({"nodes/a.py": "from headrace.stages.b import B", "stages/b.py": ""}, "stands beside"),
    "a circle of two": (
        {"core/a.py": "import headrace.core.b", "core/b.py": "from headrace.core.a import A"},
        "a circle: ",
    ),
    "a circle of three, one arrow deferred": (
        {"core/a.py": "from . import b", "core/b.py": "from . import c", "core/c.py": "def f():\n    from . import a"},
        "a circle: ",
    ),
    "an extra on the ground floor": ({"core/a.py": "import pandas"}, "numpy and the standard library alone"),
    "a dependency on the ground floor": ({"core/a.py": "import cloudpickle"}, "numpy and the standard library alone"),
    "an extra deferred on the ground floor": ({"core/a.py": "def f():\n    import torch"}, "standard library alone"),
    "an extra that loads with the conversions": ({"core/interop.py": "import pandas"}, "standard library alone"),
    "an extra that loads with a stage": ({"stages/a.py": "import pandas"}, "pandas is an extra"),
    "an import hidden in a function": ({"stages/a.py": "def f():\n    import json"}, "hides an arrow"),
    "a name made while running": ({"stages/a.py": "def f(name):\n    import_module(name)"}, "hides an arrow"),
    "a part without a floor": ({"helpers/a.py": ""}, "no floor is given for 'helpers'"),
}


@pytest.mark.parametrize(("files", "reason"), PLANTED.values(), ids=PLANTED)
def test_a_planted_violation_is_found(plant: Plant, files: dict[str, str], reason: str) -> None:
    found = plant(files)
    assert any(reason in line for line in found), found
