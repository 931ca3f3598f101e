"""What a function is made of: values by content, code by what it says, and definitions by all that they reach."""

from __future__ import annotations

import copy
import enum
import functools
import linecache
import logging
import math
import os
import random
import re
import subprocess
import sys
import threading
import types
from collections import Counter, OrderedDict, defaultdict, deque, namedtuple
from collections.abc import Callable
from dataclasses import dataclass, field, make_dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import headrace as hr
from headrace.core.errors import ArgumentError
from headrace.keys.contents import Contents
from headrace.keys.key import Field
from headrace.keys.reached import Reached


def digest(value: Any) -> str:
    reached = Reached(Contents())
    reached.add(value, ("map(f)",))
    return Field("map", "map(f)", tuple(reached.parts)).digest


def closing_over(value: Any) -> Callable[[], Any]:
    return lambda: value


def compiled(source: str, file: str = "<typed in>", **outside: Any) -> Any:
    """Return what ``f`` is in some source text, which is kept where notebooks keep it."""
    linecache.cache[file] = (len(source), None, source.splitlines(True), file)
    names: dict[str, Any] = {"__name__": "typed_in", **outside}
    exec(compile(source, file, "exec"), names)
    return names["f"]


Point = namedtuple("Point", "x y")


class Named(NamedTuple):
    x: int
    y: int = 2


class Colour(enum.Enum):
    RED = 1
    BLUE = 2


@dataclass(frozen=True, slots=True)
class Slotted:
    factor: float
    names: list[str] = field(default_factory=list)


class Listing(list[int]):
    pass


VALUES: list[Callable[[], Any]] = [
    lambda: None,
    lambda: True,
    lambda: 1,
    lambda: 1.0,
    lambda: -0.0,
    lambda: 1j,
    lambda: 2**100,
    lambda: "1",
    lambda: b"1",
    lambda: bytearray(b"1"),
    lambda: [1],
    lambda: (1,),
    lambda: {1},
    lambda: frozenset({1}),
    lambda: {"a", "b", "c"},
    lambda: {"a": 1, "b": 2},
    lambda: {"b": 2, "a": 1},
    lambda: OrderedDict(a=1),
    lambda: defaultdict(list, a=1),
    lambda: Counter("aab"),
    lambda: deque([1, 2], maxlen=3),
    lambda: range(3),
    lambda: slice(1, 2),
    lambda: np.arange(3),
    lambda: np.arange(3.0),
    lambda: np.int64(1),
    lambda: np.float32("nan"),
    lambda: np.dtype("f4"),
    lambda: np.array(["a", None], dtype=object),
    lambda: np.array([(1, 2.0)], dtype=np.dtype([("a", "i1"), ("b", "f8")], align=True)),
    lambda: np.ma.masked_array([1, 2], [True, False]),
    lambda: np.random.default_rng(0),
    lambda: np.random.default_rng(1),
    lambda: random.Random(0),
    lambda: random.Random(1),
    lambda: hr.Ragged.from_rows([[1], [2, 3]]),
    lambda: hr.Batch({"x": [1, 2]}),
    lambda: Point(1, 2),
    lambda: Named(1),
    lambda: Colour.RED,
    lambda: Colour.BLUE,
    lambda: Slotted(1.0),
    lambda: Slotted(1.0, ["a"]),
    lambda: Listing([1]),
    lambda: datetime(2026, 1, 1, tzinfo=UTC),
    lambda: timedelta(1),
    lambda: Decimal("1.0"),
    lambda: Fraction(1, 3),
    lambda: UUID(int=3),
    lambda: Path("a/b"),
    lambda: re.compile("a+"),
    lambda: re.compile("a+", re.IGNORECASE),
    lambda: math.sin,
    lambda: math.cos,
    lambda: np.sin,
    lambda: np.concatenate,
    lambda: str.upper,
    lambda: "abc".startswith,
    lambda: "abd".startswith,
    lambda: np.vectorize(math.sin),
    lambda: np.vectorize(math.cos),
    lambda: functools.partial(max, 1),
    lambda: functools.partial(max, default=1),
    lambda: functools.lru_cache(lambda x: x + 4),
    lambda: functools.lru_cache(lambda x: x + 5),
    lambda: types.SimpleNamespace(a=1),
    lambda: types.MappingProxyType({"a": 3}),
    lambda: list[int],
    lambda: int | None,
    lambda: Colour,
    lambda: Slotted,
    lambda: Point,
    lambda: Named,
    lambda: int,
    lambda: math,
    lambda: logging.getLogger("a"),
    lambda: threading.Lock(),
    lambda: threading.RLock,
]


def test_unlike_values_are_told_apart_and_equal_ones_are_equal() -> None:
    seen: dict[str, int] = {}
    for number, make in enumerate(VALUES):
        assert digest(closing_over(make())) == digest(closing_over(make())), make()
        assert seen.setdefault(digest(closing_over(make())), number) == number, make()


nested: st.SearchStrategy[Any] = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(), st.binary()),
    lambda inner: st.one_of(st.lists(inner), st.dictionaries(st.text(), inner), st.tuples(inner, inner)),
    max_leaves=8,
)


@given(one=nested, other=nested)
def test_values_are_equal_just_when_they_read_the_same(one: Any, other: Any) -> None:
    assert (digest(closing_over(one)) == digest(closing_over(other))) == (repr(one) == repr(other))


@given(nested)
def test_it_makes_no_difference_what_is_the_same_object(value: Any) -> None:
    assert digest(closing_over([value, value])) == digest(closing_over([value, copy.deepcopy(value)]))


def test_values_that_hold_themselves_and_ever_the_same_are_no_obstacle() -> None:
    ring: list[Any] = [1]
    ring.append(ring)
    other: list[Any] = [2]
    other.append(other)
    assert digest(closing_over(ring)) != digest(closing_over(other))
    doubled: list[Any] = [1]
    for _ in range(100):
        doubled = [doubled, doubled]  # 2**100 values, if each were looked at
    assert digest(closing_over(doubled)) == digest(closing_over(doubled))
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(ArgumentError, match="closure 'value' -> list is nested too deeply"):
        digest(closing_over(deep))
    while deep:  # by hand: taking it down at once would nest as deep
        deep = deep.pop()


def test_recursion_of_any_kind_is_no_obstacle() -> None:
    source = "def g(x):\n    return f(x - {})\n\ndef f(x):\n    return x and g(x)\n"
    assert digest(compiled(source.format(1))) == digest(compiled(source.format(1), "<another>"))
    assert digest(compiled(source.format(1))) != digest(compiled(source.format(2), "<another>"))

    def outer(step: int) -> Callable[[int], int]:
        def inner(n: int) -> int:
            return n and inner(n - step)

        return inner

    assert digest(outer(1)) == digest(outer(1)) != digest(outer(2))


SAME = [
    "def f(x):\n    return [x, 'a', None]\n",
    "def f(x: int) -> list:\n    '''Say it.'''\n    # why\n    return [\n        x, 'a',\n        None]\n",
    "\n\ndef f(x):\n    ...\n    return (([x, 'a', None]))\n",
]
OTHERS = [
    "def f(y):\n    return [y, 'a', None]\n",
    "def f(x):\n    return [x, 'b', None]\n",
    "def f(x):\n    return [x, 'a', True]\n",
    "def f(x):\n    return (x, 'a', None)\n",
    "def f(x):\n    return [x, 'a', None],\n",
    "def f(x, *y):\n    return [x, 'a', None]\n",
    "async def f(x):\n    return [x, 'a', None]\n",
    "def f(x):\n    if x:\n        x\n        return [x, 'a', None]\n",
    "def f(x):\n    if x:\n        x\n    return [x, 'a', None]\n",
    "def f(x):\n    yield [x, 'a', None]\n",
    "def f(x, /):\n    return [x, 'a', None]\n",
]


@pytest.mark.parametrize("is_kept", [True, False], ids=["with its source", "by its bytecode"])
def test_code_is_what_it_says(is_kept: bool) -> None:
    def made(source: str, number: int) -> str:
        file = f"<cell {number}, {is_kept}>"
        function = compiled(source, file)
        if not is_kept:
            linecache.cache.pop(file)
        return digest(function)

    same = SAME if is_kept else [SAME[0], f"# why\n\n\n{SAME[0]}"]
    first, *others = [made(source, number) for number, source in enumerate([*same, *OTHERS])]
    assert others[: len(same) - 1] == [first] * (len(same) - 1)
    assert len({first, *others}) == 1 + len(OTHERS)


def test_lambdas_of_one_line_are_told_apart() -> None:
    functions = [lambda x: x, lambda x: x + 1, lambda x: lambda y: x + 1, lambda x: lambda y: x + 2]
    assert len({digest(function) for function in functions}) == 4
    assert digest(functions[1]) == digest(lambda x: x + 1)


def test_what_runs_counts_and_not_what_the_file_became_since(tmp_path: Path) -> None:
    path = tmp_path / "cell.py"
    path.write_text("def f(x):\n    return x + 1\n")
    names: dict[str, Any] = {"__name__": "cell"}
    exec(compile(path.read_text(), str(path), "exec"), names)
    path.write_text("# edited\n\ndef f(x):\n    return x + 2\n")
    early = digest(names["f"])
    exec(compile(path.read_text(), str(path), "exec"), names)
    assert digest(names["f"]) != early


def test_attributes_that_are_made_of_others_do_not_count() -> None:
    class Reader:
        def __init__(self, path: str) -> None:
            self.path = path

        def __call__(self, record: Any) -> Any:
            return self.table

        @functools.cached_property
        def table(self) -> Any:
            return object()

    used, fresh = Reader("a"), Reader("a")
    used(1)
    assert digest(used) == digest(fresh) != digest(Reader("b"))


def test_a_class_may_say_itself_what_counts() -> None:
    class Reader:
        def __init__(self, path: str) -> None:
            self.path, self.lock = path, threading.local()

        def __getstate__(self) -> Any:
            return {"path": self.path}

        def __call__(self, record: Any) -> Any:
            return record

    assert digest(Reader("a")) == digest(Reader("a")) != digest(Reader("b"))


def test_a_decorator_that_is_a_class_counts_with_what_it_holds() -> None:
    class Times:
        def __init__(self, function: Any, times: int) -> None:
            functools.update_wrapper(self, function)
            self.times = times

        def __call__(self, x: Any) -> Any:
            return [self.__wrapped__(x)] * self.times  # type: ignore[attr-defined]

    def one(x: Any) -> Any:
        return x

    def other(x: Any) -> Any:
        return -x

    assert len({digest(Times(one, 1)), digest(Times(one, 2)), digest(Times(other, 1))}) == 3
    assert len({digest(Times(one, 1).__call__), digest(Times(one, 2).__call__)}) == 2


def test_classes_made_while_running_count() -> None:
    kinds = [make_dataclass("Made", [("x", int, field(default=number))]) for number in (1, 1, 2)]
    assert digest(closing_over(kinds[0])) == digest(closing_over(kinds[1])) != digest(closing_over(kinds[2]))
    points = [namedtuple("Made", names) for names in ("x y", "x y", "y x")]
    assert digest(closing_over(points[0])) == digest(closing_over(points[1])) != digest(closing_over(points[2]))
    template = "class K:\n    def m(self): return {}\nf = K()\n"
    results = [digest(compiled(template.format(number), f"<k {place}>")) for place, number in enumerate((1, 1, 2))]
    assert results[0] == results[1] != results[2]


def test_attributes_of_functions_count_where_they_are_read() -> None:
    def made(limit: int, other: int) -> Callable[[Any], Any]:
        def inner(x: Any) -> Any:
            return inner.limit  # type: ignore[attr-defined]

        inner.limit, inner.other = limit, other  # type: ignore[attr-defined]
        return inner

    assert digest(made(1, 1)) == digest(made(1, 2)) != digest(made(2, 1))


def test_the_state_of_the_global_generators_does_not_count() -> None:
    for draw in (random.random, random.shuffle, np.random.rand, np.random.shuffle):
        before = digest(closing_over(draw))
        random.random(), np.random.rand()
        assert digest(closing_over(draw)) == before
    assert digest(closing_over(random.random)) != digest(closing_over(random.shuffle))


def test_a_secret_is_not_shown() -> None:
    reached = Reached(Contents())
    source = "def f(x): return API_KEY, URL, SIZE"
    reached.add(compiled(source, API_KEY="abc", URL="s3://me:pw@x.example/y", SIZE=3), ("map(f)",))
    shown = {part.name: part.shown for part in reached.parts if part.kind == "value"}
    assert shown == {"API_KEY": "", "URL": "", "SIZE": "3"}


def test_tensors_count_by_all_of_their_content() -> None:
    torch = pytest.importorskip("torch")
    tensor = torch.zeros(3_000_000)
    before = digest(closing_over(tensor))
    assert before == digest(closing_over(torch.zeros(6_000_000)[::2])) != digest(closing_over(tensor.double()))
    tensor[1_234_567] = 1
    assert digest(closing_over(tensor)) != before
    layers = [torch.nn.Linear(2, 3) for _ in range(2)]
    assert digest(layers[0]) != digest(layers[1])
    layers[0].load_state_dict(layers[1].state_dict())
    assert digest(layers[0]) == digest(layers[1])


def test_digests_are_the_same_in_every_process() -> None:
    code = (
        "import sys; sys.path.insert(0, '.')\n"
        "from tests.keys.test_reached import VALUES, closing_over, digest\n"
        "print([digest(closing_over(make())) for make in VALUES])\n"
    )
    seen = {
        subprocess.run(
            [sys.executable, "-c", code], env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, check=True
        ).stdout
        for seed in ("1", "2")
    }
    assert len(seen) == 1
