"""Values of any kind as bytes for a digest: equal values give equal bytes, in every process."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache, partial
from inspect import CO_ASYNC_GENERATOR, CO_COROUTINE, CO_GENERATOR, CO_VARARGS, CO_VARKEYWORDS
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headrace.core.kinds import Nested
from headrace.core.ragged import Ragged
from headrace.core.sampling import sample, spread

PARTS_LIMIT = 10_000
DEPTH_LIMIT = 32


class Encoder:
    """Collects the bytes of values in ``parts``; never fails, and leaves out what comes after 10,000 parts.

    Args:
        limit: How many bytes of one array, tensor or bytes object count.
        within: What is being encoded around the values, by ``id``.
    """

    def __init__(self, limit: int, within: set[int] | None = None) -> None:
        self.parts: list[bytes] = []
        self.limit = limit
        self._within: set[int] = set() if within is None else within

    def add(self, value: Any) -> None:
        """Add one value, whatever it is."""
        kind = type(value)
        if (simple := _SIMPLE.get(kind)) is not None:
            self.parts.append(simple(value))
        elif id(value) in self._within or len(self._within) > DEPTH_LIMIT:
            self.parts.append(b"@")  # it holds itself, or is too deep
        else:
            self._within.add(id(value))
            begin = len(self.parts)
            try:
                (_COMPOUND.get(kind) or _of_kind(value))(self, value)
            except Exception:  # looking into foreign objects may fail in any way; its type is what can always be told
                del self.parts[begin:]
                self.parts.append(_name(kind))
            finally:
                self._within.discard(id(value))

    def add_all(self, opening: bytes, values: Iterable[Any], length: int) -> None:
        """Add values one after the other, as long as there is room."""
        self.parts.append(b"%b%d:" % (opening, length))
        for value in values:
            if len(self.parts) > PARTS_LIMIT:
                return
            self.add(value)


def _of_kind(value: Any) -> Callable[[Encoder, Any], None]:
    """Return what encodes a value whose very type is not in the table."""
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(value, torch.Tensor):
        return _add_tensor
    return next((add for kind, add in _KINDS if isinstance(value, kind)), _add_object)


def _add_array(encoder: Encoder, array: NDArray[Any]) -> None:
    encoder.parts.append(_header(array.dtype, array.shape))
    if not array.dtype.hasobject:
        encoder.parts.append(sample(array, encoder.limit))
        return
    most = min(encoder.limit // 8, PARTS_LIMIT // 2)
    values = array.flat[spread(array.size, most, 1)] if array.size > most else array.reshape(-1)
    encoder.add_all(b"", values.tolist(), array.size)


@lru_cache(maxsize=256)
def _header(dtype: np.dtype[Any], shape: tuple[int, ...]) -> bytes:
    return f"a{dtype if dtype.names else dtype.str}{shape}".encode()


def _add_tensor(encoder: Encoder, tensor: Any) -> None:
    encoder.parts.append(f"t{tensor.dtype}{tuple(tensor.shape)}".encode())
    flat = tensor.detach().reshape(-1)
    if flat.nbytes > encoder.limit:
        flat = flat[spread(flat.numel(), 16, max(encoder.limit // 16 // flat.element_size(), 1))]
    encoder.parts.append(flat.cpu().contiguous().view(sys.modules["torch"].uint8).numpy().tobytes())


def _add_ragged(encoder: Encoder, ragged: Ragged) -> None:
    _add_array(encoder, ragged.offsets)
    _add_array(encoder, ragged.values)


def _add_nested(encoder: Encoder, nested: Nested) -> None:
    encoder.parts.append(b"B%d" % len(nested))
    _add_mapping(encoder, nested._columns)


def _add_scalar(encoder: Encoder, value: np.generic) -> None:
    encoder.parts.append(b"n%b:%b" % (value.dtype.str.encode(), value.tobytes()))


def _add_bytes(encoder: Encoder, value: bytes) -> None:
    encoder.parts.append(b"b%d:" % len(value))
    encoder.parts.append(value if len(value) <= encoder.limit else sample(np.frombuffer(value, "u1"), encoder.limit))


def _add_list(encoder: Encoder, values: list[Any]) -> None:
    encoder.add_all(b"[", values, len(values))


def _add_tuple(encoder: Encoder, values: tuple[Any, ...]) -> None:
    encoder.add_all(b"(", values, len(values))


def _add_mapping(encoder: Encoder, values: Mapping[Any, Any]) -> None:
    encoder.parts.append(b"{%d:" % len(values))
    for name, value in values.items():
        if len(encoder.parts) > PARTS_LIMIT:
            return
        encoder.add(name)
        encoder.add(value)


def _add_set(encoder: Encoder, values: Iterable[Any]) -> None:
    encoded = []
    for value in values:  # their order is chance: sort what they give
        inner = Encoder(encoder.limit, encoder._within)
        inner.add(value)
        encoded.append(b"".join(inner.parts))
    encoder.add_all(b"<", sorted(encoded), len(encoded))


def _add_object(encoder: Encoder, value: Any) -> None:
    """Add what pickle would store, part by part; pickle's own bytes tell equal from identical, which is chance."""
    if hasattr(value, "__wrapped__"):
        encoder.add(value.__wrapped__)
        return
    encoder.parts.append(b"o" + _name(type(value)))
    if callable(value):  # an object used as a function: its class's methods are its code
        _add_methods(encoder, type(value))
    reduced = value.__reduce_ex__(4)
    if isinstance(reduced, str):  # a name in its module
        encoder.add(reduced)
        return
    made_by, arguments, *rest = reduced
    encoder.parts.append(_name(made_by))
    encoder.add(arguments)
    for part in rest[:1]:
        encoder.add(part)
    for part in rest[1:3]:  # members of a list, and items of a mapping, as iterators
        encoder.add(None if part is None else list(part))


def _add_methods(encoder: Encoder, kind: type) -> None:
    for owner in kind.__mro__:
        if owner.__module__.startswith("headrace."):  # a Stream, which can be called, is known by what it holds
            continue
        for name, value in sorted(vars(owner).items()):
            if isinstance(value, FunctionType):
                encoder.add(name)
                encoder.add(value)


def _add_function(encoder: Encoder, function: FunctionType) -> None:
    _add_bytecode(encoder, function.__code__, function.__doc__)
    encoder.add(function.__defaults__)
    encoder.add(function.__kwdefaults__)
    for cell in function.__closure__ or ():
        try:
            encoder.add(cell.cell_contents)
        except ValueError:  # a cell that is still empty
            encoder.add(None)


def _add_bytecode(encoder: Encoder, code: CodeType, doc: str | None = None) -> None:
    encoder.add((code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags & _KIND_FLAGS))
    encoder.parts += (code.co_code, getattr(code, "co_exceptiontable", b""))
    encoder.add((code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars))
    encoder.add(tuple(None if isinstance(const, str) and const == doc else const for const in code.co_consts))


def _add_method(encoder: Encoder, method: MethodType) -> None:
    encoder.add(method.__func__)
    encoder.add(method.__self__)


def _add_partial(encoder: Encoder, bound: partial[Any]) -> None:
    encoder.add((bound.func, bound.args, bound.keywords))


def _add_builtin(encoder: Encoder, function: BuiltinFunctionType) -> None:
    encoder.parts.append(_name(function))
    if not isinstance(function.__self__, ModuleType | type | None):
        encoder.add(function.__self__)


def _add_name(encoder: Encoder, value: Any) -> None:
    encoder.parts.append(_name(value))


_KIND_FLAGS = CO_VARARGS | CO_VARKEYWORDS | CO_GENERATOR | CO_COROUTINE | CO_ASYNC_GENERATOR


def _name(value: Any) -> bytes:
    name = getattr(value, "__qualname__", None) or getattr(value, "__name__", "")
    return f"y{getattr(value, '__module__', '')}.{name};".encode()


def _text(value: str) -> bytes:
    encoded = value.encode("utf-8", "surrogatepass")
    return b"s%d:%b" % (len(encoded), encoded)


_SIMPLE: dict[type, Callable[[Any], bytes]] = {
    type(None): lambda value: b"N",
    type(...): lambda value: b"E",
    bool: lambda value: b"T" if value else b"F",
    int: lambda value: b"i%x;" % value,
    float: lambda value: b"f%b;" % value.hex().encode(),
    complex: lambda value: f"j{value!r};".encode(),
    str: _text,
}
_COMPOUND: dict[type, Callable[[Encoder, Any], None]] = {
    dict: _add_mapping,
    list: _add_list,
    tuple: _add_tuple,
    np.ndarray: _add_array,
    bytes: _add_bytes,
    set: _add_set,
    frozenset: _add_set,
    FunctionType: _add_function,
    CodeType: _add_bytecode,
    MethodType: _add_method,
    BuiltinFunctionType: _add_builtin,
    partial: _add_partial,
    type: _add_name,
    Ragged: _add_ragged,
}
_KINDS: list[tuple[type, Callable[[Encoder, Any], None]]] = [
    (np.generic, _add_scalar),
    (np.ndarray, _add_array),
    (Nested, _add_nested),
    (Mapping, _add_mapping),
    (ModuleType, _add_name),
    (np.ufunc, _add_name),
    (type, _add_name),
]
