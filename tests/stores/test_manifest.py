"""A manifest tells whether it is whole."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.core.errors import DamageError, StoreError
from headrace.stores.layout import Layout
from headrace.stores.manifest import FORMAT, Manifest, Part
from headrace.stores.sums import FileSum

LAYOUT = Layout(
    "batch",
    fields={
        "image": Layout("dense", "uint8", (8, 8)),
        "größe": Layout("ragged", "float32", (2,)),
        "name": Layout("string"),
        "nested": Layout("batch", fields={"raw": Layout("bytes")}),
    },
)
PARTS = (Part(3, {"image.npy": FileSum(320, "ab" * 32)}), Part(4, {"image.npy": FileSum(384, "cd" * 32)}))
MANIFEST = Manifest("digits", "1.0", 7, "mapping", LAYOUT, PARTS, ("ef" * 32,), "2026-11-20T12:00:00+00:00", "0.1", "2")


def changed(**entries: Any) -> Manifest:
    said = {**MANIFEST.__dict__, **entries}
    return Manifest(**{name: said[name] for name in Manifest.__dataclass_fields__})


def test_what_was_encoded_is_decoded() -> None:
    decoded = Manifest.decode(MANIFEST.encode(), "here")
    assert decoded == MANIFEST
    assert decoded.digest == MANIFEST.digest
    assert decoded.fingerprint == MANIFEST.fingerprint
    assert (decoded.length, decoded.size) == (7, 704)


def test_it_is_json_that_says_what_there_is() -> None:
    said = json.loads(MANIFEST.encode())
    assert said["format"] == 1 <= FORMAT
    assert said["parts"][0] == {
        "digest": PARTS[0].digest,
        "length": 3,
        "files": {"image.npy": {"bytes": 320, "sha256": "ab" * 32}},
    }
    assert said["fingerprint"] == MANIFEST.fingerprint
    assert said["schema"]["fields"]["image"] == {"kind": "dense", "dtype": "uint8", "shape": [8, 8]}


def test_the_fingerprint_is_of_the_content_alone() -> None:
    for same in (
        changed(id="x"),
        changed(version="2"),
        changed(sequence=9),
        changed(created="now"),
        changed(parents=()),
    ):
        assert same.fingerprint == MANIFEST.fingerprint
        assert same.digest != MANIFEST.digest
    for other in (changed(parts=PARTS[:1]), changed(structure="tuple"), changed(layout=Layout("batch"))):
        assert other.fingerprint != MANIFEST.fingerprint


@given(st.integers(0, len(MANIFEST.encode()) - 2))
def test_one_that_was_cut_anywhere_is_damaged(length: int) -> None:
    with pytest.raises(DamageError, match="here"):
        Manifest.decode(MANIFEST.encode()[:length], "here")


@given(st.integers(0, 8 * len(MANIFEST.encode()) - 1))
def test_one_with_a_flipped_bit_is_damaged_or_says_the_same(bit: int) -> None:
    content = bytearray(MANIFEST.encode())
    content[bit // 8] ^= 1 << bit % 8
    try:
        decoded = Manifest.decode(bytes(content), "here")
    except StoreError as error:
        assert "here" in str(error)
    else:  # in the white space between the entries
        assert decoded == MANIFEST


def test_one_from_a_newer_format_is_refused_by_its_number() -> None:
    newer = json.dumps({"format": FORMAT + 1, "headrace": "9.0", "anything": "else", "digest": "x"}).encode()
    with pytest.raises(
        StoreError, match=rf"here is written in format {FORMAT + 1} by Headrace 9\.0; .*upgrade"
    ) as caught:
        Manifest.decode(newer, "here")
    assert not isinstance(caught.value, DamageError)


@pytest.mark.parametrize("content", [b"[]", b"{}", b"3", b'{"format": "1", "digest": ""}', b'{"name": "package.json"}'])
def test_json_of_something_else_is_not_taken_for_one(content: bytes) -> None:
    with pytest.raises(DamageError, match="here is not a manifest of Headrace"):
        Manifest.decode(content, "here")
