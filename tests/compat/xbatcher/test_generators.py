"""BatchGenerator: batches are what cutting patch by patch and joining them with xarray gives."""

from __future__ import annotations

import pickle
from collections.abc import Hashable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

xr = pytest.importorskip("xarray")

from headrace.compat.xbatcher import BatchGenerator  # noqa: E402
from headrace.compat.xbatcher.testing import (  # noqa: E402
    get_batch_dimensions,
    validate_batch_dimensions,
    validate_generator_length,
)

Sizes = dict[Hashable, int]


def joined(ds: Any, generator: BatchGenerator, number: int) -> Any:
    """Return a batch of patches one by one: cut, rename, join, stack."""
    patches = []
    for selector in generator._batch_selectors.selectors[number]:
        patch = ds.isel(selector)
        labels = {dim: patch[dim].variable for dim in generator.input_dims if dim in patch.coords}
        patch = patch.drop_vars(labels).rename({dim: f"{dim}_input" for dim in generator.input_dims})
        patches.append(patch.assign_coords({dim: (f"{dim}_input", v.values, v.attrs) for dim, v in labels.items()}))
    batch = xr.concat(patches, dim="input_batch", data_vars="all", coords="different", compat="equals", join="outer")
    last = [f"{dim}_input" for dim in generator.input_dims]
    others = [dim for dim in batch.sizes if dim not in last]
    if len(others) > 1:
        batch, others = batch.stack(sample=others), ["sample"]
    return batch.transpose(*others, *last)


@st.composite
def cubes(draw: st.DrawFn) -> tuple[Any, Sizes, Sizes, Sizes]:
    """Draw a Dataset, input_dims, input_overlap and batch_dims."""
    lengths: dict[Any, int] = {dim: draw(st.integers(1, 6)) for dim in ("t", "y", "x")}
    coords: dict[str, Any] = {
        dim: (dim, np.arange(length) * 2.0, {"unit": dim}) for dim, length in lengths.items() if draw(st.booleans())
    }
    if draw(st.booleans()):
        coords["two"] = (("y", "x"), np.arange(lengths["y"] * lengths["x"]).reshape(lengths["y"], -1) // 5)
    if draw(st.booleans()):
        coords |= {"year": ("t", np.arange(lengths["t"]) // 3), "run": 3, "gap": ("x", np.full(lengths["x"], np.nan))}
    variables = {
        name: (dims, np.random.default_rng(place).random([lengths[dim] for dim in dims]), {"n": place})
        for place, (name, dims) in enumerate({"a": ["t", "y", "x"], "b": ["t", "x"], "c": ["y"], "d": []}.items())
        if name == "a" or draw(st.booleans())
    }
    names: list[Hashable] = draw(st.permutations(["t", "y", "x"]))
    inputs: Sizes = {dim: draw(st.integers(1, lengths[dim])) for dim in names[: draw(st.integers(1, 3))]}
    overlap = {dim: draw(st.integers(0, size - 1)) for dim, size in inputs.items() if draw(st.booleans())}
    batch = {dim: draw(st.integers(1, lengths[dim])) for dim in names if draw(st.booleans())}
    return xr.Dataset(variables, coords, {"made": "here"}), inputs, overlap, batch


@settings(max_examples=50)
@given(cubes(), st.booleans(), st.booleans())
def test_patches_together_are_what_xarray_makes_of_them_one_by_one(
    drawn: tuple[Any, Sizes, Sizes, Sizes], lazy: bool, load: bool
) -> None:
    ds, inputs, overlap, batch = drawn
    generator = BatchGenerator(ds.chunk(2) if lazy else ds, inputs, overlap, batch, True, load)
    validate_generator_length(generator)
    for number, made in enumerate(generator):
        xr.testing.assert_identical(made, joined(ds, generator, number))
        assert bool(made["a"].chunks) is (lazy and not load)
        assert next(iter(made.sizes)) in ("sample", "input_batch")
    validate_batch_dimensions(expected_dims=get_batch_dimensions(generator), batch=generator[0][["a"]])


@settings(max_examples=50)
@given(cubes(), st.booleans())
def test_a_patch_is_a_selection(drawn: tuple[Any, Sizes, Sizes, Sizes], lazy: bool) -> None:
    ds, inputs, overlap, batch = drawn
    batch = {dim: size for dim, size in batch.items() if dim not in inputs}
    generator = BatchGenerator(ds.chunk(2) if lazy else ds, inputs, overlap, batch)
    validate_generator_length(generator)
    expected = get_batch_dimensions(generator)
    for number, made in enumerate(generator):
        (selector,) = generator._batch_selectors.selectors[number]
        patch = ds.isel(selector)
        others = [dim for dim in patch.sizes if dim not in inputs]
        if len(others) > 1:
            xr.testing.assert_identical(made, patch.stack(sample=others).transpose("sample", *inputs))
        else:
            xr.testing.assert_equal(made["a"], patch["a"].transpose(*expected))
        validate_batch_dimensions(expected_dims=expected, batch=made["a"])


@settings(max_examples=30)
@given(cubes(), st.booleans())
def test_a_dataarray_gives_what_its_dataset_does(drawn: tuple[Any, Sizes, Sizes, Sizes], concat: bool) -> None:
    ds, inputs, overlap, batch = drawn
    if not concat:
        batch = {dim: size for dim, size in batch.items() if dim not in inputs}
    one = BatchGenerator(ds["a"], inputs, overlap, batch, concat)
    other = BatchGenerator(ds[["a"]], inputs, overlap, batch, concat)
    for made, expected in zip(one, other, strict=True):
        xr.testing.assert_identical(made, expected["a"])


def image(**lengths: int) -> Any:
    shape = tuple(lengths.values())
    return xr.DataArray(np.arange(np.prod(shape), dtype=np.float32).reshape(shape), dims=list(lengths), name="image")


def test_no_batch_is_empty_where_patches_do_not_divide_batches() -> None:
    generator = BatchGenerator(image(lat=30, lon=30), {"lat": 6, "lon": 6}, {}, {"lat": 7, "lon": 7}, True)
    assert len(generator) == 9  # of 25 patches, and not 16 batches of which 7 cannot be made
    assert [batch.sizes["input_batch"] for batch in generator] == [4, 4, 2, 4, 4, 2, 2, 2, 1]


def test_dimensions_come_in_the_order_of_the_arguments_also_without_stacking() -> None:
    data = image(y=4, time=2, x=6)
    assert BatchGenerator(data, {"x": 2, "y": 2}, batch_dims={"time": 1})[0].dims == ("time", "x", "y")
    assert BatchGenerator(data.isel(time=0), {"x": 2})[0].dims == ("y", "x")  # what nobody named stays where it is
    assert BatchGenerator(data.isel(time=0), {"y": 2})[0].dims == ("y", "x")


def test_a_batch_is_loaded_once() -> None:
    dask = pytest.importorskip("dask")
    computed = []

    def source(block: Any) -> Any:
        computed.append(block.shape)
        return block

    with dask.config.set(scheduler="synchronous"):
        data = xr.DataArray(
            dask.array.zeros((4, 8), chunks=(2, 4)).map_blocks(source, dtype=float, meta=np.empty((0, 0))),
            dims=("y", "x"),
        )
        BatchGenerator(data, {"y": 2, "x": 4}, {"x": 2}, {"y": 4, "x": 8}, True)[0]
    assert len(computed) == 4


def test_what_is_lazy_stays_so_unless_it_is_to_be_loaded() -> None:
    data = image(y=4, x=6).chunk({"x": 2})
    for concat in (False, True):
        assert BatchGenerator(data, {"x": 2}, concat_input_dims=concat, preload_batch=False)[0].chunks
        assert not BatchGenerator(data, {"x": 2}, concat_input_dims=concat)[0].chunks
    assert data.chunks


def test_batches_that_were_put_together_share_no_memory_with_the_data() -> None:
    data = image(y=4, x=6)
    before = data.copy(deep=True)
    BatchGenerator(data, {"y": 4, "x": 6}, concat_input_dims=True)[0][...] = -1
    xr.testing.assert_identical(data, before)


def test_numbers_that_are_none_and_batches_that_are_not_there() -> None:
    generator = BatchGenerator(image(x=6), {"x": 2})
    xr.testing.assert_identical(generator[-1], generator[np.int64(2)])
    for number in (3, -4):
        with pytest.raises(IndexError, match="list index out of range: there is no batch"):
            generator[number]
    for wrong in ([0, 1], slice(2), "0", 1.0):
        with pytest.raises(NotImplementedError, match="indexed by one whole number"):
            generator[wrong]  # type: ignore[index]


def test_a_generator_travels() -> None:
    generator = BatchGenerator(image(y=4, x=6), {"x": 2}, cache={})
    generator[1]
    xr.testing.assert_identical(pickle.loads(pickle.dumps(generator))[1], generator[1])


def test_a_length_or_a_shape_that_is_not_as_expected_is_found() -> None:
    generator = BatchGenerator(image(y=4, x=6), {"x": 2})
    with pytest.raises(AssertionError, match="the batch has dimensions"):
        validate_batch_dimensions(expected_dims={"y": 4, "x": 3}, batch=generator[0])
    with pytest.raises(AssertionError, match="in the order of"):
        validate_batch_dimensions(expected_dims={"x": 2, "y": 4}, batch=generator[0])
    generator.input_dims["x"] = 3
    with pytest.raises(AssertionError, match="the generator has 3 batches, expected 2"):
        validate_generator_length(generator)
