"""The choice of ``workers="auto"``, on machines that are simulated by their times."""

from __future__ import annotations

import itertools

import pytest

from headrace import Dataset, Stream, WorkerError
from headrace.workers.auto import Tuner, cores
from headrace.workers.inline import Inline
from headrace.workers.prefetch import Prefetch
from headrace.workers.processes import Processes
from headrace.workers.work import Workers


def run(
    seconds: dict[str, float], count: int = 4, consumer: float = 0.0, left: int | None = 10**6, refuses: bool = False
) -> tuple[Tuner, list[str]]:
    """Let a tuner go through its trials.

    Args:
        seconds: What an item takes with each way of working, by its words; others are not to be tried.
        count: Processors.
        consumer: Seconds that the consumer takes for each item.
        left: Items left.
        refuses: Whether processes cannot be started.
    """
    tuner = Tuner(Prefetch(), count, left, Processes)
    now, tried = 0.0, ["inline"]
    for _ in itertools.repeat(None, 3000):
        waited = seconds[tried[-1]]
        if tried[-1] == "inline":
            now += waited + consumer
        else:  # it works while the consumer does
            now += max(waited, consumer)
            waited = max(0.0, waited - consumer)
        workers: Workers | None = tuner.handed_out(now, waited, seconds["inline"])
        if workers is not None and refuses and isinstance(workers, Processes):
            workers = tuner.failed(WorkerError("not here"))
        if workers is not None:
            tried.append(workers.words())
    return tuner, tried


def test_what_gains_nothing_stays_inline() -> None:
    tuner, tried = run({"inline": 5e-4, "1 thread": 5e-4, "2 threads": 5e-4})
    assert tried[0] == tried[-1] == "inline"
    assert tuner.why.startswith("inline: of inline 0.5 ms, 1 thread 0.5 ms, 2 threads 0.5 ms an item on 4 cores")


def test_a_consumer_that_takes_all_the_time_needs_nobody() -> None:
    tuner, tried = run({"inline": 1e-5}, consumer=5e-3)
    assert tried == ["inline"]
    assert "the consumer takes 100% of the time" in tuner.why


def test_a_thread_that_works_while_the_consumer_does_is_worth_it() -> None:
    assert run({"inline": 1e-3, "1 thread": 1e-3, "2 threads": 1e-3}, consumer=1e-3)[1][-1] == "1 thread"


def test_threads_that_run_side_by_side_are_worth_it() -> None:
    fast = {"inline": 4e-4, "1 thread": 4e-4, "2 threads": 2e-4, "4 threads": 1e-4}
    assert run(fast)[1][-1] == "4 threads"
    assert run({**fast, "4 threads": 2.1e-4})[1][-1] == "2 threads"
    assert run(fast, count=2)[1][-1] == "2 threads"


def test_processes_are_tried_where_threads_do_not_help_and_there_is_much_to_do() -> None:
    python = {"inline": 2e-2, "1 thread": 2e-2, "2 threads": 2.1e-2, "4 processes": 5e-3}
    assert run(python)[1][-1] == "4 processes"
    assert "4 processes" not in run(python, left=100)[1]
    assert "4 processes" not in run({**python, "inline": 5e-4, "1 thread": 5e-4, "2 threads": 5e-4})[1]
    tuner, tried = run(python, refuses=True)
    assert tried[-1] in ("inline", "1 thread", "2 threads")
    assert "no processes: not here" in tuner.why


def test_one_processor_is_enough_for_a_thread_at_most() -> None:
    assert run({"inline": 1e-3, "1 thread": 1e-3}, count=1)[1] == ["inline", "1 thread", "inline"]


@pytest.mark.parametrize("consumer", [0.0, 1e-4, 1e-2])
@pytest.mark.parametrize("inline", [1e-5, 1e-3, 3e-2])
@pytest.mark.parametrize("gain", [0.5, 1.0, 3.0])
def test_it_ends_with_what_is_at_most_a_twentieth_slower_than_the_best_tried(
    inline: float, consumer: float, gain: float
) -> None:
    seconds = {"inline": inline, "1 thread": inline * 1.02, "2 threads": inline / gain}
    seconds |= {"4 threads": inline / gain / 1.5, "4 processes": inline / 2.5}
    tried = run(seconds, consumer=consumer)[1]
    each = {words: seconds[words] + consumer if words == "inline" else max(seconds[words], consumer) for words in tried}
    assert each[tried[-1]] <= min(each.values()) / 0.9


def test_there_is_a_processor() -> None:
    assert 1 <= cores() <= 4096


def test_the_same_items_come_while_ways_of_working_are_tried() -> None:
    ds = Dataset(range(3000)).shuffle(0).map(lambda x, rng: x + rng.random(), seed=1).batch(7)
    assert [batch.tolist() for batch in ds.stream(2, workers="auto")] == [batch.tolist() for batch in ds.stream(2)]
    items = Stream(range(900)).map(lambda x, rng: x + rng.random(), seed=1, workers="auto").list()
    assert items == Stream(range(900)).map(lambda x, rng: x + rng.random(), seed=1).list()


def test_a_state_of_it_is_a_state_of_any() -> None:
    ds = Dataset(range(300)).shuffle(0).batch(2)
    iterator = iter(ds.stream(workers="auto"))
    taken = [next(iterator).tolist() for _ in range(101)]
    rest = [batch.tolist() for batch in ds.stream().resume(iterator.state_dict())]
    iterator.close()
    assert taken + rest == [batch.tolist() for batch in ds.stream()]
    assert Inline().words() == "inline"
