"""A Dataset tried out: each kind of problem is found, all of them at once, and none where there is none."""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Callable
from pathlib import Path
from time import sleep
from typing import Any

import numpy as np
import pytest

import headrace as hr
from headrace import Dataset, DryRunError
from headrace.core.ragged import Ragged
from headrace.dryrun.result import DryRun

ds = Dataset(x=np.arange(100, dtype=np.float32), y=np.arange(100), z=np.zeros((100, 4, 4), np.uint8))


def stages(report: DryRun) -> list[str]:
    return [problem.stage for problem in report.problems]


def only(report: DryRun) -> str:
    (problem,) = report.problems
    return str(problem)


def plain(record: Any) -> Any:
    return record


def noisy(record: Any, rng: np.random.Generator) -> Any:
    return {**record, "x": record["x"] + np.float32(rng.random())}


def even(record: Any) -> bool:
    return bool(record["y"] % 2 == 0)


class Thing:
    """Without ==."""

    def __init__(self, value: int) -> None:
        self.value = value


CLEAN: dict[str, Callable[[], Dataset]] = {
    "columns": lambda: ds,
    "batches": lambda: ds.shuffle(seed=0).batch(16),
    "maps": lambda: ds.map(plain).shuffle(seed=0).map(noisy, seed=1).batch(16).map(plain),
    "one array": lambda: Dataset(np.arange(10)).batch(4),
    "tuples": lambda: Dataset(np.arange(10), np.ones((10, 2))).map(lambda pair: (pair[0] + 1, pair[1])).batch(3),
    "a range": lambda: Dataset(range(1000)).map(lambda x: x / 2).batch(10, drop_remainder=True),
    "texts and objects": lambda: Dataset(name=["a", "bb", "c"], what=[None, {"a": 1}, [1, 2]]).batch(2),
    "things": lambda: Dataset(range(5)).map(Thing),
    "ragged": lambda: Dataset(text=Ragged.from_rows([[1], [2, 3], [4, 5, 6]])).batch(2),
    "padded": lambda: Dataset(text=Ragged.from_rows([[1], [2, 3], [4, 5, 6]])).batch(2, pad=0),
    "ragged rows": lambda: Dataset(range(1, 9)).map(lambda n: np.arange(n)).batch(3, pad={"value": 0}),
    "a filter": lambda: ds.shuffle(seed=0).map(plain).filter(even).batch(8),
    "a filter of batches": lambda: ds.filter(lambda batch: batch["y"] > 50, batches=True).batch(8),
    "a sort": lambda: ds.sort_by("x", descending=True).batch(7),
    "a shard that is filled up": lambda: ds.shuffle(seed=0).shard(1, 3, remainder="pad").batch(5),
    "a mix": lambda: hr.mix([ds.shuffle(seed=1), ds.filter(even)], [1, 2]).batch(4),
    "many": lambda: hr.concat([ds] * 100).shuffle(seed=0).batch(8),
    "side by side": lambda: hr.zip(ds.shuffle(seed=0), Dataset(range(100)).map(lambda x: x + 1)).batch(9),
    "for ever": lambda: ds.shuffle(seed=0).repeat().batch(16),
    "by columns": lambda: ds.map_batches(lambda batch: batch.select("x", "y")).batch(16),
    "columns with draws": lambda: ds.map_batches(
        lambda batch, rng: {"x": batch["x"] + rng.random().astype(np.float32)}, seed=3
    ).batch(16),
    "a matrix product": lambda: (
        Dataset(np.random.default_rng(0).random((64, 50)).astype(np.float32))
        .map_batches(lambda rows: rows @ np.full((50, 30), 0.1, np.float32))
        .batch(16)
    ),
    "what collate makes": lambda: Dataset(range(1, 9)).map(lambda n: np.ones((n, n))).batch(2, collate=list),
    "one record": lambda: Dataset([1]).batch(1),
}


@pytest.mark.parametrize("chain", CLEAN.values(), ids=CLEAN)
def test_a_chain_without_problems_has_none(chain: Callable[[], Dataset]) -> None:
    report = chain().dry_run()
    assert not report.problems, str(report)
    assert report.ok
    assert all(stage.passed for stage in report.stages)


def test_all_problems_are_told_at_once_and_none_hides_another() -> None:
    lock = threading.Lock()

    def odd(record: Any) -> Any:
        if record["y"] % 3 == 0:
            raise KeyError("a third")
        return record

    def drawn(record: Any) -> Any:
        return {**record, "noise": np.random.rand()}

    def locked(record: Any) -> Any:
        with lock:
            return record

    report = ds.map(odd).map(drawn).map_batches(lambda b: {"x": b["x"] - b["x"].mean()}).map(locked).batch(8).dry_run()
    assert stages(report) == ["map(odd)", "map(drawn)", "map_batches(lambda)", "map(locked)"]
    one, two, three, four = map(str, report.problems)
    assert "fails on 4 of 8 (record 0, record 42, record 84, record 99); the first: KeyError: 'a third'" in one
    assert "test_dataset:" in one
    assert "draws from the global generator of numpy.random" in two
    assert ".map(function, seed=0)" in two
    assert "depends on the rows beside it" in three
    assert "cannot be carried to a process" in four
    with pytest.raises(DryRunError) as caught:
        ds.map(odd).map(drawn).map(locked).dry_run(strict=True)
    assert str(caught.value).startswith("3 problems in the chain:\n1. map(odd): ")
    assert "3. map(locked): " in str(caught.value)


def test_strict_says_nothing_of_a_chain_without_problems() -> None:
    assert ds.batch(10).dry_run(strict=True).ok


def test_arrays_drawn_without_a_seed_are_found() -> None:
    report = ds.map(lambda record: {"noise": np.random.default_rng().random(3)}).batch(4).dry_run()
    assert "gives something else for the same input" in only(report)


@pytest.mark.parametrize("draw", [random.random, np.random.rand, lambda: float(np.random.default_rng().random())])
def test_draws_that_no_seed_decides_are_found(draw: Callable[[], float]) -> None:
    states = random.getstate(), np.random.get_state(legacy=False)["state"]["key"].tolist()
    assert stages(Dataset(range(9)).map(lambda x: x + draw()).dry_run()) == ["map(lambda)"]
    after = random.getstate(), np.random.get_state(legacy=False)["state"]["key"].tolist()
    assert after == states  # and everything is left as it was


def test_draws_from_torch_are_found() -> None:
    torch = pytest.importorskip("torch")
    report = Dataset(range(9)).map(lambda x: x + float(torch.rand(()))).dry_run()
    assert "the global generator of torch" in only(report)


def test_a_map_that_counts_gives_something_else_the_second_time() -> None:
    seen: list[int] = []

    def counted(record: Any) -> Any:
        seen.append(1)
        return len(seen)

    assert "gives something else for the same input when it is called again" in only(
        Dataset(range(9)).map(counted).dry_run()
    )


def test_a_map_that_writes_to_what_it_was_given_is_fine() -> None:
    def writes(record: Any) -> Any:
        record["z"] += 1
        record["new"] = 1
        return record

    assert ds.map(writes).batch(4).dry_run().ok


def test_records_that_differ_are_named() -> None:
    def uneven(record: Any) -> Any:
        if record["y"] == 42:
            return {"x": np.int64(1), "z": record["z"]}
        return {"x": np.float32(1), "z": record["z"][:, : 3 if record["y"] == 99 else 4]}

    report = ds.map(uneven).batch(4).dry_run()
    texts = list(map(str, report.problems))
    assert any("column 'x': dtype int64 (not float32) in record 42, other than in record 0" in text for text in texts)
    assert any("column 'z': shape [4, 3] (not [4, 4]) in record 99" in text for text in texts)
    unbatched = ds.map(uneven).dry_run()
    assert unbatched.ok  # nothing stacks them
    assert any("dtype int64 (not float32)" in note for note in unbatched.notes)


def test_columns_that_differ_do_not_stack() -> None:
    report = ds.map(lambda record: {"a": 1} if record["y"] == 0 else {"b": 1}).batch(4).dry_run()
    assert stages(report) == ["map(lambda)", "batch(4)"]
    assert "columns b (not a) in record 14, record 28" in str(report.problems[0])
    assert "row 1 has columns 'b'; row 0 has columns 'a'" in str(report.problems[1])


class Files:
    """A source that cannot read some of its records."""

    def __len__(self) -> int:
        return 50

    def __getitem__(self, index: int) -> Any:
        if index in (7, 49):
            raise OSError(f"no file {index}")
        return index


def test_records_that_cannot_be_read_are_named() -> None:
    report = Dataset(Files()).map(lambda x: 1 // x).batch(5).dry_run()
    reading, mapping = map(str, report.problems)
    assert "fails on 2 of 8 (record 7, record 49); the first: OSError: no file 7" in reading
    assert "fails on 1 of 6 (record 0); the first: ZeroDivisionError" in mapping


def test_a_record_in_between_that_fails_is_found_when_whole_batches_are_read() -> None:
    report = Dataset(range(100)).map(lambda x: 1 // (x - 3)).batch(10).dry_run()
    assert "fails on step 0: ZeroDivisionError" in only(report)


def test_what_a_policy_leaves_out_is_no_problem() -> None:
    report = Dataset(range(50)).map(lambda x: 1 // x).batch(5).stream(on_error="skip").dry_run()
    assert report.ok, str(report)
    assert any("fails on 1 of 8 (record 0)" in note and "on_error='skip'" in note for note in report.notes)


def test_a_predicate_that_fails_is_told_and_no_pass_is_made() -> None:
    asked: list[Any] = []

    def kept(record: Any) -> bool:
        asked.append(record["y"])
        return bool(1 // record["y"])

    report = ds.filter(kept).batch(4).dry_run()
    assert "fails on 1 of 8 (record 0); the first: ZeroDivisionError" in str(report.problems[0])
    assert len(asked) <= 16
    assert any("length is not known" in note for note in report.notes)
    assert report.figures.items is None


def test_nothing_is_sorted_for_it() -> None:
    asked: list[Any] = []

    def key(record: Any) -> float:
        asked.append(record["y"])
        return 1 / int(record["y"])

    chain = ds.sort_by(key).shuffle(seed=0).batch(4)
    report = chain.dry_run()
    assert "fails on 1 of 8 (record 0); the first: ZeroDivisionError" in only(report)
    assert len(asked) <= 16
    str(chain.explain())
    assert len(asked) <= 16
    assert any("does not look at all records in a dry run" in note for note in report.notes)


def test_sizes_with_which_there_is_nothing() -> None:
    assert "drop_remainder leaves nothing of 10 records" in only(ds.take(10).batch(64, drop_remainder=True).dry_run())
    assert "has no records" in only(Dataset([]).map(plain).dry_run())
    assert "take(0): leaves nothing of 100 records" in only(ds.take(0).batch(4).dry_run())
    small = ds.take(10).batch(64).dry_run()
    assert small.ok
    assert any("there are 10 records: one batch, shorter than asked for" in note for note in small.notes)
    endless = ds.repeat().batch(4).dry_run()
    assert any("has no end" in note for note in endless.notes)
    assert endless.figures.epoch_seconds is None


def test_a_function_of_several_rows_that_fails_on_one() -> None:
    def pairs(batch: Any) -> Any:
        if len(batch) < 2:
            raise ValueError("two at least")
        return batch

    report = ds.map_batches(pairs).dry_run()
    assert "ValueError: two at least" in str(report.problems[0])
    assert any("works on several rows and fails on one alone" in note for note in report.notes)


def test_rounding_is_no_dependence_but_a_mean_is() -> None:
    rows = Dataset(np.random.default_rng(0).random((64, 8)))
    assert not rows.map_batches(lambda x: x - x.mean(axis=0)).dry_run().ok
    assert rows.map_batches(lambda x: x - x.mean(axis=1, keepdims=True)).dry_run().ok


def test_what_cannot_be_carried_back_from_a_process() -> None:
    report = Dataset(range(5)).map(lambda x: threading.Lock()).dry_run()
    assert any("what it gives cannot be carried from a process" in str(problem) for problem in report.problems)


def test_a_source_that_holds_a_lock_cannot_travel() -> None:
    class Locked(Files):
        def __init__(self) -> None:
            self.lock = threading.Lock()

        def __getitem__(self, index: int) -> Any:
            return index

    assert "the source" in only(Dataset(Locked()).dry_run())


def test_a_module_that_a_fresh_process_does_not_find(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is sent along, as it would be in a run."""
    (tmp_path / "only_here.py").write_text("def double(x):\n    return 2 * x\n")
    monkeypatch.syspath_prepend(tmp_path)
    import only_here  # type: ignore[import-not-found]

    monkeypatch.undo()
    assert Dataset(range(5)).map(only_here.double).dry_run().ok


def test_figures_of_a_run() -> None:
    report = ds.batch(25).dry_run()
    figures = report.figures
    assert (figures.items, figures.unit) == (4, "batches")
    assert figures.source_bytes == 100 * (4 + 8 + 16)
    assert figures.item_bytes == 25 * (4 + 8 + 16)
    assert figures.memory == 125 * 28
    assert figures.item_seconds is not None
    assert figures.epoch_seconds == pytest.approx(4 * figures.item_seconds)


def test_a_large_batch_is_not_made_to_know_its_size() -> None:
    wide = Dataset(np.zeros((10, 1000, 1000), np.float32)).batch(256)  # 4 MB a record
    assert wide.dry_run(n=2).figures.item_bytes == 10 * 4_000_000


def test_the_time_of_an_epoch_is_that_of_all_its_records() -> None:
    def slow(record: Any) -> Any:
        sleep(0.002)
        return record

    predicted = Dataset(range(200)).map(slow).batch(10).dry_run().figures.epoch_seconds
    assert predicted is not None
    assert 200 * 0.002 <= predicted <= 3 * 200 * 0.002  # a busy machine sleeps longer


def test_it_is_shown_as_text_html_and_plain_data() -> None:
    def b(record: Any) -> Any:
        raise ValueError("<script>")

    report = ds.map(b).dry_run()
    assert str(report).startswith("Dry run: 1 problem\n1. map(b): fails on 8 of 8")
    assert "<script>" not in report._repr_html_()
    assert "&lt;script&gt;" in report.html()
    kept = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    assert kept["problems"][0]["stage"] == "map(b)"
    assert [stage["failed"] for stage in kept["stages"]] == [0, 8]
    assert repr(report) == "DryRun(1 problem, 2 steps)"


def test_the_number_of_records_is_checked() -> None:
    with pytest.raises(hr.ArgumentError, match="n must be"):
        ds.dry_run(n=0)
