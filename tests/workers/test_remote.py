"""Errors that travel: of the same kind, with causes, notes, and where they were raised."""

from __future__ import annotations

import json
import os
import pickle
import re
import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.core.errors import ColumnError, RecordError
from headrace.workers.remote import capture, revive
from headrace.workers.work import Failed
from tests.workers.jobs import fails, working


class Coded(Exception):
    """Takes other arguments than those it keeps."""

    def __init__(self, code: int, *, hint: str) -> None:
        super().__init__(f"code {code}")
        self.code = code
        self.hint = hint


class Doubling(OSError):
    """Says more with each time that it is made."""

    def __init__(self, path: str) -> None:
        super().__init__(2, f"cannot read {path}")
        self.path = path


@dataclass
class Shaped(Exception):
    """Keeps no args at all."""

    shape: tuple[int, ...]

    def __str__(self) -> str:
        return f"bad shape {self.shape}"


class Slotted(ValueError):
    __slots__ = ("place",)

    def __init__(self, place: str) -> None:
        super().__init__("somewhere")
        self.place = place


class Speechless(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no words")


class Stubborn(TypeError):
    def __reduce__(self) -> Any:
        raise RuntimeError("stays where it is")


def round_trip(error: BaseException) -> BaseException:
    return revive(pickle.loads(pickle.dumps(capture(error, 2))))


def caught(function: Callable[[], Any]) -> BaseException:
    try:
        function()
    except BaseException as error:
        return error
    raise AssertionError("nothing was raised")


KINDS = [
    ValueError("bad", 3),
    KeyError("x"),
    ColumnError.missing("x", ["y"]),
    StopIteration(7),
    StopAsyncIteration(),
    GeneratorExit("early"),
    KeyboardInterrupt(),
    SystemExit(3),
    MemoryError(),
    RecursionError("too deep"),
    FileNotFoundError(2, "No such file or directory", "a.npy"),
    UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"),
    json.JSONDecodeError("Expecting value", "{", 1),
    ImportError("no module", name="x", path="y"),
    Coded(7, hint="try again"),
    Doubling("a.npy"),
    Shaped((2, 3)),
    Slotted("here"),
    np.exceptions.AxisError(2, 1),
]


@pytest.mark.parametrize("error", KINDS, ids=lambda error: type(error).__name__)
def test_errors_keep_kind_and_text(error: BaseException) -> None:
    again = round_trip(error)
    assert type(again) is type(error) and str(again) == str(error) and again.args == error.args
    if not isinstance(error, Slotted):  # slots are lost where the constructor cannot be called
        assert vars(again) == vars(error)
    for name in ("code", "errno", "filename", "value", "start", "name", "lineno"):
        assert getattr(again, name, None) == getattr(error, name, None)


@given(st.lists(st.text() | st.integers() | st.none() | st.floats(allow_nan=False) | st.binary()))
def test_any_arguments_travel(args: list[Any]) -> None:
    assert round_trip(ValueError(*args)).args == tuple(args)


def test_local_classes_of_errors_travel() -> None:
    class Local(Coded):
        pass

    again = round_trip(Local(3, hint="h"))
    assert type(again) is Local and again.code == 3 and again.hint == "h"


def test_what_cannot_be_pickled_is_replaced_by_its_text() -> None:
    error = ValueError("held by", threading.Lock())
    error.lock = threading.Lock()  # type: ignore[attr-defined]
    again: Any = round_trip(error)
    assert isinstance(again, ValueError) and again.args[0] == "held by"
    assert "lock" in again.args[1] and "lock" in vars(again)["lock"]


@pytest.mark.parametrize(
    ("error", "kind", "text"),
    [
        (Stubborn("no"), Stubborn, "no"),
        (Speechless("x"), RecordError, "Speechless (its text could not be made: RuntimeError: no words)"),
    ],
)
def test_errors_that_refuse_to_travel_are_replaced(error: Exception, kind: type[Exception], text: str) -> None:
    again = round_trip(error)
    assert type(again) is kind and str(again).endswith(text)


def test_an_error_whose_class_the_reader_lacks_becomes_the_nearest_kind_that_it_has() -> None:
    report = capture(Coded(3, hint="h"), 0)
    report.errors[0].pickled = report.errors[0].pickled.replace(b"Coded", b"Coder")
    again = revive(report)
    assert type(again) is RecordError and str(again).endswith("test_remote.Coded: code 3")
    report = capture(Doubling("x"), 0)
    report.errors[0].pickled = b""
    assert type(revive(report)) is OSError


def test_causes_contexts_and_notes_are_kept() -> None:
    again = round_trip(caught(lambda: fails(3)))
    assert str(again) == "job 3 is bad" and isinstance(again.__cause__, KeyError)
    assert again.__context__ is again.__cause__ and again.__suppress_context__
    assert again.__cause__.__notes__[0] == "a note on the inner one"
    text = "".join(traceback.format_exception(again))
    assert "the direct cause of the following" in text and text.count('raise KeyError("inner")') == 1


def test_the_traceback_is_a_note_that_names_the_worker() -> None:
    again = round_trip(caught(lambda: fails(3)))
    note = again.__notes__[-1]
    assert note.startswith(f"in worker 2 (process {os.getpid()}):\n  File ")
    assert "in fails\n    raise ValueError" in note


def test_a_chain_in_a_circle_travels() -> None:
    one, other = ValueError("one"), ValueError("other")
    one.__cause__, other.__cause__ = other, one
    again = round_trip(one)
    assert again.__cause__ is not None and again.__cause__.__cause__ is again


def test_a_very_long_chain_is_cut() -> None:
    error = ValueError("0")
    for number in range(1, 300):
        following = ValueError(str(number))
        following.__cause__ = error
        error = following
    again, length = round_trip(error), 0
    at: BaseException | None = again
    while at is not None:
        at, length = at.__cause__, length + 1
    assert str(again) == "299" and length == 100


def test_groups_of_errors_travel_with_their_members() -> None:
    inner = caught(lambda: fails(1))
    assert isinstance(inner, Exception)
    group = ExceptionGroup("several", [inner, Coded(4, hint="h"), ExceptionGroup("more", [Shaped((1,))])])
    again: Any = round_trip(group)
    assert type(again) is ExceptionGroup and again.message == "several"
    assert [type(member) for member in again.exceptions] == [ValueError, Coded, ExceptionGroup]
    assert isinstance(again.exceptions[0].__cause__, KeyError)
    assert str(again.exceptions[2].exceptions[0]) == "bad shape (1,)"


def test_endless_recursion_is_told_briefly() -> None:
    def deeper(n: int) -> int:
        return deeper(n + 1)

    again = round_trip(caught(lambda: deeper(0)))
    assert type(again) is RecursionError and len(again.__notes__[0]) < 3000


@pytest.mark.parametrize(
    "error",
    [ValueError, Coded, StopIteration, GeneratorExit, KeyboardInterrupt, SystemExit, RecursionError],
)
def test_errors_of_every_kind_come_back_from_a_worker_that_goes_on(error: type[BaseException]) -> None:
    def raising(job: Any) -> Any:
        if job is None:
            raise error(1, hint="h") if error is Coded else error(1)
        return job

    with working(raising) as pool:
        outcome, following = pool.submit(None).result(), pool.submit(5).result()
    assert isinstance(outcome, Failed) and type(outcome.error) is error
    assert re.match(r"in worker 0 \(process \d+\):\n  File ", outcome.error.__notes__[0])
    assert "test_remote.py" in outcome.error.__notes__[0]
    assert not isinstance(following, Failed) and following.value == 5


def test_a_huge_error_travels() -> None:
    def raising(job: Any) -> Any:
        raise ValueError("x" * 1_000_000, np.zeros(300_000))

    with working(raising) as pool:
        for _ in range(3):
            outcome = pool.submit(0).result()
            assert isinstance(outcome, Failed) and len(outcome.error.args[0]) == 1_000_000
            assert outcome.error.args[1].shape == (300_000,)
