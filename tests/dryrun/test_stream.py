"""A Stream tried out: its stages by themselves, on a few items, without a bar, a worker or a write."""

from __future__ import annotations

import io
import random
import threading
from collections.abc import Callable, Iterator
from time import sleep

import numpy as np
import pytest

import headrace as hr
from headrace import Dataset, DryRunError, Stream

ds = Dataset(x=np.arange(40, dtype=np.float32), y=np.arange(40))


def numbers(n: int) -> Iterator[int]:
    yield from range(n)


def noise(n: int, rng: np.random.Generator) -> Iterator[float]:
    for _ in range(n):
        yield float(rng.random())


def unseeded(n: int) -> Iterator[float]:
    for _ in range(n):
        yield random.random()


def forever() -> Iterator[int]:
    while True:
        yield 1


CLEAN: dict[str, Callable[[], Stream]] = {
    "a list": lambda: Stream([1, 2, 3]).map(lambda x: x + 1).batch(2),
    "a generator": lambda: Stream(numbers, 100).filter(lambda x: x % 2).batch(10).unbatch(),
    "seeded": lambda: Stream(noise, 10, seed=0).map(lambda x, rng: x + rng.random(), seed=1),
    "for ever": lambda: Stream(forever).repeat().batch(8).take(10),
    "skips": lambda: Stream(numbers, 100).skip(90).window_shuffle(5, seed=0).take(2).map(str),
    "flat": lambda: Stream(["to be", "or not"]).flat_map(str.split),
    "starred": lambda: Stream([(1, 2), (3, 4)]).starmap(lambda a, b: a + b),
    "zipped": lambda: Stream(numbers, 10).zip(ds.stream()).map(lambda pair: pair[1]).batch(3),
    "chained": lambda: (Stream([1]) + Stream([2, 3])).map(lambda x: x * 2),
    "a dataset": lambda: ds.shuffle(seed=0).batch(8).stream(epochs=3, workers=2).map(lambda batch: batch["x"]),
    "uneven batches": lambda: ds.batch(16).stream().rebatch(7).map(lambda batch: batch),
    "padded": lambda: Stream([{"text": [7]}, {"text": [8, 9]}]).batch(2, pad=0),
    "in the background": lambda: Stream(numbers, 10).map(lambda x: x).background().batch(2),
    "by workers": lambda: Stream(numbers, 10).map(lambda x: x, workers=hr.Threads(2)).progress(),
}


@pytest.mark.parametrize("chain", CLEAN.values(), ids=CLEAN)
def test_a_chain_without_problems_has_none(chain: Callable[[], Stream]) -> None:
    report = chain().dry_run()
    assert report.ok, str(report)
    assert report.stages


def test_all_problems_are_told_at_once() -> None:
    lock = threading.Lock()

    def third(item: int) -> int:
        if item == 3:
            raise KeyError("three")
        return item

    def drawn(item: int) -> float:
        return item + random.random()

    def locked(item: float) -> float:
        with lock:
            return item

    chain = Stream(unseeded, 20).map(lambda x: 1).map(drawn)
    assert [one.stage for one in chain.dry_run().problems] == ["unseeded(20)", "map(drawn)"]
    chain = Stream(range(8)).map(third).filter(lambda x: 1 / x).map(drawn).map(locked).batch(3)
    report = chain.dry_run()
    assert [one.stage for one in report.problems] == ["map(third)", "filter(lambda)", "map(drawn)", "map(locked)"]
    assert "fails on 1 of 8 (item 3); the first: KeyError: 'three'" in report.problems[0].what
    assert "fails on 1 of 7 (item 0)" in report.problems[1].what
    with pytest.raises(DryRunError, match="4 problems in the chain"):
        chain.dry_run(strict=True)


def test_a_generator_that_cannot_be_replayed() -> None:
    (problem,) = Stream(unseeded, 20).dry_run().problems
    assert "draws from the global generator of random" in problem.what
    assert "Stream(function, seed=0)" in problem.mend
    at: list[int] = []

    def consumed() -> Iterator[int]:
        at.append(1)
        yield len(at)

    (problem,) = Stream(consumed).dry_run().problems
    assert "gives something else" in problem.what


def test_a_generator_that_fails_is_told_with_the_item() -> None:
    def breaks() -> Iterator[int]:
        yield 1
        raise OSError("gone")

    report = Stream(breaks).map(lambda x: 1 / (x - 1)).dry_run()
    first, second = map(str, report.problems)
    assert "item 1" in first
    assert "OSError: gone" in first
    assert "ZeroDivisionError" in second


def test_items_that_do_not_stack_are_told() -> None:
    report = Stream([np.zeros((2, 2)), np.zeros((3, 3))]).batch(2).dry_run()
    assert "shape [3, 3] (not [2, 2]) in item 1, other than in item 0" in str(report.problems[0])


def test_items_that_a_policy_leaves_out_are_noted() -> None:
    report = Stream(range(3)).map(lambda x: 1 // x, on_error="skip").dry_run()
    assert report.ok
    assert any("fails on 1 of 3 (item 0)" in note for note in report.notes)


def test_nothing_is_shown_and_nothing_is_kept_of_it() -> None:
    shown = io.StringIO()
    stream = Stream(range(5)).map(lambda x: 1 // x, on_error="skip").progress(file=shown)
    stream.dry_run()
    assert shown.getvalue() == ""
    assert stream.errors == []
    assert stream.report().verdict == "nothing yet"


def test_an_endless_generator_is_drawn_from_as_far_as_asked() -> None:
    drawn: list[int] = []

    def counted() -> Iterator[int]:
        while True:
            drawn.append(1)
            yield 1

    report = Stream(counted).dry_run(n=3)
    assert len(drawn) == 6  # twice three
    assert report.figures.items is None


def test_a_filter_that_keeps_nothing_hides_nothing() -> None:
    report = Stream(range(4)).filter(lambda x: x > 10).map(lambda x: 1 / 0).dry_run()
    assert [one.stage for one in report.problems] == ["map(lambda)"]
    assert any("keeps none of the 4 items" in note for note in report.notes)


def test_nothing_in_a_stream_is_a_problem() -> None:
    assert "gives no items" in str(Stream([]).dry_run().problems[0])
    assert "drop_remainder leaves nothing" in str(ds.batch(64, drop_remainder=True).stream().dry_run().problems[0])


def test_figures_count_what_workers_hold_ready() -> None:
    figures = ds.batch(8).stream(epochs=2, workers=hr.Threads(2), prefetch=4).dry_run().figures
    assert (figures.items, figures.unit, figures.ahead) == (10, "items", 5)
    assert figures.item_bytes == 8 * 12
    assert figures.memory == 40 * 12 + 5 * 8 * 12


def test_the_time_of_batches_counts_their_items() -> None:

    def slow(item: int) -> int:
        sleep(0.001)
        return item

    figures = Stream(range(100)).map(slow).batch(10).dry_run().figures
    assert figures.item_seconds is not None
    assert 10 * 0.0009 <= figures.item_seconds <= 10 * 0.003  # a busy machine sleeps longer
    assert figures.epoch_seconds == pytest.approx(10 * figures.item_seconds)


def test_a_resumed_stream_is_tried_from_its_front() -> None:
    stream = Stream(range(4)).map(str)
    iterator = iter(stream)
    next(iterator)
    assert stream.resume(iterator.state_dict()).dry_run().ok
