"""Names of columns: what they may be, and how messages speak of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from headrace.core.errors import KindError, SchemaError


def check_name(name: object) -> None:
    """Refuse what cannot be the name of a column.

    Raises:
        KindError: The name is no text.
        SchemaError: It is empty.
    """
    if not isinstance(name, str):
        raise KindError(f"columns are named by text, not by {name!r} ({type(name).__name__})")
    if not name:
        raise SchemaError("a column needs a name, got an empty one")


def listed(names: Iterable[str]) -> str:
    """Return names as a message shows them: ``columns 'a', 'b'``.

    >>> listed(["a"]), listed([])
    ("columns 'a'", 'no columns')
    """
    known = ", ".join(map(repr, names))
    return f"columns {known}" if known else "no columns"


@contextmanager
def in_column(name: str) -> Iterator[None]:
    """Let errors about the schema or the kind of something say which column they are about.

    >>> with in_column("x"):
    ...     raise SchemaError("rows are missing")
    Traceback (most recent call last):
    headrace.core.errors.SchemaError: column 'x': rows are missing
    """
    try:
        yield
    except (SchemaError, KindError) as error:
        raise type(error)(f"column {name!r}: {error}") from error.__cause__
