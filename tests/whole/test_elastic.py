"""Ranks are killed, and other numbers of them go on: real processes, numbered as a launcher does."""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.whole.living import NOTHING, Family
from tests.whole.ranks import records

LENGTH = 157
COUNTS = (1, 2, 3, 4, 8)
CHAINS = {
    "up": [1, 2, 3, 4, 8],
    "down": [8, 4, 3, 2, 1],
    "about": [3, 8, 2, 4, 1, 3],
    "back": [4, 1, 8, 3, 1, 4, 2, 8],
}
SIZES = [4, 2, 3, 5, 1, 4, 2, 3]


def test_the_chains_hold_most_changes_of_the_number_of_ranks() -> None:
    assert {count for chain in CHAINS.values() for count in chain} == {*COUNTS}
    assert len({pair for chain in CHAINS.values() for pair in pairwise(chain)}) >= 17


def run(remainder: str, counts: list[int], folder: Path, workers: Any = 0, epochs: int = 1) -> list[list[list[Any]]]:
    """Return the records of each step, of each rank, of each phase."""
    phases = [{"ranks": count, "size": size, "steps": 2, "workers": workers} for count, size in zip(counts, SIZES)]
    plan = {"length": LENGTH, "remainder": remainder, "epochs": epochs, "phases": phases}
    family = Family(
        ["-m", "tests.whole.ranks", json.dumps(plan), str(folder)],
        folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        out, errors = family.program.communicate()
        assert family.program.returncode == 0, errors
        assert family.left_behind() == NOTHING
        return json.loads(out)  # type: ignore[no-any-return]
    finally:
        family.end()


def flat(phases: list[list[list[Any]]]) -> list[Any]:
    return [record for ranks in phases for steps in ranks for items in steps for record in items]


@cache
def drawn() -> dict[int, str]:
    """Return what is drawn for each record in epoch 0."""
    return {int(record["n"]): float(record["noise"]).hex() for record in records(LENGTH)}


@pytest.mark.parametrize("chain", CHAINS)
@pytest.mark.parametrize("remainder", ["uneven", "drop", "pad"])
def test_each_record_comes_once_whatever_becomes_of_the_ranks(remainder: str, chain: str, tmp_path: Path) -> None:
    counts = CHAINS[chain]
    phases = run(remainder, counts, tmp_path)
    assert [len(ranks) for ranks in phases] == counts
    seen = flat(phases)
    once = Counter(n for n, _, padded in seen if not padded)
    assert {*once.values()} == {1}
    for n, noise, _ in seen:
        assert noise == drawn()[n]  # random maps draw the same for a record, whoever reads it
    rest = LENGTH - len(flat(phases[:-1]))  # that the last ranks shared out
    assert LENGTH - len(once) == (rest % counts[-1] if remainder == "drop" else 0)
    assert len(seen) - len(once) == (-rest % counts[-1] if remainder == "pad" else 0)
    if remainder != "uneven":
        for ranks in phases:
            assert len({len(steps) for steps in ranks}) == 1  # all ranks make the same number of steps
            assert len({tuple(len(items) for items in steps) for steps in ranks}) == 1  # of the same sizes
    else:
        assert all(max(map(len, ranks)) - min(map(len, ranks)) <= 1 for ranks in phases)


@pytest.mark.parametrize("workers", ["threads", 2])
def test_ranks_with_workers_of_their_own(workers: Any, tmp_path: Path) -> None:
    folders = [tmp_path / "without", tmp_path / "with"]
    for folder in folders:
        folder.mkdir()
    counts = [2, 3, 1] if workers == 2 else [3, 8, 2, 4, 1]
    assert run("pad", counts, folders[0]) == run("pad", counts, folders[1], workers)


@pytest.mark.parametrize("remainder", ["drop", "pad"])
def test_the_next_epochs_are_whole_after_a_change_in_the_first(remainder: str, tmp_path: Path) -> None:
    phases = run(remainder, [4, 3], tmp_path, epochs=3)
    seen = flat(phases)
    once = Counter(n for n, _, padded in seen if not padded)
    assert len({len(steps) for steps in phases[-1]}) == 1
    least = 3 if remainder == "pad" else 0
    assert all(least <= times <= 3 for times in once.values())
    assert 3 * LENGTH - once.total() <= (0 if remainder == "pad" else 3 * 2)
    assert len({noise for n, noise, padded in seen if not padded}) == once.total()  # each epoch draws anew
