"""A small project of a user's, and edits of it: of each thing that ``decode`` reaches, and some that change nothing."""

from __future__ import annotations

EVEN = "def even(n):\n    return 43 if n <= 0 else odd(n - 1)\n"
ODD = "def odd(n):\n    return 47 if n <= 0 else even(n - 1)\n"

FILES = {
    "train.py": '''
"""The script."""
import math
from functools import partial

import numpy as np

import lib
import lib.shapes as shapes
import lib.deep.inner
from lib import text as words, reexported
from lib.constants import SIZE, MEAN as average
from lib.decorated import logged
from lib.star import *
from lib.tables import CODES

LIMIT = 10
STATE = {"scale": 2}


def local(x, rate=0.5, *, shift=1):
    return x * rate + shift


def unreached(x):
    return x + 1000


@logged
def decode(x):
    from lib.late import late_helper as late
    import lib.later

    def nested(y):
        return words.clean(y)

    parts = [shapes.area(v) for v in (x, SIZE)]
    total = sum(lib.deep.inner.depth(v) for v in parts)
    box = shapes.Box(x, 2)
    kind = CODES["double"](x) if x > LIMIT else CODES["plain"](x)
    item = shapes.Item(x)
    return (
        nested(x) + total + box.volume() + box.top + kind + late(x) + lib.later.soon(x) + local(x) + average
        + starred(x) + reexported(x) + half(x) + STATE["scale"] + item.size + math.floor(x) + shapes.made(x)
        + shapes.Box.unit() + conditional(x) + sum(lib.streams.give(x)) + shapes.Colour.RED.value + adder(x)
        + lib.tables.dispatch(x) + cached(x) + np.abs(x)
    )


half = partial(lib.streams.fraction, part=2)
adder = lib.tables.make_adder(3)
cached = lib.tables.cached

if math.pi > 3:
    def conditional(x):
        return x + 1
else:
    def conditional(x):
        return x + 2
''',
    "lib/__init__.py": "from lib.hidden import inner_name as reexported\nfrom lib import streams, tables\n",
    "lib/hidden.py": "def inner_name(x):\n    return x - 7\n\n\ndef other(x):\n    return x\n",
    "lib/constants.py": "SIZE = 64\nMEAN = 0.25\nUNUSED = 1\n",
    "lib/text.py": '''
import re

PATTERN = re.compile("a+")


def clean(x):
    """Clean it."""
    # by stripping
    y = strip(x)
    return y if PATTERN.match("a") else 0


def strip(x):
    return x - 1


def unused_clean(x):
    return x
''',
    "lib/shapes.py": """
from dataclasses import dataclass, field
from enum import Enum

from lib.bases import Base, mixed


class Box(Base):
    FACTOR = 3
    TABLE = {"a": 1}

    def __init__(self, x, y):
        super().__init__(x)
        self.y = y

    def volume(self):
        return super().volume() * self.FACTOR * mixed(self.y)

    @property
    def top(self):
        return self.y + 5

    @staticmethod
    def unit():
        return 11

    @classmethod
    def of(cls, x):
        return cls(x, 13)


@dataclass
class Item:
    x: int
    size: int = 17
    more: list = field(default_factory=lambda: [19])


class Colour(Enum):
    RED = 23
    BLUE = 29


def area(v):
    return v * v


made = eval("lambda x: x + 31")
""",
    "lib/bases.py": """
class Root:
    def volume(self):
        return self.x + 37


class Base(Root):
    def __init__(self, x):
        self.x = x


def mixed(y):
    return y + 41
""",
    "lib/deep/__init__.py": "",
    "lib/deep/inner.py": "from ..constants import MEAN\n\n\ndef depth(v):\n    return even(int(v)) + MEAN\n\n\n"
    f"{EVEN}\n\n{ODD}",
    "lib/decorated.py": """
import functools

PREFIX = 53


def logged(function):
    @functools.wraps(function)
    def wrapper(x):
        return around(function(x)) + PREFIX

    return wrapper


def around(x):
    return round(x, 59)
""",
    "lib/star.py": "__all__ = ['starred']\n\n\ndef starred(x):\n    return x + 61\n",
    "lib/tables.py": """
from functools import lru_cache, singledispatch

CODES = {"double": lambda x: x * 67, "plain": lambda x: x * 71}; PAIR = (lambda x: x, lambda x: x + 1)


def make_adder(n):
    offset = n * 73

    def add(x):
        return x + offset

    return add


@singledispatch
def dispatch(x):
    return x


@dispatch.register
def _(x: int):
    return x + 79


@lru_cache(maxsize=8)
def cached(x):
    return x + 83
""",
    "lib/streams.py": """
def give(x):
    for n in range(89):
        yield from deeper(n)


def deeper(n):
    yield n + 97


def fraction(x, part):
    return x / part
""",
    "lib/late.py": "import lib.late_of_late\n\n\ndef late_helper(x):\n    return lib.late_of_late.VALUE + x\n",
    "lib/late_of_late.py": "VALUE = 101\nOTHER = 103\n",
    "lib/later.py": "def soon(x):\n    return x + 107\n\n\ndef never(x):\n    return x\n",
}

CHANGES = {
    "the function itself": ("train.py", "total = sum(", "total = 1 + sum("),
    "a function beside it": ("train.py", "x * rate + shift", "x * rate - shift"),
    "a default": ("train.py", "rate=0.5", "rate=0.25"),
    "a default by name": ("train.py", "shift=1", "shift=2"),
    "a constant beside it": ("train.py", "LIMIT = 10", "LIMIT = 11"),
    "a mapping beside it": ("train.py", '"scale": 2', '"scale": 4'),
    "a nested function": ("train.py", "words.clean(y)", "words.clean(y + 1)"),
    "a comprehension": ("train.py", "in (x, SIZE)]", "in (SIZE, x)]"),
    "a condition as it loads": ("train.py", "math.pi > 3", "math.pi > 4"),
    "a conditional definition": ("train.py", "return x + 1\nelse", "return x + 3\nelse"),
    "a decorator taken off": ("train.py", "@logged\n", ""),
    "what a name is imported from": ("train.py", "text as words", "hidden as words"),
    "a partial's argument": ("train.py", "part=2", "part=4"),
    "a partial's function": ("lib/streams.py", "x / part", "x // part"),
    "a closure's value": ("train.py", "make_adder(3)", "make_adder(4)"),
    "a closure's maker": ("lib/tables.py", "n * 73", "n * 74"),
    "a closure's function": ("lib/tables.py", "x + offset", "x - offset"),
    "a constant, imported": ("lib/constants.py", "SIZE = 64", "SIZE = 32"),
    "a constant under another name": ("lib/constants.py", "MEAN = 0.25", "MEAN = 0.5"),
    "through a module": ("lib/text.py", "y = strip(x)", "y = strip(x) + 0"),
    "a helper's helper": ("lib/text.py", "return x - 1", "return x - 2"),
    "a pattern": ("lib/text.py", '"a+"', '"b+"'),
    "an attribute of a class": ("lib/shapes.py", "FACTOR = 3", "FACTOR = 4"),
    "a mapping in a class": ("lib/shapes.py", '"a": 1', '"a": 2'),
    "a method": ("lib/shapes.py", "* mixed(self.y)", "* mixed(self.x)"),
    "a constructor": ("lib/shapes.py", "self.y = y", "self.y = -y"),
    "a property": ("lib/shapes.py", "self.y + 5", "self.y + 6"),
    "a static method": ("lib/shapes.py", "return 11", "return 12"),
    "a class method": ("lib/shapes.py", "cls(x, 13)", "cls(x, 14)"),
    "a field's default": ("lib/shapes.py", "size: int = 17", "size: int = 18"),
    "a field's factory": ("lib/shapes.py", "[19]", "[20]"),
    "a field's type": ("lib/shapes.py", "x: int", "x: float"),
    "a dataclass's argument": ("lib/shapes.py", "@dataclass\n", "@dataclass(frozen=True)\n"),
    "a member": ("lib/shapes.py", "RED = 23", "RED = 24"),
    "a function of a module": ("lib/shapes.py", "v * v", "v * v * v"),
    "made by eval": ("lib/shapes.py", "x + 31", "x + 32"),
    "through super()": ("lib/bases.py", "self.x + 37", "self.x + 38"),
    "a base's constructor": ("lib/bases.py", "self.x = x", "self.x = x + 1"),
    "another base": ("lib/bases.py", "class Base(Root)", "class Base"),
    "a method's helper": ("lib/bases.py", "y + 41", "y + 42"),
    "through two modules": ("lib/deep/inner.py", "even(int(v))", "odd(int(v))"),
    "mutual recursion, one": ("lib/deep/inner.py", "43", "44"),
    "mutual recursion, other": ("lib/deep/inner.py", "47", "48"),
    "a decorator's wrapper": ("lib/decorated.py", "+ PREFIX", "- PREFIX"),
    "a decorator's constant": ("lib/decorated.py", "PREFIX = 53", "PREFIX = 54"),
    "a decorator's helper": ("lib/decorated.py", "59", "60"),
    "a star import": ("lib/star.py", "61", "62"),
    "a name exported again": ("lib/hidden.py", "x - 7", "x - 8"),
    "which name is exported again": ("lib/__init__.py", "import inner_name as", "import other as"),
    "a lambda of a table": ("lib/tables.py", "67", "68"),
    "the other lambda of a line": ("lib/tables.py", "71", "72"),
    "a registered function": ("lib/tables.py", "79", "80"),
    "under a cache": ("lib/tables.py", "83", "84"),
    "a generator": ("lib/streams.py", "89", "90"),
    "a generator's generator": ("lib/streams.py", "97", "98"),
    "imported inside": ("lib/late.py", "VALUE + x", "VALUE - x"),
    "a constant of a module imported inside": ("lib/late_of_late.py", "VALUE = 101", "VALUE = 102"),
    "through a module imported inside": ("lib/later.py", "107", "108"),
    "a builtin that is hidden": ("train.py", "LIMIT = 10\n", "LIMIT = 10\nsum = max\n"),
}

NO_CHANGES = {
    "nothing": ("train.py", "LIMIT", "LIMIT"),
    "a comment": ("lib/text.py", "# by stripping", "# by any means"),
    "a docstring": ("lib/text.py", "Clean it.", "Make it clean."),
    "a docstring taken away": ("lib/text.py", '    """Clean it."""\n', ""),
    "the module's docstring": ("train.py", "The script.", "Another script."),
    "blank lines": ("train.py", "def decode(x):\n", "\n\ndef decode(x):\n\n\n"),
    "an expression over two lines": ("lib/text.py", "strip(x)\n", "strip(\n        x,\n    )\n"),
    "a function that is not reached": ("train.py", "x + 1000", "x + 2000"),
    "a function beside a helper": (
        "lib/text.py",
        "def unused_clean(x):\n    return x",
        "def unused_clean(x):\n    x += 1",
    ),
    "a constant that is not reached": ("lib/constants.py", "UNUSED = 1", "UNUSED = 2"),
    "a constant of a module imported inside": ("lib/late_of_late.py", "OTHER = 103", "OTHER = 104"),
    "beside what is imported inside": ("lib/later.py", "def never(x):\n    return x", "def never(x):\n    return 0"),
    "definitions in another order": (
        "lib/deep/inner.py",
        f"{EVEN}\n\n{ODD}",
        f"{ODD}\n\n{EVEN}",
    ),
    "the order of a partial's arguments": ("train.py", "part=2", "**{'part': 2}"),
    "annotations": ("lib/text.py", "def strip(x):", "def strip(x: int) -> int:"),
    "a name that is not used": ("train.py", "import numpy as np\n", "import numpy as np, json\n"),
    "the function's name": ("train.py", "def decode(x):", "def decode_it(x):"),
    "a branch that was not taken": ("train.py", "x + 2\n", "x + 4\n"),
    "how the file ends": ("lib/text.py", "def unused_clean", "\n# the end\n\ndef unused_clean"),
}
