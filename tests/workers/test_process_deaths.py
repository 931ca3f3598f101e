"""Processes that die, on either side: who is left hears of it soon, and nothing is left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import pytest

from headrace.core.errors import WorkerError
from headrace.workers.processes import Processes
from headrace.workers.work import StartMethod
from tests.workers.jobs import about, answer, die, numbers, square, working

METHODS: tuple[StartMethod, ...] = ("forkserver", "spawn", "fork")
ROOT = Path(__file__).parents[2]
SOON = 2.0  # seconds in which a death is noticed


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give each test a folder of its own for temporary files: others, of tests beside, come and go."""
    (tmp_path / "tmp").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))


@contextmanager
def nothing_left() -> Iterator[None]:
    """Check that what runs inside leaves no process, thread, descriptor, or file."""
    before = _things()
    yield
    until = time.monotonic() + SOON
    while (after := _things()) != before and time.monotonic() < until:
        time.sleep(0.01)
    assert after == before


def _things() -> dict[str, Any]:
    descriptors = {}
    for number in os.listdir("/proc/self/fd"):
        try:
            descriptors[number] = os.readlink(f"/proc/self/fd/{number}")
        except FileNotFoundError:  # the one that listed them
            continue
    return {
        "children": "".join(path.read_text() for path in Path("/proc/self/task").glob("*/children")),
        "threads": threading.active_count(),
        "descriptors": descriptors,
        "files": [
            name for folder in ("/dev/shm", tempfile.gettempdir()) for name in os.listdir(folder) if "headrace" in name
        ],
    }


DEATHS = {
    "SIGKILL": ("was killed by SIGKILL", "run out of memory"),
    "segfault": ("was killed by SIGSEGV", "in string_at"),
    "abort": ("was killed by SIGABRT", "in die"),
    "exit 3": ("ended with exit code 3", ""),
    "exit 0": ("ended with exit code 0", ""),
}


@pytest.mark.parametrize(
    ("how", "method"),
    [*((how, "forkserver") for how in DEATHS), ("SIGKILL", "spawn"), ("SIGKILL", "fork"), ("exit 3", "fork")],
)
def test_the_death_of_a_worker_is_told_with_its_job(how: str, method: StartMethod) -> None:
    with nothing_left(), working(die, Processes(2, method), depth=4) as pool:
        tickets = [pool.submit("fine"), pool.submit("sleep"), pool.submit(how), pool.submit("fine")]
        tickets[0].result()
        began = time.perf_counter()
        with pytest.raises(WorkerError) as caught:
            tickets[2].result()
        assert time.perf_counter() - began < SOON
        told = str(caught.value)
        for words in (*DEATHS[how], f"while it worked on {how!r} of the test's work"):
            assert words in told, told
        assert told.startswith("worker ") and "(process " in told
        for ticket in (tickets[1], tickets[3]):
            assert ticket.ready()
            with pytest.raises(WorkerError, match=r"worker \d"):
                ticket.result()
        later = pool.submit("fine")
        with pytest.raises(WorkerError, match=r"worker \d"):
            later.result()


def test_results_that_came_before_a_death_are_kept() -> None:
    with working(die, 1) as pool:
        tickets = [pool.submit(job) for job in ("one", "two", "exit 3")]
        time.sleep(0.5)
        values = [ticket.result() for ticket in tickets[:2]]
        assert [getattr(value, "value", None) for value in values] == ["one", "two"]


def test_a_worker_that_dies_while_idle_is_told_too() -> None:
    with nothing_left(), working(about, 2) as pool:
        os.kill(answer(pool, 0)["pid"], signal.SIGKILL)
        time.sleep(0.1)
        with pytest.raises(WorkerError, match="was killed by SIGKILL; the system"):
            while True:
                answer(pool, 1)


@pytest.mark.parametrize("method", METHODS)
def test_the_death_of_the_nursery_is_told_and_takes_the_workers_along(method: StartMethod) -> None:
    with nothing_left(), working(die, Processes(2, method)) as pool:
        first = pool.submit("loop in C")
        ticket = pool.submit("kill the nursery")
        began = time.perf_counter()
        with pytest.raises(WorkerError, match="starts and watches the workers, was killed by SIGKILL, and"):
            ticket.result()
        assert time.perf_counter() - began < SOON
        with pytest.raises(WorkerError, match="starts and watches"):
            first.result()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("how", ["sleep", "loop", "loop in C"])
def test_closing_ends_workers_whatever_they_do(method: StartMethod, how: str) -> None:
    with nothing_left():
        with working(die, Processes(2, method)) as pool:
            for job in ("fine", how, how, how):
                ticket = pool.submit(job)
                if job == "fine":
                    ticket.result()
            time.sleep(0.05)
            began = time.perf_counter()
        assert time.perf_counter() - began < SOON


def test_closing_right_after_the_start_leaves_nothing() -> None:
    for delay in (0, 0, 0.02, 0.05, 0.1, 0.15):
        with nothing_left(), working(numbers, 2) as pool:
            pool.submit(1)
            time.sleep(delay)


def test_an_end_without_jobs_in_hand_is_quick() -> None:
    with nothing_left():
        with working(square, 2) as pool:
            answer(pool, 1), answer(pool, 2)
            began = time.perf_counter()
        assert time.perf_counter() - began < 0.4


def test_many_pools_one_after_the_other_leave_nothing() -> None:
    with nothing_left():
        for copy in (True, False, True):
            with working(numbers, Processes(2, "fork"), copy=copy) as pool:
                kept = [answer(pool, job) for job in range(10)]
            del kept


def test_workers_that_cannot_be_started_are_an_error() -> None:
    executable, sys.executable = sys.executable, "/nowhere/python"
    try:
        with nothing_left(), pytest.raises(WorkerError, match=r"could not be started: .*No such file"):
            with working(square):
                raise AssertionError("it was started")
    finally:
        sys.executable = executable


# Programs of their own: what is left when the whole program goes.

PROGRAM = """
import os, signal, sys, threading, time
sys.path.insert(0, {root!r})
from headrace.workers.processes import Processes
from tests.workers.jobs import Call, about, answer, die, numbers, square, working
def ready(*words):
    print("ready", *words, flush=True)
{body}
"""


class Program:
    """A program that runs, and whatever it has started: all carry a mark in their environment."""

    def __init__(self, body: str, *options: str, how: str = "file", **settings: Any) -> None:
        self.mark = f"HEADRACE_TEST_MARK={uuid.uuid4().hex}"
        text = PROGRAM.format(root=str(ROOT), body=body)
        environment = {**os.environ, **dict([self.mark.split("=")]), "PYTHONPATH": str(ROOT / "src")}
        self.folder = tempfile.TemporaryDirectory()
        path = Path(self.folder.name) / "program.py"
        path.write_text(text)
        given = {"file": [str(path)], "-c": ["-c", text], "stdin": ["-"]}[how]
        with open(path) as source:
            self.process = subprocess.Popen(
                [sys.executable, *options, *given],
                stdin=source if how == "stdin" else subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                env=environment,
                start_new_session=True,
                **settings,
            )

    def __enter__(self) -> Program:
        return self

    def __exit__(self, *_: object) -> None:
        for number in self.running():
            os.kill(number, signal.SIGKILL)
        self.process.wait()
        for stream in (self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()
        self.folder.cleanup()

    @property
    def output(self) -> IO[str]:
        assert self.process.stdout is not None
        return self.process.stdout

    def wait_until_ready(self) -> list[str]:
        for line in self.output:
            if line.startswith("ready"):
                return line.split()[1:]
        assert self.process.stderr is not None
        raise AssertionError(self.process.stderr.read())

    def running(self) -> list[int]:
        """Return the processes that run with the program's mark, zombies left out."""
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                if self.mark.encode() in (folder / "environ").read_bytes().split(b"\0"):
                    found.append(int(folder.name))
            except (FileNotFoundError, ProcessLookupError, PermissionError):
                continue
        return found

    def assert_all_end(self, within: float = SOON) -> None:
        until = time.monotonic() + within
        while self.running() and time.monotonic() < until:
            time.sleep(0.01)
        assert not self.running(), [Path(f"/proc/{number}/cmdline").read_text() for number in self.running()]

    def finish(self, within: float = 20) -> tuple[int, str, str]:
        """Wait for its end; returns its exit code, output and errors."""
        out, err = self.process.communicate(timeout=within)
        return self.process.returncode, out, err


BUSY = """
pool = Processes(2, {method!r}).open(Call(die), 4, True)
pool.submit("fine").result()
tickets = [pool.submit({how!r}) for _ in range(4)]
time.sleep(0.1)
ready()
tickets[0].result()
"""


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("how", ["sleep", "loop in C"])
def test_workers_end_when_the_program_is_killed(method: StartMethod, how: str) -> None:
    with Program(BUSY.format(method=method, how=how)) as program:
        program.wait_until_ready()
        assert len(program.running()) == 4
        program.process.kill()
        program.process.wait()
        program.assert_all_end()


def test_workers_end_when_the_program_is_killed_while_they_start() -> None:
    for delay in (0.0, 0.05, 0.1, 0.2):
        with Program("pool = Processes(2).open(Call(die), 4, True)\nready()\npool.submit('sleep').result()") as program:
            program.wait_until_ready()
            time.sleep(delay)
            program.process.kill()
            program.process.wait()
            program.assert_all_end()


def test_workers_end_when_the_program_is_killed_while_a_fork_of_it_lives_on() -> None:
    body = """
pool = Processes(1).open(Call(die), 4, True)
pool.submit("fine").result()
if not os.fork():
    time.sleep(30)
ready()
pool.submit("loop").result()
"""
    with Program(body) as program:
        program.wait_until_ready()
        time.sleep(0.1)
        program.process.kill()
        program.process.wait()
        until = time.monotonic() + SOON
        while len(program.running()) > 1 and time.monotonic() < until:
            time.sleep(0.01)
        assert len(program.running()) == 1  # the fork


@pytest.mark.parametrize("method", METHODS)
def test_ctrl_c_reaches_the_program_alone(method: StartMethod) -> None:
    body = """
try:
    with working(die, Processes(2, {method!r})) as pool:
        pool.submit("fine").result()
        tickets = [pool.submit("sleep") for _ in range(2)]
        ready()
        tickets[0].result()
except KeyboardInterrupt:
    print("interrupted")
"""
    with Program(body.format(method=method)) as program:
        program.wait_until_ready()
        os.killpg(program.process.pid, signal.SIGINT)
        code, out, err = program.finish()
        assert (code, out, err) == (0, "interrupted\n", "")
        program.assert_all_end()


@pytest.mark.parametrize("method", METHODS)
def test_ctrl_c_while_workers_start_is_quiet(method: StartMethod) -> None:
    body = """
try:
    ready()
    with working(die, Processes(2, {method!r})) as pool:
        pool.submit("sleep").result()
except KeyboardInterrupt:
    print("interrupted")
"""
    for delay in (0.01, 0.06, 0.12):
        with Program(body.format(method=method)) as program:
            program.wait_until_ready()
            time.sleep(delay)
            os.killpg(program.process.pid, signal.SIGINT)
            assert program.finish() == (0, "interrupted\n", "")
            program.assert_all_end()


def test_closing_that_is_interrupted_can_be_finished() -> None:
    body = """
pool = Processes(2).open(Call(die), 4, True)
pool.submit("fine").result()
pool.submit("loop")
time.sleep(0.1)
signal.signal(signal.SIGALRM, signal.default_int_handler)
signal.setitimer(signal.ITIMER_REAL, 0.1)
try:
    pool.close()
except KeyboardInterrupt:
    print("interrupted")
pool.close()
print(sum(len(open(f"/proc/self/task/{task}/children").read()) for task in os.listdir("/proc/self/task")))
"""
    with Program(body) as program:
        assert program.finish() == (0, "interrupted\n0\n", "")


def test_signals_to_the_whole_group_are_the_programs_to_handle() -> None:
    body = """
told = []
for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2):
    signal.signal(number, lambda number, frame: told.append(number))
with working(square, 2) as pool:
    answer(pool, 1)
    ready()
    while len(told) < 4:
        answer(pool, 2)
    print(answer(pool, 3))
"""
    with Program(body) as program:
        program.wait_until_ready()
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2):
            os.killpg(program.process.pid, number)
        assert program.finish() == (0, "9\n", "")
        program.assert_all_end()


def test_work_goes_on_after_an_interrupted_wait() -> None:
    body = """
import time
pool = Processes(1).open(Call(lambda job: (time.sleep(job), job)[1]), 4, True)
ticket = pool.submit(1.0)
signal.setitimer(signal.ITIMER_REAL, 0.3)
signal.signal(signal.SIGALRM, signal.default_int_handler)
try:
    ticket.result()
except KeyboardInterrupt:
    print("interrupted", ticket.result().value)
pool.close()
"""
    with Program(body) as program:
        assert program.finish() == (0, "interrupted 1.0\n", "")
        program.assert_all_end()


ENDS = {
    "an open pool": "pool = Processes(2).open(Call(die), 4, True)\nanswer(pool, 'fine')\npool.submit('loop')",
    "an open persistent pool": "workers = Processes(2, persistent=True)\npool = workers.open(Call(die), 4, True)\n"
    "answer(pool, 'fine')\npool.submit('loop')",
    "an error": "pool = Processes(2).open(Call(die), 4, True)\nanswer(pool, 'fine')\nraise SystemExit(5)",
    "a daemon thread that waits": "pool = Processes(2).open(Call(die), 4, True)\nanswer(pool, 'fine')\n"
    "threading.Thread(target=lambda: answer(pool, 'loop'), daemon=True).start()\ntime.sleep(0.2)",
    "os._exit": "pool = Processes(2).open(Call(die), 4, True)\nanswer(pool, 'fine')\npool.submit('loop')\nos._exit(0)",
    "SIGTERM": "pool = Processes(2).open(Call(die), 4, True)\nanswer(pool, 'fine')\npool.submit('loop')\n"
    "os.kill(os.getpid(), signal.SIGTERM)",
    "SIGPIPE's default": "signal.signal(signal.SIGPIPE, signal.SIG_DFL)\n"
    "with working(die, 2) as pool:\n  answer(pool, 'fine')\n  pool.submit('exit 3')\n  time.sleep(0.3)\n"
    "  pool.submit('x')",
    "SIGCHLD ignored": "signal.signal(signal.SIGCHLD, signal.SIG_IGN)\n"
    "for method in ('forkserver', 'spawn', 'fork'):\n  with working(die, Processes(2, method)) as pool:\n"
    "    answer(pool, 'fine')",
}


@pytest.mark.parametrize("how", ENDS)
def test_a_program_that_ends_in_any_way_leaves_nothing(how: str) -> None:
    with Program(ENDS[how]) as program:
        code, out, err = program.finish()
        assert out == ""
        if how == "a daemon thread that waits":  # it may be told, or be ended before
            assert not err or err.endswith("WorkerError: the workers were closed before this job was done\n")
        else:
            assert err == ""
        assert code == {"an error": 5, "SIGTERM": -signal.SIGTERM}.get(how, 0)
        program.assert_all_end()


@pytest.mark.parametrize("how", ["file", "-c", "stdin"])
@pytest.mark.parametrize("method", METHODS)
def test_scripts_of_every_kind_need_no_guard(how: str, method: StartMethod) -> None:
    body = f"""
from dataclasses import dataclass
print("main runs")
@dataclass
class Point:
    x: int
class Odd(Exception):
    def __init__(self, a, b):
        super().__init__(a)
with working(lambda job: Point(job.x * 2), Processes(2, {method!r})) as pool:
    point = answer(pool, Point(4))
    print(type(point) is Point, point.x)
def bad(job):
    raise Odd(1, 2)
with working(bad, Processes(1, {method!r})) as pool:
    print(type(pool.submit(0).result().error) is Odd)
"""
    with Program(body, how=how) as program:
        assert program.finish() == (0, "main runs\nTrue 8\nTrue\n", "")


def test_what_workers_print_is_shown_at_once_and_in_full() -> None:
    body = """
import warnings
def talk(job):
    print("said", job)
    print("complained", job, file=sys.stderr)
    warnings.warn("look out", UserWarning)
    if job == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return job
try:
    with working(talk) as pool:
        answer(pool, 1)
        answer(pool, 2)
except Exception as error:
    print(type(error).__name__)
"""
    with Program(body, "-W", "ignore") as program:
        code, out, err = program.finish()
        assert code == 0 and out.splitlines()[0] == "said 1" and out.splitlines()[-1] == "WorkerError"
        assert "complained 1" in err and "UserWarning: look out" in err


def test_options_of_the_interpreter_are_handed_on() -> None:
    body = "with working(about) as pool:\n  told = answer(pool, 0)\n  print(told['optimize'], told['utf8'])"
    with Program(body, "-O", "-X", "utf8") as program:
        assert program.finish() == (0, "1 1\n", "")


def test_threads_that_came_and_went_leave_nothing() -> None:
    with nothing_left(), working(numbers, 1) as pool:
        threads = [threading.Thread(target=lambda job=job: answer(pool, job)) for job in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
