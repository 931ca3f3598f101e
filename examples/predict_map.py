"""See through clouds: learn on patches of a cube, predict in overlapping ones, and put them back into one map.

A small network fills the gaps that clouds leave in the temperature of a sea, from what is around them and from the days
before and after. Run it as ``python examples/predict_map.py --out FOLDER``.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
import xarray as xr
from numpy.typing import NDArray

import headrace as hr

Floats = NDArray[np.float32]
DAYS, LAT, LON = 120, 64, 96
EPOCHS = 12
SIZES = {"time": 3, "lat": 32, "lon": 32}


def make_cube(path: Path) -> None:
    """Write a cube: the temperature of a sea around an island, and what clouds leave of it."""
    rng = np.random.default_rng(0)
    days, lat, lon = np.ogrid[:DAYS, :LAT, :LON]
    sst = np.broadcast_to(18 - 0.05 * abs(lat - LAT / 2), (DAYS, LAT, LON)).copy()
    clouds = np.zeros(sst.shape)
    for _ in range(24):  # waves of all directions, which drift
        east, north, speed, phase = rng.uniform(-0.35, 0.35, 4) * (1, 1, 1, 9)
        sst += 0.5 * np.sin(east * lon + north * lat + speed * days + phase)
        east, north, speed, phase = rng.uniform(-0.25, 0.25, 4) * (1, 1, 9, 12)
        clouds += np.sin(east * lon + north * lat + speed * days + phase)
    island = np.broadcast_to(np.hypot((lat - 30) / 14, (lon - 70) / 12) < 1, sst.shape)
    sst[island] = np.nan
    seen = np.where(clouds > 0.5, np.nan, sst)
    cube = xr.Dataset(
        {name: (("time", "lat", "lon"), values.astype("float32")) for name, values in (("sst", sst), ("seen", seen))},
        coords={"time": np.datetime64("2001-01-01") + np.arange(DAYS), "lat": np.arange(LAT), "lon": np.arange(LON)},
    )
    encoding = {name: {"chunks": (20, 32, 48)} for name in cube}
    cube.to_zarr(path, mode="w", zarr_format=2, encoding=encoding)


def make_model() -> torch.nn.Module:
    """Return a network of a few convolutions, for three days at once: what is seen, and where."""
    layers: list[torch.nn.Module] = []
    channels = 6
    for size in (3, 5, 5):
        layers += [torch.nn.Conv2d(channels, 16, size, padding="same"), torch.nn.ReLU()]
        channels = 16
    return torch.nn.Sequential(*layers, torch.nn.Conv2d(16, 3, 5, padding="same"))


def fill(model: torch.nn.Module, seen: torch.Tensor) -> torch.Tensor:
    """Return what the model says for patches ``(n, 3, lat, lon)``; NaN is what clouds hide."""
    hidden = seen.isnan()
    found: torch.Tensor = model(torch.cat([seen.nan_to_num(0), hidden.float()], dim=1))
    return found


def error_of(model: torch.nn.Module, batch: dict[str, torch.Tensor]) -> torch.Tensor:
    """Return the mean squared error where there is sea."""
    sea = ~batch["sst"].isnan()
    return torch.nn.functional.mse_loss(fill(model, batch["seen"])[sea], batch["sst"][sea])


def train_model(patches: hr.Patches, split: Path) -> tuple[torch.nn.Module, hr.Statistics, NDArray[np.bool_]]:
    """Return a model, what patches are normalised by, and which days were held out."""
    parts = patches.split(by_blocks={"time": 15}, train=0.75, val=0.25, guard={"time": 2}, seed=0, artifact=split)
    print(parts.report)
    train, val = (part.where(hr.valid_fraction("sst") > 0.3) for part in parts)
    statistics = train.statistics()
    shuffled = train.block_shuffle("16 MB", seed=0, lanes=2)
    print(f"each byte is read {shuffled.shuffle_report().read_amplification:.2f} times in an epoch")
    batches, held = (part.batch(32).map(statistics.normalize) for part in (shuffled, val))
    model = make_model()
    optimizer = torch.optim.Adam(model.parameters())
    rates = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.006, total_steps=EPOCHS * len(batches))
    for step, batch in enumerate(batches.stream(epochs=EPOCHS, workers=hr.Threads(1)).torch(), start=1):
        loss = error_of(model, batch)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        rates.step()
        if step % len(batches) == 0:
            with torch.no_grad():
                errors = [error_of(model, batch).item() for batch in held.stream().torch()]
            print(f"epoch {step // len(batches)}: val {np.mean(errors):.4f}")
    days = np.zeros(DAYS, bool)
    for window in val.geometry[val.numbers()]:
        days[window["time"]] = True
    return model, statistics, days


def predict(model: torch.nn.Module, patches: hr.Patches, statistics: hr.Statistics) -> Iterator[dict[str, Floats]]:
    """Give what the model says for all patches, a batch at a time, in degrees."""
    with torch.no_grad():
        for batch in patches.batch(64).map(statistics.normalize).stream().torch():
            yield statistics.restore({"sst": fill(model, batch["seen"]).numpy()})


def last_seen(seen: Floats) -> Floats:
    """Return what was seen last at each place, the plain way to fill gaps; NaN before anything was."""
    filled = seen.copy()
    for day in range(1, len(filled)):
        filled[day] = np.where(np.isnan(filled[day]), filled[day - 1], filled[day])
    return filled


def root_mean_square(wrong: Floats) -> float:
    return float(np.sqrt(np.nanmean(wrong**2)))


def plot(path: Path, fields: dict[str, Floats]) -> None:
    """Draw maps beside each other, the last one of errors."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        print("no picture: matplotlib is not installed")
        return
    figure = Figure(figsize=(12, 8), layout="constrained")
    low, high = np.nanpercentile(fields["truth"], [1, 99])
    for axes, (name, field) in zip(figure.subplots(2, 2).flat, fields.items(), strict=True):
        limits = {"vmin": -1, "vmax": 1, "cmap": "RdBu_r"} if name == "error" else {"vmin": low, "vmax": high}
        axes.set_facecolor("lightgrey")
        figure.colorbar(axes.imshow(field, origin="lower", **limits), ax=axes, label="°C")
        axes.set_title(name)
    figure.savefig(path)
    print(f"drawn: {path}")


def main(folder: Path) -> None:
    torch.manual_seed(0)
    torch.set_num_threads(1)
    folder.mkdir(parents=True, exist_ok=True)
    make_cube(folder / "sea.zarr")
    cube = xr.open_zarr(folder / "sea.zarr")

    patches = hr.patches(cube, SIZES, overlap={"lat": 16, "lon": 16})
    model, statistics, days = train_model(patches, folder / "split.json")

    everywhere = hr.patches(cube, SIZES, overlap={"time": 1, "lat": 16, "lon": 16}, partial="shift")
    predictions = predict(model, everywhere, statistics)
    whole = hr.stitch(predictions, everywhere, blend="tapered", out=folder / "map.zarr", overwrite=True)

    truth, seen, found = (field[days].to_numpy() for field in (cube["sst"], cube["seen"], whole["sst"]))
    wrong = np.where(np.isnan(seen), found - truth, np.nan)  # of what is hidden; of land NaN, as the truth is
    plain = np.where(np.isnan(seen), last_seen(cube["seen"].to_numpy())[days] - truth, np.nan)
    by_model, by_memory = root_mean_square(wrong), root_mean_square(plain)
    print(f"{days.sum()} days held out, under clouds: {by_model:.2f} °C wrong; what was seen last: {by_memory:.2f} °C")
    fields = {"truth": truth[4], "seen": seen[4], "prediction": np.where(np.isnan(truth[4]), np.nan, found[4])}
    plot(folder / "map.png", {**fields, "error": fields["prediction"] - truth[4]})
    if by_model > 0.8 * by_memory:
        raise SystemExit("the model has learnt too little")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("runs/predict_map"), help="where all of it is written")
    main(parser.parse_args().out)
