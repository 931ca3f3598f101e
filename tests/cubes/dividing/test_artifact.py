"""Splits in files: what was held out stays held out, whoever reads the file, and whatever else is there."""

from __future__ import annotations

import json
import multiprocessing
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from headrace.core.errors import ArgumentError, DamageError, ExistsError, NotFoundError, StateError, StoreError
from headrace.cubes.dividing.artifact import load, save, settle
from headrace.cubes.dividing.labels import marks
from headrace.cubes.dividing.splitting import Along, Blocks, Division, Groups, Plan, draw
from headrace.cubes.geometry import Geometry

HALVES = {"train": 0.5, "val": 0.5}
GEOMETRY = Geometry.of({"time": 100, "lat": 20}, {"time": 10, "lat": 5})
NUMBERS = np.arange(len(GEOMETRY))
TIME = np.datetime64("2001-01-01") + np.arange(200)
PLANS: dict[str, Plan] = {
    "blocks": Blocks({"lat": 10, "time": 20}),
    "along": Along("time"),
    "groups": Groups("season", ("time",), np.arange(100) // 20 % 4),
    "names": Groups("basin", ("lat",), np.array(["a", "b", "c", "d"]).repeat(5)),
    "dates": Groups("year", ("time",), TIME[:100].astype("M8[M]")),
}


def same(one: Division, other: Division) -> bool:
    """Say whether two divisions put all patches of some kinds into the same parts."""
    kinds = [GEOMETRY, Geometry.of({"time": 100, "lat": 20}, {"time": 1, "lat": 1})]
    return one.names == other.names and all(
        (one.part(kind, np.arange(len(kind))) == other.part(kind, np.arange(len(kind)))).all() for kind in kinds
    )


@pytest.mark.parametrize("plan", PLANS.values(), ids=PLANS)
def test_what_was_written_is_read(plan: Plan, tmp_path: Path) -> None:
    path = tmp_path / "split.json"
    guard = {"time": 2} if "time" in plan.dims else {}
    written = settle(path, plan, GEOMETRY, NUMBERS, HALVES, 3, guard, {"time": TIME[:100]})
    content = path.read_bytes()
    read = settle(path, plan, GEOMETRY, NUMBERS, HALVES, 3, guard, {"time": TIME[:100]})
    assert same(written, read)
    assert same(written, draw(plan, GEOMETRY, NUMBERS, HALVES, 3, guard))
    assert same(written, load(path, plan))
    assert path.read_bytes() == content
    assert [one.name for one in tmp_path.iterdir()] == ["split.json"]


def test_other_patches_are_divided_by_what_is_there(tmp_path: Path) -> None:
    path = tmp_path / "split.json"
    first = settle(path, Blocks({"time": 20}), GEOMETRY, NUMBERS, HALVES)
    some = np.arange(3, 40, 3)  # of which another draw would come out otherwise
    assert same(first, settle(path, Blocks({"time": 20}), GEOMETRY, some, HALVES))
    assert same(first, load(path))


READABLE = """\
{
  "headrace": "split",
  "format": 1,
  "by": {"along": "time"},
  "parts": {"train": 0.5, "val": 0.5},
  "seed": 0,
  "guard": {"time": 10},
  "cube": {"time": 100, "lat": 20},
  "labels": {"time": {"first": "2001-01-01T00:00:00", "last": "2001-04-10T00:00:00", "digest": "ae601be038dca8c0"}},
  "assignment": {"train": [0, 45], "val": [45, 100]},
  "patches": {"in": {"train": 16, "val": 20}, "left out": {"border": 4, "guard": 0, "nowhere": 0}},
  "digest": "374fd8d2413fb6be"
}
"""


def test_a_file_can_be_read_by_people(tmp_path: Path) -> None:
    path = tmp_path / "split.json"
    settle(path, Along("time"), GEOMETRY, NUMBERS, HALVES, guard={"time": 10}, labels={"time": TIME[:100]})
    assert path.read_text() == READABLE


def test_without_a_file_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert same(settle(None, Along("time"), GEOMETRY, NUMBERS, HALVES), draw(Along("time"), GEOMETRY, NUMBERS, HALVES))
    assert not [*tmp_path.iterdir()]


def test_a_split_that_leaves_a_part_empty_is_not_written(tmp_path: Path) -> None:
    path = tmp_path / "split.json"
    with pytest.raises(ArgumentError, match="no patch lies in"):
        settle(path, Blocks({"time": 1}), GEOMETRY, NUMBERS, HALVES)
    assert not path.exists()


def test_a_part_that_is_empty_of_other_patches_is_said(tmp_path: Path) -> None:
    path = tmp_path / "split.json"
    settle(path, Along("time"), GEOMETRY, NUMBERS, HALVES)
    large = Geometry.of({"time": 100, "lat": 20}, {"time": 60})
    with pytest.raises(
        ArgumentError,
        match=r"no patch lies in 'train', 'val': .* The split at .* was drawn before: take smaller patches",
    ):
        settle(path, Along("time"), large, np.arange(1), HALVES)


OTHER: dict[str, tuple[dict[str, Any], str]] = {
    "plan": ({"plan": Blocks({"time": 25})}, r'divided by {"along": "time"}, not by {"blocks": {"time": 25}}'),
    "fractions": ({"fractions": {"train": 0.4, "val": 0.6}}, "parts are train=0.5, val=0.5, not train=0.4, val=0.6"),
    "order": ({"fractions": {"val": 0.5, "train": 0.5}}, "parts are train=0.5, val=0.5, not val=0.5, train=0.5"),
    "seed": ({"seed": 1}, "seed is 0, not 1"),
    "guard": ({"guard": {"time": 4}}, "guard is none, not time=4"),
    "length": (
        {"geometry": Geometry.of({"time": 90, "lat": 20}, {"time": 10}), "labels": {"time": TIME[:90]}},
        "its cube has time=100, lat=20, this one has time=90, lat=20. Delete it",
    ),
    "growth": (
        {"geometry": Geometry.of({"time": 110, "lat": 20}, {"time": 10}), "labels": {"time": TIME[:110]}},
        r"it has grown: grown=True keeps",
    ),
    "dimension": ({"geometry": Geometry.of({"time": 100, "lon": 20}, {"time": 10})}, "lat=20, this one has .*lon=20"),
    "labels": ({"labels": {"time": TIME[1:101]}}, "were 2001-01-01T00:00:00 to .*and are 2001-01-02T00:00:00 to"),
    "order of labels": (
        {"labels": {"time": TIME[[0, 2, 1, *range(3, 100)]]}},
        "labels of 'time' differ: .* with others between",
    ),
    "a seed that is none": ({"seed": True}, "a seed is a non-negative integer"),
    "no labels": ({"labels": {}}, "'time' had some labels, and has no now"),
}


@pytest.mark.parametrize(("given_", "message"), OTHER.values(), ids=OTHER)
def test_a_file_of_another_split_is_refused_with_what_differs(
    given_: dict[str, Any], message: str, tmp_path: Path
) -> None:
    path = tmp_path / "split.json"
    asked: dict[str, Any] = {
        "plan": Along("time"),
        "geometry": GEOMETRY,
        "numbers": np.arange(10),
        "fractions": HALVES,
        "labels": {"time": TIME[:100]},
    }
    settle(path, **asked)
    content = path.read_bytes()
    with pytest.raises((StateError, ArgumentError), match=message):
        settle(path, **{**asked, **given_})
    assert path.read_bytes() == content


def test_a_file_of_other_groups_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "split.json"
    settle(path, PLANS["groups"], GEOMETRY, NUMBERS, HALVES)
    other = Groups("season", ("time",), np.arange(100) // 25 % 4)
    with pytest.raises(StateError, match="labels of 'season' differ"):
        settle(path, other, GEOMETRY, NUMBERS, HALVES)
    with pytest.raises(StateError, match="labels of 'season' differ"):
        load(path, other)
    with pytest.raises(ArgumentError, match="load it with their labels"):
        load(path)


@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_a_damaged_file_is_found(data: st.DataObject, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("damaged") / "split.json"
    save(path, draw(Blocks({"time": 20}), GEOMETRY, NUMBERS, HALVES))
    content = path.read_bytes()
    at = data.draw(st.integers(0, len(content) - 3))
    kind = data.draw(st.sampled_from(["cut", "other", "gone"]))
    if kind == "cut":
        path.write_bytes(content[:at])
    elif kind == "gone":
        path.write_bytes(content[:at] + content[at + 1 :])
    else:
        path.write_bytes(content[:at] + bytes([content[at] ^ data.draw(st.integers(1, 127))]) + content[at + 1 :])
    if json_or_none(path.read_bytes()) == json.loads(content):
        return  # white space
    with pytest.raises((DamageError, StateError), match=r"split\.json"):
        load(path)


def json_or_none(content: bytes) -> Any:
    try:
        return json.loads(content)
    except ValueError:
        return None


def test_a_file_that_was_edited_is_not_what_was_written(tmp_path: Path) -> None:
    path = save(tmp_path / "split.json", draw(Along("time"), GEOMETRY, NUMBERS, HALVES))
    path.write_text(path.read_text().replace("[0, 50]", "[0, 60]"))
    with pytest.raises(DamageError, match="not what was written, it was changed or damaged: bring back a copy"):
        load(path)


def test_other_files_are_no_splits(tmp_path: Path) -> None:
    for text in ("", "[]", "{}", '{"digest": 1}', '{"digest": 1, "headrace": "map"}', "\xff"):
        (tmp_path / "x.json").write_bytes(text.encode("latin-1"))
        with pytest.raises(DamageError):
            load(tmp_path / "x.json")
    with pytest.raises(NotFoundError, match="no split at"):
        load(tmp_path / "none.json")
    with pytest.raises(StoreError, match="cannot read"):
        load(tmp_path)


def test_a_format_of_later_is_refused(tmp_path: Path) -> None:
    path = save(tmp_path / "split.json", draw(Along("time"), GEOMETRY, NUMBERS, HALVES))
    path.write_text(path.read_text().replace('"format": 1', '"format": 2'))
    with pytest.raises(StateError, match="format 2; this version reads 1"):
        load(path)


def test_a_file_is_never_written_over(tmp_path: Path) -> None:
    path = save(tmp_path / "split.json", draw(Along("time"), GEOMETRY, NUMBERS, HALVES))
    content = path.read_bytes()
    with pytest.raises(ExistsError, match="is there already"):
        save(path, draw(Blocks({"time": 20}), GEOMETRY, NUMBERS, HALVES))
    assert path.read_bytes() == content
    assert [one.name for one in tmp_path.iterdir()] == ["split.json"]


def test_where_nothing_can_be_written_the_error_says_so(tmp_path: Path) -> None:
    division = draw(Along("time"), GEOMETRY, NUMBERS, HALVES)
    with pytest.raises(StoreError, match=r"cannot write the split to .*no/split\.json: No such file"):
        save(tmp_path / "no" / "split.json", division)
    with pytest.raises(ArgumentError, match="a file in a folder of this machine"):
        save("s3://bucket/split.json", division)


def settled(path: Path, seed: int, barrier: Any, given_: Any) -> None:
    barrier.wait(30)
    # another set of patches in each process, so that each would draw something else
    division = settle(path, Blocks({"time": 5}), Geometry.of({"time": 1000}, {"time": 1}), np.arange(seed, 900), HALVES)
    given_.put(division.owner.tolist())


def test_of_processes_that_write_at_once_one_does_and_all_use_what_it_wrote(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    barrier, found = context.Barrier(3), context.Queue()
    path = tmp_path / "split.json"
    processes = [context.Process(target=settled, args=(path, 37 * seed, barrier, found)) for seed in range(3)]
    for process in processes:
        process.start()
    owners = [found.get(timeout=50) for _ in processes]
    for process in processes:
        process.join(30)
    assert owners[0] == owners[1] == owners[2] == load(path).owner.tolist()
    assert [one.name for one in tmp_path.iterdir()] == ["split.json"]


def test_who_is_too_late_reads_what_another_wrote(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "split.json"
    few = np.arange(12)
    other = draw(Blocks({"time": 20}), GEOMETRY, few, HALVES)
    assert not same(other, draw(Blocks({"time": 20}), GEOMETRY, NUMBERS, HALVES))
    link = os.link

    def late(written: Path, name: Path) -> None:
        monkeypatch.setattr(os, "link", link)
        save(path, other)
        link(written, name)

    monkeypatch.setattr(os, "link", late)
    assert same(settle(path, Blocks({"time": 20}), GEOMETRY, NUMBERS, HALVES), other)


# Growth


def cube(length: int) -> tuple[Geometry, NDArray[np.int64]]:
    geometry = Geometry.of({"time": length, "lat": 20}, {"time": 10, "lat": 5})
    return geometry, np.arange(len(geometry))


def seasons(length: int) -> Groups:
    return Groups("season", ("time",), np.arange(length) // 10)


@pytest.mark.parametrize("kind", ["blocks", "along", "groups"])
def test_a_cube_that_grew_keeps_what_was_held_out(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "split.json"

    def settle_at(length: int, grown: bool) -> Division:
        plans: dict[str, Plan] = {"blocks": Blocks({"time": 15}), "along": Along("time"), "groups": seasons(length)}
        return settle(path, plans[kind], *cube(length), HALVES, 0, {"time": 2}, {"time": TIME[:length]}, grown)

    first = settle_at(100, grown=True)  # nothing is there to grow from
    with pytest.raises(StateError, match="grown=True"):
        settle_at(150, grown=False)
    second = settle_at(150, grown=True)
    third = settle_at(200, grown=True)
    small, large = (Geometry.of({"time": length, "lat": 20}, {"time": 1}) for length in (100, 200))
    before, after = first.part(small, np.arange(100)), third.part(large, np.arange(200))[:100]
    assert not ((before != after) & (before >= 0) & (after >= 0)).any()
    middle = second.part(Geometry.of({"time": 150, "lat": 20}, {"time": 1}), np.arange(150))
    last = third.part(large, np.arange(200))[:150]
    assert not ((middle != last) & (middle >= 0) & (last >= 0)).any()
    read = settle_at(200, grown=False)
    assert (read.part(large, np.arange(200)) == third.part(large, np.arange(200))).all()
    again = settle_at(200, grown=True)
    assert (again.part(large, np.arange(200)) == third.part(large, np.arange(200))).all()
    with pytest.raises(StateError, match="its cube has time=200"):
        settle_at(150, grown=True)
    assert [one.name for one in tmp_path.iterdir()] == ["split.json"]


def test_of_those_that_replace_a_file_at_once_all_use_what_is_there_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "split.json"
    small, large = (Geometry.of({"time": length}, {"time": 1}) for length in (100, 1000))
    settle(path, Blocks({"time": 10}), small, np.arange(100), HALVES)
    barrier = threading.Barrier(4)

    def grow_with(few: int) -> list[int]:
        barrier.wait(30)
        found: list[int] = settle(
            path, Blocks({"time": 10}), large, np.arange(0, 1000, few), HALVES, grown=True
        ).owner.tolist()
        return found

    with ThreadPoolExecutor(4) as threads:
        owners = [*threads.map(grow_with, (1, 2, 7, 13))]
    assert all(one == load(path).owner.tolist() for one in owners)
    assert [one.name for one in tmp_path.iterdir()] == ["split.json"]


def test_dates_in_another_unit_are_the_same_groups(tmp_path: Path) -> None:
    path, day = tmp_path / "split.json", TIME[:100].astype("M8[M]")
    first, second = (
        settle(path, Groups("month", ("time",), day.astype(unit)), GEOMETRY, NUMBERS, HALVES)
        for unit in ("M8[ns]", "M8[s]")
    )
    assert same(first, second)


def test_a_cube_whose_old_labels_changed_did_not_grow(tmp_path: Path) -> None:
    path = tmp_path / "split.json"
    settle(path, Along("time"), *cube(100), HALVES, labels={"time": TIME[:100]})
    with pytest.raises(StateError, match="labels of 'time' differ"):
        settle(path, Along("time"), *cube(150), HALVES, labels={"time": TIME[1:151]}, grown=True)
    with pytest.raises(StateError, match="seed is 0, not 1"):
        settle(path, Along("time"), *cube(150), HALVES, seed=1, labels={"time": TIME[:150]}, grown=True)


def test_a_transposed_cube_is_the_same_one_and_may_grow(tmp_path: Path) -> None:
    path = tmp_path / "split.json"
    plan = Blocks({"time": 20, "lat": 10})
    first = settle(path, plan, GEOMETRY, NUMBERS, HALVES)
    other = Geometry.of({"lat": 20, "time": 100}, {"time": 20, "lat": 10})
    part = settle(path, plan, other, np.arange(len(other)), HALVES).part(other, np.arange(10)).reshape(2, 5)
    assert (part.T == first.owner).all()
    longer = Geometry.of({"lat": 20, "time": 140}, {"time": 20, "lat": 10})
    grown = settle(path, plan, longer, np.arange(14), HALVES, grown=True).part(longer, np.arange(14)).reshape(2, 7)
    assert (grown[:, :5] == part).all()


# Labels


def test_labels_are_told_apart_by_what_they_say() -> None:
    alike = [
        (TIME.astype("M8[ns]"), TIME.astype("M8[s]")),
        (np.arange(5, dtype=np.int16), np.arange(5, dtype=np.uint64)),
        (np.array([0.5, 2]), np.array([0.5, 2], np.float32)),
        (np.array([-0.0]), np.array([0.0])),
        (np.ma.masked_equal([1, 2], 2), np.ma.masked_equal([1, 2], 2)),
    ]
    unlike: list[tuple[NDArray[Any], NDArray[Any]]] = [
        (TIME, TIME[::-1]),
        (TIME.astype("M8[ns]"), TIME.astype("M8[ns]") + np.timedelta64(1, "ns")),
        (np.array(["a", "bc"]), np.array(["ab", "c"])),
        (np.array([1.0]), np.array([1])),
        (np.arange(6).reshape(2, 3), np.arange(6).reshape(3, 2)),
        (np.array(["1"], object), np.array([1], object)),
        (np.ma.masked_equal([1, 2], 2), np.array([1, 2])),
    ]
    assert all(marks(one) == marks(other) for one, other in alike)
    assert all(marks(one) != marks(other) for one, other in unlike)
    assert marks(np.empty(0))["first"] == ""


def test_groups_that_read_alike_cannot_be_written(tmp_path: Path) -> None:
    labels = np.array([1.5, "1.5"], object).repeat(50)
    with pytest.raises(ArgumentError, match="read alike"):
        settle(tmp_path / "split.json", Groups("g", ("time",), labels), GEOMETRY, NUMBERS, HALVES)
