"""``hr.stitch``: predictions of patches back into one array, in any form in which a model gives them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("xarray")
pytest.importorskip("zarr")

import xarray as xr

import headrace as hr
from headrace.core.errors import KindError, OrderError


def field(dtype: Any = np.float32) -> xr.DataArray:
    values = np.random.default_rng(0).integers(1, 100, (6, 20, 24)).astype(dtype)
    coords = {
        "time": np.arange("2000-01-01", "2000-01-07", dtype="M8[D]").astype("M8[ns]"),
        "lat": np.linspace(60, 50.5, 20),
        "lon": np.arange(24),
        "height": (("lat", "lon"), np.arange(480.0).reshape(20, 24)),
    }
    return xr.DataArray(values, coords, dims=("time", "lat", "lon"), name="sst", attrs={"units": "K"})


stitch: Any = hr.stitch  # what it returns is an array or a Dataset
FIELD = field()
SIZES = {"time": 2, "lat": 8, "lon": 8}
PATCHES = hr.patches(FIELD, SIZES, overlap={"lat": 4, "lon": 4})

Make = Callable[[Any], Any]
ORDERS: dict[str, Make] = {
    "as they are": lambda patches: patches,
    "shuffled": lambda patches: patches.shuffle(seed=3),
    "in blocks": lambda patches: patches.block_shuffle("1 MB", seed=3),
    "reversed": lambda patches: patches[::-1],
    "shuffled twice": lambda patches: patches.shuffle(seed=3).shuffle(seed=4),
}


def all_of(patches: Any, size: int = 7) -> Any:
    return np.concatenate([batch["sst"] for batch in patches.batch(size).stream()])


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("blend", ["mean", "tapered", "crop", "first", "last"])
def test_patches_in_any_order_are_the_cube_again(order: str, blend: Any) -> None:
    patches = ORDERS[order](PATCHES)
    made = stitch(all_of(patches), patches, blend=blend)
    xr.testing.assert_allclose(made, FIELD, rtol=1e-6)
    assert made.dtype == np.float32


@settings(max_examples=30, deadline=None)
@given(
    st.fixed_dictionaries({dim: st.integers(1, length) for dim, length in zip(("time", "lat", "lon"), (6, 20, 24))}),
    st.sampled_from(["pad", "shift"]),
    st.data(),
)
def test_whatever_the_patches_they_are_the_cube_again(sizes: Any, partial: str, data: st.DataObject) -> None:
    overlap = {dim: data.draw(st.integers(0, size // 2)) for dim, size in sizes.items()}
    patches: Any = hr.patches(FIELD, sizes, overlap, partial=partial).shuffle(seed=data.draw(st.integers(0, 9)))
    batches = patches.batch(data.draw(st.integers(1, 40)))
    made = stitch(batches, patches)
    xr.testing.assert_allclose(made, FIELD.to_dataset(), rtol=1e-6)


def test_patches_that_were_chosen_are_where_they_were() -> None:
    some = PATCHES.where(lambda batch: batch["sst"].mean(axis=(1, 2, 3)) > 50)
    made = stitch(all_of(some), some, coverage=True)
    met = np.zeros(FIELD.shape, int)
    for number in some.numbers().tolist():
        met[tuple(PATCHES.geometry[number].values())] += 1
    assert (made["coverage"].values == met).all()
    np.testing.assert_allclose(made["prediction"], np.where(met > 0, FIELD.values, np.nan), rtol=1e-6)


def test_patches_from_anywhere_are_where_they_were() -> None:
    some = PATCHES.sample(30, seed=0)
    made = stitch(all_of(some), some)
    assert np.isnan(made.values).any()
    xr.testing.assert_allclose(made, FIELD.where(~np.isnan(made)), rtol=1e-6)


def torch_tensor(values: Any) -> Any:
    torch = pytest.importorskip("torch")
    return torch.from_numpy(values).requires_grad_()


def tensorflow_tensor(values: Any) -> Any:
    return pytest.importorskip("tensorflow").constant(values)


FORMS: dict[str, Make] = {
    "an array": lambda values: values,
    "a list of batches": lambda values: [values[:9], values[9:9], values[9:]],
    "a generator": lambda values: (values[start : start + 11] for start in range(0, len(values), 11)),
    "a Stream": lambda values: hr.Stream([values[:9], values[9:]]),
    "a Dataset": lambda values: hr.Dataset(values).batch(13),
    "batches as lists": lambda values: [values[:9].tolist(), values[9:].tolist()],
    "an xarray array": lambda values: xr.DataArray(values, dims=("sample", "time", "lat", "lon")),
    "an xarray array, samples last": lambda values: xr.DataArray(
        np.moveaxis(values, 0, -1), dims=("time", "lat", "lon", "sample")
    ),
}


@pytest.mark.parametrize("form", FORMS)
def test_predictions_come_in_any_form(form: str) -> None:
    values = all_of(PATCHES)
    made = stitch(FORMS[form](values), PATCHES)
    xr.testing.assert_allclose(made.astype(np.float32), FIELD, rtol=1e-6)


@pytest.mark.torch
def test_predictions_come_as_torch_tensors() -> None:
    values = all_of(PATCHES)
    for form in (torch_tensor(values), [torch_tensor(values[:9]), torch_tensor(values[9:])]):
        xr.testing.assert_allclose(stitch(form, PATCHES), FIELD, rtol=1e-6)
    with pytest.raises(hr.SchemaError, match="bfloat16"):
        stitch(torch_tensor(values).bfloat16(), PATCHES)


@pytest.mark.frameworks
def test_predictions_come_as_tensorflow_tensors() -> None:
    xr.testing.assert_allclose(stitch(tensorflow_tensor(all_of(PATCHES)), PATCHES), FIELD, rtol=1e-6)


def test_several_variables_come_as_a_mapping_and_keep_their_own_dimensions() -> None:
    dataset = FIELD.to_dataset().assign(depth=FIELD.isel(time=0, drop=True) * 2)
    patches = hr.patches(dataset, SIZES, overlap={"lat": 4, "lon": 4}, coords="values")
    for batches in (patches.batch(5), (batch.to_dict() for batch in patches.batch(5).stream())):
        made = stitch(batches, patches)
        xr.testing.assert_allclose(made, dataset, rtol=1e-6)
    whole = {name: np.concatenate([batch[name] for batch in patches.batch(5).stream()]) for name in ("sst", "depth")}
    xr.testing.assert_allclose(stitch(whole, patches), dataset, rtol=1e-6)
    assert list(stitch(whole, patches, variables=["depth"])) == ["depth"]
    assert stitch(whole["sst"], patches, variables="warm").name == "warm"
    with pytest.raises(hr.ArgumentError, match="predictions have no 'wet'; there are 'sst', 'depth'"):
        stitch(whole, patches, variables=["wet"])


def test_xarray_batches_come_with_the_names_of_their_dimensions() -> None:
    patches = hr.patches(FIELD.to_dataset(), SIZES, overlap={"lat": 4, "lon": 4}, as_xarray=True)
    means = stitch((batch.mean("time") for batch in patches.batch(6).stream()), patches)
    assert means["sst"].dims == ("time", "lat", "lon") and means.sizes["time"] == 3
    turned = (batch.transpose("sample", "lon", ...) for batch in patches.batch(6).stream())
    made = stitch(turned, patches)["sst"]
    assert made.dims == ("lon", "time", "lat")
    xr.testing.assert_allclose(made.transpose("time", "lat", "lon"), FIELD, rtol=1e-6)


def test_one_value_a_patch_is_an_array_over_the_grid() -> None:
    made = stitch([float(number) for number in PATCHES.shuffle(seed=0).numbers()], PATCHES.shuffle(seed=0))
    assert made.values.ravel().tolist() == list(range(len(PATCHES)))
    assert made.shape == PATCHES.geometry.shape
    assert made["lat"].values[0] == FIELD["lat"].values[3:5].mean()


def test_finer_predictions_with_channels_lie_where_the_patches_were() -> None:
    finer = all_of(PATCHES).repeat(2, axis=2)
    made = stitch(np.stack([finer, -finer], axis=1), PATCHES, dims=("channel", "time", "lat", "lon"), scale={"lat": 2})
    assert made.dims == ("channel", "time", "lat", "lon") and made.shape == (2, 6, 40, 24)
    np.testing.assert_allclose(made[0], -made[1])
    np.testing.assert_allclose(made[0], FIELD.values.repeat(2, axis=1), rtol=1e-6)
    np.testing.assert_allclose(made["lat"].values.reshape(20, 2).mean(axis=1), FIELD["lat"])


def test_words_may_differ_by_variable() -> None:
    values = all_of(PATCHES)
    both = {"coarse": values.mean(axis=1, keepdims=True), "logits": np.stack([values, values], axis=-1)}
    made = stitch(
        both,
        PATCHES,
        dims={"coarse": ("time", "lat", "lon")},
        scale={"coarse": {"time": 0.5}},
        variables=["coarse"],
    )
    assert dict(made.sizes) == {"time": 3, "lat": 20, "lon": 24}
    with pytest.raises(hr.ArgumentError, match="'time' has 3 elements in 'coarse' and 6 in 'logits'"):
        stitch(both, PATCHES, dims={"logits": (*SIZES, "c")}, scale={"coarse": {"time": 0.5}})


def test_what_is_given_counts_in_a_store_by_its_own_tiles(tmp_path: Path) -> None:
    values = np.stack([all_of(PATCHES)] * 3, axis=1).astype("f8")
    values[3, 1] = np.nan
    words = {"dims": ("c", "time", "lat", "lon"), "coverage": True}
    made = stitch(values, PATCHES, **words)
    out = stitch(values, PATCHES, out=tmp_path / "map.zarr", chunks={"lat": 5}, **words)
    assert out.equals(made)
    assert made["coverage"].values.flags.writeable and made["prediction"].values.flags.writeable
    assert int(made["coverage"][0].sum()) - int(made["coverage"][1].sum()) == 2 * 8 * 8
    whole = stitch(values[:, :1], PATCHES, **words)
    assert whole["coverage"].values.flags.writeable


def test_a_stream_that_is_not_read_to_its_end_is_closed() -> None:
    ended: list[bool] = []

    def batches() -> Any:
        try:
            while True:
                yield np.zeros((7, 2, 8, 8))
        finally:
            ended.append(True)

    with pytest.raises(hr.ArgumentError, match="60 patches, and 63 predictions or more"):
        stitch(hr.Stream(batches), PATCHES)
    assert ended == [True]


def test_into_a_store_and_back(tmp_path: Path) -> None:
    patches = PATCHES.shuffle(seed=1)
    out = stitch(patches.batch(5), patches, out=tmp_path / "map.zarr", memory="20 kB", coverage=True)
    xr.testing.assert_allclose(out["sst"], FIELD, rtol=1e-6)
    assert int(out["sst_coverage"].min()) == 1 and int(out["sst_coverage"].max()) == 4
    xr.testing.assert_identical(xr.open_zarr(tmp_path / "map.zarr").compute(), out.compute())
    assert not isinstance(out["sst"].variable._data, np.ndarray)  # it is read when it is used


def test_whole_numbers_stay_whole_where_one_is_chosen() -> None:
    whole = field(np.uint8)
    patches = hr.patches(whole, SIZES, overlap={"lat": 4, "lon": 4})
    for blend in ("crop", "first", "last"):
        made = stitch(all_of(patches), patches, blend=blend)
        assert made.dtype == np.uint8 and (made.values == whole.values).all()
    assert stitch(all_of(patches), patches).dtype == np.float64


def test_patches_in_batches_stand_for_their_patches() -> None:
    batches = PATCHES.shuffle(seed=2).batch(9)
    xr.testing.assert_allclose(stitch((batch["sst"] for batch in batches.stream()), batches), FIELD, rtol=1e-6)


BAD: dict[str, tuple[Callable[[], Any], type[Exception], str]] = {
    "fewer": (lambda: stitch(all_of(PATCHES)[:-2], PATCHES), hr.ArgumentError, "58 predictions for 60 patches"),
    "fewer batches": (lambda: stitch([all_of(PATCHES)[:-2]], PATCHES), hr.ArgumentError, "58 predictions for 60"),
    "more": (lambda: stitch([all_of(PATCHES)] * 2, PATCHES), hr.ArgumentError, "60 patches, and 120 predictions"),
    "none": (lambda: stitch([], PATCHES), hr.ArgumentError, "0 predictions for 60 patches"),
    "no patches": (lambda: stitch([], PATCHES[:0]), hr.ArgumentError, "there are no patches"),
    "a text": (lambda: stitch("map", PATCHES), hr.KindError, "must be an array or batches of arrays, got 'map'"),
    "a number": (lambda: stitch(3, PATCHES), hr.KindError, "must be an array or batches of arrays, got a"),
    "texts": (lambda: stitch(["a", "b"], PATCHES), hr.KindError, "batch 0 of predictions must be an array"),
    "no patches at all": (lambda: stitch([], hr.Dataset([1])), hr.KindError, "patches are needed"),
    "another shape later": (
        lambda: stitch([np.zeros((5, 2, 8, 8)), np.zeros((5, 2, 8, 9))], PATCHES),
        hr.SchemaError,
        r"batch 1 of predictions: shape \(2, 8, 9\) after the sample axis, in the first batch it is \(2, 8, 8\)",
    ),
    "another dtype later": (
        lambda: stitch([np.zeros((5, 2, 8, 8), "i4"), np.zeros((5, 2, 8, 8), "f4")], PATCHES),
        hr.SchemaError,
        "batch 1 of predictions: float32, in the first batch it is int32",
    ),
    "other names later": (
        lambda: stitch([{"a": np.zeros((5, 2, 8, 8))}, {"b": np.zeros((5, 2, 8, 8))}], PATCHES),
        hr.SchemaError,
        "batch 1 of predictions has 'b', the first has 'a'",
    ),
    "lengths that differ": (
        lambda: stitch({"a": np.zeros(60), "b": np.zeros(59)}, PATCHES),
        hr.SchemaError,
        "variables are of different lengths: 'a' 60, 'b' 59",
    ),
    "ragged": (lambda: stitch({"a": [[1], [1, 2]]}, PATCHES), hr.KindError, "predictions, 'a': this is no array"),
    "a single value": (lambda: stitch((one for one in [np.float32(3)]), PATCHES), hr.SchemaError, "a single value"),
    "overwriting nothing": (lambda: stitch([], PATCHES, overwrite=True), hr.ArgumentError, "say out="),
    "dims of another": (
        lambda: stitch({"a": np.zeros(60)}, PATCHES, dims={"b": ()}),
        hr.ArgumentError,
        "dims: there is no 'b'; there are 'a'",
    ),
    "scales of another": (
        lambda: stitch(np.zeros(60), PATCHES, scale={"b": {"lat": 2}}),
        hr.ArgumentError,
        "scale: there is no 'b'; there are 'prediction'",
    ),
    "a column of texts": (
        lambda: stitch({"a": np.array(["x"] * 60)}, PATCHES),
        hr.KindError,
        "column 'a': predictions must be numbers, got <U1",
    ),
    "memory": (lambda: stitch([], PATCHES, memory="much"), hr.ArgumentError, "memory must be an amount"),
    "variables": (lambda: stitch([], PATCHES, variables=3), hr.KindError, "variables must be a name"),
}


@pytest.mark.parametrize("what", BAD)
def test_what_cannot_be_meant_is_refused(what: str) -> None:
    act, kind, message = BAD[what]
    with pytest.raises(kind, match=message):
        act()


@pytest.mark.parametrize("form", ["dataset", "stream", "mapped", "workers"])
def test_other_patches_than_those_that_were_predicted_are_refused(form: str) -> None:
    forms: dict[str, Make] = {
        "dataset": lambda patches: patches.batch(4),
        "stream": lambda patches: patches.batch(4).stream(),
        "mapped": lambda patches: patches.batch(4).map(dict).stream().map(dict),
        "workers": lambda patches: patches.batch(4).stream(workers=hr.Threads(2)),
    }
    shuffled = PATCHES.shuffle(seed=0)
    early, late = PATCHES[:10], PATCHES[-10:]
    for told, patches in (
        (shuffled, PATCHES),
        (PATCHES, shuffled),
        (PATCHES.shuffle(seed=1), shuffled),
        (early, late),
    ):
        with pytest.raises(OrderError, match="in another order: number 0 is of window"):
            stitch(forms[form](told), patches)
        stitch(forms[form](told), told)


def test_labels_of_several_levels_are_written_as_their_levels(tmp_path: Path) -> None:
    table = xr.Dataset({"v": (("x", "y"), np.arange(24.0).reshape(4, 6))}, {"x": [1, 2, 3, 4], "y": np.arange(6)})
    stacked = table.stack(z=("x", "y"))
    patches = hr.patches(stacked, {"z": 6})
    made = stitch(patches.batch(2), patches, out=tmp_path / "levels.zarr")
    xr.testing.assert_allclose(made.set_index(z=["x", "y"]).unstack(), table)


def test_where_an_output_goes_is_a_place() -> None:
    with pytest.raises(KindError, match="out must be the path or URL of a Zarr store, or a store, got a int"):
        stitch(all_of(PATCHES), PATCHES, out=5)
