"""A stream in a process of its own: its items, its errors, its end."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import headrace as hr
from headrace.compat.pescador import DataError, ShuffledMux, Streamer, ZMQStreamer, buffer_stream


def arrays(n: int) -> Iterator[dict[str, Any]]:
    kinds = ["int8", "float16", "complex128", "datetime64[s]", "U5", "S3", "bool", "O", [("a", "i4"), ("b", "f8")]]
    for number in range(n):
        yield {str(kind): np.zeros((2, number), kind) for kind in kinds} | {"n": np.array(number)}


def others() -> set[int]:
    """Return the processes of which this one is the parent or the grandparent."""
    parents = {}
    for entry in Path("/proc").iterdir():
        try:
            parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
        except (OSError, ValueError):
            continue
    found = {pid for pid, parent in parents.items() if parent == os.getpid()}
    return found | {pid for pid, parent in parents.items() if parent in found}


@pytest.mark.parametrize("copy", [False, True])
def test_arrays_of_any_dtype_arrive_as_they_are(copy: bool) -> None:
    stream = Streamer(arrays, 5)
    for _ in range(2):
        items = list(ZMQStreamer(stream, copy=copy))
        assert [int(item["n"]) for item in items] == list(range(5))
        for item, expected in zip(items, stream):
            assert list(item) == list(expected)
            for name, array in item.items():
                assert array.dtype == expected[name].dtype and array.shape == expected[name].shape
                assert (array == expected[name]).all() and array.flags.aligned and array.flags.writeable


def test_streams_made_of_local_functions_and_lambdas_travel() -> None:
    scale = 3

    def local(double: Any) -> Iterator[dict[str, Any]]:
        for number in range(3):
            yield {"x": np.array(double(number) * scale)}

    stream = Streamer(buffer_stream, Streamer(local, lambda x: 2 * x), 3)
    assert [item["x"].tolist() for item in ZMQStreamer(stream)] == [[0, 6, 12]]


@pytest.mark.parametrize("wrong", [{"x": [1, 2]}, {"x": 1.0}, [1], None])
def test_what_is_no_mapping_to_arrays_is_refused_where_it_is_used(wrong: Any) -> None:
    stream = Streamer([{"x": np.zeros(1)}, wrong])
    items = iter(ZMQStreamer(stream))
    next(items)
    with pytest.raises(DataError, match="item 1 of "):
        next(items)
    assert list(items) == []


def test_an_error_there_is_raised_here_as_what_it_is() -> None:
    class OwnError(Exception):
        pass

    def fails() -> Iterator[dict[str, Any]]:
        yield {"x": np.zeros(1)}
        raise OwnError("the disk is full")

    items = iter(ZMQStreamer(Streamer(fails)))
    next(items)
    with pytest.raises(Exception, match="the disk is full") as caught:
        next(items)
    assert type(caught.value).__name__ == "OwnError"


def test_its_death_is_an_error() -> None:
    def dies() -> Iterator[dict[str, Any]]:
        yield {"x": np.zeros(1)}
        os.kill(os.getpid(), signal.SIGKILL)

    with pytest.raises(hr.WorkerError, match="SIGKILL"):
        list(ZMQStreamer(Streamer(dies)))


def test_what_cannot_travel_is_named() -> None:
    with socket.socket() as unpicklable:
        stream = Streamer(arrays, unpicklable)
        with pytest.raises(hr.KindError, match=r"a socket at .* cannot be pickled"):
            list(ZMQStreamer(stream))


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")
def test_one_that_is_left_early_runs_ahead_a_little_and_leaves_no_process() -> None:
    list(ZMQStreamer(Streamer(arrays, 1)))  # what all that follow share is there
    before = others()

    def endless() -> Iterator[dict[str, Any]]:
        while True:
            yield {"x": np.zeros(1000), "pid": np.array(os.getpid())}

    stream = ZMQStreamer(Streamer(endless))
    pids = {int(item["pid"]) for item in stream.iterate(5)} | {int(next(iter(stream))["pid"])}
    assert os.getpid() not in pids
    items = stream.iterate()
    kept = [next(items) for _ in range(3)]
    assert others() != before and len(kept) == 3
    items.close()
    assert not {pid for pid in pids if Path(f"/proc/{pid}").exists()} and others() == before


def test_max_iter_and_cycle() -> None:
    stream = ZMQStreamer(Streamer(arrays, 3))
    assert len(list(stream.iterate(2))) == 2 and len(list(stream(max_iter=7))) == 3
    assert [int(item["n"]) for item in stream.cycle(5)] == [0, 1, 2, 0, 1]
    with stream as active:
        assert len(list(active)) == 3


def test_what_was_seeded_here_is_seeded_there() -> None:
    def noise() -> Iterator[dict[str, Any]]:
        while True:
            yield {"x": np.random.rand(2)}

    mux = ShuffledMux([Streamer(noise), Streamer(noise)])
    before = np.random.get_state()
    try:
        np.random.seed(0)
        here = [item["x"].tolist() for item in mux.iterate(5)]
        np.random.seed(0)
        there = [item["x"].tolist() for item in ZMQStreamer(mux).iterate(5)]
    finally:
        np.random.set_state(before)
    assert here == there


def test_steps_behind_it_carry_any_items() -> None:
    stream = ZMQStreamer(Streamer(range(5)))
    assert stream.map(lambda x: x + 1).list() == [1, 2, 3, 4, 5]
    assert "background()" in repr(stream)
