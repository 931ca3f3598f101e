"""Any chain of stages, cut anywhere, goes on exactly; in the same process and in a fresh one."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.core.errors import StateError
from headrace.core.fingerprint import of_record
from headrace.core.state import envelope, open_envelope
from headrace.testing.stages import as_json, check_cuts, damages
from tests.stages import chains
from tests.stages.chains import LIMIT, Spec, build, rest

pytestmark = pytest.mark.filterwarnings("ignore::headrace.core.errors.ReplayWarning")


@given(spec=chains.chains(), epoch=st.sampled_from([0, 0, 1, 7]))
@settings(max_examples=150)
def test_all_cuts_of_any_chain_give_exactly_the_rest(spec: Spec, epoch: int) -> None:
    check_cuts(build(spec), epoch, LIMIT)


@given(spec=chains.chains(), cuts=st.lists(st.integers(0, 15), max_size=4))
@settings(max_examples=60)
def test_a_chain_may_be_cut_again_and_again(spec: Spec, cuts: list[int]) -> None:
    flow = build(spec)
    whole = rest(spec, None)
    found: list[str] = []
    state = None
    for cut in [*cuts, LIMIT]:
        cursor = flow.start(state)
        found += [of_record(item) for item in islice(cursor, min(cut, LIMIT - len(found)))]
        state = as_json(cursor)
        cursor.close()
    assert found == whole


@given(spec=chains.chains())
@settings(max_examples=60)
def test_a_known_length_is_right_and_the_identity_is_the_same_when_built_again(spec: Spec) -> None:
    flow = build(spec)
    length = flow.length()
    if length is not None:
        assert length == sum(1 for _ in flow.start())
    assert open_envelope(build(spec), json.loads(json.dumps(envelope(flow, {"a": 1})))) == {"a": 1}


@given(spec=chains.chains(), data=st.data())
@settings(max_examples=60)
def test_a_damaged_state_of_any_chain_gives_a_state_error_or_none(spec: Spec, data: st.DataObject) -> None:
    flow = build(spec)
    cursor = flow.start()
    for _ in islice(cursor, data.draw(st.integers(0, 5))):
        pass
    damaged = data.draw(st.sampled_from(list(damages(cursor.state()))))
    cursor.close()
    try:
        list(islice(flow.start(damaged), 5))
    except StateError:
        pass


def test_a_fresh_process_goes_on_exactly() -> None:
    found: list[Spec] = []

    @given(chains.chains())
    @settings(max_examples=60, derandomize=True, database=None)
    def collect(spec: Spec) -> None:
        found.append(spec)

    collect()
    pick = random.Random(0)
    asked: list[tuple[Spec, Any]] = []
    expected = []
    for spec in found:
        cursor = build(spec).start()
        for _ in islice(cursor, pick.randrange(20)):
            pass
        state = as_json(cursor)
        cursor.close()
        asked.append((spec, state))
        expected.append(rest(spec, state))
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "tests.stages.chains"],
        cwd=Path(__file__).parents[2],
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == expected
    assert sum(map(bool, expected)) > 20, "hardly any chain had anything left"
