"""Values of any kind as bytes for a digest: equal values give equal bytes, in every process and on every platform."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

PARTS_LIMIT = 10_000
DEPTH_LIMIT = 32


def sample(array: NDArray[Any], limit: int, pieces: int = 16) -> bytes:
    """Return up to ``limit`` bytes of an array: all, or evenly spaced pieces from the first byte to the last.

    The bytes are little-endian, in C order whatever the array's own order is. Of an array of objects, ``limit // 8``
    evenly spaced ones are encoded.
    """
    if array.dtype.hasobject:
        encoder = Encoder(limit)
        kept = array.reshape(-1)[_spread(array.size, max(limit // 8, 1), 1)] if array.size > limit // 8 else array
        encoder.add(kept.tolist())
        return b"".join(encoder.parts)
    if array.dtype.byteorder == ">" or (array.dtype.byteorder == "=" and sys.byteorder == "big"):
        array = array.astype(array.dtype.newbyteorder("<"))
    if array.nbytes <= limit:
        return array.tobytes()
    length = max(limit // pieces // array.itemsize, 1)
    if array.flags.c_contiguous:
        return array.reshape(-1)[_spread(array.size, pieces, length)].tobytes()
    return array.flat[_spread(array.size, pieces, length)].tobytes()


@lru_cache(maxsize=64)
def _spread(size: int, pieces: int, length: int) -> NDArray[np.int64]:
    """Return the indices of evenly spaced pieces, the first at the front, the last at the end."""
    starts = np.linspace(0, size - length, pieces).astype(np.int64)
    return (starts[:, None] + np.arange(length)).reshape(-1)


class Encoder:
    """Collects the bytes of values in ``parts``; never fails, and stops at 10,000 parts."""

    def __init__(self, array_bytes: int) -> None:
        self.parts: list[bytes] = []
        self._array_bytes = array_bytes
        self._open: set[int] = set()

    def add(self, value: Any) -> None:
        """Add one value, whatever it is."""
        if len(self.parts) > PARTS_LIMIT:
            return
        simple = _SIMPLE.get(type(value))
        if simple is not None:
            self.parts.append(simple(value))
            return
        if id(value) in self._open or len(self._open) > DEPTH_LIMIT:
            self.parts.append(b"@")
            return
        self._open.add(id(value))
        begin = len(self.parts)
        try:
            self._add_compound(value)
        except Exception:  # looking into foreign objects may fail in any way; its type is what can always be told
            del self.parts[begin:]
            self.parts.append(_name(type(value)))
        finally:
            self._open.discard(id(value))

    def _add_compound(self, value: Any) -> None:
        kind = type(value)
        if kind is dict:
            self._add_mapping(value)
        elif isinstance(value, np.ndarray):
            self._add_array(value)
        elif kind is tuple or kind is list:
            self._add_sequence(b"(" if kind is tuple else b"[", value)
        elif isinstance(value, np.generic):
            self.parts.append(b"n%b%b" % (value.dtype.str.encode(), value.tobytes()))
        elif kind is set or kind is frozenset:
            self._add_set(value)
        elif isinstance(value, Mapping):
            self._add_mapping(value)
        elif isinstance(value, _CODE):
            self._add_code(value)
        elif (torch := sys.modules.get("torch")) is not None and isinstance(value, torch.Tensor):
            self._add_tensor(value)
        elif isinstance(getattr(value, "columns", None), Mapping):
            self._add_mapping(value.columns)
        elif isinstance(getattr(value, "values", None), np.ndarray) and hasattr(value, "offsets"):
            self._add_ragged(value)
        else:
            self._add_object(value)

    def _add_sequence(self, opening: bytes, values: Any) -> None:
        self.parts.append(b"%b%d:" % (opening, len(values)))
        for value in values:
            if len(self.parts) > PARTS_LIMIT:
                return
            self.add(value)

    def _add_mapping(self, values: Mapping[Any, Any]) -> None:
        self.parts.append(b"{%d:" % len(values))
        for name in values:
            if len(self.parts) > PARTS_LIMIT:
                return
            self.add(name)
            self.add(values[name])

    def _add_set(self, values: Any) -> None:
        encoded = []
        for value in values:
            inner = Encoder(self._array_bytes)
            inner.add(value)
            encoded.append(b"".join(inner.parts))
        self.parts.append(b"<%d:" % len(encoded))
        self.parts.extend(sorted(encoded))

    def _add_array(self, array: NDArray[Any]) -> None:
        name = str(array.dtype) if array.dtype.names else array.dtype.str
        self.parts.append(f"a{name}{array.shape}".encode())
        self.parts.append(sample(array, self._array_bytes))

    def _add_tensor(self, tensor: Any) -> None:
        self.parts.append(f"t{tensor.dtype}{tuple(tensor.shape)}".encode())
        flat = tensor.detach().reshape(-1)
        length = max(self._array_bytes // 16 // flat.element_size(), 1)
        if flat.numel() * flat.element_size() > self._array_bytes:
            flat = flat[_spread(flat.numel(), 16, length)]
        self.parts.append(flat.cpu().contiguous().view(sys.modules["torch"].uint8).numpy().tobytes())

    def _add_ragged(self, ragged: Any) -> None:
        first, last = int(ragged.offsets[0]), int(ragged.offsets[-1])
        self.parts.append(b"r")
        self._add_array(ragged.offsets - first)
        self._add_array(ragged.values[first:last])

    def _add_object(self, value: Any) -> None:
        """Add what pickle would store, part by part: pickle's own bytes tell equal from identical, which is chance."""
        if hasattr(value, "__wrapped__"):
            self.add(value.__wrapped__)
            return
        reduced = value.__reduce_ex__(4)
        if isinstance(reduced, str):
            self.parts.append(_name(type(value)) + reduced.encode())
            return
        made_by, arguments, *rest = reduced
        self.parts.append(b"o")
        if callable(value):  # an object used as a function: its class's methods are its code
            self._add_methods(type(value))
        self.add(made_by)
        self._add_sequence(b"(", arguments)
        for part in rest[:1]:
            self.add(part)
        for part in rest[1:3]:
            self.add(None if part is None else list(part))

    def _add_code(self, value: Any) -> None:
        match value:
            case FunctionType():
                self._add_function(value)
            case CodeType():
                self._add_bytecode(value, None)
            case MethodType():
                self.add(value.__func__)
                self.add(value.__self__)
            case partial():
                self.add(value.func)
                self.add(value.args)
                self.add(value.keywords)
            case BuiltinFunctionType():
                self.parts.append(f"b{value.__module__}.{value.__qualname__}".encode())
                if not isinstance(value.__self__, ModuleType | type(None)):
                    self.add(value.__self__)
            case _:
                self.parts.append(_name(value))

    def _add_function(self, function: FunctionType) -> None:
        self._add_bytecode(function.__code__, function.__doc__)
        self.add(function.__defaults__)
        self.add(function.__kwdefaults__)
        for cell in function.__closure__ or ():
            try:
                self.add(cell.cell_contents)
            except ValueError:  # a cell that is still empty
                self.parts.append(b"?")

    def _add_bytecode(self, code: CodeType, doc: str | None) -> None:
        self.parts.append(b"c%d,%d,%d:" % (code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount))
        self.parts += (code.co_code, getattr(code, "co_exceptiontable", b""))
        self._add_sequence(b"(", [*code.co_names, "", *code.co_varnames, "", *code.co_freevars, "", *code.co_cellvars])
        self._add_sequence(b"(", [None if doc is not None and const == doc else const for const in code.co_consts])

    def _add_methods(self, kind: type) -> None:
        for owner in kind.__mro__:
            for name, value in sorted(vars(owner).items()):
                if isinstance(value, FunctionType):
                    self.parts.append(name.encode())
                    self.add(value)


_CODE = (FunctionType, MethodType, BuiltinFunctionType, CodeType, partial, ModuleType, type)


def _name(value: Any) -> bytes:
    name = getattr(value, "__qualname__", None) or getattr(value, "__name__", "")
    return f"y{getattr(value, '__module__', '')}.{name}".encode()


def _text(value: str) -> bytes:
    encoded = value.encode("utf-8", "surrogatepass")
    return b"s%d:%b" % (len(encoded), encoded)


_SIMPLE: dict[type, Callable[[Any], bytes]] = {
    type(None): lambda value: b"N",
    type(...): lambda value: b"E",
    bool: lambda value: b"T" if value else b"F",
    int: lambda value: b"i%d;" % value,
    float: lambda value: f"f{value!r};".encode(),
    complex: lambda value: f"j{value!r};".encode(),
    str: _text,
    bytes: lambda value: b"b%d:%b" % (len(value), value),
}
