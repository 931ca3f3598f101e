"""A cache key: the fields that a chain's records are made of, in the order of the chain, and one digest of all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import blake2b
from typing import Any, Literal, TypeAlias, get_args

from headrace.core.errors import ArgumentError

VERSION = 1
"""Of what is looked at, and how it is written down: another one makes other keys."""

_WHOLE = 20  # bytes of a digest that stands by itself; those within a key have fewer

Kind: TypeAlias = Literal["setting", "code", "value", "names", "column", "content", "library", "below"]


@dataclass(frozen=True)
class Place:
    """Where a part stands now; no part of a key.

    Args:
        file: Its name, as a message shows it.
        lines: The first line of each statement.
        written: When the file was written last, in words.
    """

    file: str
    lines: tuple[int, ...] = ()
    written: str = ""


@dataclass(frozen=True)
class Part:
    """One thing that a field is made of.

    Args:
        kind: What it is.
        digest: What counts of it, in hexadecimal.
        of: The definition that it belongs to, ``module:name``; empty for the step itself.
        name: Tells it from the others of its definition.
        shown: The value in words, where it is short and no secret.
        statements: Of code: eight hexadecimal digits for each statement.
        size: Of a file: its bytes.
        place: Where it stands now; not compared, and not in the JSON.
    """

    kind: Kind
    digest: str
    of: str = ""
    name: str = ""
    shown: str = ""
    statements: str = ""
    size: int = 0
    place: Place | None = field(default=None, compare=False, repr=False)

    def to_json(self) -> dict[str, Any]:
        """Return the part as plain JSON, without what is empty."""
        plain = {name: getattr(self, name) for name in ("kind", "digest", "of", "name", "shown", "statements", "size")}
        return {name: value for name, value in plain.items() if value}


@dataclass(frozen=True)
class Field:
    """A source, a step, or the libraries.

    Args:
        kind: What it is; belongs to the digest.
        name: As a chain shows it: ``map(decode)``; does not.
        parts: What it is made of, in order.
    """

    kind: str
    name: str
    parts: tuple[Part, ...]

    @cached_property
    def digest(self) -> str:
        """Forty hexadecimal digits that stand for the field."""
        return digest_of([self.kind, *(f"{part.kind} {part.digest}" for part in self.parts)], _WHOLE)

    def to_json(self) -> dict[str, Any]:
        """Return the field as plain JSON."""
        return {"kind": self.kind, "name": self.name, "parts": [part.to_json() for part in self.parts]}


@dataclass(frozen=True, eq=False)
class Key:
    """What a chain's records are made of. Two keys are equal when their digests are.

    Args:
        fields: In the order of the chain, the libraries last.

    >>> key = Key((Field("take", "take(2)", (Part("setting", "ab"),)),))
    >>> Key.from_json(key.to_json()) == key, len(key.digest)
    (True, 40)
    """

    fields: tuple[Field, ...]

    @cached_property
    def digest(self) -> str:
        """Forty hexadecimal digits that stand for the key."""
        return digest_of([f"headrace key {VERSION}", *(one.digest for one in self.fields)], _WHOLE)

    def __eq__(self, other: object) -> bool:
        return self.digest == other.digest if isinstance(other, Key) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.digest)

    def to_json(self) -> dict[str, Any]:
        """Return the key as plain JSON, without where things stand now."""
        return {"version": VERSION, "digest": self.digest, "fields": [one.to_json() for one in self.fields]}

    @classmethod
    def from_json(cls, plain: Any) -> Key:
        """Return the key that ``to_json`` wrote down.

        Raises:
            ArgumentError: It is none, it is of another version of keys, or its digest is not that of its fields.
        """
        try:
            key = cls(tuple(_field(one) for one in plain["fields"]))
            version, digest = plain["version"], plain["digest"]
        except (TypeError, KeyError, ValueError) as error:
            raise ArgumentError(f"no cache key: {type(error).__name__}: {error}") from error
        if version != VERSION:
            raise ArgumentError(f"a cache key of version {version!r}, and this is version {VERSION}")
        if digest != key.digest:
            raise ArgumentError(f"a cache key's digest is {digest!r}, and its fields have {key.digest!r}")
        return key


def digest_of(pieces: Iterable[str | bytes], size: int = 12) -> str:
    """Return hexadecimal digits, two for each byte of ``size``, for pieces, whose borders count.

    >>> digest_of(["ab", "c"]) == digest_of(["a", "bc"])
    False
    """
    digest = blake2b(digest_size=size)
    for piece in pieces:
        content = piece if isinstance(piece, bytes) else piece.encode("utf-8", "surrogatepass")
        digest.update(b"%d:" % len(content))
        digest.update(content)
    return digest.hexdigest()


def _field(plain: Mapping[str, Any]) -> Field:
    return Field(str(plain["kind"]), str(plain["name"]), tuple(_part(part) for part in plain["parts"]))


def _part(plain: Mapping[str, Any]) -> Part:
    if plain["kind"] not in get_args(Kind):
        raise ValueError(f"no part is a {plain['kind']!r}")
    digest, of, name, shown, statements = (
        str(plain.get(name, "")) for name in ("digest", "of", "name", "shown", "statements")
    )
    return Part(plain["kind"], digest, of, name, shown, statements, int(plain.get("size", 0)))
