"""What is kept of records that failed: each once, and no more than the budget allows."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace import ArgumentError, KindError, RecordError
from headrace.core.failures import Failure
from headrace.core.ledger import Ledger, check_budget


def failed(record: int, stage: str = "map(f)", source: str = "a list") -> Failure:
    return Failure(source, record, stage, ValueError(record))


@given(records=st.lists(st.integers(0, 9)), budget=st.integers(0, 10))
def test_different_records_are_counted_and_listed_once(records: list[int], budget: int) -> None:
    ledger = Ledger()
    different: list[int] = []
    for record in records:
        if record not in different:
            different.append(record)
        if len(different) > budget:
            with pytest.raises(RecordError, match=f"max_errors={budget} allows {budget}; the last is record {record} "):
                ledger.admit([failed(record)], budget, None)
            break
        ledger.admit([failed(record)], budget, None)
    assert [failure.record for failure in ledger.failures] == different


def test_a_record_of_another_source_or_step_is_another() -> None:
    ledger = Ledger()
    ledger.admit([failed(1), failed(1, "map(g)"), failed(1, source="another"), failed(1)], 3, None)
    assert len(ledger.failures) == 3


def test_a_spent_budget_stays_spent_when_the_step_is_tried_again() -> None:
    ledger = Ledger()
    ledger.admit([failed(1), failed(2)], 2, None)
    for _ in range(3):
        with pytest.raises(RecordError, match="3 different records have failed, and max_errors=2") as raised:
            ledger.admit([failed(3)], 2, None)
        assert isinstance(raised.value.__cause__, ValueError)
        ledger.admit([failed(1)], 2, None)  # on the way there again
    assert [failure.record for failure in ledger.failures] == [1, 2, 3]
    ledger.begin()
    ledger.admit([failed(3)], 2, None)
    assert [failure.record for failure in ledger.failures] == [3]


@pytest.mark.parametrize(
    ("budget", "records", "allowed"), [(0.1, 100, 10), (0.1, 101, 11), (0.001, 100, 1), (1.0, 5, 5), (0.5, 0, 1)]
)
def test_a_fraction_is_one_of_all_records_rounded_up(budget: float, records: int, allowed: int) -> None:
    ledger = Ledger()
    ledger.admit([failed(record) for record in range(allowed)], budget, records)
    with pytest.raises(RecordError, match=f"max_errors={budget} allows {allowed};"):
        ledger.admit([failed(allowed)], budget, records)


def test_a_fraction_of_an_unknown_number_is_one_of_those_seen() -> None:
    ledger = Ledger()
    ledger.meter.records = 10  # as few as these count as a hundred
    ledger.admit([failed(0), failed(1)], 0.02, None)
    with pytest.raises(RecordError, match="allows 2"):
        ledger.admit([failed(2)], 0.02, None)
    ledger.meter.records = 150
    ledger.admit([failed(2)], 0.02, None)


@pytest.mark.parametrize("budget", [0, 1, 10**9, 0.001, 1.0])
def test_a_budget_is_kept_as_it_was_given(budget: float) -> None:
    assert check_budget(budget) is budget


@pytest.mark.parametrize(
    ("budget", "kind"),
    [
        *((budget, ArgumentError) for budget in (-1, 0.0, 1.01, -0.5, float("nan"))),
        *((budget, KindError) for budget in ("1%", None, True)),
    ],
)
def test_another_budget_is_refused(budget: Any, kind: type[Exception]) -> None:
    with pytest.raises(kind, match="max_errors must be"):
        check_budget(budget)
