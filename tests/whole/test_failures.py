"""Records that fail in a whole run: left out, replaced or tried again alike, whoever does the work."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import numpy as np
import pytest

import headrace as hr
from headrace import Batch, Dataset, Processes, RecordError, Retry, Stream, Threads
from tests.whole.pipelines import digests

BAD = {3, 8, 21, 22, 23, 39}
KINDS: dict[str, Callable[[], Any]] = {
    "0": lambda: 0,
    "threads": lambda: Threads(2),
    "processes": lambda: Processes(2, persistent=True),
    "an executor": lambda: ThreadPoolExecutor(2),
    "auto": lambda: "auto",
}


class BadRecordError(Exception):
    def __init__(self, number: int) -> None:
        super().__init__(f"record {number} is bad")
        self.number = number


def picky(record: dict[str, Any], rng: np.random.Generator) -> dict[str, Any]:
    if record["n"] in BAD:
        raise BadRecordError(record["n"])
    return {**record, "z": rng.random()}


def instead(error: Exception, record: Any) -> Any:
    assert isinstance(error, BadRecordError) and error.number == record["n"]
    return hr.SKIP if record["n"] == 8 else {**record, "z": -1.0}


def built(**given: Any) -> Stream:
    return Dataset(n=np.arange(40)).shuffle(0).map(picky, seed=1).batch(4).stream(2, **given)


@pytest.fixture(scope="module", params=KINDS)
def workers(request: pytest.FixtureRequest) -> Iterator[Any]:
    with ExitStack() as stack:
        made = KINDS[request.param]()
        if isinstance(made, Processes | Executor):
            stack.enter_context(made)
        yield made


def told(stream: Stream) -> list[tuple[Any, ...]]:
    """Return all that a stream says of what failed."""
    return [
        (one.source, one.record, one.stage, type(one.error), str(one.error), one.epoch, one.position, one.replaced)
        for one in stream.errors
    ]


@pytest.mark.parametrize("policy", ["skip", instead, Retry(1, wait=0, then="skip"), Retry(1, wait=0, then=instead)])
def test_policies_give_the_same_batches_and_errors_whoever_works(workers: Any, policy: Any) -> None:
    alone, stream = built(on_error=policy), built(on_error=policy, workers=workers)
    expected = digests(alone)
    assert digests(stream) == expected
    assert told(stream) == told(alone)
    assert sorted(one[1] for one in told(stream)) == sorted(BAD)  # each once, though they fail in both epochs
    assert told(stream)[0][3] is BadRecordError


def test_batches_are_evened_out(workers: Any) -> None:
    stream = built(on_error="skip", workers=workers).rebatch(8)
    sizes = [len(batch) for batch in stream]
    assert sizes == [8] * 8 + [2 * 34 - 64]
    assert {failure.record for failure in stream.errors} == BAD


def test_in_the_background_failures_are_listed_too() -> None:
    alone = built(on_error="skip")
    stream = built(on_error="skip").background()
    assert digests(stream) == digests(alone)
    assert told(stream) == told(alone)


def test_a_run_that_is_cut_between_failures_goes_on_exactly(workers: Any) -> None:
    expected = digests(built(on_error="skip"))
    for cut in (1, 5, 9, 13):
        iterator = iter(built(on_error="skip", workers=workers))
        first = digests(item for _, item in zip(range(cut), iterator))
        rest = digests(built(on_error="skip", workers=workers).resume(iterator.state_dict()))
        assert first + rest == expected


def test_what_is_raised_can_be_passed_over_by_next(workers: Any) -> None:
    iterator = iter(built(workers=workers))
    expected = {step: batch for step, batch in enumerate(built(on_error="skip")) if len(batch) == 4}
    raised = 0
    for _ in range(3):
        try:
            batch: Batch = next(iterator)
            assert batch == expected[0]
        except RecordError as error:
            assert isinstance(error.__cause__, BadRecordError)
            raised += 1
    assert raised >= 1  # the batch that fails is asked for again, and fails again


def test_a_budget_that_is_spent_ends_the_run(workers: Any) -> None:
    with pytest.raises(RecordError, match="max_errors"):
        built(on_error="skip", max_errors=2, workers=workers).list()
    assert built(on_error="skip", max_errors=6, workers=workers).list()


@pytest.mark.parametrize("error", [StopIteration, GeneratorExit])
def test_no_error_of_a_function_ends_a_stream_quietly(workers: Any, error: type[BaseException]) -> None:
    def raising(n: int) -> int:
        if n == 7:
            raise error("at seven")
        return n

    with pytest.raises(RecordError, match=error.__name__):
        Dataset(range(12)).map(raising).batch(3).stream(workers=workers).list()
    with pytest.raises(RecordError, match=error.__name__):
        hr.Stream(range(12)).map(raising, workers=workers).list()


def test_an_interrupt_that_a_function_raises_arrives(workers: Any) -> None:
    def raising(n: int) -> int:
        if n == 7:
            raise KeyboardInterrupt
        return n

    with pytest.raises(KeyboardInterrupt):
        Dataset(range(12)).map(raising).batch(3).stream(workers=workers).list()
