"""Records that were read apart, put together in the order asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from headrace.core.errors import SchemaError
from headrace.core.records import Columns, Records, Rows
from headrace.core.scattering import scattered
from headrace.core.source import Indices


def merged(parts: Sequence[Records], places: Sequence[Indices]) -> Records:
    """Return records of several reads as one; a copy.

    Args:
        parts: What was read, two parts or more.
        places: Of each part, which rows of the result it fills; all together, every row once.

    Raises:
        SchemaError: The records do not fit together.
    """
    length = sum(map(len, places))
    if any(isinstance(part, Rows) for part in parts):
        rows: list[Any] = [None] * length
        for part, where in zip(parts, places, strict=True):
            for place, row in zip(where.tolist(), part.rows(), strict=True):
                rows[place] = row
        return Rows(rows)
    sides = [part for part in parts if isinstance(part, Columns)]
    structures = {side.structure for side in sides}
    if len(structures) > 1:
        raise SchemaError(f"records of kinds {', '.join(sorted(structures))} cannot be joined")
    return Columns(scattered([side.batch for side in sides], places), sides[0].structure)
