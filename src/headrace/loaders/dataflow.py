"""DataFlows as TensorPack has them: ``reset_state()`` once, then data points, each a list of components or a dict."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from headrace.loaders.found import Found, length_of


def is_dataflow(data: object) -> bool:
    """Say whether something keeps the protocol; there is no class to ask for."""
    return callable(getattr(type(data), "reset_state", None)) and hasattr(type(data), "__iter__")


def records_of(data: Any) -> Found:
    """Return the data points; a list of components becomes a tuple."""
    return Found(lambda: _points(data), length_of(data))


def _points(data: Any) -> Iterator[Any]:
    data.reset_state()
    for point in data:
        yield tuple(point) if isinstance(point, list) else point
