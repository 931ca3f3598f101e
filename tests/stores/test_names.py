"""Ids, versions and columns as names of files."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.core.errors import ArgumentError, KindError
from headrace.stores.layout import file
from headrace.stores.names import MOST_BYTES, checked, clash, stems

BAD = {
    "empty": "",
    "a folder up": "..",
    "a folder": ".",
    "out of the folder": "../../etc/passwd",
    "into a folder": "a/b",
    "a path": "/etc/passwd",
    "a path elsewhere": "..\\..\\a",
    "hidden": ".hidden",
    "a NUL": "a\0b",
    "a line break": "a\nb",
    "a space in front": " a",
    "a space behind": "a ",
    "only a space": " ",
    "half a letter": "a\ud800",
    "too long": "x" * (MOST_BYTES + 1),
    "too long in bytes": "ä" * MOST_BYTES,
}


@pytest.mark.parametrize("name", BAD.values(), ids=BAD)
def test_a_name_that_cannot_be_a_file_is_refused(name: str) -> None:
    with pytest.raises(ArgumentError, match=r"^id "):
        checked(name, "id")


@pytest.mark.parametrize(
    "name", ["digits", "my digits", "Größe", "数字", "1.0", "a:b", "x" * MOST_BYTES, "~", "-rf", "😀"]
)
def test_a_name_that_can_be_a_file_is_taken_as_it_is(name: str, tmp_path: Path) -> None:
    assert checked(name, "version") == name
    (tmp_path / f"{name}.0123456789abcdef.json").touch()
    assert len(os.listdir(tmp_path)) == 1


def test_the_same_letters_in_other_code_points_are_the_same_name() -> None:
    assert checked("e\u0301", "id") == checked("\u00e9", "id")


def test_a_number_is_no_version_and_the_message_shows_how_to_write_it() -> None:
    with pytest.raises(KindError, match=r"version must be a string, got float: write '1.0'"):
        checked(1.0, "version")  # type: ignore[arg-type]


def test_names_that_differ_in_case_only_clash() -> None:
    assert clash("Digits", ["digits", "Digits"]) == "digits"
    assert clash("digits", ["digits", "letters"]) is None


@given(st.lists(st.text(min_size=1), unique=True, max_size=8))
def test_every_column_has_files_of_its_own_within_the_folder(names: list[str]) -> None:
    nested = stems(names, "nested")
    files = [
        made
        for stem in [*stems(names).values(), *nested.values()]
        for made in (file(stem), file(stem, "values"), file(stem, "offsets"))
    ]
    assert len({made.casefold() for made in files}) == len(files)
    for made in files:
        assert made.isascii()
        assert "/" not in made
        assert not made.startswith(".")
        assert len(made) <= 255


def test_a_column_that_is_called_like_anothers_file_has_its_own() -> None:
    assert stems(["text", "text.values", "text.offsets"]) == {
        "text": "text",
        "text.values": "text%2Evalues",
        "text.offsets": "text%2Eoffsets",
    }


def test_names_that_differ_in_case_only_have_files_that_differ_more() -> None:
    made = list(stems(["image", "IMAGE", "Image"]).values())
    assert len({stem.casefold() for stem in made}) == 3


def test_a_name_of_any_length_fits_into_a_file_name() -> None:
    first, second = (file(stem, "offsets") for stem in stems(["x" * 1000, "x" * 1001]).values())
    assert first != second
    assert max(len(first), len(second)) <= 255
