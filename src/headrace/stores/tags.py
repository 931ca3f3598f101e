"""Tags: names of versions that can be moved."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from headrace.core.errors import DamageError


@dataclass(frozen=True)
class Tag:
    """What a tag says.

    Args:
        version: The version under it.
        digest: Of the manifest that had this name when the tag was set.
        created: When the tag was set, in UTC, ISO 8601.
    """

    version: str
    digest: str
    created: str

    def encode(self) -> bytes:
        """Return the content of the object that holds it.

        >>> Tag.decode(Tag("1.0", "ab", "2026-11-21T00:00:00+00:00").encode(), "here").version
        '1.0'
        """
        return json.dumps(asdict(self)).encode() + b"\n"

    @staticmethod
    def decode(content: bytes, path: str) -> Tag:
        """Return what an object says.

        Raises:
            DamageError: It is no tag.
        """
        try:
            said = json.loads(content)
            return Tag(str(said["version"]), str(said["digest"]), str(said["created"]))
        except (ValueError, KeyError, TypeError) as error:
            raise DamageError(f"{path} is no tag of a version ({error!r}): set the tag again") from error
