"""Modules that workers cannot import, and that travel to them by their content."""

from __future__ import annotations

import os
import pickle
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import cloudpickle


class Modules:
    """Modules of this process whose functions and classes are pickled by their content, while ``by_content`` holds.

    >>> modules = Modules()
    >>> modules.add("headrace.workers.modules"), modules.add("headrace.workers.modules"), modules.add("no_such_module")
    (True, False, False)
    >>> with modules.by_content():
    ...     content = cloudpickle.dumps(Modules)
    >>> len(content) > len(cloudpickle.dumps(Modules)) + 1000
    True
    """

    def __init__(self) -> None:
        self._modules: dict[str, ModuleType] = {}

    def __len__(self) -> int:
        return len(self._modules)

    def __contains__(self, name: object) -> bool:
        return name in self._modules

    def add(self, name: str | None) -> bool:
        """Add a module by its name; says whether it is one that this process has, and that is new here."""
        module = None if name is None else sys.modules.get(name)
        if name is None or module is None or name in self._modules:
            return False
        self._modules[name] = module
        return True

    @contextmanager
    def by_content(self) -> Iterator[None]:
        """Let cloudpickle take what these modules hold by its content."""
        before = cloudpickle.list_registry_pickle_by_value()
        added = [module for module in self._modules.values() if module.__name__ not in before]
        for module in added:
            cloudpickle.register_pickle_by_value(module)
        try:
            yield
        finally:
            for module in added:
                cloudpickle.unregister_pickle_by_value(module)


class ByContent:
    """A value that is pickled while some modules are taken by their content; unpickled, it is the value itself."""

    def __init__(self, value: Any, modules: Modules) -> None:
        self._value = value
        self._modules = modules

    def __repr__(self) -> str:
        return repr(self._value)

    def __reduce__(self) -> tuple[Any, ...]:
        with self._modules.by_content():
            return pickle.loads, (cloudpickle.dumps(self._value),)


def missing(words: str, name: str | None) -> str:
    """Return the message for a module that workers need and cannot import."""
    return (
        f"workers cannot import {name!r}, which {words} needs: install it where Python finds it, or add its folder to "
        f"sys.path (workers of process {os.getpid()} have the same sys.path), or use Threads"
    )
