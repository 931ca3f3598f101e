"""BatchSchema: which patches a batch has, told by going through all of them; and what is written of it."""

from __future__ import annotations

import itertools
import json
import pickle
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

xr = pytest.importorskip("xarray")

from headrace.compat.xbatcher import BatchGenerator, BatchSchema  # noqa: E402
from headrace.core.errors import ArgumentError  # noqa: E402

Sizes = dict[Hashable, int]


@st.composite
def arguments(draw: st.DrawFn) -> tuple[Sizes, Sizes, Sizes, Sizes]:
    """Draw lengths, input_dims, input_overlap and batch_dims."""
    lengths: Sizes = {dim: draw(st.integers(1, 12)) for dim in ("x", "y", "z")}
    names: list[Hashable] = draw(st.permutations(["x", "y", "z"]))
    inputs = {dim: draw(st.integers(1, lengths[dim])) for dim in names[: draw(st.integers(0, 3))]}
    overlap = {dim: draw(st.integers(0, size - 1)) for dim, size in inputs.items() if draw(st.booleans())}
    batch = {dim: draw(st.integers(1, lengths[dim])) for dim in draw(st.permutations(names)) if draw(st.booleans())}
    return lengths, inputs, overlap, batch


def listed(
    lengths: Sizes, inputs: Sizes, overlap: Sizes, batch: Sizes, concat: bool
) -> list[list[dict[Hashable, slice]]]:
    """Return the patches of each batch, by going through all patches and asking each for its batch."""
    sizes = {**{dim: size for dim, size in batch.items() if dim not in inputs}, **inputs}
    stride = {dim: size - overlap.get(dim, 0) for dim, size in sizes.items()}
    begins = {
        dim: [start for start in range(0, lengths[dim], stride[dim]) if start + size <= lengths[dim]]
        for dim, size in sizes.items()
    }
    together = {dim: -(-size // stride[dim]) if dim in inputs else 1 for dim, size in batch.items()}
    batches: dict[tuple[int, ...], list[dict[Hashable, slice]]] = {}
    for numbers in itertools.product(*(range(len(begins[dim])) for dim in sizes)):
        patch = {dim: slice(begins[dim][k], begins[dim][k] + sizes[dim]) for dim, k in zip(sizes, numbers)}
        if not concat:
            batches[numbers] = [patch]
            continue
        place = tuple(k // together[dim] if dim in batch else 0 for dim, k in zip(sizes, numbers))
        if all(at < lengths[dim] // batch[dim] for dim, at in zip(sizes, place) if dim in batch and dim in inputs):
            batches.setdefault(place, []).append(patch)
    return [batches[place] for place in sorted(batches)]


@settings(max_examples=100)
@given(arguments(), st.booleans())
def test_selectors_are_those_that_going_through_all_patches_finds(
    drawn: tuple[Sizes, Sizes, Sizes, Sizes], concat: bool
) -> None:
    lengths, inputs, overlap, batch = drawn
    if not concat:
        batch = {dim: size for dim, size in batch.items() if dim not in inputs}
    ds = xr.Dataset({"a": (list(lengths), _zeros(lengths))})
    schema = BatchSchema(ds, inputs, overlap, batch, concat)
    expected = listed(lengths, inputs, overlap, batch, concat)
    assert schema.selectors == dict(enumerate(expected))
    assert [schema.selectors.first(number) for number in schema.selectors] == [patches[0] for patches in expected]
    assert all(schema.selectors.values())  # no batch without patches
    assert pickle.loads(pickle.dumps(schema)).selectors == schema.selectors


def _zeros(lengths: Sizes) -> Any:
    import numpy as np

    return np.broadcast_to(np.float32(0), tuple(lengths.values()))


def test_a_mapping_of_selectors_is_one() -> None:
    selectors = BatchSchema(xr.DataArray(range(6), dims="x"), {"x": 2}, concat_input_bins=False).selectors
    assert list(selectors) == [0, 1, 2] and 2 in selectors and 3 not in selectors
    with pytest.raises(KeyError):
        selectors[3]
    assert repr(selectors) == "Selectors(batches=3, patches=3)"


def test_a_trillion_patches_are_not_listed() -> None:
    huge = xr.Dataset({"a": (("x", "y"), _zeros({"x": 1_000_000, "y": 1_000_000}))})
    generator = BatchGenerator(huge, {"x": 1, "y": 1})
    assert len(generator) == 10**12
    assert generator[-1].sizes == {"x": 1, "y": 1}


def test_a_negative_overlap_leaves_gaps_as_it_did() -> None:
    schema = BatchSchema(xr.DataArray(range(10), dims="x"), {"x": 2}, {"x": -1}, concat_input_bins=False)
    assert [patch[0]["x"] for patch in schema.selectors.values()] == [slice(0, 2), slice(3, 5), slice(6, 8)]


def test_json_has_all_selectors_under_the_same_names_as_before(tmp_path: Path) -> None:
    schema = BatchSchema(xr.DataArray(range(6), dims="x"), {"x": 2}, {"x": 1}, {"x": 3})
    schema.to_file(tmp_path / "schema.json")
    document = json.loads((tmp_path / "schema.json").read_text())
    assert document.pop("selector") == {
        str(number): [{dim: vars_of(part) for dim, part in patch.items()} for patch in patches]
        for number, patches in schema.selectors.items()
    }
    assert document == {
        "input_dims": {"x": 2},
        "input_overlap": {"x": 1},
        "batch_dims": {"x": 3},
        "concat_input_dims": True,
        "preload_batch": True,
    }


def vars_of(part: slice) -> dict[str, Any]:
    return {"start": part.start, "stop": part.stop, "step": part.step}


@pytest.mark.parametrize(
    ("given", "error", "words"),
    [
        (({"x": 7},), ValueError, "'x' has 6 elements, and a patch would have 7"),
        (({"x": 0},), ValueError, "'x'"),
        (({"x": 2}, {"x": 2}), ValueError, "must be below its size, got 2 of 2"),
        (({"w": 2},), KeyError, "there is no dimension 'w'; there are 'x'"),
        (({"x": 2}, None, {"w": 2}), KeyError, "there is no dimension 'w'"),
        (({"x": 2}, None, {"x": 7}), ValueError, "a batch has 1 to that, got 7"),
        (({"x": 2}, None, {"x": 0}), ValueError, "a batch has 1 to that, got 0"),
    ],
)
def test_what_cannot_be_meant_is_refused(given: tuple[Any, ...], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words) as caught:
        BatchSchema(xr.DataArray(range(6), dims="x"), *given)
    assert isinstance(caught.value, ArgumentError)


def test_batch_dims_that_do_not_count_are_said() -> None:
    with pytest.warns(UserWarning, match=r"count only with concat_input_dims=True: \{'x': 4\}"):
        generator = BatchGenerator(xr.DataArray(range(6), dims="x"), {"x": 2}, batch_dims={"x": 4})
    assert len(generator) == 3


def test_arguments_are_not_shared_between_generators() -> None:
    one, other = (BatchGenerator(xr.DataArray(range(6), dims="x"), {"x": 2}) for _ in range(2))
    one.input_overlap["x"] = 1
    assert other.input_overlap == {} and other.batch_dims == {}
