"""Values that have been taken apart and put together again are what they were."""

from __future__ import annotations

import dataclasses
import enum
import io
import pickle
import subprocess
import sys
import threading
from collections import OrderedDict, namedtuple
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from headrace.core.batch import Batch
from headrace.core.buffers import Buffers
from headrace.core.equality import same_values
from headrace.core.errors import KindError
from headrace.core.ragged import Ragged
from headrace.workers import codec
from headrace.workers.codec import ALIGN, Packed
from headrace.workers.parts import address
from tests.stores import drawn

Pair = namedtuple("Pair", ["x", "y"])


@dataclasses.dataclass
class Point:
    at: Any
    label: str


class Colour(enum.Enum):
    RED = 1


def travelled(value: Any, owned: bool = True) -> Any:
    """Send a value through a slot of its own."""
    packed, root = laid(value)
    packed = pickle.loads(pickle.dumps(packed))
    return codec.unpack(packed, root, Buffers() if owned else None)


def laid(value: Any) -> tuple[Packed, Any]:
    taken = codec.take_apart(value)
    packed, copies, end = codec.layout(taken, 0, None)
    root = np.full(end, 0xAB, np.uint8)
    codec.write(copies, root)
    return packed, root


def same(a: Any, b: Any) -> bool:
    if isinstance(a, np.ndarray):
        return a.shape == b.shape and a.flags.writeable == b.flags.writeable and same_values(a, b)
    return same_values(a, b)


GRID = np.arange(5 * 40 * 60, dtype=np.float64).reshape(5, 40, 60)
ROWS = np.arange(3000)
VALUES: dict[str, Any] = {
    "numbers": (1, 2.5, 3j, True, None, 1 << 100, "text", b"bytes", np.float32(2), np.int8(3)),
    "containers": {"a": [1, {2, 3}], 4: (5, [6]), (7,): OrderedDict(b=1)},
    "a tuple with names": Pair(GRID, ROWS),
    "an enum's member": Colour.RED,
    "a slice and a range": (slice(1, 2), range(4)),
    "an array": GRID,
    "a small array": np.arange(3, dtype=np.int16),
    "Fortran order": np.asfortranarray(GRID),
    "turned axes": GRID.transpose(1, 2, 0),
    "every second": GRID[:, ::2],
    "backwards": GRID[::-1, :, ::-1],
    "one column": GRID[:, :, 3],
    "broadcast": np.broadcast_to(np.arange(60.0), (40, 5, 60)),
    "broadcast along the last axis": np.broadcast_to(np.arange(600.0)[:, None], (600, 7)),
    "one value broadcast": np.broadcast_to(np.float64(3), (1000, 2)),
    "steps of zero that can be written to": np.lib.stride_tricks.as_strided(np.zeros(600), (600, 4), (8, 0)),
    "no dimensions": np.array(5.5),
    "nothing": np.zeros((0, 3)),
    "nothing inside": np.zeros((4, 0), ">i4"),
    "read only": np.frombuffer(bytes(8000), np.uint8),
    "small and read only": np.frombuffer(b"abc", np.uint8),
    "the other byte order": np.arange(2000, dtype=">i4"),
    "dates": np.datetime64("2020-01-01", "D") + np.arange(2000),
    "durations": np.arange(2000).astype("m8[ms]"),
    "truths": ROWS > 100,
    "half floats": ROWS.astype(np.float16),
    "long floats": ROWS.astype(np.longdouble),
    "complex": ROWS + 1j,
    "unicode": np.array([f"näme{at}" for at in range(500)]),
    "zero-width text": np.array(["", ""], "U0"),
    "bytes of a length": np.array([b"ab", b"c"] * 2000),
    "structured": np.zeros(1000, [("a", ">i4"), ("b", "f8", (2,))]),
    "a field of structured": np.zeros(1000, [("a", ">i4"), ("b", "f8", (2,))])["b"],
    "aligned structured": np.zeros(1000, np.dtype([("a", "u1"), ("b", "f8")], align=True)),
    "raw": np.zeros(1000, "V9"),
    "objects": np.array([None, 1, "a", (1,), {"k": [1]}], object),
    "read-only objects": np.broadcast_to(np.array(["a"], object), (3,)),
    "structured with objects": np.array([(1, "a")], [("a", "i4"), ("b", object)]),
    "arrays as objects": np.array([np.zeros((at, 900)) for at in range(1, 4)], object),
    "a list of arrays": [GRID, GRID[0], ROWS],
    "a subclass": np.arange(2000).view(np.recarray),
    "a masked array": np.ma.masked_greater(ROWS, 5),
    "a batch": Batch({"x": GRID, "text": ["a"] * 5, "r": Ragged.from_rows([np.arange(at * 900) for at in range(5)])}),
    "nested batches": Batch({"in": {"x": GRID, "deep": {"y": np.arange(5)}}}),
    "a batch of no columns": Batch({}, 3),
    "a slice of a ragged": Ragged.from_rows([np.arange(900)] * 9)[3:5],
    "a long header": [str(at) for at in range(10_000)],
    "a bytearray": bytearray(range(200)),
}


@pytest.mark.parametrize("owned", [True, False], ids=["owned", "views"])
@pytest.mark.parametrize("name", VALUES)
def test_what_arrives_is_what_was_sent(name: str, owned: bool) -> None:
    value = VALUES[name]
    arrived = travelled(value, owned)
    assert type(arrived) is type(value)
    assert same(arrived, value)


@given(hnp.arrays(drawn.DTYPES, hnp.array_shapes(max_dims=4, min_side=0, max_side=40)), st.data())
def test_arrays_of_any_dtype_and_layout(array: Any, data: st.DataObject) -> None:
    cut = array.transpose(data.draw(st.permutations(range(array.ndim))))
    cut = cut[tuple(slice(None, None, data.draw(st.sampled_from([1, 1, 2, -1]))) for _ in cut.shape)]
    cut.flags.writeable = data.draw(st.booleans())
    arrived = travelled(cut, data.draw(st.booleans()))
    assert same(arrived, cut)
    assert arrived.dtype.str == cut.dtype.str


@given(st.integers(0, 9).flatmap(drawn.batches), st.booleans())
def test_batches_of_any_columns(batch: Batch, owned: bool) -> None:
    arrived = travelled(batch, owned)
    assert arrived == batch and type(arrived) is type(batch)


@given(drawn.records(), st.booleans())
def test_records_of_any_structure(records: Any, owned: bool) -> None:
    arrived = travelled(records, owned)
    assert arrived.batch == records.batch and arrived.structure == records.structure


@pytest.mark.parametrize("name", ["turned axes", "Fortran order"])
def test_the_order_in_memory_is_kept(name: str) -> None:
    value = VALUES[name]
    assert travelled(value).strides == value.strides


def test_repeated_values_travel_once() -> None:
    packed, _ = laid(np.broadcast_to(np.arange(1000.0), (5000, 1000)))
    assert packed.nbytes < 9000


def test_each_array_begins_at_a_multiple_of_64_bytes() -> None:
    packed, _ = laid([np.zeros(5001, np.uint8), np.zeros(4999, np.uint8), list(map(str, range(5000)))])
    assert packed.head is not None
    assert len(packed.spans) == 2
    assert all(start % ALIGN == 0 for start, _ in [*packed.spans, packed.head])


def test_messages_are_small_whatever_they_carry() -> None:
    for value in VALUES.values():
        assert len(laid(value)[0].header) <= codec.LONGEST


def test_one_array_in_two_places_arrives_as_one() -> None:
    packed, root = laid({"a": GRID, "b": GRID})
    assert len(packed.spans) == 1
    arrived = codec.unpack(packed, root, Buffers())
    assert arrived["a"] is arrived["b"]


def test_views_are_views_and_copies_are_not() -> None:
    packed, root = laid({"x": GRID, "y": ROWS[:3]})
    views, copies = codec.unpack(packed, root, None), codec.unpack(packed, root, Buffers())
    assert np.shares_memory(views["x"], root) and not np.shares_memory(copies["x"], root)
    assert not np.shares_memory(views["y"], root), "small arrays keep no slot"
    copies["x"][:] = 0
    assert views["x"][-1, -1, -1] == GRID[-1, -1, -1]


def test_copies_reuse_memory_that_nobody_holds() -> None:
    buffers, value = Buffers(), np.arange(100_000.0)
    packed, root = laid(value)
    places = set()
    for _ in range(10):
        places.add(address(codec.unpack(packed, root, buffers)))
    assert len(places) == 1
    held = [codec.unpack(packed, root, buffers) for _ in range(8)]
    assert len({address(one) for one in held}) == 8


def test_copies_of_sizes_that_vary_reuse_memory_too() -> None:
    buffers, places = Buffers(), set()
    for size in range(100_000, 103_000, 100):
        packed, root = laid(np.zeros(size))
        places.add(address(codec.unpack(packed, root, buffers)))
    assert len(places) <= 2


def test_arrays_that_lie_in_the_slot_already_stay_there() -> None:
    root = np.zeros(1 << 20, np.uint8)
    inside = np.ndarray((1000,), np.float64, root, 640)
    inside[:] = 3
    part = inside[100:900].reshape(8, 100)
    packed, copies, end = codec.layout(codec.take_apart((inside, part, ROWS)), 640 + 8000, root)
    assert packed.spans[:2] == ((640, 8000), (1440, 6400))
    assert [array is ROWS for _, array in copies] == [True]
    assert end > 8640 + ROWS.nbytes - 1
    codec.write(copies, root)
    assert same(codec.unpack(packed, root, None), (inside, part, ROWS))


def test_lambdas_and_local_classes_travel() -> None:
    class Local:
        def __init__(self) -> None:
            self.x = GRID

    arrived = travelled({"f": lambda x: x + 1, "o": Local()})
    assert arrived["f"](1) == 2
    assert same(arrived["o"].x, GRID)
    assert type(arrived["o"]) is Local


def test_their_arrays_lie_beside_the_pickle_too() -> None:
    offset = np.arange(5000.0)
    packed, _ = laid(lambda x: x + offset)
    assert [size for _, size in packed.spans] == [40_000]
    assert len(packed.header) < 2000


def test_a_class_of_the_main_module_settles_in_the_reader(tmp_path: Any) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import pickle, subprocess, sys\n"
        "from headrace.workers import codec\n"
        "class Point:\n"
        "    def __init__(self, x): self.x = x\n"
        "header, parts = codec.take_apart(Point(3), to_worker=True)\n"
        "code = 'import sys, pickle; p = pickle.loads(sys.stdin.buffer.read()); p.x += 1;"
        " sys.stdout.buffer.write(pickle.dumps(p))'\n"
        "back = subprocess.run([sys.executable, '-c', code], input=bytes(header), stdout=subprocess.PIPE, check=True)\n"
        "point = pickle.loads(back.stdout)\n"
        "assert type(point) is Point and point.x == 4\n"
    )
    subprocess.run([sys.executable, str(script)], check=True)


@pytest.mark.parametrize(
    ("name", "value"),
    [("generator", (x for x in "")), ("lock", threading.Lock()), ("dict", {"g": [(x for x in "")]})],
    ids=["a generator", "a lock", "inside"],
)
def test_what_cannot_travel_is_refused_by_its_name(name: str, value: Any) -> None:
    with pytest.raises(KindError, match=f"type {name} cannot travel.*cannot pickle"):
        codec.take_apart(value)


def test_errors_of_the_users_own_pickling_are_told() -> None:
    class Odd:
        def __reduce__(self) -> Any:
            raise ValueError("not today")

    with pytest.raises(KindError, match="not today"):
        codec.take_apart([Odd()])


def test_an_interrupt_is_no_reason_to_try_again() -> None:
    calls = []

    class Slow:
        def __reduce__(self) -> Any:
            calls.append(1)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        codec.take_apart(Slow())
    assert len(calls) == 1


def test_tables_of_others_travel_beside_the_pickle() -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"x": np.arange(5000.0), "n": range(5000)})
    packed, root = laid(frame)
    assert packed.spans
    for buffers in (None, Buffers()):
        assert codec.unpack(packed, root, buffers).equals(frame)


def test_arrow_tables_travel_beside_the_pickle() -> None:
    arrow = pytest.importorskip("pyarrow")
    table = arrow.table({"x": np.arange(5000.0)})
    packed, root = laid(table)
    assert sum(size for _, size in packed.spans) >= 40_000
    assert codec.unpack(packed, root, None).equals(table)


def test_texts_of_numpy_that_vary_in_length_travel() -> None:
    if not hasattr(np.dtypes, "StringDType"):
        pytest.skip("NumPy 1 has none")
    texts = np.array(["a", "bcd" * 100] * 2000, np.dtypes.StringDType())
    assert (travelled(texts) == texts).all()


@pytest.mark.torch
class TestTensors:
    def dtypes(self) -> list[Any]:
        import torch

        return [torch.float32, torch.bfloat16, torch.int64, torch.bool, torch.complex64, torch.float8_e4m3fn]

    @pytest.mark.parametrize("owned", [True, False])
    def test_tensors_arrive_as_they_were_and_none_is_multiplied(self, owned: bool) -> None:
        torch = pytest.importorskip("torch")
        for dtype in self.dtypes():
            for shape in ((), (0, 3), (5,), (50, 60)):
                tensor = torch.ones(shape).to(dtype)
                arrived = travelled({"t": tensor, "n": 1}, owned)["t"]
                assert arrived.dtype == dtype and arrived.shape == tensor.shape
                assert torch.equal(arrived.to(torch.complex64), tensor.to(torch.complex64))
        large = torch.arange(1_000_000).reshape(1000, 1000)
        for part in (large[:5], large[:, 3:9], large.T[:4], large[0].expand(700, 1000)):
            packed, root = laid(part)
            assert packed.nbytes <= min(part.nelement(), 6000) * 8 + 1000
            assert torch.equal(codec.unpack(packed, root, Buffers()), part)

    def test_odd_tensors_travel_in_torchs_own_way(self) -> None:
        torch = pytest.importorskip("torch")
        weights = torch.ones(2000, requires_grad=True)
        sparse = torch.eye(9).to_sparse()
        arrived = travelled(
            [weights, sparse, torch.nn.Parameter(torch.ones(3)), torch.ones(3, dtype=torch.cfloat).conj()]
        )
        assert arrived[0].requires_grad and torch.equal(arrived[0], weights)
        assert torch.equal(arrived[1].to_dense(), sparse.to_dense())
        assert type(arrived[2]) is torch.nn.Parameter
        assert arrived[3].sum() == 3

    def test_batches_of_tensors(self) -> None:
        torch = pytest.importorskip("torch")
        batch = Batch({"x": torch.arange(40_000).reshape(4, -1), "y": torch.ones(4, dtype=torch.bfloat16)})
        assert travelled(batch) == batch
        assert travelled(batch, owned=False)[1:3] == batch[1:3]


def test_plain_pickle_of_what_was_sent_needs_nothing_of_ours() -> None:
    """What arrives is made of ordinary arrays."""
    arrived = travelled({"x": GRID})
    assert same(pickle.load(io.BytesIO(pickle.dumps(arrived)))["x"], GRID)
