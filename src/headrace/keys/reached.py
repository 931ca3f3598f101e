"""What a function is made of: its code, what it holds, and everything of the user's project that it reaches."""

from __future__ import annotations

import builtins
import types
from collections import deque
from collections.abc import Callable, Iterator
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from headrace.core.errors import ArgumentError
from headrace.keys.contents import Contents
from headrace.keys.key import Part, Place, digest_of
from headrace.keys.lookups import Absent, imported, used
from headrace.keys.members import members_of, shown_member
from headrace.keys.names import Names, names_of
from headrace.keys.objects import plain_state
from headrace.keys.owners import is_users_function, name_of, shown_file
from headrace.keys.values import Route, Values
from headrace.keys.written import find_written

_OF_MODULES = {"__name__", "__file__", "__doc__", "__spec__", "__loader__", "__package__", "__path__", "__cached__"}
_SECRET = ("key", "token", "secret", "pass", "pw", "cred", "auth")
_SHOWN = 16  # characters of text: enough for a mode or a unit, too few for most secrets
_CODES = 20_000

_NAMES: dict[int, tuple[types.CodeType, Names]] = {}


class Reached:
    """Collects the parts that values and functions are made of, definitions once each, in the order of their reach.

    Args:
        contents: Makes digests of arrays.
        chains: Returns what stands for a Dataset, by its node.
    """

    def __init__(self, contents: Contents, chains: Callable[[Any], str] | None = None) -> None:
        self.parts: list[Part] = []
        self._values = Values(self._number, contents, chains)
        self._numbers: dict[int, int] = {}
        self._held: list[Any] = []  # so that no other object takes the place, and the number, of one
        self._waiting: deque[tuple[Any, str, Route]] = deque()

    def add(self, value: Any, route: Route, of: str = "") -> None:
        """Add what is called or used by a step, and all that it reaches.

        Args:
            value: A function, or any object.
            route: How it is reached: the step.
            of: What the parts of the value itself belong to.

        Raises:
            ArgumentError: It reaches what cannot be told to be the same in another process; it is named.
        """
        self._root(value, route, of)
        while self._waiting:
            self._define(*self._waiting.popleft())

    def setting(self, name: str, value: Any, route: Route) -> None:
        """Add a plain argument of a step."""
        digest = digest_of([name, self._values.encode(value, (*route, name))])
        self.parts.append(Part("setting", digest, name=name, shown=_shown(name, value)))

    def content(self, name: str, value: Any, route: Route, shown: str) -> None:
        """Add records that are given as objects."""
        digest = digest_of([self._values.encode(value, route)])
        self.parts.append(Part("content", digest, name=name, shown=shown))
        while self._waiting:
            self._define(*self._waiting.popleft())

    def _root(self, value: Any, route: Route, of: str) -> None:
        """Add what a step was given, attribute by attribute, so that each can be named."""
        if type(value) is partial:
            self._root(value.func, route, of)
            for place, argument in enumerate(value.args):
                self._value(of, f"argument {place}", argument, route)
            for name in sorted(value.keywords):
                self._value(of, f"argument {name!r}", value.keywords[name], route)
        elif isinstance(value, types.MethodType) and not isinstance(value.__self__, type):
            self._root(value.__func__, route, of)
            self._root(value.__self__, route, of)
        elif isinstance(value, types.FunctionType) and is_users_function(value) and id(value) not in self._numbers:
            self._numbers[id(value)] = len(self._numbers)
            self._held.append(value)
            self._function(value, of, route)
        else:
            state = None if isinstance(value, type | types.FunctionType | types.ModuleType) else plain_state(value)
            if state is None:
                self._value(of, "itself", value, route)
                return
            self._names(of, {"class": self._values.encode(type(value), route)}, {"class": name_of(type(value))})
            for name in sorted(state):
                self._value(of, f"attribute {name!r}", state[name], route)

    def _number(self, definition: Any, route: Route) -> bytes:
        """Return what stands for a function, class or module, which is looked at later."""
        number = self._numbers.get(id(definition))
        if number is None:
            number = self._numbers[id(definition)] = len(self._numbers)
            self._held.append(definition)
            module = name_of(definition) if isinstance(definition, types.ModuleType) else definition.__module__
            name = "" if isinstance(definition, types.ModuleType) else definition.__qualname__
            self._waiting.append((definition, f"{module}:{name}", route))
        return b"#%d" % number

    def _define(self, definition: Any, label: str, route: Route) -> None:
        if isinstance(definition, types.FunctionType):
            self._function(definition, label, route)
        elif isinstance(definition, type):
            self._class(definition, label, route)
        else:
            self._module(definition, label, route)

    # Functions

    def _function(self, function: types.FunctionType, of: str, route: Route) -> None:
        self.parts.append(self._code(function, of, route))
        for name, value in _defaults(function):
            self._value(of, f"default {name!r}", value, route)
        numbers: dict[str, bytes] = {}
        shown: dict[str, str] = {}
        for name, value in self._held_by(function, route):
            if isinstance(value, Absent):
                numbers[name], shown[name] = value.encode(), value
            elif _is_definition(value):
                numbers[name], shown[name] = self._values.encode(value, (*route, name)), name_of(value)
            else:
                self._value(of, name, value, route)
        self._names(of, numbers, shown)

    def _code(self, function: types.FunctionType, of: str, route: Route) -> Part:
        code = function.__code__
        written = find_written(code)
        if written is not None:
            place = Place(shown_file(code.co_filename, function.__globals__.get("__name__")), written.lines)
            return Part("code", written.digest, of, statements=written.statements, place=place)
        if code.co_consts and code.co_consts[0] == function.__doc__ and isinstance(function.__doc__, str):
            code = code.replace(co_consts=(None, *code.co_consts[1:]))
        return Part("code", digest_of([self._values.encode(code, route)]), of)

    def _held_by(self, function: types.FunctionType, route: Route) -> Iterator[tuple[str, Any]]:
        """Give what a function closes over and what it looks up, each by its name."""
        names = _names_of(function.__code__)
        for name, cell in sorted(zip(function.__code__.co_freevars, function.__closure__ or ())):
            try:
                yield from used(f"closure {name!r}", cell.cell_contents, names.inside.get(name, ((),)))
            except ValueError:
                yield f"closure {name!r}", Absent("empty")
        if "__wrapped__" in vars(function):
            yield "__wrapped__", function.__wrapped__  # type: ignore[attr-defined]
        for name, uses in names.outside.items():
            if name in function.__globals__:
                if name not in _OF_MODULES:
                    yield from used(name, function.__globals__[name], uses)
            elif not hasattr(builtins, name):
                yield name, Absent("missing")
        for statement in names.imports:
            yield from imported(statement, names.inside.get(statement.bound, ((),)), function)

    # Classes and modules

    def _class(self, kind: type, of: str, route: Route) -> None:
        numbers = {f"base {place}": self._values.encode(base, route) for place, base in enumerate(kind.__bases__)}
        shown = {f"base {place}": name_of(base) for place, base in enumerate(kind.__bases__)}
        numbers["metaclass"] = self._values.encode(type(kind), route)
        numbers["name"] = kind.__name__.encode()
        for name, value in members_of(kind):
            if _is_definition(value) or isinstance(value, _WRAPPERS):
                numbers[name], shown[name] = self._values.encode(value, (*route, name)), shown_member(value)
            else:
                self._value(of, f"{kind.__qualname__}.{name}", value, route)
        self._names(of, numbers, shown)

    def _module(self, module: types.ModuleType, of: str, route: Route) -> None:
        """Look at all of a module, since it is used as a whole; of what cannot be told there the kind is enough."""
        file = getattr(module, "__file__", None)
        if file is not None and not file.endswith((".py", ".pyc")):  # compiled
            place = Place(Path(file).name)
            self.parts.append(Part("code", sha256(Path(file).read_bytes()).hexdigest(), of, place=place))
            return
        numbers: dict[str, bytes] = {}
        for name, value in sorted(vars(module).items()):
            if name in _OF_MODULES or (name.startswith("__") and not _is_definition(value)):
                continue
            if _is_definition(value):
                numbers[name] = self._values.encode(value, route)
                continue
            try:
                self._value(of, name, value, route)
            except ArgumentError:
                numbers[name] = name_of(type(value)).encode()
        self._names(of, numbers, {})

    # Parts

    def _value(self, of: str, name: str, value: Any, route: Route) -> None:
        digest = digest_of([name, self._values.encode(value, (*route, name))])
        self.parts.append(Part("value", digest, of, name, _shown(name, value)))

    def _names(self, of: str, numbers: dict[str, bytes], shown: dict[str, str]) -> None:
        if numbers:
            pieces = [piece for name in sorted(numbers) for piece in (name, numbers[name])]
            words = ", ".join(f"{name}={shown[name]}" for name in sorted(shown))
            self.parts.append(Part("names", digest_of(pieces), of, shown=words))


_WRAPPERS = (property, staticmethod, classmethod, types.MethodDescriptorType, types.MemberDescriptorType)


def _is_definition(value: Any) -> bool:
    kinds = types.FunctionType | types.BuiltinFunctionType | types.ModuleType | type
    return isinstance(value, kinds)


def _defaults(function: types.FunctionType) -> Iterator[tuple[str, Any]]:
    code, values = function.__code__, function.__defaults__ or ()
    names = code.co_varnames[: code.co_argcount]
    yield from zip(names[len(names) - len(values) :], values)
    yield from sorted((function.__kwdefaults__ or {}).items())


def _names_of(code: types.CodeType) -> Names:
    known = _NAMES.get(id(code))
    if known is None or known[0] is not code:
        if len(_NAMES) >= _CODES:
            _NAMES.clear()
        known = _NAMES[id(code)] = (code, names_of(code))
    return known[1]


def _shown(name: str, value: Any) -> str:
    """Return a value in words where it is short, plain and named like no secret; else nothing."""
    if any(word in name.lower() for word in _SECRET):
        return ""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, types.FunctionType | types.BuiltinFunctionType | type):
        return name_of(value)
    if isinstance(value, str):
        return repr(value) if len(value) <= _SHOWN else ""
    if value is None or type(value) in (bool, int, float):
        return repr(value)
    if type(value) in (tuple, list) and len(value) <= 6 and all(type(one) in (bool, int, float) for one in value):
        return repr(value)
    return ""
