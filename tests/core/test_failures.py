"""Policies for errors: what is accepted, what is refused, and that they and what they leave travel."""

from __future__ import annotations

import copy
import pickle
import threading
from typing import Any

import cloudpickle
import pytest

from headrace import ArgumentError, KindError, RecordError
from headrace.core.failures import SKIP, Failure, Retry, check
from headrace.workers import carried


class Stubborn(Exception):
    """Takes other arguments than it keeps, and holds what cannot be pickled."""

    def __init__(self, one: int, other: int) -> None:
        super().__init__(f"{one} and {other}")
        self.lock = threading.Lock()


@pytest.mark.parametrize("travel", [copy.copy, copy.deepcopy, lambda value: pickle.loads(pickle.dumps(value))])
def test_skip_is_one_value_wherever_it_went(travel: Any) -> None:
    assert travel(SKIP) is SKIP
    assert travel([SKIP])[0] is SKIP
    assert pickle.loads(cloudpickle.dumps(SKIP)) is SKIP
    assert repr(SKIP) == "SKIP"


@pytest.mark.parametrize("policy", ["raise", "skip", Retry(1), lambda error, record: record])
def test_a_policy_is_kept_as_it_was_given(policy: Any) -> None:
    assert check(policy) is policy


@pytest.mark.parametrize("policy", ["ignore", "", "SKIP"])
def test_another_word_is_refused(policy: Any) -> None:
    with pytest.raises(ArgumentError, match="on_error must be 'raise', 'skip', a Retry, or a function"):
        check(policy)


@pytest.mark.parametrize("policy", [None, 3, SKIP, ["skip"]])
def test_another_kind_is_refused(policy: Any) -> None:
    with pytest.raises(KindError, match="on_error must be"):
        check(policy)


def test_waits_double_up_to_a_minute() -> None:
    assert Retry(8, wait=1.0).waits() == [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0]
    assert Retry(2, wait=0).waits() == [0, 0]


@pytest.mark.parametrize(
    ("settings", "kind", "says"),
    [
        ({"times": 0}, ArgumentError, "times must be"),
        ({"times": 1.5}, KindError, "times must be"),
        ({"wait": -1}, ArgumentError, "wait must be 0 seconds or more"),
        ({"wait": float("nan")}, ArgumentError, "wait must be"),
        ({"wait": float("inf")}, ArgumentError, "wait must be"),
        ({"wait": "1 s"}, KindError, "wait must be a number of seconds"),
        ({"wait": True}, KindError, "wait must be a number of seconds"),
        ({"then": "stop"}, ArgumentError, "on_error must be"),
        ({"then": Retry(1)}, KindError, "got a Retry"),
        ({"only": ()}, KindError, "only must be"),
        ({"only": KeyboardInterrupt}, KindError, "only must be a kind of Exception"),
        ({"only": "OSError"}, KindError, "only must be"),
    ],
)
def test_a_retry_that_cannot_be_meant_is_refused(settings: dict[str, Any], kind: type[Exception], says: str) -> None:
    with pytest.raises(kind, match=says):
        Retry(**settings)


def failed(error: BaseException) -> Failure:
    return Failure("a list", 7, "map(f)", error, 2, 5, True)


def test_a_failure_is_told_in_a_line() -> None:
    assert str(failed(ValueError("odd"))) == "record 7 of a list: map(f): ValueError: odd"


@pytest.mark.parametrize("dumps", [pickle.dumps, cloudpickle.dumps, lambda value: pickle.dumps(value, 2)])
def test_a_failure_travels_with_any_error_in_it(dumps: Any) -> None:
    assert carried  # what makes it travel is loaded wherever there are workers
    cause = Stubborn(1, 2)
    error = RecordError("could not")
    error.__cause__ = cause
    arrived = pickle.loads(dumps([failed(error)]))[0]
    assert str(arrived) == str(failed(error))
    assert (arrived.epoch, arrived.position, arrived.replaced) == (2, 5, True)
    assert type(arrived.error) is RecordError
    assert type(arrived.error.__cause__) is Stubborn and str(arrived.error.__cause__) == "1 and 2"
