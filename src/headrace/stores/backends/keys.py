"""Which keys an object may have, on every back end alike."""

from __future__ import annotations

import re

from headrace.core.errors import ArgumentError

MOST_BYTES = 900
"""The longest key, in UTF-8: S3 allows 1024 for it and the store's own prefix."""

_UNFIT = re.compile(r"[\x00-\x1f\x7f\\\ud800-\udfff]")


def checked_key(key: str) -> str:
    """Return a key that every back end takes, and gives back as it was.

    Args:
        key: Parts joined by ``/``. They may hold any characters but control characters and the backslash, which is
            a slash to some.

    Raises:
        ArgumentError: It cannot be a key.

    >>> checked_key("datasets/été 100%/1.json")
    'datasets/été 100%/1.json'
    >>> checked_key("datasets/../1.json")
    Traceback (most recent call last):
    headrace.core.errors.ArgumentError: key 'datasets/../1.json' has a part '..', which would lie elsewhere
    """
    for part in key.split("/"):
        if part in ("", ".", ".."):
            raise ArgumentError(f"key {key!r} has a part {part!r}, which would lie elsewhere")
    if _UNFIT.search(key):
        raise ArgumentError(f"key {key!r} contains a control character or a backslash")
    if len(key.encode()) > MOST_BYTES:
        raise ArgumentError(f"key {key[:40]!r}... is too long: {len(key.encode())} bytes, at most {MOST_BYTES}")
    return key
