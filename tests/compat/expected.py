"""A pytest plugin: of the tests of another project, those that are expected to fail, each with its reason."""

from __future__ import annotations

from pathlib import Path

import pytest


def read_expected(path: Path) -> dict[str, str]:
    """Return the reason for each test that a file names, a line each: ``id  # reason``.

    Raises:
        pytest.UsageError: A line without a reason.
    """
    expected = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        name, mark, reason = line.partition("  # ")
        if not line.strip() or line.startswith("#"):
            continue
        if not mark or not reason.strip():
            raise pytest.UsageError(f"{path}: say why: 'test id  # reason', got {line!r}")
        expected[name.strip()] = reason.strip()
    return expected


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--expected", type=Path, help="a file with the tests that are expected to fail")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    path = config.getoption("--expected")
    expected = {} if path is None else read_expected(path)
    lost = sorted(expected.keys() - {item.nodeid for item in items})
    if lost:
        raise pytest.UsageError(f"{path}: there is no such test: {', '.join(lost)}")
    for item in items:
        if item.nodeid in expected:
            item.add_marker(pytest.mark.xfail(reason=expected[item.nodeid], strict=True))
