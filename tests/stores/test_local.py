"""A version appears in one step or not at all; names are taken once; parts stay as long as anything needs them."""

from __future__ import annotations

import json
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from headrace.core.errors import ArgumentError, DamageError, ExistsError, NotFoundError, SchemaError, StoreError
from headrace.core.records import Rows, wrap
from headrace.stores.disk import appear, is_held, let_go, take_lock
from headrace.stores.local import Folder
from headrace.stores.manifest import Manifest
from headrace.stores.parts import Writer
from headrace.stores.reader import Stored
from headrace.stores.verify import verify


def submit(root: Path, version: str, values: object, taking: bool = False, id: str = "data") -> Manifest:
    folder = Folder(root)
    with folder.staging() as stage, Writer(stage) as writer:
        writer.append(wrap(np.asarray(values)))
        parts = tuple(writer.finish())
        draft = Manifest(id, version, 0, writer.structure, writer.layout, parts, (), "2026-01-01", "0.1", "2.4")
        return folder.publish(stage, draft, taking)


def values(root: Path, version: str | None = None) -> list[int]:
    stored = Stored(Folder(root).shelf, Folder(root).catalog.find("data", version))
    found: list[int] = stored.read(np.arange(len(stored)))["value"].tolist()
    return found


def left_over(root: Path) -> list[str]:
    return sorted(os.listdir(root / "tmp"))


def objects(root: Path) -> set[str]:
    return set(os.listdir(root / "objects"))


def test_a_version_is_there_after_it_was_published(tmp_path: Path) -> None:
    submit(tmp_path, "1", [1, 2])
    assert values(tmp_path) == [1, 2]
    assert left_over(tmp_path) == []


def test_a_name_is_taken_once(tmp_path: Path) -> None:
    submit(tmp_path, "1", [1])
    with pytest.raises(ExistsError, match=r"version '1' of 'data' is there already.*replace=True"):
        submit(tmp_path, "1", [2])
    assert values(tmp_path) == [1]
    assert left_over(tmp_path) == []
    assert len(objects(tmp_path)) == 1


def test_the_newest_is_the_one_published_last_whatever_it_is_called(tmp_path: Path) -> None:
    for version in ("9", "10", "2", "a"):
        submit(tmp_path, version, [1])
    assert [name for name, _ in Folder(tmp_path).catalog.ordered("data")] == ["9", "10", "2", "a"]
    submit(tmp_path, "10", [2], taking=True)
    assert [name for name, _ in Folder(tmp_path).catalog.ordered("data")] == ["9", "2", "a", "10"]
    assert values(tmp_path) == [2]


def test_replacing_moves_the_name_and_keeps_what_readers_have(tmp_path: Path) -> None:
    old = Stored(Folder(tmp_path).shelf, submit(tmp_path, "1", [1, 2, 3]))
    new = submit(tmp_path, "1", [4], taking=True)
    assert new.parents == (old.manifest.digest,)
    assert values(tmp_path, "1") == [4]
    assert old.read(np.array([2]))["value"].tolist() == [3]  # opened only now
    assert verify(Folder(tmp_path).catalog, None, None) == 2


def test_replacing_with_the_same_content_shares_the_part(tmp_path: Path) -> None:
    first, second = submit(tmp_path, "1", [1]), submit(tmp_path, "1", [1], taking=True)
    assert first.fingerprint == second.fingerprint
    assert first.digest != second.digest
    assert len(objects(tmp_path)) == 1


def test_a_damaged_manifest_can_be_replaced_and_deleted(tmp_path: Path) -> None:
    for version in ("1", "2"):
        submit(tmp_path, version, [1])
        (tmp_path / Folder(tmp_path).catalog.key("data", version)).write_text("{")
    submit(tmp_path, "1", [2], taking=True)
    Folder(tmp_path).delete("data", "2")
    assert values(tmp_path) == [2]


def test_versions_share_parts_and_a_part_goes_with_the_last_of_them(tmp_path: Path) -> None:
    submit(tmp_path, "1", [1, 2])
    submit(tmp_path, "2", [1, 2])
    submit(tmp_path, "other", [1, 2], id="elsewhere")
    assert len(objects(tmp_path)) == 1
    Folder(tmp_path).delete("data", "1")
    Folder(tmp_path).delete("data", "2")
    assert len(objects(tmp_path)) == 1
    Folder(tmp_path).delete("elsewhere", "other")
    assert objects(tmp_path) == set()
    assert os.listdir(tmp_path / "datasets") == []


def test_deleting_takes_what_the_version_replaced_with_it_and_nothing_else(tmp_path: Path) -> None:
    submit(tmp_path, "1", [1])
    submit(tmp_path, "1.0123456789abcdef", [2])
    submit(tmp_path, "1.0123456789abcdef", [3], taking=True)
    submit(tmp_path, "1", [4], taking=True)
    submit(tmp_path, "1", [5], taking=True)
    assert len(objects(tmp_path)) == 5
    Folder(tmp_path).delete("data", "1")
    assert len(objects(tmp_path)) == 2
    assert values(tmp_path) == [3]
    assert verify(Folder(tmp_path).catalog, None, None) == 2


def test_no_part_is_taken_away_while_a_manifest_cannot_be_read(tmp_path: Path) -> None:
    submit(tmp_path, "1", [1])
    submit(tmp_path, "2", [1])
    path = tmp_path / Folder(tmp_path).catalog.key("data", "2")
    whole = path.read_bytes()
    path.write_bytes(whole[:100])
    Folder(tmp_path).delete("data", "1")
    path.write_bytes(whole)
    assert values(tmp_path) == [1]


def test_what_is_not_there_is_answered_with_what_is(tmp_path: Path) -> None:
    catalog = Folder(tmp_path / "nowhere").catalog
    with pytest.raises(NotFoundError, match=r"no dataset 'data' in .*nowhere, which has no datasets"):
        catalog.find("data", None)
    submit(tmp_path, "1.0", [1])
    catalog = Folder(tmp_path).catalog
    with pytest.raises(NotFoundError, match=r"no dataset 'dtaa' in .*; there is 'data'. Did you mean 'data'\?"):
        catalog.find("dtaa", None)
    with pytest.raises(NotFoundError, match=r"no version '1.O' of 'data' in .*; there is '1.0'. Did you mean '1.0'\?"):
        catalog.find("data", "1.O")
    with pytest.raises(NotFoundError, match="no version '3'"):
        Folder(tmp_path).delete("data", "3")
    with pytest.raises(NotFoundError, match="no dataset 'other'"):
        verify(catalog, "other", None)


def test_a_damaged_manifest_does_not_hide_the_others(tmp_path: Path) -> None:
    for version in ("1", "2", "3"):
        submit(tmp_path, version, [int(version)])
    catalog = Folder(tmp_path).catalog
    damaged = tmp_path / catalog.key("data", "2")
    damaged.write_text(damaged.read_text()[:200])
    assert catalog.versions("data") == ["1", "2", "3"]
    assert [name for name, _ in catalog.ordered("data")] == ["2", "1", "3"]
    assert values(tmp_path, "3") == [3]
    with pytest.raises(DamageError, match="cannot tell which version of 'data' is the newest, because of '2'"):
        catalog.find("data", None)
    with pytest.raises(DamageError, match=r"2\.json is damaged"):
        catalog.find("data", "2")
    with pytest.raises(DamageError, match=r"1 damaged.*\n.*2\.json is damaged"):
        verify(catalog, None, None)
    submit(tmp_path, "4", [4])


def test_names_that_differ_in_case_only_are_refused(tmp_path: Path) -> None:
    submit(tmp_path, "v1", [1])
    with pytest.raises(ArgumentError, match="version 'V1' differs from 'v1' in upper and lower case only"):
        submit(tmp_path, "V1", [1])
    with pytest.raises(ArgumentError, match="id 'DATA' differs from 'data' in upper and lower case only"):
        submit(tmp_path, "v1", [1], id="DATA")


def test_files_that_are_none_of_ours_are_left_alone(tmp_path: Path) -> None:
    submit(tmp_path, "1", [1])
    for path in ("datasets/.DS_Store", "datasets/notes.txt", "datasets/data/notes.txt", "README"):
        (tmp_path / path).write_text("mine")
    catalog = Folder(tmp_path).catalog
    assert catalog.ids() == ["data"]
    assert catalog.versions("data") == ["1"]
    Folder(tmp_path).delete("data", "1")
    assert (tmp_path / "datasets/data/notes.txt").read_text() == "mine"


def test_an_error_while_writing_leaves_nothing(tmp_path: Path) -> None:
    submit(tmp_path, "1", [1])
    folder = Folder(tmp_path)
    before = objects(tmp_path)
    with pytest.raises(SchemaError), folder.staging() as stage, Writer(stage) as writer:
        writer.append(Rows([1]))
        writer.append(Rows(["a"]))
    assert left_over(tmp_path) == []
    assert objects(tmp_path) == before


def test_an_error_while_publishing_leaves_nothing(tmp_path: Path) -> None:
    submit(tmp_path, "1", [1])
    (tmp_path / "datasets/other").write_text("a file where the folder of a dataset would be")
    with pytest.raises(StoreError, match="File exists"):
        submit(tmp_path, "1", [2], id="other")
    assert len(objects(tmp_path)) == 1
    assert left_over(tmp_path) == []


def test_a_writer_that_is_alive_is_left_alone_and_one_that_died_is_cleared_away(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    dead = tmp_path / "tmp" / "dead"
    with folder.staging() as alive:
        (alive / "part0").mkdir()
        dead.mkdir()
        (dead / "lock").touch()
        (dead / "part0").mkdir()
        submit(tmp_path, "1", [1])
        assert left_over(tmp_path) == [alive.name]
        assert (alive / "part0").is_dir()
    assert left_over(tmp_path) == []


def test_parts_that_a_writer_had_placed_before_it_died_are_cleared_away_unless_used(tmp_path: Path) -> None:
    used = submit(tmp_path, "1", [1]).parts[0].digest
    unused = "0" * 64
    (tmp_path / "objects" / unused).mkdir()
    dead = tmp_path / "tmp" / "dead"
    dead.mkdir()
    (dead / "touched").write_text(json.dumps([used, unused]))
    submit(tmp_path, "2", [1])
    assert objects(tmp_path) == {used}


@pytest.mark.parametrize("damage", ["cut", "changed", "gone"])
def test_a_damaged_part_is_mended_by_who_writes_the_same_again(tmp_path: Path, damage: str) -> None:
    submit(tmp_path, "1", [1, 2, 3])
    (path,) = tmp_path.glob("objects/*/value.npy")
    whole = path.read_bytes()
    path.unlink()
    if damage != "gone":
        path.write_bytes(whole[:-3] if damage == "cut" else whole[:-1] + b"x")
    with pytest.raises(DamageError):
        verify(Folder(tmp_path).catalog, None, None)
    submit(tmp_path, "2", [1, 2, 3])
    assert verify(Folder(tmp_path).catalog, None, None) == 1
    assert values(tmp_path, "1") == values(tmp_path, "2") == [1, 2, 3]


def test_of_many_that_publish_one_name_at_once_one_wins(tmp_path: Path) -> None:
    start = threading.Barrier(8)

    def race(number: int) -> bool:
        start.wait()
        try:
            submit(tmp_path, "1", [number])
        except ExistsError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(race, range(8)))
    assert sum(won) == 1
    assert values(tmp_path) == [won.index(True)]
    assert len(objects(tmp_path)) == 1
    assert left_over(tmp_path) == []


def test_of_many_that_publish_at_once_each_has_a_place_of_its_own(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda number: submit(tmp_path, str(number), [number]), range(16)))
    assert sorted(manifest.sequence for manifest in made) == list(range(1, 17))


def test_a_part_that_one_shares_while_another_deletes_it_is_never_lost(tmp_path: Path) -> None:
    submit(tmp_path, "0", [7])

    def turn(number: int) -> None:
        submit(tmp_path, f"a{number}", [7])
        Folder(tmp_path).delete("data", f"a{number}")

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(turn, range(24)))
    Folder(tmp_path).delete("data", "0")
    submit(tmp_path, "1", [7])
    assert verify(Folder(tmp_path).catalog, None, None) == 1


def test_a_name_appears_once(tmp_path: Path) -> None:
    for name in ("first", "second"):
        (tmp_path / name).write_text(name)
    assert appear(tmp_path / "first", tmp_path / "name")
    assert not appear(tmp_path / "second", tmp_path / "name")
    assert (tmp_path / "name").read_text() == "first"


def test_a_name_appears_once_where_nothing_can_be_linked(tmp_path: Path) -> None:
    for name in ("first", "second"):  # a folder cannot be linked on any file system
        (tmp_path / name / name).mkdir(parents=True)
    assert appear(tmp_path / "first", tmp_path / "name")
    assert not appear(tmp_path / "second", tmp_path / "name")
    assert os.listdir(tmp_path / "name") == ["first"]


def test_a_lock_is_let_go_of_even_when_a_child_was_forked(tmp_path: Path) -> None:
    lock = take_lock(tmp_path / "lock")
    assert is_held(tmp_path / "lock")
    again = os.dup(lock)  # as a forked child has it
    let_go(lock)
    assert not is_held(tmp_path / "lock")
    os.close(again)
    assert not is_held(tmp_path / "none")
