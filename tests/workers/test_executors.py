"""Executors of others as workers: they stay their owner's, and whatever happens there arrives here."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import threading
import warnings
from collections.abc import Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from headrace import ArgumentError, Dataset, KindError, Ragged, RecordError, Stream, WorkerError
from headrace.workers.executors import Executors
from headrace.workers.tasks import _Sent
from headrace.workers.work import Desk, Done, Failed, Run
from tests.core.test_failures import Stubborn
from tests.workers.jobs import Call, done

KINDS = ["threads", "processes", "loky", "dask"]


@contextmanager
def started(kind: str) -> Iterator[Any]:
    if kind == "threads":
        with ThreadPoolExecutor(2) as threads:
            yield threads
    elif kind == "processes":
        with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("forkserver")) as processes:
            yield processes
    elif kind == "loky":
        loky = pytest.importorskip("loky")
        executor = loky.ProcessPoolExecutor(2)
        yield executor
        executor.shutdown()
    else:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # its own
            distributed = pytest.importorskip("distributed")
            settings = {"processes": False, "n_workers": 1, "threads_per_worker": 2, "dashboard_address": None}
            with distributed.Client(**settings) as client:
                yield client.get_executor()


@pytest.fixture(scope="module", params=KINDS)
def executor(request: pytest.FixtureRequest) -> Iterator[Any]:
    """Each is started once for all tests of this file."""
    with started(request.param) as executor:
        yield executor


def augmented(record: dict[str, Any], rng: np.random.Generator) -> dict[str, Any]:
    return {**record, "noise": rng.random(3), "name": f"n{record['n']}"}


def stubborn(number: int) -> int:
    if number == 5:
        try:
            raise KeyError("inner")
        except KeyError as error:
            raise Stubborn(1, 2) from error
    return number


@pytest.mark.filterwarnings("ignore")
def test_the_same_batches_in_the_same_order(executor: Any) -> None:
    ds = Dataset(n=np.arange(40), text=Ragged.from_rows([np.arange(at % 4) for at in range(40)])).shuffle(0)
    batches = ds.map(augmented, seed=3).batch(3)
    expected = batches.stream(2).list()
    iterator = iter(batches.stream(2, workers=executor))
    found = [next(iterator) for _ in range(9)]
    state = iterator.state_dict()
    iterator.close()
    found += batches.stream(2, workers=executor, prefetch=3).resume(state).list()
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        assert list(one) == list(other)
        assert np.array_equal(one["noise"], other["noise"]) and one["name"].tolist() == other["name"].tolist()
        assert [row.tolist() for row in one["text"]] == [row.tolist() for row in other["text"]]
        one["noise"][:] = 0  # the caller's own


@pytest.mark.filterwarnings("ignore")
def test_a_stream_is_mapped_there(executor: Any) -> None:
    items = Stream(range(50)).map(lambda x, rng: x + rng.random(), seed=1, workers=executor).list()
    assert items == Stream(range(50)).map(lambda x, rng: x + rng.random(), seed=1).list()


@pytest.mark.filterwarnings("ignore")
def test_errors_arrive_whole_and_in_their_turn(executor: Any) -> None:
    for stream in (
        Dataset(range(9)).map(stubborn).batch(1).stream(workers=executor),
        Stream(range(9)).map(stubborn, workers=executor),
    ):
        found = []
        with pytest.raises(RecordError, match=r"map\(stubborn\) failed on .* 5") as raised:
            for item in stream:
                found.append(np.asarray(item).item())
        assert found == [0, 1, 2, 3, 4]
        cause = raised.value.__cause__
        assert type(cause) is Stubborn and str(cause) == "1 and 2"
        assert repr(cause.__cause__) == "KeyError('inner')"


@pytest.mark.filterwarnings("ignore")
def test_what_was_left_out_is_listed_here(executor: Any) -> None:
    stream = Dataset(range(9)).map(stubborn).batch(3).stream(workers=executor, on_error="skip")
    assert [batch.tolist() for batch in stream] == [[0, 1, 2], [3, 4], [6, 7, 8]]
    assert [str(failure) for failure in stream.errors] == ["record 5 of range(0, 9): map(stubborn): Stubborn: 1 and 2"]
    assert type(stream.errors[0].error) is Stubborn


@pytest.mark.filterwarnings("ignore")
def test_an_executor_is_never_shut_down_here(executor: Any) -> None:
    iterator = iter(Dataset(range(99)).batch(3).stream(workers=executor))
    next(iterator)
    iterator.close()
    assert executor.submit(abs, -3).result() == 3


def test_one_that_was_shut_down_is_an_error_that_says_so() -> None:
    for executor in (ThreadPoolExecutor(1), ProcessPoolExecutor(1)):
        executor.shutdown()
        with pytest.raises(WorkerError, match=f"{type(executor).__name__} takes no more work: cannot schedule"):
            Dataset(range(5)).stream(workers=executor).list()


def test_one_that_is_shut_down_in_the_middle_is_an_error_in_its_turn() -> None:
    executor = ThreadPoolExecutor(1)
    iterator = iter(Dataset(range(99)).batch(3).stream(workers=executor, prefetch=2))
    next(iterator)
    executor.shutdown(cancel_futures=True)
    with pytest.raises(WorkerError, match=r"takes no more work|gave up"):
        list(iterator)


def test_a_worker_that_dies_is_an_error_that_names_the_job() -> None:
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("forkserver")) as executor:
        stream = Dataset(range(9)).map(lambda x: os._exit(3) if x == 4 else x).batch(1).stream(workers=executor)
        found = []
        with pytest.raises(WorkerError, match=r"gave up .*BrokenProcessPool"):
            for batch in stream:
                found.append(batch.tolist())
    assert found == [[0], [1], [2], [3]][: len(found)]


def test_a_pipeline_that_cannot_travel_is_refused_and_named() -> None:
    lock = threading.Lock()
    with ProcessPoolExecutor(1) as executor:
        stream = Dataset(range(9)).map(lambda x: (lock, x)[1]).stream(workers=executor)
        with pytest.raises(ArgumentError, match=r"range\(0, 9\) -> map\(lambda\) cannot be sent to .*lock"):
            stream.list()
    with ThreadPoolExecutor(1) as threads:  # here it need not
        assert Dataset(range(9)).map(lambda x: (lock, x)[1]).stream(workers=threads).list() == list(range(9))


class Recording(Executor):
    """Runs what it is given at once, in this thread, as a worker far away would: all of it pickled."""

    _max_workers = 2

    def __init__(self) -> None:
        self.sent: list[int] = []

    def submit(self, function: Any, /, *args: Any, **settings: Any) -> Future[Any]:
        payload = pickle.dumps((function, args))
        self.sent.append(len(payload))
        function, args = pickle.loads(payload)
        future: Future[Any] = Future()
        future.set_result(pickle.loads(pickle.dumps(function(*args), 4)))
        return future


def test_the_pipeline_is_sent_once() -> None:
    table = np.arange(100_000)
    executor = Recording()
    ds = Dataset(range(60)).map(lambda x: int(table[x])).batch(3)
    assert [batch.tolist() for batch in ds.stream(workers=executor)] == [batch.tolist() for batch in ds.stream()]
    assert sum(size > 100_000 for size in executor.sent) <= 2  # to those that are asked before the first has answered
    assert sum(executor.sent) < 3 * table.nbytes


@pytest.mark.parametrize("protocol", [4, 5])
def test_an_outcome_travels_by_any_pickle(protocol: int) -> None:
    class Local:
        def __init__(self, number: int) -> None:
            self.number = number

    value = {"x": np.arange(1000), "local": Local(7)}
    arrived = pickle.loads(pickle.dumps(_Sent(Done(value, None, 0.5, 8)), protocol))
    assert isinstance(arrived, Done) and arrived.seconds == 0.5
    assert arrived.value["x"].tolist() == list(range(1000)) and arrived.value["local"].number == 7
    arrived.value["x"][0] = 1
    buffers: list[Any] = []
    data = pickle.dumps(_Sent(Done(np.zeros(100_000), None, 0.5, 8)), 5, buffer_callback=buffers.append)
    assert len(data) < 1000 and len(buffers) == 1
    failed = pickle.loads(pickle.dumps(_Sent(Failed(Stubborn(3, 4), 0.25)), protocol))
    assert isinstance(failed, Failed) and str(failed.error) == "3 and 4" and failed.seconds == 0.25


def test_a_batch_that_cannot_travel_is_an_error_of_its_own() -> None:
    arrived = pickle.loads(pickle.dumps(_Sent(Done([threading.Lock()], None, 0.0, 0)), 5))
    assert isinstance(arrived, Failed) and isinstance(arrived.error, KindError)
    assert "cannot travel between processes" in str(arrived.error)


@dataclass(frozen=True)
class Opening(Call):
    def open(self, desk: Desk) -> Run:
        raise OSError("no such file")


@pytest.mark.parametrize("make", [lambda: ThreadPoolExecutor(1), Recording])
def test_work_that_cannot_be_opened_fails_each_job(make: Any) -> None:
    with make() as executor:
        pool = Executors(executor).open(Opening(len), 4, True)
        for ticket in [pool.submit(job) for job in range(3)]:
            with pytest.raises(OSError, match="no such file"):
                done(ticket.result())


def test_closing_takes_back_what_was_not_begun() -> None:
    with ThreadPoolExecutor(1) as executor:
        wait = threading.Event()
        pool = Executors(executor).open(Call(lambda job: wait.wait(10)), 4, True)
        tickets = [pool.submit(job) for job in range(3)]
        assert not tickets[0].ready()
        pool.close()
        wait.set()
        with pytest.raises(WorkerError, match="gave up 2: CancelledError"):
            tickets[2].result()
        pool.close()


def test_two_streams_may_share_one() -> None:
    with ThreadPoolExecutor(2) as executor:
        first, second = (iter(Dataset(range(at, at + 30)).batch(2).stream(workers=executor)) for at in (0, 100))
        pairs = [(one.tolist(), other.tolist()) for one, other in zip(first, second, strict=True)]
    assert pairs == [([at, at + 1], [at + 100, at + 101]) for at in range(0, 30, 2)]


def test_what_one_is_called() -> None:
    class Nameless:
        def submit(self, function: Any, *args: Any) -> Any:
            raise NotImplementedError

    assert Executors(Nameless()).words() == f"Nameless({os.cpu_count()})"
    assert Executors(ThreadPoolExecutor(5)).words() == "ThreadPoolExecutor(5)"
