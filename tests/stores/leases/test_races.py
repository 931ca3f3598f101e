"""Builders in real processes: one builds, another takes over when it dies, and whoever wakes up late harms nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.servers.places import Place

RACING = Path(__file__).with_name("racing.py")


SERVERS = [pytest.param(name, marks=pytest.mark.servers) for name in ("s3", "redis")]


@pytest.fixture
def local(tmp_path: Path) -> str:
    return json.dumps(["local", str(tmp_path / "store"), None, None])


@pytest.fixture
def files(tmp_path: Path) -> str:
    return json.dumps(["remote", str(tmp_path / "store"), None, None])


@pytest.fixture
def place(request: pytest.FixtureRequest, local: str, files: str) -> str:
    """A folder with locks, one with leases, or a server."""
    if request.param in ("local", "files"):
        return {"local": local, "files": files}[request.param]
    server: Place = request.getfixturevalue(request.param)
    return json.dumps(["remote", server.fresh(), server.endpoint, dict(server.options)])


def race(scenario: str, place: str, notes: Path) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, str(RACING), scenario, place, str(notes)], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    assert not any(found["ends"]) or scenario in ("killed", "orphan"), done.stderr
    return found


@pytest.mark.parametrize("place", ["local", "files", *SERVERS], indirect=True)
def test_of_many_builders_one_builds(place: str, tmp_path: Path) -> None:
    found = race("many", place, tmp_path)
    assert len(found["builders"]) == len(found["built"]) == len(found["published"]) == 1
    assert any(f"process_{found['built'][0]}_on" in text for text in found["told"])


@pytest.mark.parametrize("place", ["local", "files", *SERVERS], indirect=True)
def test_when_the_builder_is_killed_one_other_takes_over(place: str, tmp_path: Path) -> None:
    found = race("killed", place, tmp_path)
    assert found["ends"] == [-9, *[0] * 7]
    assert len(found["builders"]) == 2
    assert found["built"] == found["published"] == found["builders"][1:]
    assert int(found["fences"][0]) < int(found["fences"][1])


@pytest.mark.parametrize("place", ["files", *SERVERS], indirect=True)
def test_whoever_was_stopped_for_longer_than_its_lease_publishes_nothing(place: str, tmp_path: Path) -> None:
    found = race("stopped", place, tmp_path)
    first, second = found["builders"]
    assert found["lost"] == [first]
    assert found["published"] == found["built"] == [second]
    assert found["content"] == second
    assert int(found["fences"][0]) < int(found["fences"][1])


def test_turns_that_follow_each_other_at_once_are_each_alone(local: str, tmp_path: Path) -> None:
    fences = [int(fence) for fence in race("brief", local, tmp_path)["fences"]]
    assert len(fences) == 4 * 300
    assert fences == sorted(set(fences))


def test_a_child_of_a_dead_builder_holds_no_lock(local: str, tmp_path: Path) -> None:
    found = race("orphan", local, tmp_path)
    assert found["ends"] == [-9, 0]
    assert len(found["published"]) == 1
    assert found["waited"] < 10
