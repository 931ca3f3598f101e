"""Ids, versions, tags and columns of any characters, on every back end; names that would lie elsewhere on none."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import headrace as hr
from headrace.core.errors import ArgumentError
from tests.servers.places import Place
from tests.whole.stores.where import Where

NAMES = ["a b % # ? & + = ; é 日本 🎈", "%2e%2e%2F[x]*{y}'\"|<>:~^$!@,`(1).", "x.json"]
ELSEWHERE = [
    "../../x",
    "..",
    ".",
    "",
    "/etc/passwd",
    "a/b",
    "a\\b",
    "a\0b",
    "a\nb",
    " a",
    ".hidden",
    "x" * 201,
    "\ud800",
]
FAR = [pytest.param(name, marks=pytest.mark.servers) for name in ("s3", "gcs", "azure", "redis")]


@pytest.mark.filterwarnings("ignore:local.// has no step")
@pytest.mark.parametrize("name", ["folder", "memory", "fsspec", *FAR])
def test_names_come_back_as_they_were_given(name: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    where = Where.local(tmp_path)
    if name == "memory":
        where = Where(f"memory://{tmp_path.name}", None, None, where.cache)
    elif name == "fsspec":
        where = Where(f"local://{tmp_path}/far", None, None, where.cache)
    elif name != "folder":
        place: Place = request.getfixturevalue(name)
        where = Where.at(place, tmp_path)
    store = where.open()
    for at, one in enumerate(NAMES):
        store.submit({one: [at, at + 1]}, one, one)
    store.submit([1], NAMES[0], NAMES[1])
    store.tag(NAMES[0], NAMES[1], NAMES[2])
    store = where.cached(tmp_path / "another").open()
    assert sorted(store.ids()) == sorted(NAMES)
    for at, one in enumerate(NAMES):
        assert store.fetch(one, one).list() == [{one: at}, {one: at + 1}]
    assert store.versions(NAMES[0]) == NAMES[:2] and store.tags(NAMES[0]) == {NAMES[2]: NAMES[1]}
    assert store.fetch(NAMES[0], NAMES[2]).list() == [1]
    store.submit([2], NAMES[0], NAMES[0], replace=True)
    assert store.verify() == 5 and store.gc(grace=0).parts == 0
    store.untag(NAMES[0], NAMES[2])
    for one in (NAMES[0], NAMES[1]):
        store.delete(NAMES[0], one)
    assert store.versions(NAMES[0]) == [] and sorted(store.ids()) == sorted(NAMES[1:])
    assert store.cacheable(NAMES[1], NAMES[0])(lambda: [7])().list() == [7]


@pytest.mark.parametrize("name", ELSEWHERE)
def test_names_that_would_lie_elsewhere_are_refused_before_anything_is_written(name: str, tmp_path: Path) -> None:
    stores = [Where.local(tmp_path), Where(f"memory://{tmp_path.name}", None, None, str(tmp_path / "cache"))]
    for store in [where.open() for where in stores]:
        acts: list[Callable[[hr.Store], object]] = [
            lambda store: store.submit([1], name, "1"),
            lambda store: store.submit([1], "a", name),
            lambda store: store.fetch(name, "1"),
            lambda store: store.delete("a", name),
            lambda store: store.tag("a", "1", name),
            lambda store: store.cacheable(name, "1"),
            lambda store: store.versions(name),
        ]
        for act in acts:
            with pytest.raises(ArgumentError, match=r"id|version|tag"):
                act(store)
    assert list(tmp_path.iterdir()) == []
