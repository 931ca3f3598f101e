"""Fingerprints: they notice what they promise to notice, overlook what they promise to overlook, and never fail."""

from __future__ import annotations

import functools
import math
import os
import subprocess
import sys
import threading
from collections import OrderedDict, namedtuple
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.core.batch import Batch
from headrace.core.fingerprint import of_array, of_file, of_function, of_record
from headrace.core.ragged import Ragged


def compiled(source: str, filename: str = "<one>", **outside: Any) -> Callable[..., Any]:
    """Return the function ``f`` that some source text defines."""
    names: dict[str, Any] = dict(outside)
    exec(compile(source, filename, "exec"), names)
    function: Callable[..., Any] = names["f"]
    return function


F = "def f(x, k=2):\n    y = x * k\n    return sorted(y, key=lambda v: -v)\n"


def test_an_array_is_known_by_dtype_shape_and_content() -> None:
    array = np.arange(12, dtype=np.int32)
    alike = [array, array.copy(), np.arange(24, dtype=np.int32)[::2] // 2, array[::-1][::-1]]
    assert len({of_array(one) for one in alike}) == 1
    unlike: list[Any] = [
        array,
        array.astype(np.int64),
        array.astype(">i4"),
        array.reshape(3, 4),
        array[:-1],
        array + 1,
        array.view("f4"),
    ]
    assert len({of_array(one) for one in unlike}) == len(unlike)
    assert of_array(array).startswith("<i4 (12) ")


def test_the_layout_of_an_array_makes_no_difference() -> None:
    array = np.random.default_rng(0).random((30, 40))
    assert of_array(np.asfortranarray(array)) == of_array(array)
    large = np.random.default_rng(0).random((1000, 1000))
    assert of_array(np.asfortranarray(large)) == of_array(large)


def test_every_byte_counts_up_to_four_mebibytes() -> None:
    array = np.zeros(4 << 20, np.uint8)
    before = of_array(array)
    array[1_234_567] = 1
    assert of_array(array) != before


def test_a_large_array_is_sampled_at_both_ends_and_between(tmp_path: Path) -> None:
    array = np.zeros((1000, 50, 50), np.float64)
    before = of_array(array)
    for place in ((0, 0, 0), (999, 49, 49)):
        array[place] = 1
        assert of_array(array) != before
        array[place] = 0
    array[400:450] = 1
    assert of_array(array) != before
    np.save(tmp_path / "array.npy", array)
    assert of_array(np.load(tmp_path / "array.npy", mmap_mode="r")) == of_array(array)


@pytest.mark.parametrize(
    "array",
    [
        np.array(5),
        np.empty(0),
        np.empty((0, 3)),
        np.array(["a", None, {"b": 1}], dtype=object),
        np.array(["ab", "c"]),
        np.array([(1, 2.0)], dtype=[("a", "i4"), ("b", "f8")]),
        np.array(["2026-01-01"], dtype="M8[D]"),
        np.array([b"x" * 5_000_000, b""]),
        np.array(None, dtype=object),
        np.zeros((3, 100_000_000), np.uint8)[:, ::7],
    ],
)
def test_arrays_of_every_kind_have_a_fingerprint(array: np.ndarray[Any, Any]) -> None:
    assert of_array(array) == of_array(array.copy())


def test_objects_in_an_array_count() -> None:
    texts = np.array([f"text {number}" for number in range(20_000)], dtype=object)
    before = of_array(texts)
    texts[-1] = "another"
    assert of_array(texts) != before


def test_a_file_is_known_by_size_and_time(tmp_path: Path) -> None:
    path = tmp_path / "data.bin"
    path.write_bytes(b"12345")
    os.utime(path, ns=(0, 1_700_000_000_123_456_789))
    assert of_file(path) == of_file(str(path)) == (5, 1_700_000_000_123)
    path.write_bytes(b"123456")
    assert of_file(path) != (5, 1_700_000_000_123)


@pytest.mark.parametrize(
    "edited",
    [
        F.replace("x * k", "x + k"),
        F.replace("k=2", "k=3"),
        F.replace("-v", "v"),
        F.replace("sorted(y, key=lambda v: -v)", "y"),
        F.replace("f(x, k=2)", "f(x, *, k=2)"),
        F.replace("sorted", "reversed"),
        F.replace("x * k", "x * k if k in {'a', 'b'} else x"),
    ],
)
def test_an_edit_of_a_function_is_noticed(edited: str) -> None:
    assert edited != F
    assert of_function(compiled(edited)) != of_function(compiled(F))


@pytest.mark.parametrize(
    "same",
    [
        F,
        "# a comment\n\n\n" + F,
        F.replace("    y =", "    # why\n\n    y ="),
        F.replace("return sorted(y, key=lambda v: -v)", "return sorted(\n        y,\n        key=lambda v: -v,\n    )"),
        F.replace("    y =", "    'Say what it does.'\n    y =") if sys.version_info < (3, 13) else F,
    ],
)
def test_comments_lines_files_and_defining_it_again_make_no_difference(same: str) -> None:
    assert of_function(compiled(same, "<another>")) == of_function(compiled(F))


def test_a_docstring_can_be_edited() -> None:
    first, second = (compiled(f"def f(x):\n    'It is {word}.'\n    return x + 1\n") for word in ("this", "that"))
    assert of_function(first) == of_function(second)


def closing_over(value: Any) -> Callable[[], Any]:
    return lambda: value


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (1, 2),
        (1, 1.0),
        (1, True),
        ("a", b"a"),
        (0.0, -0.0),
        ([1, 2], [2, 1]),
        ({"a": 1}, {"a": 2}),
        (np.arange(5000), np.arange(5000) % 4999),
        (np.float32(1), np.float64(1)),
        (closing_over(1), closing_over(2)),
        (math.sin, math.cos),
        (np.sin, np.cos),
        ({"x", "y"}, {"x", "z"}),
        (datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC)),
    ],
)
def test_a_value_that_is_closed_over_counts(one: Any, other: Any) -> None:
    assert of_function(closing_over(one)) != of_function(closing_over(other))
    assert of_function(closing_over(one)) == of_function(closing_over(one))


@dataclass(frozen=True)
class Scale:
    factor: float

    def __call__(self, x: float) -> float:
        return x * self.factor

    def other(self, x: float) -> float:
        return x + self.factor


def test_callables_of_every_kind_are_told_apart() -> None:
    def add(a: int, b: int = 0) -> int:
        return a + b

    functions: list[Any] = [
        add,
        functools.partial(add, 1),
        functools.partial(add, 2),
        functools.partial(add, b=2),
        Scale(1.0),
        Scale(2.0),
        Scale(1.0).__call__,
        Scale(1.0).other,
        Scale(2.0).other,
        Scale,
        len,
        max,
        np.sin,
        np.cos,
        np.vectorize(add),
        str.upper,
        str.lower,
        "abc".startswith,
        "abd".startswith,
        dict.fromkeys,
        functools.lru_cache(functools.partial(add, 7)),
        np.random.default_rng(0).random,
        np.random.default_rng(1).random,
        np.random.default_rng(0).normal,
    ]
    assert len({of_function(function) for function in functions}) == len(functions)
    assert of_function(replace(Scale(2.0), factor=1.0)) == of_function(Scale(1.0))


def test_the_code_of_a_callable_object_counts() -> None:
    source = (
        "class F:\n"
        "    def __init__(self): self.k = 3\n"
        "    def __call__(self, x): return self.help(x)\n"
        "    def help(self, x): return x\n"
        "f = F()\n"
    )
    assert of_function(compiled(source)) == of_function(compiled(source))
    assert of_function(compiled(source.replace("return x", "return x + 1"))) != of_function(compiled(source))
    assert of_function(compiled(source.replace("k = 3", "k = 4"))) != of_function(compiled(source))


class Hostile:
    def __reduce_ex__(self, protocol: Any) -> Any:
        raise RuntimeError("no")

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError("nor this")


def recursive() -> Callable[[int], int]:
    def inner(n: int) -> int:
        return n and inner(n - 1)

    return inner


def holding_itself() -> list[Any]:
    values: list[Any] = [1]
    values.append(values)
    return values


def nested_deeply() -> list[Any]:
    values: list[Any] = []
    for _ in range(5000):
        values = [values]
    return values


Point = namedtuple("Point", "x y")


class Colour(Enum):
    RED = 1
    BLUE = 2


DIFFICULT: dict[str, Callable[[], Any]] = {
    "hostile object": Hostile,
    "lock": threading.Lock,
    "generator": lambda: (number for number in range(3)),
    "recursive function": recursive,
    "list that holds itself": holding_itself,
    "deep nesting": nested_deeply,
    "module": lambda: math,
    "type": lambda: int,
    "plain object": object,
    "long list": lambda: list(range(1_000_000)),
    "surrogate": lambda: "\ud800",
    "memory view": lambda: memoryview(b"abc"),
    "open file": lambda: sys.stdout,
}


@pytest.mark.parametrize("name", DIFFICULT)
def test_nothing_makes_a_fingerprint_fail(name: str) -> None:
    make = DIFFICULT[name]
    assert of_record(make()) == of_record(make())
    assert of_function(make()) == of_function(make())
    assert of_record({"x": make()}) == of_record({"x": make()})


def test_an_empty_cell_is_no_obstacle() -> None:
    def outer() -> Callable[[], int]:
        def inner() -> int:
            return later

        if math.pi > 4:
            later = 1
        return inner

    assert of_function(outer()) == of_function(outer())


RECORDS: list[Any] = [
    None,
    True,
    1,
    2**100,
    -1,
    1.0,
    1 + 0j,
    "1",
    b"1",
    "",
    b"",
    [],
    (),
    {},
    set(),
    [[]],
    [1, 2],
    (1, 2),
    [1, [2]],
    [[1], 2],
    ["ab", "c"],
    ["a", "bc"],
    {"a": 1, "b": 2},
    {"b": 2, "a": 1},
    {"a": 1, "b": 3},
    {1: "a"},
    {1, 2},
    {1, 3},
    frozenset({"x"}),
    np.int64(1),
    np.int32(1),
    np.float32("nan"),
    np.bool_(True),
    np.str_("1"),
    np.datetime64("2026-01-01"),
    np.array(1),
    np.array([1]),
    np.array([1.0]),
    np.array(["a", None], dtype=object),
    Ragged.from_rows([[1, 2], [3]]),
    Ragged.from_rows([[1], [2, 3]]),
    Batch({"x": [1, 2]}),
    Batch({"x": [1, 3]}),
    Batch({"y": [1, 2]}),
    Batch({}, length=2),
    Batch({}, length=3),
    Point(1, 2),
    Point(2, 1),
    Decimal("1.0"),
    datetime(2026, 1, 1, tzinfo=UTC),
    Path("a"),
    Colour.RED,
    Colour.BLUE,
    OrderedDict(a=1),
    range(3),
    range(4),
    slice(1, 2),
    Scale(1.0),
    Scale(2.0),
]


def test_unlike_records_have_unlike_fingerprints() -> None:
    prints: dict[str, Any] = {}
    for record in RECORDS:
        assert prints.setdefault(of_record(record), record) is record
    assert of_record(OrderedDict(a=1)) == of_record({"a": 1})


def test_equal_records_have_equal_fingerprints_identical_or_not() -> None:
    text = "a long text"
    shared = [text, text, (text, text)]
    copied = ["".join(list(text)), "".join(list(text)), ("".join(list(text)), "".join(list(text)))]
    assert of_record(shared) == of_record(copied)
    ragged = Ragged.from_rows([[9], [1, 2], [3]])
    assert of_record(ragged[1:]) == of_record(Ragged.from_rows([[1, 2], [3]]))


nested: st.SearchStrategy[Any] = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(), st.binary()),
    lambda inner: st.one_of(st.lists(inner), st.dictionaries(st.text(), inner), st.tuples(inner, inner)),
    max_leaves=8,
)


@given(one=nested, other=nested)
def test_records_have_the_same_fingerprint_just_when_they_read_the_same(one: Any, other: Any) -> None:
    assert (of_record(one) == of_record(other)) == (repr(one) == repr(other))


def test_tensors_count_like_arrays() -> None:
    torch = pytest.importorskip("torch")
    tensor = torch.arange(6)
    alike = [tensor, tensor.clone(), torch.arange(12)[::2] // 2]
    assert len({of_record({"x": one}) for one in alike}) == 1
    unlike = [tensor, tensor.float(), tensor.bfloat16(), tensor.reshape(2, 3), tensor + 1, tensor.bool()]
    assert len({of_record({"x": one}) for one in unlike}) == len(unlike)
    large = torch.zeros(1000, 1000, requires_grad=True)
    other = torch.zeros(1000, 1000)
    other[-1, -1] = 1
    assert of_record(large) != of_record(other)


def test_a_large_array_in_a_record_is_sampled() -> None:
    image = np.zeros((64, 64, 3), np.uint8)
    before = of_record({"image": image})
    for place in ((0, 0, 0), (63, 63, 2)):
        image[place] = 1
        assert of_record({"image": image}) != before
        image[place] = 0
    assert of_record({"image": image.transpose(1, 0, 2)}) == before


def test_fingerprints_are_the_same_in_every_process() -> None:
    code = (
        "from headrace.core.fingerprint import of_array, of_function, of_record\n"
        "import numpy as np\n"
        "def f(x, k={'a', 'b', 'c'}): return x in {'one', 'two', 'three', 'four'}, (lambda: k)\n"
        "record = {'x': {'one', 'two', 'three'}, 'y': np.arange(9), 'z': [object(), frozenset('abcdef'), f]}\n"
        "print(of_function(f), of_record(record), of_array(np.array(['a', {'b', 'c', 'd'}], dtype=object)))\n"
    )
    seen = {
        subprocess.run(
            [sys.executable, "-c", code], env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, check=True
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(seen) == 1
