"""What is told of a chain: every step as it runs, and nothing is read for it."""

from __future__ import annotations

from typing import Any

import numpy as np

import headrace as hr
from headrace import Dataset, Stream
from headrace.core.tree import Explanation, Tree
from headrace.explain import explain_flow, explain_node

READS: list[int] = []


def double(record: Any) -> Any:
    READS.append(1)
    return record


def odd(record: Any) -> bool:
    READS.append(1)
    return bool(record["x"] % 2)


def broken(record: Any) -> Any:
    raise ValueError("never mind")


ds = Dataset(x=np.arange(12), y=np.zeros((12, 2)))


def of(chain: Dataset | Stream, read: bool = False) -> Explanation:
    return explain_node(chain._node, read) if isinstance(chain, Dataset) else explain_flow(chain._flow, read)


def steps(tree: Tree) -> list[str]:
    return [step.words for step in tree.steps]


def test_it_reads_nothing_and_runs_no_filter() -> None:
    READS.clear()
    chain = ds.shuffle(seed=1).map(double).filter(odd).batch(4)
    text = str(of(chain))
    str(of(chain.stream().filter(len)))
    assert not READS
    assert text.startswith("Dataset: ? records\n")
    assert "one pass over the records on first use; looks at what map(double) makes" in text
    assert list(chain)
    assert of(chain).tree.steps[0].length == 2  # now it is known
    assert "one pass" not in str(of(chain))


def test_steps_stand_where_they_run() -> None:
    chain = ds.shuffle(seed=1).map(double).filter(odd).select("x")
    assert steps(of(chain).tree) == ["select(x)", "map(double)", "shuffle(seed=1)", "filter(odd)", "columns(x, y)"]
    assert "only x" in str(of(ds.shuffle(seed=0).select("x")))


def test_schema_length_and_seed_of_each_node() -> None:
    top, shuffled, source = of(ds.shuffle(seed=3).batch(5)).tree.steps
    assert (top.length, top.unit, repr(top.schema)) == (3, "batches", "{x: int64[?], y: float64[?, 2]}")
    assert (shuffled.seed, shuffled.length) == (3, 12)
    assert repr(source.schema) == "{x: int64, y: float64[2]}"
    assert of(ds.sample(3, seed=9)).tree.steps[0].seed == 9
    assert of(ds.map(lambda record, rng: record, seed=5)).tree.steps[0].seed == 5
    assert of(ds.repeat()).tree.steps[0].endless


def test_one_record_is_read_where_that_is_asked_for() -> None:
    assert of(ds.map(double)).tree.steps[0].schema is None
    assert repr(of(ds.map(double), read=True).tree.steps[0].schema) == "{x: int64, y: float64[2]}"
    assert "RecordError: map(broken) failed on record 0" in str(of(ds.map(broken), read=True))
    READS.clear()
    assert of(ds.filter(odd).map(double), read=True).tree.steps[0].schema is None
    assert not READS  # that would cost a pass


def test_joined_datasets_branch_and_many_are_counted() -> None:
    tree = of(hr.mix([ds.shuffle(seed=1), ds], [1, 2]).batch(4)).tree
    assert [steps(branch)[-1] for branch in tree.branches] == ["columns(x, y)"] * 2
    wide = of(hr.concat([ds] * 1000))
    assert (len(wide.tree.branches), wide.tree.hidden) == (8, 992)
    assert len(str(wide)) < 2000


def test_a_stream_is_told_down_to_the_source() -> None:
    chain = ds.batch(4).stream(epochs=2, workers=hr.Threads(2), on_error="skip").map(double).take(5)
    tree = of(chain).tree
    assert steps(tree)[:3] == ["take(5)", "map(double)", "stream(epochs=2, workers=2 threads)"]
    assert [step.length for step in tree.steps] == [5, 6, 6, 3, 12]
    assert tree.steps[2].notes == ("2 threads", "6 ahead, 1 GB at most", "on_error='skip'")
    assert repr(tree.steps[2].schema) == "{x: int64[?], y: float64[?, 2]}"
    assert str(of(chain)).startswith("Stream: 5 items\n┬ take(5)")


def test_streams_that_are_zipped_branch() -> None:
    tree = of(Stream([1, 2]).zip(ds.stream())).tree
    assert [steps(branch) for branch in tree.branches] == [["list of 2 items"], ["stream()", "columns(x, y)"]]


def test_a_generator_of_unknown_length() -> None:
    def numbers() -> Any:
        yield from range(3)

    assert str(of(Stream(numbers).repeat())).splitlines()[0] == "Stream: endless items"
    assert of(Stream(numbers)).tree.steps[0].counted == "?"
