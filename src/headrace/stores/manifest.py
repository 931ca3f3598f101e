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
from headrace.stores.sums import FileSum

FORMAT = 1
"""The newest format that this version of Headrace reads, and the one that it writes."""


@dataclass(frozen=True)
class Part:
    """A folder of files that holds some records, all of their columns; never changed, named by its content.

    Args:
        length: How many records.
        files: The sum of each file.
    """

    length: int
    files: Mapping[str, FileSum] = field(repr=False)

    @cached_property
    def digest(self) -> str:
        """Its name: a digest over the names, sizes and sums of the files."""
        return _digest({name: asdict(sum) for name, sum in self.files.items()})

    @property
    def size(self) -> int:
        """How many bytes its files have."""
        return sum(file.bytes for file in self.files.values())


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
        format: The number of the format. It rises with every change of the entries, so that what an older version
            would misread, it refuses.
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
    format: int = field(default=FORMAT, repr=False)

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
        parts = [
            {"digest": part.digest, "length": part.length, "files": {n: asdict(s) for n, s in part.files.items()}}
            for part in self.parts
        ]
        return {
            "format": self.format,
            "id": self.id,
            "version": self.version,
            "sequence": self.sequence,
            "length": self.length,
            "structure": self.structure,
            "schema": self.layout.to_json(),
            "parts": parts,
            "fingerprint": self.fingerprint,
            "parents": list(self.parents),
            "created": self.created,
            "headrace": self.headrace,
            "numpy": self.numpy,
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


def _made(said: dict[str, Any]) -> Manifest:
    """Make a manifest of entries that are known to be as they were written."""
    parts = tuple(
        Part(part["length"], {name: FileSum(**sum) for name, sum in part["files"].items()}) for part in said["parts"]
    )
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
        format=said["format"],
    )


def _digest(said: Any) -> str:
    """Return the SHA-256 of a JSON value, however it was laid out."""
    text = json.dumps(said, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
