"""What becomes of records that fail is the same whoever works: no workers, threads, executors or processes."""

from __future__ import annotations

import multiprocessing
import threading
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from itertools import islice
from typing import Any

import numpy as np
import pytest

import headrace as hr
from headrace import Dataset, RecordError, Retry, Stream

N = 60
BAD = {3, 17, 18, 19, 41}


class Unfit(Exception):
    """Cannot be made of what it keeps, and holds what cannot be pickled."""

    def __init__(self, number: int, why: str) -> None:
        super().__init__(f"{number} is {why}")
        self.lock = threading.Lock()


@pytest.fixture(scope="module", params=["inline", "threads", "thread pool", "process pool", "processes"])
def workers(request: pytest.FixtureRequest) -> Iterator[Any]:
    """Pools are started once for all tests of this file; processes of our own with each stream."""
    if request.param == "process pool":
        with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("forkserver")) as pool:
            yield pool
    elif request.param == "thread pool":
        with ThreadPoolExecutor(2) as threads:
            yield threads
    else:
        yield {"inline": 0, "threads": hr.Threads(3), "processes": 2}[request.param]


def decode(record: dict[str, Any], rng: np.random.Generator) -> dict[str, Any]:
    record["x"] += rng.random()  # in place, before it fails
    if int(record["n"]) in BAD:
        try:
            raise KeyError("inner")
        except KeyError as error:
            raise Unfit(int(record["n"]), "odd") from error
    return record


def noisy(record: dict[str, Any], rng: np.random.Generator) -> dict[str, Any]:
    return {**record, "noise": rng.random()}


def chain(bad: bool = True) -> Dataset:
    ds = Dataset(n=np.arange(N), x=np.zeros((N, 2))).shuffle(0)
    return ds.map(decode if bad else lambda record, rng: {**record, "x": record["x"] + rng.random()}, seed=1).map(
        noisy, 2
    )


def told(stream: Stream) -> list[tuple[Any, ...]]:
    return [
        (
            *(failure.source, failure.record, failure.stage, failure.epoch, failure.position, failure.replaced),
            *(type(failure.error).__name__, str(failure.error), repr(failure.error.__cause__), str(failure)),
        )
        for failure in stream.errors
    ]


def plain(batch: Any) -> dict[str, Any]:
    return {name: np.asarray(column).tolist() for name, column in batch.items()}


def expected(size: int, epochs: int) -> list[dict[str, Any]]:
    """Return the batches without the records that fail, from a chain in which none does."""
    found = []
    for batch in chain(bad=False).batch(size).stream(epochs):
        keep = ~np.isin(batch["n"], list(BAD))
        found.append({name: np.asarray(column)[keep].tolist() for name, column in batch.items()})
    return [batch for batch in found if batch["n"]]


def test_skip(workers: Any) -> None:
    stream = chain().batch(7).stream(2, workers=workers, on_error="skip")
    assert [plain(batch) for batch in stream] == expected(7, 2)
    reference = chain().batch(7).stream(2, on_error="skip")
    reference.list()
    assert told(stream) == told(reference)
    assert {failure.record for failure in stream.errors} == BAD and len(stream.errors) == len(BAD)
    assert all("in decode" in "".join(failure.error.__notes__) for failure in stream.errors)


def test_rebatch_evens_out(workers: Any) -> None:
    stream = chain().batch(7).stream(workers=workers, on_error="skip").rebatch(5, drop_remainder=True)
    assert [len(batch) for batch in stream] == [5] * 11
    records = [n for batch in expected(7, 1) for n in batch["n"]]
    assert [int(n) for batch in stream for n in batch["n"]] == records


def test_a_state_counts_what_was_left_out(workers: Any) -> None:
    whole = expected(7, 2)
    iterator = iter(chain().batch(7).stream(2, workers=workers, on_error="skip"))
    found = [plain(next(iterator)) for _ in range(5)]
    state = iterator.state_dict()
    iterator.close()
    assert found + [plain(batch) for batch in chain().batch(7).stream(2, on_error="skip").resume(state)] == whole
    again = chain().batch(7).stream(2, workers=workers, on_error="skip", prefetch=1).resume(state)
    assert found + [plain(batch) for batch in again] == whole


def test_raise_in_its_turn_and_again(workers: Any) -> None:
    order = [int(record["n"]) for record in chain(bad=False)]
    first = min(order.index(n) for n in BAD)
    iterator = iter(chain().batch(1).stream(workers=workers))
    assert [int(batch["n"][0]) for batch in islice(iterator, first)] == order[:first]
    for _ in range(2):
        with pytest.raises(
            RecordError, match=rf"map\(decode, seed=1\) failed on record {order[first]} .*odd"
        ) as raised:
            next(iterator)
        cause = raised.value.__cause__
        assert cause is not None and type(cause).__name__ == "Unfit" and repr(cause.__cause__) == "KeyError('inner')"
    assert iterator.state_dict()["at"]["step"] == first
    iterator.close()


def test_a_function_puts_something_in_its_place(workers: Any) -> None:
    def instead(error: Exception, record: Any) -> Any:
        if record["n"] == 17:
            return hr.SKIP
        return {"n": -record["n"], "x": record["x"] + 5}

    stream = chain().batch(7).stream(workers=workers, on_error=instead)
    numbers = [int(n) for batch in stream for n in batch["n"]]
    assert sorted(numbers) == sorted((set(range(N)) - BAD) | {-n for n in BAD - {17}})
    replaced = {float(x) for batch in stream for n, x in zip(batch["n"], batch["x"][:, 0], strict=True) if n < 0}
    assert replaced == {5.0}, "it is given the record as it was before the function wrote to it"
    assert {failure.record: failure.replaced for failure in stream.errors} == {n: n != 17 for n in BAD}


def test_tries_again(workers: Any, tmp_path: Any) -> None:
    def flaky(record: Any) -> Any:
        record["x"] += 1
        mark = tmp_path / str(int(record["n"]))
        tries = len(mark.read_text()) if mark.exists() else 0
        mark.write_text("x" * (tries + 1))
        if int(record["n"]) in BAD and tries < 2:
            raise OSError(f"try {tries}")
        return record

    ds = Dataset(n=np.arange(N), x=np.zeros((N, 2))).map(flaky).batch(8)
    stream = ds.stream(workers=workers, on_error=Retry(2, wait=0.001))
    assert [np.unique(batch["x"]).tolist() for batch in stream] == [[1.0]] * 8
    assert stream.errors == []
    assert all(len((tmp_path / str(n)).read_text()) == 3 for n in BAD)


def test_budgets(workers: Any) -> None:
    for budget, allowed in ((2, 2), (0.05, 3)):
        stream = chain().batch(5).stream(workers=workers, on_error="skip", max_errors=budget)
        with pytest.raises(RecordError, match=f"{allowed + 1} different records have failed, and max_errors={budget} "):
            stream.list()
        assert len(stream.errors) == allowed + 1
    enough = chain().batch(5).stream(3, workers=workers, on_error="skip", max_errors=5)
    assert sum(len(batch) for batch in enough) == 3 * (N - len(BAD))


def test_a_spent_budget_stays_spent(workers: Any) -> None:
    ds = Dataset(range(200)).map(lambda n: 1 // (n % 50) and n).batch(2)
    iterator = iter(ds.stream(workers=workers, on_error="skip", max_errors=3))
    found = []
    for _ in range(80):
        try:
            found.append(next(iterator).tolist())
        except RecordError as error:
            assert "4 different records" in str(error)
            break
    for _ in range(2):
        with pytest.raises(RecordError, match="4 different records"):
            next(iterator)
        assert iterator.state_dict()["at"]["step"] == 75
    iterator.close()
    assert len(found) == 75


def test_a_spent_budget_of_a_stream_map(workers: Any) -> None:
    iterator = iter(
        Stream(range(200)).map(lambda n: 1 // (n % 50) and n, workers=workers, on_error="skip", max_errors=3)
    )
    found = []
    with pytest.raises(RecordError, match="4 different records"):
        for number in iterator:
            found.append(number)
    assert len(found) == 147 and iterator.state_dict()["at"]["count"] == 150
    with pytest.raises(RecordError, match="4 different records"):
        next(iterator)
    iterator.close()


def test_maps_on_streams(workers: Any) -> None:
    def odd(number: int, rng: np.random.Generator) -> float:
        if number in BAD:
            raise Unfit(number, "odd")
        return number + float(rng.random())

    stream = Stream(range(N)).map(odd, seed=1, workers=workers, on_error="skip")
    whole = Stream(range(N)).map(lambda number, rng: number + float(rng.random()), seed=1).list()
    assert stream.list() == [value for number, value in enumerate(whole) if number not in BAD]
    assert [str(failure) for failure in stream.errors] == [
        f"record {n} of range(0, {N}): map(odd, seed=1): Unfit: {n} is odd" for n in sorted(BAD)
    ]


@pytest.mark.parametrize("kind", [StopIteration, GeneratorExit])
def test_what_would_end_a_loop_quietly(kind: type[BaseException], workers: Any) -> None:
    def end(number: int) -> int:
        if number == 5:
            raise kind("mine")
        return number

    for stream in (
        Dataset(range(9)).map(end).batch(1).stream(workers=workers),
        Stream(range(9)).map(end, workers=workers),
    ):
        found = []
        with pytest.raises(RecordError, match=kind.__name__):
            for item in stream:
                found.append(np.asarray(item).item())
        assert found == list(range(5))


def test_a_function_of_on_error_that_fails(workers: Any) -> None:
    def instead(error: Exception, record: Any) -> Any:
        raise LookupError("nothing to put there")

    with pytest.raises(
        RecordError, match=r"on_error=instead failed on .*LookupError.*the record: map\(decode, seed=1\)"
    ):
        chain().batch(7).stream(workers=workers, on_error=instead).list()


def test_in_the_background() -> None:
    stream = chain().batch(7).stream(2, on_error="skip").background()
    assert [plain(batch) for batch in stream] == expected(7, 2)
    reference = chain().batch(7).stream(2, on_error="skip")
    reference.list()
    assert told(stream) == told(reference)


@pytest.mark.parametrize("on_error", ["ignore", None, 3])
def test_a_policy_that_cannot_be_meant_is_refused_where_it_is_given(on_error: Any) -> None:
    given: Any = on_error or "ignore"
    for give in (
        lambda: Dataset(range(3)).stream(on_error=on_error),
        lambda: Stream(range(3)).map(abs, on_error=on_error),
        lambda: Dataset(range(3)).map(abs, on_error=given),
    ):
        with pytest.raises(hr.ArgumentError, match="on_error must be"):
            give()
    with pytest.raises(hr.ArgumentError, match="max_errors must be"):
        Dataset(range(3)).stream(on_error="skip", max_errors=2.5)
