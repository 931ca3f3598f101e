"""What a new user tried and was surprised by, each held to what they expected."""

import copy
import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import headrace as hr
from headrace.stream import StreamIterator


def test_threads_that_share_an_iterator_are_given_each_batch_once() -> None:
    iterator = iter(hr.Dataset(x=np.arange(64_000)).batch(16).stream())
    seen: list[int] = []

    def work() -> None:
        seen.extend(int(batch["x"][0]) for batch in iterator)

    threads = [threading.Thread(target=work) for _ in range(4)]
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    finally:
        sys.setswitchinterval(before)
    assert sorted(seen) == list(range(0, 64_000, 16))


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, lambda it: pickle.loads(pickle.dumps(it))])
def test_a_copy_of_an_iterator_goes_its_own_way(duplicate: Callable[[StreamIterator], StreamIterator]) -> None:
    iterator = iter(hr.Dataset(range(10)).batch(3).stream())
    next(iterator)
    other = duplicate(iterator)
    assert next(other).tolist() == [3, 4, 5]
    del other
    assert [batch.tolist() for batch in iterator] == [[3, 4, 5], [6, 7, 8], [9]]


def test_a_state_of_a_chain_with_other_steps_is_refused_by_their_names() -> None:
    plain = hr.Dataset(range(6)).stream()
    state = iter(plain).state_dict()
    with pytest.raises(hr.StateError, match=r"another chain of steps.*'crossing'.*'crossing > map'"):
        plain.map(str).resume(state)
    longer = iter(plain.map(str)).state_dict()
    with pytest.raises(hr.StateError, match="another chain of steps"):
        plain.resume(longer)


def test_columns_may_be_called_like_parameters() -> None:
    assert hr.Dataset(self=[1])[0] == {"self": 1}
    assert hr.Dataset(names=[1]).rename(names="x")[0] == {"x": 1}


@pytest.mark.parametrize(
    "look",
    [
        lambda ds: ds.sort_by("x").list(),
        lambda ds: ds.group_by("x"),
        lambda ds: ds.balance(by="x"),
        lambda ds: ds.split(a=0.5, b=0.5, by="x"),
        lambda ds: ds.sample(1, seed=0, weights="x"),
    ],
)
def test_a_column_of_records_is_not_looked_for_in_batches(look: Callable[[hr.Dataset], object]) -> None:
    with pytest.raises(hr.OrderError, match=r"before batch\(\)"):
        look(hr.Dataset(x=[3, 1, 2]).batch(2))


def test_weights_that_are_no_numbers_are_named() -> None:
    with pytest.raises(hr.KindError, match="weights must be numbers"):
        hr.mix([hr.Dataset([1]), hr.Dataset([2])], ["a", 1])  # type: ignore[list-item]


def command(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "headrace", *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        timeout=60,
    )


def test_a_folder_that_is_no_store_is_not_found_whole(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("something else")
    done = command("verify", str(tmp_path))
    assert done.returncode == 1
    assert done.stderr.startswith("headrace: ") and "is no store" in done.stderr


def test_letters_that_the_terminal_lacks_are_escaped(tmp_path: Path) -> None:
    hr.Store(tmp_path / "s").submit({"text": ["caf\u00e9"]}, "data", "1")
    done = command("show", str(tmp_path / "s"), "data", PYTHONIOENCODING="ascii")
    assert done.returncode == 0 and "caf\\xe9" in done.stdout and not done.stderr


@pytest.mark.torch
class TestTensors:
    def test_labels_that_are_tensors_tell_groups(self) -> None:
        import torch

        ds = hr.Dataset(x=torch.zeros(4, 2), y=torch.tensor([0, 0, 0, 1]))
        assert {label: len(group) for label, group in ds.group_by("y").items()} == {0: 3, 1: 1}
        assert ds.balance(by="y").collect()["y"].tolist() == [0, 1, 0, 1, 0, 1]
        assert ds.sort_by("y", descending=True)[0]["y"] == 1

    @pytest.mark.parametrize("pad", [7, {"t": 7}])
    def test_rows_that_are_tensors_are_padded(self, pad: object) -> None:
        import torch

        rows = [{"t": torch.ones(2)}, {"t": torch.zeros(3)}]
        for batch in (hr.Dataset(rows).batch(2, pad=pad)[0], hr.Stream(rows).batch(2, pad=pad).first()):  # type: ignore[arg-type]
            assert torch.equal(batch["t"], torch.tensor([[1.0, 1.0, 7.0], [0.0, 0.0, 0.0]]))
            assert batch["t_length"].tolist() == [2, 3]

    def test_batches_of_equally_long_tensors_have_the_lengths_too(self) -> None:
        import torch

        batch = hr.Dataset([{"t": torch.ones(2)}, {"t": torch.ones(2)}]).batch(2, pad=0)[0]
        assert list(batch) == ["t", "t_length"]


def test_a_column_can_be_changed_in_place_but_not_replaced() -> None:
    batch = hr.Batch({"x": [1, 2]})
    batch["x"] += 1
    assert batch["x"].tolist() == [2, 3]
    with pytest.raises(TypeError, match="with_columns"):
        batch["x"] = np.array([1, 2])
