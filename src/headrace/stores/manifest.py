"""The manifest: what a version of a dataset is made of, as a JSON file that tells whether it is whole."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any

from headrace.core.errors import DamageError, StoreError
from headrace.core.schema import Schema, Structure
from headrace.stores.layout import Layout, schema_of
from headrace.stores.packing import SUFFIXES
from headrace.stores.sums import FileSum

FORMAT = 2
"""The newest format that this version of Headrace reads. It writes 1 where that says all, for older readers."""


@dataclass(frozen=True)
class Packed:
    """How a file is kept where it is not kept as it is.

    Args:
        codec: What its bytes went through: ``"zstd"``.
        frames: How many bytes each piece of 8 MiB became; the pieces follow each other.
    """

    codec: str
    frames: tuple[int, ...]

    @property
    def bytes(self) -> int:
        """How many bytes the object has."""
        return sum(self.frames)

    @property
    def suffix(self) -> str:
        """What is put behind the file's name, after a dot."""
        return SUFFIXES.get(self.codec, self.codec)


@dataclass(frozen=True)
class Part:
    """A folder of files that holds some records, all of their columns; never changed, named by its content.

    Args:
        length: How many records.
        files: The sum of each file.
        packed: Those that are kept compressed, under the file's name and the codec's; it does not change the identity.
    """

    length: int
    files: Mapping[str, FileSum] = field(repr=False)
    packed: Mapping[str, Packed] = field(default_factory=dict, repr=False)

    @cached_property
    def digest(self) -> str:
        """Its name: a digest over the names, sizes and sums of the files."""
        return _digest({name: asdict(sum) for name, sum in self.files.items()})

    @property
    def size(self) -> int:
        """How many bytes its files have."""
        return sum(file.bytes for file in self.files.values())

    @property
    def kept_size(self) -> int:
        """How many bytes they have where they are kept, compressed or not."""
        return sum(self.packed[name].bytes if name in self.packed else sum_.bytes for name, sum_ in self.files.items())


@dataclass(frozen=True)
class Manifest:
    """A version of a dataset.

    Args:
        id: The dataset.
        version: The name of this version.
        sequence: Its place among the versions of the dataset: the newest has the highest, whatever clocks say.
        structure: What a record is: a mapping, a tuple or a value.
        layout: Of the columns. Of tuples they are called "0", "1", ..., of values "value".
        parts: Where the records lie, in order.
        parents: Digests of the manifests that this version was made from; of a replaced one, for example.
        created: When, in UTC, ISO 8601.
        headrace: The version of Headrace that wrote it.
        numpy: The version of NumPy that wrote it.
        notes: What else is known of it, as plain JSON: by which code it was made, what it is made of.
    """

    id: str
    version: str
    sequence: int
    structure: Structure
    layout: Layout = field(repr=False)
    parts: tuple[Part, ...] = field(repr=False)
    parents: tuple[str, ...] = field(repr=False)
    created: str
    headrace: str = field(repr=False)
    numpy: str = field(repr=False)
    notes: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def format(self) -> int:
        """The number of the format: it rises with every change of the entries that an older version would misread."""
        newer = self.notes or any(part.packed for part in self.parts) or self.layout.pickled
        return 2 if newer else 1

    @property
    def length(self) -> int:
        """How many records."""
        return sum(part.length for part in self.parts)

    @property
    def size(self) -> int:
        """How many bytes the files of all parts have."""
        return sum(part.size for part in self.parts)

    @property
    def schema(self) -> Schema:
        """What records look like."""
        return schema_of(self.layout, self.structure)

    @cached_property
    def fingerprint(self) -> str:
        """The identity of the content: a digest over parts, schema and structure; no matter who wrote it when."""
        parts = [[part.digest, part.length] for part in self.parts]
        return _digest({"parts": parts, "schema": self.layout.to_json(), "structure": self.structure})

    @property
    def digest(self) -> str:
        """The identity of this manifest: a digest over all that it says."""
        return _digest(self._body())

    def _body(self) -> dict[str, Any]:
        newer = {"notes": dict(self.notes)} if self.notes else {}
        return {
            "format": self.format,
            "id": self.id,
            "version": self.version,
            "sequence": self.sequence,
            "length": self.length,
            "structure": self.structure,
            "schema": self.layout.to_json(),
            "parts": [_said(part) for part in self.parts],
            "fingerprint": self.fingerprint,
            "parents": list(self.parents),
            "created": self.created,
            "headrace": self.headrace,
            "numpy": self.numpy,
            **newer,
        }

    def encode(self) -> bytes:
        """Return the file's content; its last entry is the digest of the others."""
        body = self._body()
        return json.dumps({**body, "digest": _digest(body)}, indent=1).encode() + b"\n"

    @staticmethod
    def decode(content: bytes, path: str) -> Manifest:
        """Return what a file says.

        Args:
            content: Of the file.
            path: Where it lies, for the message.

        Raises:
            DamageError: The file is cut, changed, or nothing that Headrace wrote.
            StoreError: A newer Headrace wrote it.
        """
        try:
            said = json.loads(content)
        except ValueError as error:
            raise DamageError(f"{path} is damaged: {len(content)} bytes that are no JSON ({error})") from error
        if not isinstance(said, dict) or not isinstance(said.get("format"), int) or "digest" not in said:
            raise DamageError(f"{path} is not a manifest of Headrace")
        if said["format"] > FORMAT:
            raise StoreError(
                f"{path} is written in format {said['format']} by Headrace {said.get('headrace', '?')}; "
                f"this version reads formats up to {FORMAT}: upgrade Headrace"
            )
        digest = said.pop("digest")
        if digest != _digest(said):
            raise DamageError(f"{path} is damaged: its content does not fit its digest {digest}")
        return _made(said)


def _said(part: Part) -> dict[str, Any]:
    packed = {name: {"codec": one.codec, "frames": list(one.frames)} for name, one in part.packed.items()}
    files = {name: asdict(sum) for name, sum in part.files.items()}
    plain = {"digest": part.digest, "length": part.length, "files": files}
    return {**plain, "packed": packed} if packed else plain


def _part(said: dict[str, Any]) -> Part:
    files = {name: FileSum(**sum) for name, sum in said["files"].items()}
    packed = {name: Packed(one["codec"], tuple(one["frames"])) for name, one in said.get("packed", {}).items()}
    return Part(said["length"], files, packed)


def _made(said: dict[str, Any]) -> Manifest:
    """Make a manifest of entries that are known to be as they were written."""
    parts = tuple(map(_part, said["parts"]))
    return Manifest(
        id=said["id"],
        version=said["version"],
        sequence=said["sequence"],
        structure=said["structure"],
        layout=Layout.from_json(said["schema"]),
        parts=parts,
        parents=tuple(said["parents"]),
        created=said["created"],
        headrace=said["headrace"],
        numpy=said["numpy"],
        notes=said.get("notes", {}),
    )


def _digest(said: Any) -> str:
    """Return the SHA-256 of a JSON value, however it was laid out."""
    text = json.dumps(said, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
