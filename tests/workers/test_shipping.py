"""What is shipped arrives equal, and its large arrays are the same memory for all who receive it."""

from __future__ import annotations

import gc
import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.core.batch import Batch
from headrace.core.equality import same_values
from headrace.core.ragged import Ragged
from headrace.workers import segments
from headrace.workers.segments import Segment
from headrace.workers.shipping import Places, Shipment, place, ship, unship
from tests.stores import drawn

LARGE = np.arange(200_000, dtype=np.float64).reshape(100, 50, 40)


def received(shipment: Shipment) -> Any:
    return unship(shipment.payload, [(os.dup(fd), size) for fd, size in shipment.descriptors])


ARRAYS = {
    "C order": LARGE,
    "Fortran order": np.asfortranarray(LARGE),
    "turned": LARGE.transpose(1, 2, 0),
    "every second": np.concatenate([LARGE, LARGE])[::2],
    "backwards": LARGE[::-1],
    "the other byte order": LARGE.astype(">i8"),
    "structured": np.zeros(100_000, [("a", ">i4"), ("b", "f8")]),
    "dates": LARGE.astype(np.int64).astype("M8[s]"),
    "read only": np.frombuffer(LARGE.tobytes()),
    "text": np.array([f"name {at}" for at in range(50_000)]),
}


@pytest.mark.parametrize("name", ARRAYS)
def test_an_array_is_placed_as_it_is(name: str) -> None:
    array = ARRAYS[name]
    placed = place(array)
    assert segments.find(placed) is not None
    assert same_values(placed, array) and placed.dtype.str == array.dtype.str
    assert placed.flags.writeable == array.flags.writeable
    assert placed.flags.c_contiguous == array.flags.c_contiguous or name in ("every second", "backwards")
    assert place(placed) is placed


@pytest.mark.parametrize("name", ARRAYS)
def test_a_placed_array_and_parts_of_it_travel_by_reference(name: str) -> None:
    placed = place(ARRAYS[name])
    value = {"all": placed, "part": placed[3:-3], "steps": placed[1:-1:3], "back": placed[::-1], "row": placed[7]}
    shipment = ship(value)
    assert len(shipment.descriptors) == 1
    assert shipment.nbytes == segments.find(placed).length  # type: ignore[union-attr]
    arrived = received(shipment)
    assert same_values(arrived, value)
    assert all(arrived[key].strides == value[key].strides for key in value)
    if arrived["all"].ndim > 1:
        assert np.shares_memory(arrived["all"], arrived["steps"])


def test_what_stays_where_it_is() -> None:
    texts = np.array(["a"] * 200_000, object)
    for array in (np.zeros(1000), texts, np.broadcast_to(np.zeros(10), (50_000, 10)), np.zeros((0, 5))):
        assert place(array) is array


def test_many_arrays_share_a_few_descriptors() -> None:
    places = Places()
    placed = [places(np.full(150_000, float(at))) for at in range(40)]
    assert len(ship(placed).descriptors) == 1
    assert all((array == at).all() for at, array in enumerate(placed))
    huge = places(np.zeros(5 << 20))
    assert len(ship([*placed, huge]).descriptors) == 2


def test_arrays_that_were_not_placed_travel_in_one_segment_of_the_shipment() -> None:
    value = {"x": LARGE, "y": LARGE[:, ::2], "small": np.arange(3), "again": LARGE}
    shipment = ship(value)
    assert len(shipment.descriptors) == 1 and len(shipment.payload) < 2000
    one, other = received(shipment), received(shipment)
    assert same_values(one, value) and same_values(other, value)
    assert one["x"] is one["again"]


def test_what_one_receiver_writes_no_other_sees() -> None:
    placed = place(LARGE)
    shipment = ship({"x": placed, "y": LARGE.copy()})
    one, other = received(shipment), received(shipment)
    one["x"][0] = one["y"][0] = -1
    assert (other["x"] == LARGE).all() and (other["y"] == LARGE).all() and (placed == LARGE).all()
    assert (one["x"][0] == -1).all()


def test_what_arrived_can_be_shipped_on_as_it_is_there() -> None:
    placed = place(LARGE)
    arrived = received(ship(placed))
    arrived[0] = 5
    onward = received(ship(arrived))
    assert same_values(onward, arrived)


def test_a_segment_of_values_on_their_way_is_not_shipped_by_reference() -> None:
    slot = Segment(LARGE.nbytes)
    array = np.ndarray(LARGE.shape, LARGE.dtype, slot.root)
    array[:] = LARGE
    shipment = ship(array)
    array[:] = 0
    assert (received(shipment) == LARGE).all()


def test_a_closure_travels_with_its_arrays() -> None:
    placed, other = place(LARGE), LARGE * 2
    arrived = received(ship(lambda at: placed[at] + other[at]))
    assert (arrived(3) == LARGE[3] * 3).all()


def test_placed_arrays_are_pickled_by_value_elsewhere() -> None:
    placed = place(LARGE)
    assert same_values(pickle.loads(pickle.dumps(placed)), LARGE)


def test_no_descriptor_and_no_memory_is_left() -> None:
    gc.collect()
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        placed = place(LARGE)
        shipment = ship([placed, LARGE, LARGE[::2]])
        arrived = received(shipment)
    del placed, shipment, arrived
    assert len(os.listdir("/proc/self/fd")) == before


@given(st.integers(0, 7).flatmap(drawn.batches))
def test_batches_of_any_columns_arrive(batch: Batch) -> None:
    assert received(ship(batch)) == batch


def test_ragged_and_nested_columns_travel_by_reference() -> None:
    places = Places()
    ragged = Ragged._of(places(np.arange(300_000)), places(np.linspace(0, 300_000, 150_001).astype(np.int64)))
    batch = Batch({"r": ragged, "in": {"x": places(np.arange(150_000.0))}})
    shipment = ship({"whole": batch, "part": batch[50:60_000]})
    assert len(shipment.payload) < 3000
    arrived = received(shipment)
    assert arrived["whole"] == batch and arrived["part"] == batch[50:60_000]


@pytest.mark.torch
def test_tensors_travel_like_arrays() -> None:
    torch = pytest.importorskip("torch")
    tensor = torch.from_numpy(place(LARGE))[2:]
    one, other = ship(tensor), ship(tensor)
    assert one.descriptors == other.descriptors, "by reference: no segment is made"
    half = torch.ones(1000, 1000, dtype=torch.bfloat16)
    shipment = ship([tensor, half])
    assert len(shipment.payload) < 2000
    arrived = received(shipment)
    assert torch.equal(arrived[0], tensor) and torch.equal(arrived[1], half) and arrived[1].dtype == half.dtype


def test_a_module_that_is_missing_there_is_the_readers_error(tmp_path: Path) -> None:
    module = tmp_path / "elsewhere_only.py"
    module.write_text("def f(x):\n    return x + 1\n")
    script = (
        "import sys, os; sys.path.insert(0, sys.argv[1])\n"
        "import elsewhere_only\n"
        "from headrace.workers.shipping import ship\n"
        "sys.stdout.buffer.write(ship(elsewhere_only.f).payload)\n"
    )
    out = subprocess.run([sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE, check=True)
    with pytest.raises(ModuleNotFoundError, match="elsewhere_only"):
        unship(out.stdout, [])


@pytest.mark.skipif(not os.path.exists("/proc/self/smaps_rollup"), reason="needs the memory accounts of Linux")
def test_receivers_that_read_all_of_it_take_no_memory_of_their_own() -> None:
    """Measured in four processes at once, by proportional set size."""
    places = Places()
    placed = places(np.ones(8 << 20))  # 64 MiB
    shipment = ship(placed)
    code = (
        "import sys, pickle\n"
        "from headrace.workers.shipping import unship\n"
        "payload, descriptors = pickle.load(sys.stdin.buffer)\n"
        "def account(name):\n"
        "    lines = open('/proc/self/smaps_rollup').read().split('\\n')\n"
        "    return sum(int(line.split()[1]) for line in lines if line.startswith(name))\n"
        "before = account('Private_Dirty:')\n"
        "array = unship(payload, descriptors)\n"
        "total = array.sum() + array.take(range(9))[0]\n"
        "print(total, account('Private_Dirty:') - before, account('Rss:'), flush=True)\n"
        "sys.stdin.buffer.read()\n"
    )
    started = []
    for _ in range(4):
        fds = [(os.dup(fd), size) for fd, size in shipment.descriptors]
        process = subprocess.Popen(
            [sys.executable, "-c", code],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            pass_fds=[fd for fd, _ in fds],
        )
        assert process.stdin is not None
        process.stdin.write(pickle.dumps((shipment.payload, fds)))
        process.stdin.flush()
        for fd, _ in fds:
            os.close(fd)
        started.append(process)
    for process in started:
        assert process.stdout is not None and process.stdin is not None
        total, private, resident = process.stdout.readline().split()
        process.stdin.close()
        assert process.wait() == 0
        process.stdout.close()
        assert float(total) == (8 << 20) + 1
        assert int(private) < 4_000 and int(resident) > 64_000  # kB
