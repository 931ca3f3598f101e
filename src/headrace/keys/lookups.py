"""What the names that a function looks up stand for: followed through the modules of the user's project."""

from __future__ import annotations

import importlib.util
import sys
import types
from collections.abc import Iterator
from importlib import import_module as load  # of the user's
from typing import Any

from headrace.keys.names import Attributes, Import
from headrace.keys.owners import is_users_module


class Absent(str):
    """Stands for an empty cell, a name that stands for nothing, or what could not be imported."""


def used(name: str, value: Any, uses: tuple[Attributes, ...]) -> Iterator[tuple[str, Any]]:
    """Give what a name stands for; of a module of the user's what is read of it, as far as that is written down."""
    if not isinstance(value, types.ModuleType) or not is_users_module(value) or () in uses:
        yield name, value
        for use in uses if isinstance(value, types.FunctionType) else ():
            if use and use[0] in vars(value):  # a function's own attribute
                yield f"{name}.{use[0]}", vars(value)[use[0]]
        return
    further: dict[str, list[Attributes]] = {}
    for first, *rest in uses:
        further.setdefault(first, []).append(tuple(rest))
    for first, rests in further.items():
        try:
            yield from used(f"{name}.{first}", getattr(value, first), tuple(rests))
        except AttributeError:
            yield f"{name}.{first}", Absent("missing")


def imported(
    statement: Import, uses: tuple[Attributes, ...], function: types.FunctionType
) -> Iterator[tuple[str, Any]]:
    """Give what an import inside a function will find: of the user's project by doing it, of a library its name."""
    dots = "." * statement.level
    name = f"{dots}{statement.module}" + (f".{statement.attribute}" if statement.attribute else "")
    package = str(function.__globals__.get("__package__") or "")
    if not statement.level and not _is_users_root(statement.module.partition(".")[0]):
        return  # the code says which
    try:
        full = importlib.util.resolve_name(dots + statement.module, package)
        found: Any = load(full)
        if statement.is_root:
            found = sys.modules[full.partition(".")[0]]
        if statement.attribute is not None:
            if not hasattr(found, statement.attribute):
                load(f"{full}.{statement.attribute}")
            found = getattr(found, statement.attribute)
    except Exception:  # a module may do anything as it loads; the function will say so when it runs
        yield f"import {name}", Absent("missing")
        return
    yield from used(statement.module.partition(".")[0] if statement.is_root else name, found, uses)


def _is_users_root(root: str) -> bool:
    if root in sys.modules:
        return is_users_module(sys.modules[root])
    try:
        found = importlib.util.find_spec(root)
    except (ImportError, ValueError):
        return False
    return found is not None and is_users_module(importlib.util.module_from_spec(found))
