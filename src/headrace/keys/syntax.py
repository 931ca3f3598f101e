"""Source code as text that says what it does: without lines, comments, docstrings, annotations and its own name."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import TypeAlias

Definition: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda

_BLOCKS = ("body", "orelse", "finalbody", "handlers", "cases")
_UNSEEN = {"ctx", "type_comment", "kind", "type_params", "type_ignores"}  # say nothing, or differ by Python's version


def statements(definition: Definition) -> Iterator[tuple[int, str]]:
    """Give each statement of a function, outer ones before those in them, with its line.

    Of a compound statement that is its head alone. Each begins with how deep it lies, and in which block, so that all
    together they are the function.

    >>> tree = ast.parse("def f(x: int):\\n    'It is.'\\n    if x:\\n        return 1 # one")
    >>> for line, text in statements(tree.body[0]):
    ...     print(line, text)
    1 0 FunctionDef(args=arguments(args=[arg(arg='x')]))
    3 1body If(test=Name(id='x'))
    4 2body Return(value=Constant(1))
    """
    if isinstance(definition, ast.Lambda):
        yield definition.lineno, f"0 {_text(definition)}"
    else:
        yield definition.lineno, f"0 {_text(definition, is_head=True, is_named=False)}"
        yield from _block(definition.body, "body", 1, in_class=False)


def _block(nodes: list[ast.AST] | list[ast.stmt], name: str, depth: int, in_class: bool) -> Iterator[tuple[int, str]]:
    line = 0
    for node in nodes:
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            continue  # a docstring, or what stands there as one
        line = getattr(node, "lineno", line) or getattr(getattr(node, "pattern", None), "lineno", line)
        yield line, f"{depth}{name} {_text(node, is_head=True, in_class=in_class)}"
        for block in _BLOCKS:
            inner = getattr(node, block, None)
            if isinstance(inner, list) and inner:
                yield from _block(inner, block, depth + 1, in_class=isinstance(node, ast.ClassDef))


def _text(node: ast.AST, is_head: bool = False, is_named: bool = True, in_class: bool = False) -> str:
    """Return a node as text.

    Args:
        node: What is written.
        is_head: Whether the statements in it are left out.
        is_named: Whether a definition's name counts.
        in_class: Whether it stands in a class, where an annotation may make a field.
    """
    if isinstance(node, ast.Constant):
        return f"Constant({node.value!r})"
    pieces = []
    for name in node._fields:
        value = getattr(node, name, None)
        if value is None or value == [] or name in _UNSEEN or (is_head and name in _BLOCKS):
            continue
        if name == "returns" or (name == "annotation" and not in_class) or (name == "name" and not is_named):
            continue
        pieces.append(f"{name}={_value(value)}")
    return f"{type(node).__name__}({', '.join(pieces)})"


def _value(value: object) -> str:
    if isinstance(value, ast.AST):
        return _text(value)
    if isinstance(value, list):
        return f"[{', '.join(map(_value, value))}]"
    return repr(value)
