"""The loader: one epoch for each ``for``, and a state that goes on exactly, wherever it was taken."""

from __future__ import annotations

import copy
import json
import pickle
import subprocess
import sys
import warnings
from collections.abc import Iterator
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import headrace as hr
from headrace import Dataset, Stream
from headrace.core.errors import ArgumentError, CodeChangedWarning, EndlessError, KindError, ReplayWarning, StateError
from headrace.feeds.torch import Loader

torch: Any = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

N, SIZE = 10, 4
STEPS = 3  # batches of an epoch


def dataset() -> Dataset:
    return Dataset(x=np.arange(2.0 * N).reshape(N, 2), y=np.arange(N), name=[f"r{n}" for n in range(N)]).shuffle(seed=5)


def make(**settings: Any) -> Loader:
    return Loader(dataset().batch(SIZE).stream(), **settings)


def numbers(batches: Any) -> list[list[int]]:
    return [batch["y"].tolist() for batch in batches]


def expected(epochs: int) -> list[list[int]]:
    """Return what a plain stream of so many epochs gives, which is what a loader must give in as many passes."""
    return numbers(dataset().batch(SIZE).stream(epochs=epochs))


def as_json(state: Any) -> Any:
    return json.loads(json.dumps(state))


def test_each_for_is_the_next_epoch() -> None:
    loader = make()
    passes = [numbers(loader) for _ in range(4)]
    assert [batch for one in passes for batch in one] == expected(4)
    assert loader.epoch == 4
    assert len({str(one) for one in passes}) == 4


def test_batches_are_dicts_of_tensors_with_text_beside_them() -> None:
    batch = next(iter(make()))
    assert type(batch) is dict
    assert isinstance(batch["x"], torch.Tensor)
    assert batch["name"].tolist() == [f"r{number}" for number in batch["y"].tolist()]
    x, y = next(iter(Loader(dataset().select_tuple("x", "y").batch(SIZE).stream())))
    assert (x.shape, y.shape) == ((SIZE, 2), (SIZE,))
    assert next(iter(make(device="meta")))["x"].device.type == "meta"


def test_its_length_is_that_of_an_epoch() -> None:
    assert len(make()) == STEPS
    loader = Loader(dataset().stream().filter(lambda record: record["y"] > 2))
    with pytest.raises(TypeError, match=r"number of batches of .* not known"):
        len(loader)
    assert bool(loader)
    assert len(list(loader)) == N - 3


@given(epoch=st.integers(0, 3), step=st.integers(0, STEPS), further=st.integers(1, 3), from_file=st.booleans())
def test_a_state_goes_on_with_the_rest_of_its_epoch_and_then_full_ones(
    epoch: int, step: int, further: int, from_file: bool
) -> None:
    loader = make()
    for _ in range(epoch):
        list(loader)
    iterator = iter(loader)
    assert len(numbers(islice(iterator, step))) == step
    state = as_json(loader.state_dict()) if from_file else loader.state_dict()
    other = make()
    other.load_state_dict(state)
    done = STEPS * epoch + step
    assert other.epoch == done // STEPS  # what stands at the end of an epoch goes on with the next one
    assert [numbers(other) for _ in range(further)] == rest(done, further)
    assert other.epoch == done // STEPS + further


def rest(done: int, passes: int) -> list[list[list[int]]]:
    """Return what the next passes give after so many batches."""
    batches = expected(done // STEPS + passes)
    ends = [done, *((done // STEPS + number + 1) * STEPS for number in range(passes))]
    return [batches[start:stop] for start, stop in pairwise(ends)]


def test_a_state_taken_before_between_and_after_is_one_of_an_epochs_front() -> None:
    loader = make()
    states = [loader.state_dict()]
    for _ in range(2):
        list(loader)
        states.append(loader.state_dict())
    assert [state["epoch"] for state in states] == [0, 1, 2]
    for epoch, state in enumerate(states):
        other = make()
        other.load_state_dict(as_json(state))
        assert numbers(other) == expected(3)[STEPS * epoch :][:STEPS]


def test_saving_moves_nothing_also_right_after_loading() -> None:
    loader = make()
    got = []
    for batch in loader:
        got.append(batch["y"].tolist())
        state = loader.state_dict()
        assert loader.state_dict() == state
    assert got == expected(1)
    again = make()
    again.load_state_dict(state)
    assert again.epoch == 1  # reads ahead to know it
    assert again.state_dict() == state
    assert numbers(again) == expected(2)[STEPS:]
    middle = make()
    next(iter(middle))
    third = make()
    third.load_state_dict(middle.state_dict())
    assert third.epoch == 0
    assert third.state_dict()["at"] == middle.state_dict()["at"]
    assert numbers(third) == expected(1)[1:]


def test_a_for_that_is_left_has_had_its_epoch_and_its_state_says_where() -> None:
    loader = make()
    for _ in loader:
        assert loader.epoch == 0
        break
    assert loader.epoch == 1
    state = loader.state_dict()
    assert numbers(loader) == expected(2)[STEPS:]
    other = make()
    other.load_state_dict(state)
    assert numbers(other) == expected(1)[1:]


def test_an_iter_of_which_nothing_was_taken_is_no_epoch() -> None:
    loader = make()
    iter(loader)
    first = iter(loader)
    assert loader.epoch == 0
    assert numbers(first) == expected(1)


def test_two_at_once_are_two_epochs() -> None:
    loader = make()
    pairs = [(one["y"].tolist(), other["y"].tolist()) for one, other in zip(loader, loader, strict=True)]
    assert [one for one, _ in pairs] == expected(1)
    assert [other for _, other in pairs] == expected(2)[STEPS:]


def test_set_epoch_gives_that_epoch_from_its_front() -> None:
    loader = make()
    for epoch in 2, 0, 0, 1:
        loader.set_epoch(epoch)
        assert loader.epoch == epoch
        assert numbers(loader) == expected(3)[STEPS * epoch :][:STEPS]
    assert loader.epoch == 2
    iterator = iter(loader)
    loader.set_epoch(1)  # as Lightning does it: after iter, before the first batch
    assert numbers(iterator) == expected(2)[STEPS:]
    for place, batch in enumerate(loader):
        loader.set_epoch(5)
        assert batch["y"].tolist() == expected(3)[2 * STEPS + place]  # the running one goes on
    assert loader.epoch == 5
    with pytest.raises(ArgumentError, match="epoch must be 0 or more"):
        loader.set_epoch(-1)


@pytest.mark.parametrize("step", range(STEPS + 1))
def test_a_loop_over_epochs_that_sets_each_goes_on_exactly(step: int) -> None:
    """The usual loop: ``for epoch in range(saved, n): loader.set_epoch(epoch)``, the first one after a load."""
    loader = make()
    loader.set_epoch(1)
    list(islice(iter(loader), step))
    state = loader.state_dict()
    other, got = make(), []
    other.load_state_dict(as_json(state))
    for epoch in range(1, 3):
        other.set_epoch(epoch)
        got += numbers(other)
    assert got == expected(3)[STEPS + step :]


def test_set_epoch_to_another_than_the_one_that_was_loaded_gives_that_one() -> None:
    loader = make()
    next(iter(loader))
    other = make()
    other.load_state_dict(loader.state_dict())
    other.set_epoch(2)
    assert numbers(other) == expected(3)[2 * STEPS :]


def test_an_error_leaves_its_state_where_the_step_began() -> None:
    broken = [True]

    def check(batch: Any) -> Any:
        if broken[0] and batch["y"].tolist() == expected(1)[1]:
            raise ValueError("once")
        return batch

    def loader() -> Loader:
        return Loader(dataset().batch(SIZE).stream().map(check))

    first = loader()
    with pytest.raises(hr.RecordError, match="ValueError: once"):
        list(first)
    state = first.state_dict()
    broken[0] = False
    second = loader()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CodeChangedWarning)  # the function's list has changed
        second.load_state_dict(state)
    assert numbers(second) == expected(1)[1:]


def test_random_maps_and_window_shuffles_differ_by_epoch_and_go_on_exactly() -> None:
    def noisy(x: Any, rng: np.random.Generator) -> Any:
        return x + rng.random()

    def loader() -> Loader:
        return Loader(Stream(range(9)).window_shuffle(4, seed=0).map(noisy, seed=1).batch(2))

    through = loader()
    passes = [[batch.tolist() for batch in through] for _ in range(3)]
    assert passes[0] != passes[1]
    other = loader()
    list(other)
    iterator = iter(other)
    taken = [next(iterator).tolist() for _ in range(2)]
    resumed = loader()
    resumed.load_state_dict(as_json(other.state_dict()))
    assert taken + [batch.tolist() for batch in resumed] == passes[1]
    assert [batch.tolist() for batch in resumed] == passes[2]


def test_a_generator_is_a_stream_too_and_its_seed_follows_the_epoch() -> None:
    def draw(rng: np.random.Generator) -> Iterator[Any]:
        for _ in range(4):
            yield rng.integers(1000, size=2)

    loader = Loader(Stream(draw, seed=0))
    first, second = ([item.tolist() for item in loader] for _ in range(2))
    assert first != second
    loader.set_epoch(1)
    iterator = iter(loader)
    next(iterator)
    other = Loader(Stream(draw, seed=0))
    with pytest.warns(ReplayWarning):
        other.load_state_dict(loader.state_dict())
    assert [item.tolist() for item in other] == second[1:]


def test_what_is_held_open_is_closed_when_a_pass_ends_or_is_left() -> None:
    closed: list[int] = []

    def numbers() -> Iterator[int]:
        try:
            yield from range(3)
        finally:
            closed.append(1)

    loader = Loader(Stream(numbers))
    list(loader)
    assert len(closed) == 1
    for _ in loader:
        break
    assert len(closed) == 2


def test_an_empty_stream_gives_empty_epochs() -> None:
    loader = Loader(dataset().take(0).batch(SIZE).stream())
    assert (len(loader), list(loader), list(loader), loader.epoch) == (0, [], [], 2)
    other = Loader(dataset().take(0).batch(SIZE).stream())
    other.load_state_dict(loader.state_dict())
    assert list(other) == []


@given(done=st.integers(0, 7), world=st.integers(1, 4), size=st.integers(1, 4))
def test_a_state_of_two_ranks_goes_on_with_any_number_of_them(done: int, world: int, size: int) -> None:
    length = 41

    def loader(rank: int, count: int, size: int) -> Loader:
        return Loader(Dataset(y=np.arange(length)).shuffle(seed=1).shard(rank, count).batch(size).stream())

    before = [loader(rank, 2, 3) for rank in range(2)]
    seen = [n for one in before for batch in islice(iter(one), done) for n in batch["y"].tolist()]
    state = as_json(before[0].state_dict())
    for rank in range(world):
        other = loader(rank, world, size)
        other.load_state_dict(state)
        if other.epoch == 0:
            seen += [n for batch in other for n in batch["y"].tolist()]
    assert sorted(seen) == list(range(length))


def test_a_copy_and_a_pickle_stand_at_the_same_place() -> None:
    factor = 3
    loader = Loader(dataset().batch(SIZE).stream().map(lambda batch: {"y": batch["y"] * factor}))
    iterator = iter(loader)
    next(iterator)
    for other in copy.deepcopy(loader), pickle.loads(pickle.dumps(loader)):
        assert numbers(other) == [[3 * number for number in batch] for batch in expected(1)[1:]]
    assert len(list(iterator)) == STEPS - 1


REFUSED: dict[str, tuple[Any, type[Exception], str]] = {
    "a dataset": (
        lambda: dataset().batch(2),
        KindError,
        r"goes through a Stream, got a Dataset: give its \.stream\(\)",
    ),
    "a list": (lambda: [1, 2], KindError, "goes through a Stream, got a list"),
    "epochs of its own": (
        lambda: dataset().batch(2).stream(epochs=3).map(lambda batch: batch),
        ArgumentError,
        r"this one has 3 of its own: \.stream\(\) without epochs, or repeat\(\)",
    ),
    "no end": (lambda: dataset().stream(epochs=None), EndlessError, r"no end: take\(n\) first"),
    "a place": (
        lambda: Stream([1]).resume(iter(Stream([1])).state_dict()),
        ArgumentError,
        r"resumed already.*load_state_dict",
    ),
}


@pytest.mark.parametrize(("give", "kind", "says"), REFUSED.values(), ids=REFUSED)
def test_what_is_no_stream_of_one_epoch_is_refused(give: Any, kind: type[Exception], says: str) -> None:
    with pytest.raises(kind, match=says):
        Loader(give())


def test_an_endless_stream_has_epochs_of_as_many_items_as_are_taken() -> None:
    loader = Loader(dataset().batch(SIZE).stream(epochs=None).take(5))
    assert len(loader) == 5
    passes = [numbers(loader) for _ in range(2)]
    assert passes[0] == expected(2)[:5]
    assert passes[0] != passes[1]


def test_a_state_of_something_else_is_refused_and_nothing_moves() -> None:
    loader = make()
    next(iter(loader))
    before = loader.state_dict()
    other = Loader(dataset().shuffle(seed=6).batch(SIZE).stream())
    for state, says in (
        (iter(dataset().batch(SIZE).stream()).state_dict(), "does not say the epoch"),
        (other.state_dict(), "another order of items"),
        ({**before, "epoch": "one"}, "'epoch' should be a whole number"),
        ({**before, "at": {}}, "the state is damaged"),
        ({"epoch": 1}, "'format'"),
        (None, "a state is the dict"),
    ):
        with pytest.raises(StateError, match=says):
            loader.load_state_dict(state)  # type: ignore[arg-type]
        assert loader.state_dict() == before


def test_a_state_loads_into_the_stream_of_as_many_epochs() -> None:
    loader = make()
    list(loader)
    next(iter(loader))
    stream = dataset().batch(SIZE).stream(epochs=3)
    assert numbers(stream.resume(as_json(loader.state_dict()))) == expected(3)[STEPS + 1 :]


def test_it_is_shown_with_its_stream() -> None:
    assert repr(make(device="meta")) == f"Loader({dataset().batch(SIZE).stream()!r}, device='meta')"


def test_it_is_found_by_its_full_name_without_an_import() -> None:
    code = "import headrace as hr, sys; print(hr.feeds.torch.Loader.__name__, 'torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "Loader False\n"


KILLED = """
import json, os, sys
import numpy as np
from headrace import Dataset
from headrace.feeds.torch import Loader
path, stop = sys.argv[1], int(sys.argv[2])
stream = Dataset(y=np.arange(23)).shuffle(seed=2).batch(4).stream()
loader = Loader(stream)
if os.path.exists(path):
    loader.load_state_dict(json.load(open(path)))
steps = 0
while loader.epoch < 3:
    for batch in loader:
        print(json.dumps(batch["y"].tolist()), flush=True)
        with open(path + ".new", "w") as file:
            json.dump(loader.state_dict(), file)
        os.replace(path + ".new", path)
        steps += 1
        if steps == stop:
            os.kill(os.getpid(), 9)
"""


def test_a_run_that_is_killed_twice_gives_what_an_unbroken_one_gives(tmp_path: Path) -> None:
    def run(stop: int) -> list[list[int]]:
        arguments = [sys.executable, "-c", KILLED, str(tmp_path / "state"), str(stop)]
        done = subprocess.run(arguments, capture_output=True, text=True, check=False)
        assert done.returncode == (-9 if stop else 0), done.stderr
        return list(map(json.loads, done.stdout.splitlines()))

    unbroken = numbers(Dataset(y=np.arange(23)).shuffle(seed=2).batch(4).stream(epochs=3))
    assert run(6) + run(7) + run(0) == unbroken  # the first at the very end of an epoch
