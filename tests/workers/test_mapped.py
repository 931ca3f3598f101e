"""Arrays that are mapped from files travel as a path, and say so where the file is not what it was."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from headrace.core.equality import same_values
from headrace.core.errors import WorkerError
from headrace.workers.parts import address
from headrace.workers.shipping import Shipment, place, ship, unship

LARGE = np.arange(200_000, dtype=np.float64).reshape(100, 50, 40)


def received(shipment: Shipment) -> Any:
    return unship(shipment.payload, [(os.dup(fd), size) for fd, size in shipment.descriptors])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    np.save(tmp_path / "x.npy", LARGE)
    return tmp_path / "x.npy"


@pytest.mark.parametrize("mode", ["r", "r+", "c"])
def test_they_travel_as_a_path(path: Path, mode: Any) -> None:
    mapped = np.load(path, mmap_mode=mode)
    plain = np.asarray(mapped)
    value = {"a": mapped, "b": mapped[3:], "c": plain[:, ::-2], "d": plain.T, "e": mapped[5].view("i8")}
    shipment = ship(value)
    assert not shipment.descriptors and len(shipment.payload) < 3000
    arrived = received(shipment)
    for key, array in value.items():
        assert same_values(np.asarray(arrived[key]), np.asarray(array)) and arrived[key].strides == array.strides
        assert arrived[key].flags.writeable == array.flags.writeable == (mode != "r")
        assert type(arrived[key]) is type(array)
    assert os.fspath(arrived["a"].filename) == str(path)
    assert place(plain) is plain


def test_a_receiver_does_not_write_to_the_file(path: Path) -> None:
    mapped = np.load(path, mmap_mode="r+")
    one, other = (received(ship(mapped)) for _ in range(2))
    one[0] = -1
    assert (mapped == LARGE).all() and (np.load(path) == LARGE).all()
    mapped[50] = -2
    assert (other[50] == -2).all(), "what the owner of the file writes is seen"


def test_a_map_that_was_changed_in_memory_only_travels_by_its_content(path: Path) -> None:
    mapped = np.load(path, mmap_mode="c")
    mapped[7] = 1
    shipment = ship(mapped)
    assert shipment.descriptors
    assert same_values(np.asarray(received(shipment)), np.asarray(mapped))


def test_an_offset_into_a_file(tmp_path: Path) -> None:
    (tmp_path / "raw").write_bytes(bytes(5000) + LARGE.tobytes())
    mapped = np.memmap(tmp_path / "raw", np.float64, "r", 5000, LARGE.shape)
    assert (received(ship(mapped[9])) == LARGE[9]).all()


def test_a_file_that_was_changed_is_told(path: Path) -> None:
    shipment = ship(np.load(path, mmap_mode="r"))
    np.save(path, LARGE[:50])
    with pytest.raises(WorkerError, match=r"x\.npy has changed"):
        received(shipment)


def test_a_file_that_was_written_again_is_told(path: Path) -> None:
    shipment = ship(np.load(path, mmap_mode="r"))
    os.utime(path, ns=(time.time_ns(), time.time_ns() + 10**9))
    with pytest.raises(WorkerError, match=r"x\.npy has changed"):
        received(shipment)


def test_a_file_that_is_gone_is_told(path: Path) -> None:
    shipment = ship(np.load(path, mmap_mode="r"))
    path.unlink()
    with pytest.raises(WorkerError, match=r"x\.npy, which .* cannot be mapped in a worker: No such file"):
        received(shipment)


def test_a_file_that_was_gone_already_travels_by_its_content(path: Path) -> None:
    mapped = np.load(path, mmap_mode="r")
    path.unlink()
    assert (received(ship(mapped)) == LARGE).all()


def test_what_was_computed_from_a_map_travels_by_its_content(path: Path) -> None:
    mapped = np.load(path, mmap_mode="r")
    assert (received(ship(mapped * 2)) == LARGE * 2).all()


def test_all_arrays_of_a_file_are_mapped_once(path: Path) -> None:
    mapped = np.load(path, mmap_mode="r")
    before = len(os.listdir("/proc/self/fd"))
    arrived = received(ship([mapped[at] for at in range(50)]))
    assert len(os.listdir("/proc/self/fd")) <= before + 1
    assert address(arrived[1]) - address(arrived[0]) == mapped.strides[0]
