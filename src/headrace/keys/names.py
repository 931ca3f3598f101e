"""The names that a function looks up when it runs: globals with the attributes read of them, and what it imports."""

from __future__ import annotations

import dis
from collections.abc import Iterator
from dataclasses import dataclass
from types import CodeType
from typing import TypeAlias

Attributes: TypeAlias = tuple[str, ...]
"""``("text", "clean")`` of ``helpers.text.clean``."""

_FROM_OUTSIDE = {"LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS"}
_ATTRIBUTES = {"LOAD_ATTR", "LOAD_METHOD"}
_NO_NAMES = {"LOAD_CONST", "LOAD_SMALL_INT", *_ATTRIBUTES}
_BETWEEN = {"EXTENDED_ARG", "CACHE", "NOP"}


@dataclass(frozen=True)
class Import:
    """An import statement inside a function, for one name.

    Args:
        module: As it is written.
        level: How many dots stand before it.
        attribute: What is imported from it; None for the module.
        bound: The name that it is known by in the function.
        is_root: Whether that name is the first module of several: ``import a.b`` binds ``a``.
    """

    module: str
    level: int
    attribute: str | None
    bound: str
    is_root: bool = False


@dataclass(frozen=True)
class Names:
    """What a function and the functions in it look up.

    Args:
        outside: Each global, and how it goes on behind it; ``()`` where it is used by itself. Sorted.
        imports: Sorted.
        inside: The same as ``outside`` of the names that imports are bound to, and of those closed over.
    """

    outside: dict[str, tuple[Attributes, ...]]
    imports: tuple[Import, ...]
    inside: dict[str, tuple[Attributes, ...]]


def names_of(code: CodeType) -> Names:
    """Return what code looks up by name.

    >>> def f(x):
    ...     from math import sin as s
    ...     return [s(x), dis.show_code(y for y in x)]
    >>> names = names_of(f.__code__)
    >>> names.outside, names.imports
    ({'dis': (('show_code',),)}, (Import(module='math', level=0, attribute='sin', bound='s', is_root=False),))
    """
    outside: dict[str, set[Attributes]] = {}
    inside: dict[str, set[Attributes]] = {}
    imports: set[Import] = set()
    for part in _nested(code):
        cells = {*part.co_cellvars, *part.co_freevars}
        steps = [step for step in dis.get_instructions(part) if step.opname not in _BETWEEN]
        for place, step in enumerate(steps):
            if step.opname in _FROM_OUTSIDE:
                outside.setdefault(str(step.argval), set()).add(_attributes(steps, place + 1))
            if step.opname == "IMPORT_NAME":
                imports.update(_imported(steps, place))
            elif "LOAD_" in step.opname and step.opname not in _NO_NAMES:
                *others, last = step.argval if isinstance(step.argval, tuple) else (step.argval,)
                if last in cells and not step.opname.endswith("DEREF"):
                    continue  # handed on to a function inside, which is looked at itself
                inside.setdefault(str(last), set()).add(_attributes(steps, place + 1))
                for other in others if step.opname.startswith("LOAD_") else ():
                    inside.setdefault(str(other), set()).add(())  # of two names at once, attributes are the last's
    bound = {*(one.bound for one in imports), *code.co_freevars}
    return Names(
        {name: tuple(sorted(outside[name])) for name in sorted(outside)},
        tuple(sorted(imports, key=repr)),
        {name: tuple(sorted(inside[name])) for name in sorted(inside) if name in bound},
    )


def _nested(code: CodeType) -> Iterator[CodeType]:
    yield code
    for const in code.co_consts:
        if isinstance(const, CodeType):
            yield from _nested(const)


def _attributes(steps: list[dis.Instruction], place: int) -> Attributes:
    found = []
    while place < len(steps) and steps[place].opname in _ATTRIBUTES:
        found.append(str(steps[place].argval))
        place += 1
    return tuple(found)


def _imported(steps: list[dis.Instruction], place: int) -> Iterator[Import]:
    """Give what an import binds: level and the list of names are loaded before it, and stores follow."""
    module, level, wanted = str(steps[place].argval), int(steps[place - 2].argval or 0), steps[place - 1].argval
    attribute = None
    for step in steps[place + 1 :]:
        if step.opname == "IMPORT_FROM":
            attribute = str(step.argval)
        elif step.opname.startswith("STORE_"):
            bound = str(step.argval[0] if isinstance(step.argval, tuple) else step.argval)
            if wanted:
                yield Import(module, level, attribute, bound)
                attribute = None
            else:
                yield Import(module, level, None, bound, is_root=attribute is None and "." in module)
                return
        elif step.opname == "POP_TOP" and wanted:  # after all the names
            return
