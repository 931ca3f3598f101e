"""Whoever writes a version may be killed at any moment: nothing published is lost or wrong, and the next one succeeds.

``HEADRACE_KILLS`` says how many are killed on each back end: 20 unless told otherwise.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.servers.places import Place
from tests.whole.stores.where import Where, program

KILLS = int(os.environ.get("HEADRACE_KILLS", "20"))
SHARES = {"submit": 0.4, "cacheable": 0.2, "cache": 0.2, "replace": 0.2}  # of the kills


@pytest.mark.timeout(60 + 5 * KILLS)
@pytest.mark.parametrize("kind", SHARES)
def test_a_writer_of_a_folder_is_killed(tmp_path: Path, kind: str) -> None:
    died(Where.local(tmp_path), kind, tmp_path)


@pytest.mark.servers
@pytest.mark.timeout(60 + 5 * KILLS)
@pytest.mark.parametrize("kind", SHARES)
def test_a_writer_of_a_bucket_is_killed(s3: Place, tmp_path: Path, kind: str) -> None:
    died(Where.at(s3, tmp_path), kind, tmp_path)


def died(where: Where, kind: str, folder: Path) -> None:
    times = round(SHARES[kind] * KILLS)
    found = program("killing", where.text(), kind, times, folder, limit=60 + 5 * KILLS)
    print(f"{kind} to {where.url}: {found}")
    assert found["kills"] == times
