"""The source code of what runs: found again in its file, and checked to be what was compiled."""

from __future__ import annotations

import ast
import linecache
import os
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from types import CodeType
from typing import Any

from headrace.keys import syntax
from headrace.keys.key import digest_of

_VERSIONS = 3  # of a file that is edited while we run: what was imported from an earlier one is found in that
_LOCATED = 20_000  # functions
_FLAGS = 0xFFFF  # those beyond are what a module asked of __future__


@dataclass(frozen=True)
class Written:
    """A function's source code.

    Args:
        digest: Of all statements.
        statements: Eight hexadecimal digits for each.
        lines: Where each begins.
    """

    digest: str
    statements: str
    lines: tuple[int, ...]

    @classmethod
    def of(cls, definition: syntax.Definition) -> Written:
        """Sum up a definition."""
        lines, texts = zip(*syntax.statements(definition), strict=True)
        each = (blake2b(text.encode("utf-8", "surrogatepass"), digest_size=4).hexdigest() for text in texts)
        return cls(digest_of(texts), "".join(each), lines)


class Text:
    """A file's text, parsed and compiled once."""

    def __init__(self, source: bytes | str, file: str) -> None:
        self._source = source
        self._file = file

    @cached_property
    def _tree(self) -> ast.Module | None:
        try:
            return ast.parse(self._source, self._file)
        except (SyntaxError, ValueError, RecursionError):
            return None  # no Python, or only with what a notebook adds to it

    @cached_property
    def _codes(self) -> dict[str, list[CodeType]]:
        """All functions of the file, by their full names."""
        found: dict[str, list[CodeType]] = {}
        try:
            waiting = [] if self._tree is None else [compile(self._tree, self._file, "exec", dont_inherit=True)]
        except (SyntaxError, ValueError, RecursionError):
            return {}
        while waiting:
            code = waiting.pop()
            found.setdefault(code.co_qualname, []).append(code)
            waiting += [const for const in code.co_consts if isinstance(const, CodeType)]
        return found

    @cached_property
    def _definitions(self) -> dict[tuple[str, int], list[syntax.Definition]]:
        found: dict[tuple[str, int], list[syntax.Definition]] = {}
        for node in () if self._tree is None else ast.walk(self._tree):
            if isinstance(node, ast.Lambda):
                found.setdefault(("<lambda>", node.lineno), []).append(node)
            elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                first = min([node.lineno, *(one.lineno for one in node.decorator_list)])
                found.setdefault((node.name, first), []).append(node)
        return found

    def find(self, code: CodeType) -> Written | None:
        """Return the definition that compiles to this code; None where there is none."""
        alike = [one for one in self._codes.get(code.co_qualname, ()) if is_same(one, code)]
        for one in sorted(alike, key=lambda other: other.co_firstlineno != code.co_firstlineno):
            definition = _choose(self._definitions.get((one.co_name, one.co_firstlineno), []), one)
            if definition is not None:
                return Written.of(definition)
        return None


_TEXTS: dict[str, list[tuple[object, Text]]] = {}
_WRITTEN: dict[int, tuple[CodeType, Written | None]] = {}


def find_written(code: CodeType) -> Written | None:
    """Return the source code that some code was compiled from; None where it is not there, or not there any more."""
    known = _WRITTEN.get(id(code))
    if known is None or known[0] is not code:
        try:
            found = next((found for text in _texts(code.co_filename) if (found := text.find(code))), None)
        except RecursionError:  # an expression of thousands of terms
            found = None
        if len(_WRITTEN) >= _LOCATED:
            _WRITTEN.clear()
        known = _WRITTEN[id(code)] = (code, found)
    return known[1]


def _texts(file: str) -> list[Text]:
    """Return the text of a file as it is, then as it was when it was looked at before."""
    versions = _TEXTS.setdefault(file, [])
    try:
        about = os.stat(file)
        stamp: object = (about.st_mtime_ns, about.st_size, about.st_ino)
    except (OSError, ValueError):  # typed in: a notebook's cell, a line of the prompt
        stamp = "".join(linecache.getlines(file))
    if not versions or versions[0][0] != stamp:
        if isinstance(stamp, str):
            source: bytes | str = stamp
        else:
            with open(file, "rb") as opened:
                source = opened.read()
        versions.insert(0, (stamp, Text(source, file)))
        del versions[_VERSIONS:]
    return [text for _, text in versions]


def is_same(one: CodeType, other: CodeType) -> bool:
    """Say whether two pieces of code do the same in the same way, wherever they stand."""
    return (
        one.co_code == other.co_code
        and _shape(one) == _shape(other)
        and len(one.co_consts) == len(other.co_consts)
        and all(map(_is_same_value, one.co_consts, other.co_consts))
    )


def _shape(code: CodeType) -> tuple[Any, ...]:
    counts = code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags & _FLAGS
    names = code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars
    return counts, names, getattr(code, "co_exceptiontable", b"")


def _is_same_value(one: Any, other: Any) -> bool:
    if type(one) is not type(other):
        return False
    if isinstance(one, CodeType):
        return is_same(one, other)
    if isinstance(one, tuple):
        return len(one) == len(other) and all(map(_is_same_value, one, other))
    return bool(one == other if isinstance(one, frozenset) else repr(one) == repr(other))


def _choose(definitions: list[syntax.Definition], code: CodeType) -> syntax.Definition | None:
    """Return the definition of some code among those of its name and line: of several lambdas by their columns."""
    if len(definitions) < 2:
        return definitions[0] if definitions else None
    spans = [span for span in code.co_positions() if None not in span and span[2:] != (0, 0)]
    fitting = [one for one in definitions if isinstance(one, ast.Lambda) and _holds(one.body, spans)]
    return min(fitting, key=_extent, default=None)


def _holds(body: ast.expr, spans: list[Any]) -> bool:
    begin, end = (body.lineno, body.col_offset), (body.end_lineno or 0, body.end_col_offset or 0)
    return bool(spans) and all(begin <= (span[0], span[2]) and (span[1], span[3]) <= end for span in spans)


def _extent(definition: syntax.Definition) -> tuple[int, int]:
    lines = (definition.end_lineno or 0) - definition.lineno
    return lines, (definition.end_col_offset or 0) - definition.col_offset
