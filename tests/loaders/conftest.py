"""Tests of large frameworks come last: these start threads for good, and others fork."""

from __future__ import annotations

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.get_closest_marker("frameworks") is not None)
