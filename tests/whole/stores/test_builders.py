"""Many processes at one store: one builds, whoever dies or sleeps is replaced, and nobody takes another's away."""

from __future__ import annotations

import json
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.servers.faults import FaultProxy
from tests.servers.places import Place
from tests.whole.stores.where import Where, check, content, program

FAR = [pytest.param(name, marks=pytest.mark.servers) for name in ("s3", "redis")]


@pytest.fixture
def where(request: pytest.FixtureRequest, tmp_path: Path) -> Where:
    if request.param == "folder":
        return Where.local(tmp_path)
    return Where.at(request.getfixturevalue(request.param), tmp_path)


def found(scenario: str, where: Where, folder: Path) -> dict[str, Any]:
    done: dict[str, Any] = program("builders", scenario, where.text(), folder)
    assert scenario == "killed" or not any(done["ends"]), done
    return done


@pytest.mark.parametrize("where", ["folder", *FAR], indirect=True)
def test_one_of_8_builders_is_killed_and_one_other_publishes(where: Where, tmp_path: Path) -> None:
    done = found("killed", where, tmp_path)
    assert done["ends"] == [-9, *[0] * 7]
    assert len(done["builders"]) == 2
    assert Counter(done["got"]) == {done["builders"][1]: 7}
    assert len(set(done["shifts"])) > 1, "their clocks are not the same"


@pytest.mark.parametrize("scenario", ["stopped", "late"])
@pytest.mark.parametrize("where", FAR, indirect=True)
def test_who_wakes_up_after_its_lease_cannot_publish_over_another(where: Where, tmp_path: Path, scenario: str) -> None:
    done = found(scenario, where, tmp_path)
    assert len(done["builders"]) == 2
    assert Counter(done["got"]) == {done["builders"][1]: 2}, "both have what was published first"


@pytest.mark.parametrize("where", ["folder", *FAR], indirect=True)
def test_two_move_one_name_at_once(where: Where, tmp_path: Path) -> None:
    done = found("replacing", where, tmp_path)
    assert done["lost"] == ["[]"] and done["versions"] == ["['1']"]


@pytest.mark.parametrize("where", ["folder", *FAR], indirect=True)
def test_versions_are_written_while_garbage_is_collected_without_a_pause(where: Where, tmp_path: Path) -> None:
    assert len(found("collecting", where, tmp_path)["cleared"]) > 5


@pytest.mark.servers
def test_64_processes_open_one_version_that_is_fetched_once(s3: Place, s3_faults: FaultProxy, tmp_path: Path) -> None:
    found("opening", Where.at(s3, tmp_path).through(s3_faults.endpoint), tmp_path)
    asked = Counter(path for method, path in s3_faults.log if method == "GET" and "/objects/" in path)
    verified = 1  # reads each file once more
    assert asked and set(asked.values()) == {1 + verified}


@pytest.mark.parametrize("about", ["its parts", "others", "nothing that can be read"])
def test_who_collects_and_is_killed_holds_up_writers_for_a_moment_at_most(tmp_path: Path, about: str) -> None:
    where = Where(f"memory://{tmp_path.name}", None, None, str(tmp_path / "cache"))
    store = where.open()
    store.submit(content(1), "data", "1")
    (part,) = store.manifest("data", "1").parts
    store.delete("data", "1")
    said = {"patience": 0.3, "parts": [part.digest if about == "its parts" else "0" * 64]}
    backend = store._catalog.backend
    backend.put("tmp/dead.going", b"{" if about.startswith("nothing") else json.dumps(said).encode())
    began = time.monotonic()
    check(store.submit(content(1), "data", "2"), 1)
    waited = time.monotonic() - began
    assert (waited > 0.3) == (about == "its parts") and waited < 10
    assert (backend.look("tmp/dead.going") is None) == (about == "its parts")
    assert store.gc(dry_run=False, grace=0).parts == 0
