"""Whose code it is: the user's own project, which counts line by line, or a library, which counts by name."""

from __future__ import annotations

import os
import sys
import sysconfig
from functools import lru_cache
from pathlib import Path, PurePath
from types import FunctionType, ModuleType
from typing import Any

_INSTALLED = {"site-packages", "dist-packages"}
_PYTHON = tuple(
    os.path.realpath(folder) + os.sep for name in ("stdlib", "platstdlib") if (folder := sysconfig.get_path(name))
)
_OURS = str(Path(__file__).resolve().parents[1]) + os.sep


@lru_cache(maxsize=4096)
def is_users_file(file: str) -> bool:
    """Say whether a file is neither Python's own, nor installed, nor ours.

    >>> is_users_file(os.__file__), is_users_file("/home/me/project/train.py")
    (False, True)
    """
    if file.startswith("<frozen "):
        return False
    path = os.path.realpath(file)
    return not path.startswith((*_PYTHON, _OURS)) and not _INSTALLED & {*PurePath(path).parts}


def is_users_module(module: ModuleType) -> bool:
    """Say whether a module is of the user's own project; one that is typed in, or made by ``exec``, is."""
    file = getattr(module, "__file__", None)
    if file is not None:
        return is_users_file(file)
    folders = [*getattr(module, "__path__", ())]
    if folders:  # a folder without __init__.py
        return is_users_file(os.path.join(folders[0], ""))
    root = module.__name__.partition(".")[0]
    return root not in sys.stdlib_module_names and root not in sys.builtin_module_names


def is_users_function(function: FunctionType) -> bool:
    """Say whether a function is of the user's own project; made by ``exec``, it belongs to where its names are."""
    file = function.__code__.co_filename
    if not file.startswith("<") or file.startswith("<frozen "):
        return is_users_file(file)
    name = str(function.__globals__.get("__name__", ""))
    return not name.startswith("namedtuple_") and _is_users_name(name)


def is_users_class(kind: type) -> bool:
    """Say whether a class is of the user's own project, or made for it by ``make_dataclass``, ``Enum`` and the like."""
    if _is_users_name(kind.__module__):
        return True
    is_made = any(word in vars(kind) for word in ("__dataclass_fields__", "_fields", "_member_map_"))
    return is_made and getattr(sys.modules.get(kind.__module__), kind.__name__, None) is not kind


def _is_users_name(name: str) -> bool:
    if name == "__main__":
        return True
    module = sys.modules.get(name)
    return name != "builtins" if module is None else is_users_module(module)


def name_of(value: Any) -> str:
    """Return the full name of a function, a class or a module; an object's that of its class.

    >>> name_of(os.path.join), name_of(len), name_of(os)
    ('posixpath.join', 'builtins.len', 'os')
    """
    if isinstance(value, ModuleType):
        return value.__name__
    name = getattr(value, "__qualname__", None) or getattr(value, "__name__", None)
    if not isinstance(name, str):
        return name_of(type(value))
    owner = getattr(value, "__objclass__", None)
    module = getattr(value, "__module__", None) or getattr(owner, "__module__", None)
    return f"{module}.{name}" if isinstance(module, str) else name


@lru_cache(maxsize=4096)
def shown_file(file: str, module: str | None) -> str:
    """Return a file's name as a message shows it: below the folder that it is imported from.

    >>> shown_file("/home/me/project/lib/text.py", "lib.text")
    'lib/text.py'
    """
    path = PurePath(file)
    depth = 1 if module in (None, "__main__") else len(str(module).split(".")) + (path.stem == "__init__")
    return "/".join(path.parts[-depth:])
