"""What a class defines, without what Python, ``dataclass`` and ``Enum`` put there."""

from __future__ import annotations

import types
from collections.abc import Iterator
from dataclasses import MISSING, fields, is_dataclass
from enum import Enum
from typing import Any

from headrace.keys.owners import is_users_function, name_of

_DATACLASS = ("init", "repr", "eq", "order", "unsafe_hash", "frozen")
_OF_TUPLES = ("_fields", "_field_defaults")


def members_of(kind: type) -> Iterator[tuple[str, Any]]:
    """Give what a class defines, by name: without what Python, ``dataclass`` or ``Enum`` put there."""
    if is_dataclass(kind) and "__dataclass_fields__" in vars(kind):
        for one in fields(kind):
            if one.default is not MISSING and vars(kind).get(one.name) is not one.default:  # with slots
                yield one.name, one.default
            if one.default_factory is not MISSING:
                yield f"{one.name} (default_factory)", one.default_factory
        yield "dataclass", [getattr(vars(kind)["__dataclass_params__"], word, None) for word in _DATACLASS]
    if issubclass(kind, Enum):
        yield "members", [(member.name, member.value) for member in kind]
    for name, value in sorted(vars(kind).items()):
        if isinstance(value, types.FunctionType):
            if not _is_generated(value, kind):
                yield name, value
        elif not _is_pythons(name, value, kind):
            yield name, value
    hints = vars(kind).get("__annotations__", {})  # of which dataclasses and their like make fields
    if hints:
        yield "annotations", [(name, _hint(one, kind.__module__)) for name, one in hints.items()]


def _hint(hint: Any, module: str) -> str:
    """Return an annotation as text, which is the same whether its module is run or imported."""
    text = hint if isinstance(hint, str) else name_of(hint) if isinstance(hint, type) else str(hint)
    return text.replace(f"{module}.", "")


def _is_generated(function: types.FunctionType, kind: type) -> bool:
    if function.__code__.co_qualname.startswith("__create_fn__.<locals>."):
        return True  # by dataclass, from the fields
    made = is_dataclass(kind) or issubclass(kind, Enum) or hasattr(kind, "_fields")
    return made and not is_users_function(function)


def _is_pythons(name: str, value: Any, kind: type) -> bool:
    if name.startswith("__") and name.endswith("__"):
        return name != "__slots__" and not callable(value) and not isinstance(value, classmethod | property)
    if name == "_abc_impl" or isinstance(value, types.GetSetDescriptorType | types.MemberDescriptorType):
        return True
    if issubclass(kind, Enum):
        return name.startswith("_") or isinstance(value, kind)
    fields_of = getattr(kind, "_fields", ())
    return issubclass(kind, tuple) and (name in fields_of or (name.startswith("_") and name not in _OF_TUPLES))


def shown_member(value: Any) -> str:
    inner = getattr(value, "fget", None) or getattr(value, "__func__", None) or value
    return name_of(inner)
