"""Shared memory lives for as long as anything views it, and leaves nothing behind."""

from __future__ import annotations

import gc
import os
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from headrace.core.batch import Batch
from headrace.core.errors import ArgumentError
from headrace.core.ragged import Ragged
from headrace.workers import segments
from headrace.workers.segments import Segment

FLOATS = np.dtype(np.float64)


def over(root: Any, count: int = 64) -> Any:
    """Return an array in a segment, as a value has it that was taken from a slot."""
    return np.ndarray((count,), FLOATS, root[: count * 8])


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


HOLDERS: dict[str, Callable[[Any], Any]] = {
    "an array": over,
    "a slice of a slice": lambda root: over(root)[2:][:1],
    "a reshaped view": lambda root: over(root).reshape(8, 8),
    "a transposed view": lambda root: over(root).reshape(8, 8).T[1:],
    "another dtype's view": lambda root: over(root).view(np.int16)[::-1],
    "a strided trick": lambda root: np.lib.stride_tricks.as_strided(over(root), (2,), (8,)),
    "a broadcast view": lambda root: np.broadcast_to(over(root), (3, 64)),
    "a row of a batch": lambda root: Batch({"x": over(root).reshape(8, 8)})[3],
    "rows of a batch": lambda root: Batch({"x": over(root).reshape(8, 8)}).rows()[2],
    "a slice of a batch": lambda root: Batch({"x": over(root)})[3:5],
    "a row of a ragged": lambda root: Ragged(over(root), [0, 3, 64])[1],
    "a slice of a ragged": lambda root: Ragged(over(root), [0, 3, 64])[1:],
    "a memoryview": lambda root: memoryview(over(root)),
    "an array over a memoryview": lambda root: np.asarray(memoryview(over(root))[3:]),
    "a flat iterator": lambda root: over(root).flat,
    "a bound method": lambda root: over(root).sum,
}


@pytest.mark.parametrize("name", HOLDERS)
def test_a_weak_reference_to_the_root_tells_when_the_last_view_has_died(name: str) -> None:
    segment = Segment(4096)
    root = segment.fresh()
    ended: list[bool] = []
    lease = weakref.ref(root, lambda _: ended.append(True))
    held = HOLDERS[name](root)
    del root
    assert not ended, "the view holds the root"
    del held
    gc.collect()
    assert ended and lease() is None


@pytest.mark.torch
@pytest.mark.parametrize("part", [slice(None), slice(3, 4)])
def test_a_tensor_over_a_segment_holds_it(part: slice) -> None:
    torch = pytest.importorskip("torch")
    segment = Segment(4096)
    root = segment.fresh()
    lease = weakref.ref(root)
    tensor = torch.from_numpy(over(root))[part].view(-1)
    del root
    assert lease() is not None
    del tensor
    assert lease() is None


def test_what_one_map_writes_another_reads() -> None:
    one = Segment(10)
    other = Segment.adopt(os.dup(one.fd), one.size)
    one.root[-1] = 7
    assert other.root[-1] == 7
    other.root[0] = 5
    assert one.root[0] == 5


def test_a_private_map_keeps_what_is_written_to_it() -> None:
    one = Segment(10)
    one.root[:] = 1
    private = Segment.adopt(os.dup(one.fd), one.size, private=True)
    private.root[0] = 9
    assert one.root[0] == 1 and private.root[:2].tolist() == [9, 1]


def test_views_stay_when_the_segment_is_closed_and_forgotten() -> None:
    segment = Segment(10_000)
    view = over(segment.root)
    view[:] = 3
    segment.close()
    segment.close()
    with pytest.raises(ArgumentError, match="closed"):
        _ = segment.fd
    del segment
    assert view.sum() == 3 * 64


def test_neither_descriptors_nor_memory_are_left() -> None:
    before = descriptors()
    for _ in range(50):
        segment = Segment(1 << 20)
        other = Segment.adopt(os.dup(segment.fd), segment.size)
        view = over(other.root)
        view[0] = 1
    del segment, other, view
    assert descriptors() == before


def test_a_segment_is_not_handed_to_programs_that_are_started() -> None:
    segment = Segment(1)
    assert not os.get_inheritable(segment.fd)


def test_the_map_below_an_array_is_found_through_views_of_views() -> None:
    segment = Segment(4096)
    found = segments.find(over(segment.root)[2:].reshape(2, -1).T)
    assert found is not None and found.fd == segment.fd
    assert segments.find(np.zeros(3)[1:]) is None
    assert segments.find(np.frombuffer(b"abc", np.uint8)) is None
    assert segments.find(np.frombuffer(memoryview(b"abc"), np.uint8)) is None


def test_without_memory_files_a_file_without_a_name_serves(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.delattr(os, "memfd_create", raising=False)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    segment = Segment(5000)
    other = Segment.adopt(os.dup(segment.fd), segment.size)
    segment.root[17] = 4
    assert other.root[17] == 4 and segment.size == 8192
    assert not list(tmp_path.iterdir())


def test_a_file_that_cannot_grow_is_an_error_and_leaves_no_descriptor() -> None:
    before = descriptors()
    with pytest.raises((OSError, OverflowError)):
        Segment(1 << 62)
    assert descriptors() == before
