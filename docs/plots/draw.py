"""Draw the charts of the documentation, each from a run: ``python -m docs.plots.draw`` writes them beside this file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Literal

import numpy as np

import headrace as hr
from docs.plots.divided import split_blocks
from docs.plots.stitched import stitch_blends, stitch_seams
from docs.plots.svg import Chart
from docs.plots.windows import patch_orders, patch_partial, patch_windows

HERE = Path(__file__).parent
WEIGHTS = np.array([8, 4, 2, 1, 1, 1, 1, 1]) / 19


def marked(streams: int, length: int = 1000) -> list[hr.Dataset]:
    """Return Datasets whose records say which one they are of."""
    return [hr.Dataset(np.full(length, number)) for number in range(streams)]


def working_set() -> str:
    """Who is active when: a record is a mark in the row of its stream."""
    mux = hr.StochasticMux(marked(12), n_active=3, rate=32, mode="single_active", seed=4)
    given = np.array(mux.take(600).list())
    chart = Chart("Which stream gives a record: 12 streams, 3 active, rate=32", "record", 300, (0, 600, -0.6, 12.6))
    for stream in range(12):
        chart.levels([stream], "{:.0f}")
        chart.ticks(stream, np.flatnonzero(given == stream).tolist(), "s0 r")
    chart.names([0, 200, 400, 600], ["0", "200", "400", "600"])
    return chart.svg()


def shares(weighting: Literal["records", "active"]) -> list[float]:
    """Return the share of the records of each of 8 streams, of which 3 are active at a time."""
    mux = hr.StochasticMux(marked(8), n_active=3, rate=16, weights=WEIGHTS.tolist(), weighting=weighting, seed=0)
    for _ in mux.take(100_000).batch(4096):
        pass
    found: list[float] = mux.stats().proportions.tolist()
    return found


def proportions() -> str:
    """What the weights mean."""
    chart = Chart("Share of the records, n_active=3, rate=16", "stream", 320, (0, 8, 0, 0.45))
    chart.levels([0, 0.1, 0.2, 0.3, 0.4])
    realised = {'weighting="records"': shares("records"), 'weighting="active"': shares("active")}
    chart.bars([*"abcdefgh"], realised, {"weight": [WEIGHTS.tolist()] * 2})
    return chart.svg()


def finite_shares(epochs: int | None) -> list[float]:
    """Return the shares of streams of equal weight, some of which end before their lifetimes."""
    streams = [hr.Dataset(np.full(length, length)) for length in (2, 4, 8, 32, 1000)]
    mux = hr.StochasticMux([one.stream(epochs) for one in streams], n_active=2, rate=16, dist="constant", seed=0)
    for _ in mux.take(100_000).batch(4096):
        pass
    found: list[float] = mux.stats().proportions.tolist()
    return found


def finite() -> str:
    """What streams that end early do to the shares."""
    chart = Chart("Equal weights, rate=16", "records in the stream", 320, (0, 5, 0, 0.4))
    chart.levels([0, 0.1, 0.2, 0.3, 0.4])
    ends = np.minimum([2, 4, 8, 32, 1000], 16)
    realised = {"stream()": finite_shares(1), "stream(epochs=None)": finite_shares(None)}
    chart.bars(["2", "4", "8", "32", "1000"], realised, {"expected": [(ends / ends.sum()).tolist(), [0.2] * 5]})
    return chart.svg()


def lives(dist: Literal["binomial", "poisson"]) -> Counter[int]:
    """Return how many activations gave so many records, with 4 active streams and a rate of 32."""
    numbers = count()

    def activation() -> Iterator[int]:
        number = next(numbers)
        while True:
            yield number

    mux = hr.StochasticMux([hr.Stream(activation)] * 8, n_active=4, rate=32, dist=dist, seed=0)
    lengths = np.bincount(mux.take(100_000).list())
    return Counter(lengths[:-100].tolist())  # the last ones are cut where the run ends


def lifetimes() -> str:
    """How long streams stay."""
    chart = Chart("Records of an activation, rate=32, n_active=4", "records", 320, (8, 56, 0, 0.16))
    chart.levels([0, 0.05, 0.1, 0.15])
    dists: list[Literal["binomial", "poisson"]] = ["binomial", "poisson"]
    for number, dist in enumerate(dists):
        found = lives(dist)
        across = range(8, 57)
        chart.line(f'"{dist}"', across, [found[value] / found.total() for value in across], f"s{number} l")
    chart.names([8, 20, 32, 44, 56], ["8", "20", "32", "44", "56"])
    return chart.svg()


def curriculum() -> str:
    """Weights that change with the step."""

    def weights(step: int) -> list[float]:
        hard = min(step / 20_000, 0.8)
        return [1 - hard, hard]

    mux = hr.ShuffledMux(marked(2), weights=hr.Curriculum(weights, every=500), seed=0)
    hard = np.array(mux.take(30_000).list()).reshape(-1, 500).mean(axis=1)
    steps = range(0, 30_000, 500)
    chart = Chart('Share of "hard" in each 500 records', "step", 300, (0, 30_000, 0, 1))
    chart.levels([0, 0.25, 0.5, 0.75, 1])
    chart.line("records", [step + 250 for step in steps], hard.tolist(), "s0 l")
    chart.line("weight", steps, [weights(step)[1] for step in steps], "s1 l")
    chart.names([0, 10_000, 20_000, 30_000], ["0", "10,000", "20,000", "30,000"])
    return chart.svg()


FIGURES = {
    "working_set": working_set,
    "proportions": proportions,
    "finite": finite,
    "lifetimes": lifetimes,
    "curriculum": curriculum,
    "patch_windows": patch_windows,
    "patch_partial": patch_partial,
    "patch_orders": patch_orders,
    "split_blocks": split_blocks,
    "stitch_seams": stitch_seams,
    "stitch_blends": stitch_blends,
}


def main() -> None:
    for name, figure in FIGURES.items():
        (HERE / f"{name}.svg").write_text(figure(), encoding="utf-8")


if __name__ == "__main__":
    main()
