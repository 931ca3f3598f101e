"""Names that become files: ids and versions of datasets, and columns."""

from __future__ import annotations

import hashlib
import unicodedata
from collections import Counter
from collections.abc import Iterable
from urllib.parse import quote

from headrace.core.errors import ArgumentError, KindError

MOST_BYTES = 200
"""The longest id or version, in UTF-8: file systems allow 255, and suffixes need some of them."""

_MOST_STEM = 180


def checked(name: str, what: str) -> str:
    """Return an id or a version as the store keeps it, in Unicode's composed form (NFC).

    One name looks the same in several encodings, and some file systems take them for one and others do not; so they
    are one here. Spaces and letters of any script are fine.

    Args:
        name: What the user calls it.
        what: ``"id"`` or ``"version"``, for the message.

    Raises:
        ArgumentError: The name cannot be a file's on every system, would lie elsewhere, or would be hidden.

    >>> checked("digits, cleaned", "id")
    'digits, cleaned'
    >>> checked("../digits", "id")
    Traceback (most recent call last):
    headrace.core.errors.ArgumentError: id '../digits' would leave the store's folder: leave out slashes
    """
    if not isinstance(name, str):
        raise KindError(f"{what} must be a string, got {type(name).__name__}: write {str(name)!r} with quotes")
    if "/" in name or "\\" in name:
        raise ArgumentError(f"{what} {name!r} would leave the store's folder: leave out slashes")
    problem = _problem(name)
    if problem:
        raise ArgumentError(f"{what} {name!r} {problem}")
    return unicodedata.normalize("NFC", name)


def _problem(name: str) -> str:
    if not name:
        return "is empty: give it a name"
    if name != name.strip():
        return "begins or ends with a space, which nobody would see"
    if name.startswith("."):
        return "begins with a dot, which would hide it"
    if any(unicodedata.category(letter) in ("Cc", "Cs") for letter in name):
        return "contains a control character"
    size = len(unicodedata.normalize("NFC", name).encode())
    if size > MOST_BYTES:
        return f"is too long: {size} bytes, at most {MOST_BYTES}"
    return ""


def clash(name: str, others: Iterable[str]) -> str | None:
    """Return the name that is the same but for upper and lower case, which some file systems take for one.

    >>> clash("Digits", ["letters", "digits"])
    'digits'
    """
    folded = name.casefold()
    return next((other for other in others if other != name and other.casefold() == folded), None)


def stems(names: Iterable[str], parent: str = "") -> dict[str, str]:
    """Return a safe and unique beginning of a file name for each column.

    Everything but ASCII letters, digits, ``-`` and ``_`` is percent-encoded, so that a name can neither leave the
    folder nor look like another column's ``.values`` or ``.offsets``. In names that differ in case only, the
    upper-case letters are encoded too, since some file systems would take their files for one.

    Args:
        names: The columns of a batch, in order.
        parent: The stem of the column that the batch is nested in.

    >>> stems(["x"], "a"), stems(["a", "b.c", "../x", "A", ""])
    ({'x': 'a.x'}, {'a': 'a', 'b.c': 'b%2Ec', '../x': '%2E%2E%2Fx', 'A': '%41', '': '%'})
    """
    plain = {name: _escaped(name) for name in names}
    folded = Counter(stem.casefold() for stem in plain.values())
    dot = f"{parent}." if parent else ""
    return {
        name: dot + (stem if folded[stem.casefold()] == 1 else _escaped(name, upper=True))
        for name, stem in plain.items()
    }


def _escaped(name: str, upper: bool = False) -> str:
    if not name:
        return "%"  # what no encoding gives
    parts = (f"%{ord(letter):02X}" if upper and "A" <= letter <= "Z" else _quoted(letter) for letter in name)
    return "".join(parts)


def _quoted(letter: str) -> str:
    if letter in ".~":  # which ``quote`` takes for safe
        return f"%{ord(letter):02X}"
    return quote(letter, safe="", errors="surrogatepass")


def shortened(stem: str) -> str:
    """Return a stem that fits into a file name: a long one is cut, and a digest keeps it unique.

    >>> len(shortened("a" * 1000))
    177
    """
    if len(stem) <= _MOST_STEM:
        return stem
    digest = hashlib.sha256(stem.encode()).hexdigest()[:16]
    return f"{stem[: _MOST_STEM - 20]}~{digest}"
