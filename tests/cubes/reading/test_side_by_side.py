"""Work on several things at once gives what a loop gives, in any thread and process, and nothing waits at the end."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import monotonic, sleep

import pytest

from headrace.cubes.reading.side_by_side import IDLE, side_by_side


def helpers() -> int:
    return sum(thread.name == "chunks-helper" for thread in threading.enumerate())


def test_it_is_what_a_loop_gives() -> None:
    for length in (0, 1, 2, 300):
        assert side_by_side(str, range(length)) == [str(k) for k in range(length)]
    known = helpers()
    assert side_by_side(abs, range(-50, 0)) == list(range(50, 0, -1))
    assert helpers() == known  # they are kept


def test_helpers_that_nobody_needs_end_and_come_again() -> None:
    for _ in range(2):
        side_by_side(abs, range(-50, 0))
        ends = monotonic() + 20 * IDLE
        while helpers() and monotonic() < ends:
            sleep(0.02)
        assert not helpers()
    gate = threading.Barrier(
        min(2, len(os.sched_getaffinity(0))) if hasattr(os, "sched_getaffinity") else 1, timeout=20
    )
    side_by_side(lambda k: gate.wait(), range(2 * gate.parties))


def test_the_first_error_is_raised_and_the_rest_is_left() -> None:
    asked: list[int] = []

    def work(number: int) -> int:
        asked.append(number)
        sleep(0.02 if number == 3 else 0.001)
        if number in (3, 4, 7):
            raise ValueError(f"no {number}")
        return number

    for _ in range(5):
        with pytest.raises(ValueError, match="no 3"):
            side_by_side(work, range(500))
    assert len(asked) < 500
    assert side_by_side(abs, [-1, -2]) == [1, 2]


def test_an_interrupt_goes_before_other_errors() -> None:
    side_by_side(abs, [1, 2])
    if not helpers():
        pytest.skip("one processor")
    gate = threading.Barrier(2, timeout=20)

    def work(number: int) -> None:
        gate.wait()
        raise KeyboardInterrupt if number else ValueError("an error")

    with pytest.raises(KeyboardInterrupt):
        side_by_side(work, range(2))


def test_many_threads_ask_and_work_asks_for_work() -> None:
    def inner(number: int) -> int:
        return sum(side_by_side(lambda k: k * number, range(5)))

    def outer(number: int) -> list[int]:
        return side_by_side(inner, range(number))

    with ThreadPoolExecutor(8) as pool:
        for number, found in enumerate(pool.map(outer, range(40), timeout=50)):
            assert found == [10 * k for k in range(number)]


def run(code: str) -> str:
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=50)
    assert ran.returncode == 0, ran.stderr
    assert "Error" not in ran.stderr
    return ran.stdout.strip()


BEGIN = """
import atexit, os, threading, time, warnings
from headrace.cubes.reading.side_by_side import side_by_side
warnings.simplefilter("ignore")  # of Python: that a process with threads is forked
print(side_by_side(abs, [-1, -2, -3]), flush=True)
"""


def test_nothing_waits_at_the_end_of_a_process() -> None:
    assert run(BEGIN) == "[1, 2, 3]"
    # a daemon that works, and asks for ever, as what reads ahead
    code = """
def forever():
    while True:
        side_by_side(lambda k: time.sleep(0.01), range(20))
threading.Thread(target=forever, daemon=True).start()
time.sleep(0.1)
"""
    assert run(BEGIN + code) == "[1, 2, 3]"
    late = "atexit.register(lambda: print(side_by_side(abs, [-5, -6])))"
    assert run(BEGIN + late) == "[1, 2, 3]\n[5, 6]"
    assert run(BEGIN.rpartition("print")[0] + late) == "[5, 6]"  # where no helper was needed before


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_process_that_was_forked_off_has_helpers_of_its_own() -> None:
    code = """
busy = threading.Thread(target=lambda: side_by_side(lambda k: time.sleep(0.05), range(20)), daemon=True)
busy.start()
time.sleep(0.02)
child = os.fork()
if not child:
    found = side_by_side(lambda k: time.sleep(0.01) or k, range(20))
    print(found == list(range(20)), any("helper" in one.name for one in threading.enumerate()), flush=True)
    os._exit(0)
print(os.waitpid(child, 0)[1])
"""
    assert run(BEGIN + code) in ("[1, 2, 3]\nTrue True\n0", "[1, 2, 3]\nTrue False\n0")  # False: of one processor


def test_a_process_ends_while_chunks_are_read_ahead(tmp_path: Path) -> None:
    zarr = pytest.importorskip("zarr")
    array = zarr.create_array(tmp_path / "z", shape=(400, 32, 32), chunks=(4, 32, 32), dtype="f4")
    array[:] = 1
    code = f"""
import headrace as hr, zarr
array = zarr.open_array({str(tmp_path / "z")!r}, mode="r")
patches = hr.patches(array, {{"t": 4, "y": 8, "x": 8}}, dims=("t", "y", "x"))
stream = patches.block_shuffle("2 MB", seed=0).batch(4).stream(workers=hr.Threads(2))
print(next(iter(stream))["data"].sum(), flush=True)
patches._node.sources[0].source.expect(range(100))  # and nobody takes them
"""
    assert run(code) == "1024.0"
