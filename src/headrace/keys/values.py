"""Values of any kind as digests: equal values give equal ones in every process, or are refused by name."""

from __future__ import annotations

import copyreg
import logging
import sys
import threading
import types
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property, partial, partialmethod, singledispatchmethod
from hashlib import blake2b
from pathlib import PurePath
from typing import Any, TypeAlias

import numpy as np

from headrace.core.batch import Batch
from headrace.core.errors import ArgumentError
from headrace.core.ragged import Ragged
from headrace.core.tensors import is_tensor
from headrace.keys.contents import Contents
from headrace.keys.objects import draws, is_found, looked_through, plain_state, without_cached
from headrace.keys.owners import is_users_class, is_users_function, is_users_module, name_of

Route: TypeAlias = tuple[str, ...]
"""How a value is reached: ``("map(decode)", "closure 'conn'")``."""

_LOCKS = (type(threading.Lock()), type(threading.RLock()))
_BY_NAME = (
    types.MethodDescriptorType,
    types.ClassMethodDescriptorType,
    types.WrapperDescriptorType,
    types.GetSetDescriptorType,
    types.MemberDescriptorType,
)
_EPHEMERAL = (types.GeneratorType, types.CoroutineType, types.AsyncGeneratorType, threading.local)


class Values:
    """Makes digests of values.

    Args:
        define: Called with a function, a class or a module of the user's project, and how it is reached; returns what
            stands for it. What it is made of is looked at elsewhere.
        contents: Makes digests of arrays.
        chains: Returns what stands for a Dataset, by its node.
    """

    def __init__(
        self, define: Callable[[Any, Route], bytes], contents: Contents, chains: Callable[[Any], str] | None = None
    ) -> None:
        self._define = define
        self._contents = contents
        self._chains = chains
        self._within: dict[int, int] = {}  # what is being looked at, and how deep it lies
        self._known: dict[int, tuple[object, bytes]] = {}
        self._lowest = sys.maxsize  # depth of the outermost value that an inner one was found to be

    def encode(self, value: Any, route: Route) -> bytes:
        """Return what stands for a value: 16 bytes, or fewer that say what it is.

        Raises:
            ArgumentError: It holds what no other process can tell to be the same, such as an open file.
        """
        try:
            return self._encode(value, route)
        except RecursionError:
            raise _refusal(route, value, "is nested too deeply to be looked into") from None

    def _encode(self, value: Any, route: Route) -> bytes:
        simple = _SIMPLE.get(type(value))
        if simple is not None:
            return simple(value)
        definition = self._definition(value, route)
        if definition is not None:
            return definition
        if (known := self._known.get(id(value))) is not None:
            return known[1]
        depth = len(self._within)
        if (outer := self._within.get(id(value))) is not None:
            self._lowest = min(self._lowest, outer)
            return b"@%d" % (depth - outer)  # it holds itself
        before, self._lowest = self._lowest, sys.maxsize
        self._within[id(value)] = depth
        try:
            digest = blake2b(digest_size=16)
            for piece in self._pieces(value, route):
                digest.update(b"%d:" % len(piece))
                digest.update(piece)
        finally:
            del self._within[id(value)]
            own, self._lowest = self._lowest, min(before, self._lowest)
        if own >= depth:  # what it is does not depend on where it lies
            self._known[id(value)] = (value, digest.digest())
            self._lowest = before
        return digest.digest()

    def _definition(self, value: Any, route: Route) -> bytes | None:
        """Return what stands for a definition; None for other values."""
        if isinstance(value, types.FunctionType):
            if is_users_function(value):
                return self._define(value, route)
            return _named(value) if is_found(value) else None
        if isinstance(value, type):
            return self._define(value, route) if is_users_class(value) else _named(value)
        if isinstance(value, types.ModuleType):
            return self._define(value, route) if is_users_module(value) else _named(value)
        return _named(value) if isinstance(value, _BY_NAME) or is_found(value) or draws(value) else None

    def _pieces(self, value: Any, route: Route) -> Iterable[bytes]:
        if (exact := _CONTAINERS.get(type(value))) is not None:
            return exact(self, value, route)
        for kind, look in _KINDS:
            if isinstance(value, kind):
                return look(self, value, route)
        if is_tensor(value):
            return self._tensor(value, route)
        return self._object(value, route)

    def _each(self, word: bytes, values: Iterable[Any], route: Route) -> list[bytes]:
        return [word, *(self._encode(value, route) for value in values)]

    def _mapping(self, value: Mapping[Any, Any], route: Route) -> list[bytes]:
        pieces = [b"{"]
        for name, one in value.items():
            pieces += [self._encode(name, route), self._encode(one, _at(route, f"[{name!r:.40}]"))]
        return pieces

    def _set(self, value: set[Any] | frozenset[Any], route: Route) -> list[bytes]:
        ordered = sorted(value, key=lambda one: (name_of(one), str(one) if type(one) in _SIMPLE else ""))
        return [type(value).__name__.encode(), *sorted(self._encode(one, route) for one in ordered)]

    def _array(self, value: np.ndarray[Any, Any], route: Route) -> list[bytes]:
        if isinstance(value, np.ma.MaskedArray):
            return [b"masked", *self._array(value.data, route), *self._array(np.ma.getmaskarray(value), route)]
        if value.dtype.hasobject or value.dtype.kind == "T":
            return [b"a", f"{value.dtype}{value.shape}".encode(), *self._each(b"", value.reshape(-1).tolist(), route)]
        return [b"a", self._contents.of_array(value).encode()]

    def _ragged(self, value: Ragged, route: Route) -> list[bytes]:
        begin = value.offsets[0] if len(value.offsets) else 0
        return [b"r", *self._array(value.values, route), *self._array(value.offsets - begin, route)]

    def _batch(self, value: Batch, route: Route) -> list[bytes]:
        return [b"B", b"%d" % len(value), *self._mapping(dict(value.items()), route)]

    def _tensor(self, value: Any, route: Route) -> list[bytes]:
        torch = sys.modules["torch"]
        if value.layout is not torch.strided or value.is_quantized:
            raise _refusal(route, value, "is a tensor that is not plain memory")
        flat = value.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
        return [b"t", f"{value.dtype}{tuple(value.shape)}".encode(), self._contents.of_array(flat.numpy()).encode()]

    def _partial(self, value: partial[Any], route: Route) -> list[bytes]:
        return [b"p", *self._each(b"", (value.func, *value.args), route), *self._named_values(value.keywords, route)]

    def _named_values(self, values: Mapping[str, Any], route: Route) -> list[bytes]:
        """Look at values whose order says nothing."""
        pieces = []
        for name in sorted(values):
            pieces += [name.encode(), self._encode(values[name], _at(route, f"attribute {name!r}"))]
        return pieces

    def _method(self, value: types.MethodType, route: Route) -> list[bytes]:
        return self._each(b"m", (value.__func__, value.__self__), route)

    def _builtin(self, value: types.BuiltinFunctionType, route: Route) -> list[bytes]:
        owner = value.__self__
        pieces = [b"y", _named(value)]
        return pieces if isinstance(owner, types.ModuleType | None) else [*pieces, self._encode(owner, route)]

    def _foreign_function(self, value: types.FunctionType, route: Route) -> list[bytes]:
        """Look at a library's function that was made while running: what it holds of the user's."""
        pieces = [b"f", _named(value)]
        registry = vars(value).get("registry")
        if callable(vars(value).get("dispatch")) and isinstance(registry, Mapping):  # functools.singledispatch
            for kind in sorted(registry, key=name_of):
                pieces += self._each(b"", (kind, registry[kind]), route)
            return pieces
        pieces += self._each(b"", (value.__defaults__, value.__kwdefaults__), route)
        if "__wrapped__" in vars(value):
            pieces.append(self._encode(value.__wrapped__, route))  # type: ignore[attr-defined]
        for name, cell in zip(value.__code__.co_freevars, value.__closure__ or ()):
            pieces.append(self._cell(cell, _at(route, f"closure {name!r}")))
        return pieces

    def _cell(self, cell: types.CellType, route: Route) -> bytes:
        try:
            held = cell.cell_contents
        except ValueError:
            return b"empty"
        return self._encode(held, route)

    def _property(self, value: property, route: Route) -> list[bytes]:
        return self._each(b"property", (value.fget, value.fset, value.fdel), route)

    def _code(self, value: types.CodeType, route: Route) -> list[bytes]:
        counts = value.co_argcount, value.co_posonlyargcount, value.co_kwonlyargcount, value.co_flags & _MEANT_FLAGS
        names = value.co_names, value.co_varnames, value.co_freevars, value.co_cellvars
        pieces = [value.co_code, getattr(value, "co_exceptiontable", b"")]
        return [b"c", *pieces, *self._each(b"", (counts, names, value.co_consts), route)]

    def _vectorized(self, value: Any, route: Route) -> list[bytes]:
        told = (value.pyfunc, value.otypes, value.signature, value.excluded, value.cache)
        return self._each(b"vectorize", told, route)

    def _ufunc(self, value: np.ufunc, route: Route) -> list[bytes]:
        for module in ("numpy", "scipy.special"):
            if getattr(sys.modules.get(module), value.__name__, None) is value:
                return [b"ufunc", module.encode(), value.__name__.encode()]
        raise _refusal(route, value, "is compiled, and has no name that it could be told by")

    def _object(self, value: Any, route: Route) -> list[bytes]:
        """Look at an object of any class: what it is of, and what it holds."""
        kind = type(value)
        if isinstance(value, _LOCKS):
            return [b"lock"]
        if isinstance(value, logging.Logger):
            return [b"logger"]
        node = getattr(value, "_node", None) if kind.__module__ in ("headrace.dataset", "headrace.patching") else None
        if node is not None and self._chains is not None:
            return [b"dataset", self._chains(node).encode()]
        inner = None if is_users_class(kind) else looked_through(value)
        if inner is not None:
            return [b"w", _named(kind), self._encode(inner, route)]
        if kind.__module__.startswith("datasets.") and isinstance(value.__dict__.get("_fingerprint"), str):
            return [b"hf", value._fingerprint.encode()]
        if isinstance(value, _EPHEMERAL) or hasattr(kind, "__next__"):
            raise _refusal(route, value, "holds a place in something that flows, or a process's own state")
        reduce = copyreg.dispatch_table.get(kind)
        try:
            reduced = value.__reduce_ex__(4) if reduce is None else reduce(value)
        except RecursionError:
            raise
        except Exception as error:  # classes refuse in any way they like
            raise _refusal(route, value, f"cannot be looked into ({error})") from error
        state = plain_state(value)
        if state is not None:
            return [b"o", self._encode(kind, route), *self._named_values(state, route)]
        return self._reduced(value, reduced, route)

    def _reduced(self, value: Any, reduced: Any, route: Route) -> list[bytes]:
        """Look at what pickle would take of an object."""
        if isinstance(reduced, str):
            return [b"n", _named(type(value)), reduced.encode()]
        made_by, arguments, *rest = reduced
        pieces = [b"o", self._encode(type(value), route), *self._each(b"", (made_by, arguments), route)]
        for place, part in enumerate(rest[:3]):
            if place == 0 and type(part) is dict and all(isinstance(name, str) for name in part):
                pieces += [b"{", *self._named_values(without_cached(type(value), part), route)]
            else:
                pieces.append(self._encode(part if place == 0 or part is None else list(part), route))
        return pieces


def _named(value: Any) -> bytes:
    return f"y{name_of(value)}".encode()


def _at(route: Route, word: str) -> Route:
    return (*route, word)


def _refusal(route: Route, value: Any, why: str) -> ArgumentError:
    kind = type(value)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    return ArgumentError(
        f"no cache key can be made: {' -> '.join((*route, name))} {why}. Open or make it inside the function, or say "
        'yourself what makes the records what they are, by version="..."'
    )


def _text(value: str) -> bytes:
    return b"s" + value.encode("utf-8", "surrogatepass")


_MEANT_FLAGS = 0x04 | 0x08 | 0x20 | 0x80 | 0x200  # *args, **kwargs, generators and coroutines

_SIMPLE: dict[type, Callable[[Any], bytes]] = {
    type(None): lambda value: b"N",
    type(...): lambda value: b"E",
    type(NotImplemented): lambda value: b"NI",
    bool: lambda value: b"T" if value else b"F",
    int: lambda value: b"i%x" % value,
    float: lambda value: b"f" + value.hex().encode(),
    complex: lambda value: f"j{value.real.hex()} {value.imag.hex()}".encode(),
    str: _text,
    bytes: lambda value: b"b" + blake2b(value, digest_size=16).digest(),
}
_KINDS: list[tuple[Any, Callable[[Values, Any, Route], Iterable[bytes]]]] = [
    (np.ndarray, Values._array),
    (Ragged, Values._ragged),
    (Batch, Values._batch),
    (np.generic, lambda self, value, route: [b"n", *self._array(np.asarray(value), route)]),
    (np.dtype, lambda self, value, route: [b"d", f"{value}".encode()]),
    (np.vectorize, Values._vectorized),
    (np.ufunc, Values._ufunc),
    (partial, Values._partial),
    (partialmethod, Values._partial),
    (types.MethodType, Values._method),
    (types.BuiltinFunctionType, Values._builtin),
    (types.FunctionType, Values._foreign_function),
    (types.CodeType, Values._code),
    (types.CellType, lambda self, value, route: [b"cell", self._cell(value, route)]),
    (types.MappingProxyType, Values._mapping),
    (property, Values._property),
    (staticmethod, lambda self, value, route: [b"static", self._encode(value.__func__, route)]),
    (classmethod, lambda self, value, route: [b"class", self._encode(value.__func__, route)]),
    (cached_property, lambda self, value, route: [b"cached", self._encode(value.func, route)]),
    (singledispatchmethod, lambda self, value, route: [b"dispatch", self._encode(value.dispatcher, route)]),
    (PurePath, lambda self, value, route: [b"path", value.as_posix().encode("utf-8", "surrogateescape")]),
    (bytearray, lambda self, value, route: [b"ba", bytes(value)]),
    (memoryview, lambda self, value, route: [b"mv", bytes(value)]),
]
_CONTAINERS: dict[type, Callable[[Values, Any, Route], Iterable[bytes]]] = {
    dict: Values._mapping,
    list: lambda self, value, route: self._each(b"[", value, route),
    tuple: lambda self, value, route: self._each(b"(", value, route),
    set: Values._set,
    frozenset: Values._set,
}
