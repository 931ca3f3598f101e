"""Work done in processes: what comes back, in which order, from what surroundings."""

from __future__ import annotations

import asyncio
import gc
import os
import pickle
import signal
import sys
import threading
import time
import warnings
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from headrace.core.errors import ArgumentError, KindError, WorkerError
from headrace.workers.processes import Processes
from headrace.workers.work import Desk, Done, Failed, StartMethod
from tests.workers.jobs import Call, Holding, Opened, about, answer, die, done, identity, numbers, square, working

METHODS: tuple[StartMethod, ...] = ("forkserver", "spawn", "fork")


@pytest.mark.parametrize("method", METHODS)
def test_jobs_are_answered_by_processes_started_in_each_way(method: StartMethod) -> None:
    with working(numbers, Processes(2, method)) as pool:
        tickets = [pool.submit(job) for job in range(8)]
        for job, ticket in enumerate(tickets):
            value = done(ticket.result())
            assert value["x"].tolist() == [job] * 50_000 and value["name"] == f"job {job}"
            value["x"][:] = -1  # it is the reader's own


@pytest.mark.parametrize("method", METHODS)
def test_workers_run_beside_their_program_with_its_surroundings(method: StartMethod) -> None:
    with working(about, Processes(2, method, threads=3)) as pool:
        told = answer(pool, 0)
    assert told["pid"] not in (os.getpid(), told["parent"]) and told["parent"] != os.getpid()
    assert told["cwd"] == os.getcwd() and told["path"] == sys.path and told["argv"] == sys.argv
    assert told["stdin"] == "" and told["threads"] == 1 and told["limit"] == "3"
    assert told["optimize"] == sys.flags.optimize and told["utf8"] == sys.flags.utf8_mode


def test_threads_are_left_alone_on_request() -> None:
    with working(about, Processes(1, threads=None)) as pool:
        assert answer(pool, 0)["limit"] == os.environ.get("OMP_NUM_THREADS")


def test_lambdas_closures_and_local_classes_travel() -> None:
    class Point:
        def __init__(self, x: int) -> None:
            self.x = x

    offset = 40
    with working(lambda job: Point(job + offset)) as pool:
        point = answer(pool, 2)
    assert type(point) is Point and point.x == 42


def test_one_worker_answers_in_order_and_keeps_its_state() -> None:
    def counting(desk: Desk) -> Any:
        seen: list[int] = []

        def run(job: int) -> list[int]:
            seen.append(job)
            return list(seen)

        return run

    with working(Opened(counting), 1, depth=50) as pool:
        tickets = [pool.submit(job) for job in range(50)]
        assert done(tickets[-1].result()) == list(range(50))
        assert [done(ticket.result()) for ticket in tickets[:3]] == [[0], [0, 1], [0, 1, 2]]


def test_a_slow_job_holds_up_no_other() -> None:
    def slow_first(job: int) -> int:
        time.sleep(0.5 if job == 0 else 0)
        return job

    with working(slow_first, 2, depth=20) as pool:
        tickets = [pool.submit(job) for job in range(20)]
        answers = [tickets[job].result() for job in range(1, 20)]
        assert not tickets[0].ready(), "the others were waited for, and yet the slow one was done first"
        slow = tickets[0].result()
    assert isinstance(slow, Done)
    assert {answer.notes for answer in answers if isinstance(answer, Done)} == {1 - slow.notes}


def test_tickets_say_when_they_are_ready() -> None:
    with working(square) as pool:
        ticket = pool.submit(3)
        while not ticket.ready():
            time.sleep(0.001)
        outcome = ticket.result()
    assert isinstance(outcome, Done) and outcome.value == 9 and 0 <= outcome.seconds < 5


def test_done_says_how_much_was_carried() -> None:
    with working(numbers) as pool:
        outcome = pool.submit(1).result()
    assert isinstance(outcome, Done) and outcome.nbytes >= 50_000 * 8


def test_owned_values_stay_what_they_were() -> None:
    with working(numbers, 1, depth=2) as pool:
        kept = [answer(pool, job) for job in range(10)]
    assert [int(value["x"][-1]) for value in kept] == list(range(10))


def test_views_stay_what_they_were_for_as_long_as_they_live() -> None:
    with working(numbers, 2, depth=4, copy=False) as pool:
        kept = [answer(pool, job) for job in range(40)]  # more than there are slots: the rest are copies
        assert [int(value["x"][-1]) for value in kept] == list(range(40))
    assert [int(value["x"][0]) for value in kept] == list(range(40))


def test_large_items_travel_to_workers() -> None:
    with working(lambda job: (job["x"] + 1, job["tag"]), 2) as pool:
        tickets = [pool.submit({"x": np.full(100_000, job), "tag": "a" * 50_000}) for job in range(10)]
        for job, ticket in enumerate(tickets):
            array, tag = done(ticket.result())
            assert array[0] == job + 1 and len(array) == 100_000 and tag == "a" * 50_000


def test_more_jobs_than_the_queue_holds_are_kept_until_it_has_room() -> None:
    with working(lambda job: job["n"], 2, depth=2000) as pool:
        tickets = [pool.submit({"n": job, "text": "x" * 12_000}) for job in range(2000)]
        assert [done(ticket.result()) for ticket in tickets] == list(range(2000))


def test_results_that_fill_the_connection_hold_nobody_up() -> None:
    with working(lambda job: "y" * 15_000, 1, depth=200) as pool:
        tickets = [pool.submit(job) for job in range(200)]
        time.sleep(0.3)  # the worker now waits for the connection
        more = [pool.submit(job) for job in range(200)]
        assert all(len(done(ticket.result())) == 15_000 for ticket in tickets + more)


def test_an_item_that_cannot_travel_fails_alone() -> None:
    with working(identity) as pool:
        bad, good = pool.submit(n for n in range(3)), pool.submit(4)
        outcome = bad.result()
        assert isinstance(outcome, Failed) and isinstance(outcome.error, KindError)
        assert "generator" in str(outcome.error)
        assert done(good.result()) == 4


def test_a_result_that_cannot_travel_fails_and_says_its_type() -> None:
    with working(lambda job: (n for n in range(job)) if job else 0) as pool:
        outcome = pool.submit(3).result()
        assert isinstance(outcome, Failed) and "generator" in str(outcome.error)
        assert answer(pool, 0) == 0


def test_arrays_are_shared_and_what_workers_write_stays_theirs() -> None:
    work = Holding(identity)
    with working(work, 2) as pool:
        assert answer(pool, 7).tolist() == [7]
        work.array[7] = -1  # it is the array in shared memory now
        assert answer(pool, 7).tolist() == [-1]


def test_a_work_that_cannot_travel_is_refused_with_the_place() -> None:
    lock = threading.Lock()
    with pytest.raises(KindError, match=r"a lock at \.function, variable 'lock' of the function lambda") as caught:
        Processes(1).open(Call(lambda job: lock), 1, True)
    assert "when it is first needed" in str(caught.value)


def test_an_open_file_in_a_work_is_refused(tmp_path: Path) -> None:
    with open(tmp_path / "file", "w") as file, pytest.raises(KindError, match="TextIOWrapper"):
        Processes(1).open(Call(lambda job: file.read()), 1, True)


def test_modules_that_workers_cannot_import_travel_by_content() -> None:
    module = ModuleType("made_by_a_test")
    exec("class Kind:\n    pass\ndef double(job):\n    return [Kind(), job * 2]", module.__dict__)
    sys.modules[module.__name__] = module
    try:
        with working(module.double, 2) as pool:
            tickets = [pool.submit(job) for job in range(6)]
            values = [done(ticket.result()) for ticket in tickets]
            assert [value[1] for value in values] == [0, 2, 4, 6, 8, 10]
            assert all(type(value[0]) is module.Kind for value in values)
        with working(identity) as pool:
            assert type(answer(pool, module.Kind())) is module.Kind
    finally:
        del sys.modules[module.__name__]


def test_a_module_that_is_nowhere_is_named() -> None:
    module = ModuleType("gone_before_the_workers_came")
    exec("def double(job):\n    return job * 2", module.__dict__)
    sys.modules[module.__name__] = module
    pool = Processes(2).open(Call(module.double), 4, True)
    del sys.modules[module.__name__]
    try:
        ticket = pool.submit(1)
        with pytest.raises(WorkerError, match="workers cannot import 'gone_before_the_workers_came'"):
            ticket.result()
    finally:
        pool.close()


def test_an_error_while_the_work_is_opened_is_every_jobs_error() -> None:
    def broken(desk: Desk) -> Any:
        raise LookupError("no such thing")

    with working(Opened(broken), 2) as pool:
        for outcome in [pool.submit(1).result(), pool.submit(2).result()]:
            assert isinstance(outcome, Failed) and type(outcome.error) is LookupError


def test_an_error_while_the_work_is_loaded_is_said() -> None:
    with working(Call(_Unloadable())) as pool, pytest.raises(WorkerError, match="could not load the test's work: Zero"):
        answer(pool, 1)


class _Unloadable:
    def __call__(self, job: Any) -> Any:
        return job

    def __reduce__(self) -> Any:
        return _divide, (1, 0)


def _divide(a: int, b: int) -> float:
    return a / b


def test_several_threads_wait_for_the_same_workers() -> None:
    found: dict[int, list[int]] = {}

    with working(square, 2, depth=40) as pool:

        def use(begin: int) -> None:
            tickets = [pool.submit(begin + job) for job in range(200)]
            found[begin] = [done(ticket.result()) for ticket in tickets]

        threads = [threading.Thread(target=use, args=(begin,)) for begin in (0, 1000, 2000, 3000)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
    assert found == {begin: [(begin + job) ** 2 for job in range(200)] for begin in (0, 1000, 2000, 3000)}


def test_closing_ends_the_wait_of_another_thread() -> None:
    errors: list[BaseException] = []
    with working(die, 1) as pool:
        ticket = pool.submit("sleep")

        def wait() -> None:
            try:
                ticket.result()
            except WorkerError as error:
                errors.append(error)

        thread = threading.Thread(target=wait)
        thread.start()
        time.sleep(0.2)
        began = time.perf_counter()
        pool.close()
        thread.join(5)
    assert "closed before" in str(errors[0]) and time.perf_counter() - began < 3


def test_a_pool_made_in_a_thread_outlives_it() -> None:
    pools: list[Any] = []
    thread = threading.Thread(target=lambda: pools.append(Processes(1).open(Call(square), 2, True)))
    thread.start()
    thread.join()
    try:
        assert answer(pools[0], 3) == 9
        time.sleep(0.3)
        assert answer(pools[0], 4) == 16
    finally:
        pools[0].close()


def test_workers_serve_while_an_event_loop_runs() -> None:
    async def use() -> int:
        with working(square) as pool:
            result: int = answer(pool, 5)
            return result

    assert asyncio.run(use()) == 25


@pytest.mark.parametrize("method", METHODS)
def test_the_programs_signal_handlers_stay(method: StartMethod) -> None:
    seen: list[int] = []
    before = signal.signal(signal.SIGUSR1, lambda number, frame: seen.append(number))
    try:
        with working(square, Processes(1, method)) as pool:
            assert answer(pool, 2) == 4
            os.kill(os.getpid(), signal.SIGUSR1)
            assert answer(pool, 3) == 9
        assert seen == [signal.SIGUSR1]
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_user_code_may_start_programs_threads_and_forks() -> None:
    def use(job: int) -> Any:
        told: list[Any] = [die("run a program")]
        thread = threading.Thread(target=lambda: told.append("thread"))
        thread.start()
        thread.join()
        child = os.fork()
        if not child:
            os._exit(7)
        return told, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

    with working(use) as pool:
        assert answer(pool, 0) == ([b"42\n", "thread"], 7)
        assert answer(pool, 0) == ([b"42\n", "thread"], 7)


def test_workers_may_have_workers() -> None:
    def nested(job: int) -> Any:
        with working(square, 1) as inner:
            return answer(inner, job)

    with working(nested) as pool:
        assert answer(pool, 6) == 36


def test_global_random_numbers_differ_between_workers() -> None:
    def draw(job: int) -> int:
        time.sleep(0.02)  # so that both have some
        return int(np.random.randint(1 << 60))

    with working(draw, 2, depth=20) as pool:
        pool.submit(0).result()
        drawn = [done(ticket.result()) for ticket in [pool.submit(job) for job in range(20)]]
    assert len(set(drawn)) == 20


# Persistent ones.


def test_persistent_workers_serve_several_works() -> None:
    with Processes(2, persistent=True) as workers:
        with working(about, workers, depth=8) as pool:
            first = {answer(pool, job)["pid"] for job in range(20)}
        with working(about, workers) as one, working(square, workers) as other:
            tickets = [one.submit(0), other.submit(5), one.submit(1)]
            second = {done(tickets[0].result())["pid"], done(tickets[2].result())["pid"]}
            assert done(tickets[1].result()) == 25
        both = first | second  # on a busy machine one of the two may have answered all of the first
        assert len(both) <= 2
        home = workers._home
    assert not _alive(both) and home._crew is None


def test_a_work_whose_pool_is_closed_is_forgotten_with_its_memory() -> None:
    def shared(pid: int) -> int:
        return Path(f"/proc/{pid}/maps").read_text().count("memfd:headrace")

    with Processes(1, persistent=True) as workers:
        with working(about, workers) as pool:
            pid = answer(pool, 0)["pid"]
        with working(Holding(identity), workers) as pool:
            answer(pool, 0)
            assert shared(pid) == 1
            for job in range(3):
                pool.submit(job)  # nobody waits for these
        with working(square, workers) as pool:
            assert answer(pool, 2) == 4
            assert shared(pid) == 0


def test_persistent_workers_start_again_after_a_death() -> None:
    with Processes(1, persistent=True) as workers:
        with working(die, workers) as pool, pytest.raises(WorkerError):
            answer(pool, "exit 3")
        with working(square, workers) as pool:
            assert answer(pool, 3) == 9


def test_persistent_workers_end_with_their_object() -> None:
    workers = Processes(1, persistent=True)
    with working(about, workers) as pool:
        pid = answer(pool, 0)["pid"]
    del pool, workers
    gc.collect()
    assert not _alive({pid})


def test_workers_end_with_a_pool_that_nobody_closed() -> None:
    pool = Processes(1).open(Call(about), 2, True)
    pid = answer(pool, 0)["pid"]
    pool.submit(1)
    del pool
    gc.collect()
    assert not _alive({pid})


def test_settings_are_plain_values() -> None:
    assert Processes(2) == Processes(2) and hash(Processes(2)) == hash(Processes(2)) and Processes(2) != Processes(3)
    assert repr(Processes(2)) == "Processes(count=2, start_method='forkserver', threads=1, persistent=False)"
    assert pickle.loads(pickle.dumps(Processes(2, "spawn", None))) == Processes(2, "spawn", None)
    assert Processes(2).size == 2 and Processes(2).words() == "2 processes" and Processes(1).words() == "1 process"
    with pytest.raises(KindError, match="cannot be pickled"):
        pickle.dumps(Processes(2, persistent=True))


@pytest.mark.parametrize(
    ("given", "error", "words"),
    [
        ({"count": 0}, ArgumentError, "processes must be 1 or more, got 0"),
        ({"count": "2"}, KindError, "processes must be a whole number"),
        ({"count": 2, "threads": 0}, ArgumentError, "threads must be 1 or more"),
        ({"count": 2, "start_method": "thread"}, ArgumentError, "start_method must be one of"),
    ],
)
def test_wrong_settings_are_refused(given: dict[str, Any], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        Processes(**given)


def test_a_fork_of_the_program_neither_uses_nor_ends_its_workers() -> None:
    with Processes(1, persistent=True) as workers, working(square, workers) as pool:
        assert answer(pool, 2) == 4
        hears, tells = os.pipe()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            child = os.fork()
        if not child:
            told = b"nothing was refused"
            try:
                ticket = pool.submit(3)
                ticket.result()
            except WorkerError as error:
                told = str(error).encode()
            with working(square, workers) as own:  # the same settings give workers of its own
                told += b", %d" % answer(own, 5)
            workers.close()
            os.write(tells, told)
            os._exit(0)
        os.close(tells)
        os.waitpid(child, 0)
        heard = os.read(hears, 10_000).decode()
        os.close(hears)
        assert f"belong to the process {os.getpid()}" in heard and heard.endswith(", 25")
        assert answer(pool, 4) == 16


def _alive(processes: set[int]) -> set[int]:
    return {number for number in processes if os.path.exists(f"/proc/{number}")}
