"""Errors that travel between processes: with their causes, their notes, and where they were raised.

Pickle alone loses the causes and the traceback of an error, calls constructors with arguments that do not fit, and
gives up at whatever cannot be pickled. So each error of a chain is taken apart, put together again once as a test, and
replaced by the nearest kind of error that can travel if that fails.
"""

from __future__ import annotations

import builtins
import copyreg
import io
import os
import pickle
import traceback
from dataclasses import dataclass
from types import TracebackType
from typing import Any, TypeAlias, cast

from headrace.core.errors import RecordError
from headrace.workers.pickling import AnyPickler

_MOST_ERRORS = 100  # of one chain
_LONGEST_TEXT = 10_000  # characters of what stands for a thing that cannot travel

_CALLER = os.path.join(os.path.dirname(__file__), "child.py")

Parts: TypeAlias = tuple[type[BaseException], tuple[Any, ...], dict[str, Any]]
"""What an error is made of: its class, ``args`` and attributes."""


@dataclass(slots=True)
class _Told:
    """One error of a chain.

    Args:
        pickled: A pickle of the error, or of its parts; empty where neither can travel.
        whole: Which of the two.
        plain: The nearest built-in kind, and the text, for a reader that does not know the error's own kind.
        notes: What was noted on it.
        where: The traceback.
        cause: Which of the chain it was raised from; -1 for none.
        context: Which of the chain was handled when it was raised; -1 for none.
        suppressed: Whether that context is not shown.
        members: For a group of errors, which of the chain belong to it.
    """

    pickled: bytes
    whole: bool
    plain: tuple[str, str]
    notes: tuple[str, ...]
    where: str
    cause: int = -1
    context: int = -1
    suppressed: bool = False
    members: tuple[int, ...] | None = None


@dataclass(slots=True)
class Report:
    """An error as it travels: every error of its chain, the one that was raised first."""

    errors: list[_Told]
    worker: str


def capture(error: BaseException, index: int) -> Report:
    """Return an error in a form that can always be pickled.

    Args:
        error: As it was caught.
        index: Of the worker that caught it.
    """
    known: dict[int, int] = {}
    chain: list[BaseException] = []
    told: list[_Told] = []
    _place(error, known, chain)
    number = 0
    while number < len(chain):
        one = chain[number]
        entry = _tell(one)
        entry.cause = _place(one.__cause__, known, chain)
        entry.context = _place(one.__context__, known, chain)
        entry.suppressed = one.__suppress_context__
        if isinstance(one, BaseExceptionGroup):
            entry.members = tuple(_place(member, known, chain) for member in one.exceptions)
        told.append(entry)
        number += 1
    return Report(told, f"worker {index} (process {os.getpid()})")


def revive(report: Report) -> BaseException:
    """Return an error that was captured elsewhere, of its own kind where this process knows it.

    What differs from the original is its traceback: that is this process's own, and the worker's is a note.
    """
    made: dict[int, BaseException] = {}
    for number in reversed(range(len(report.errors))):  # members of a group come after it
        told = report.errors[number]
        members = None if told.members is None else [made[member] for member in told.members if member in made]
        error = made[number] = _made(told, members)
        if told.notes:
            error.__notes__ = list(told.notes)
        if told.where:
            error.add_note(f"in {report.worker}:\n{told.where}")
    for number, told in enumerate(report.errors):
        made[number].__cause__ = made.get(told.cause)
        made[number].__context__ = made.get(told.context)
        made[number].__suppress_context__ = told.suppressed
    return made[0]


def _place(error: BaseException | None, known: dict[int, int], chain: list[BaseException]) -> int:
    """Return an error's number in the chain, where it is added if it is new."""
    if error is None or (id(error) not in known and len(chain) >= _MOST_ERRORS):
        return -1
    if id(error) not in known:
        known[id(error)] = len(chain)
        chain.append(error)
    return known[id(error)]


def _tell(error: BaseException) -> _Told:
    notes = getattr(error, "__notes__", ())
    notes = tuple(map(str, notes)) if isinstance(notes, list | tuple) else ()
    pickled, whole = _pickled(error)
    return _Told(pickled, whole, (_builtin(type(error)).__name__, _text(error)), notes, _where(error.__traceback__))


def _where(trace: TracebackType | None) -> str:
    """Return a traceback as text, without the calls that lead to the work."""
    frames = traceback.extract_tb(trace)
    while frames and frames[0].filename == _CALLER:
        frames.pop(0)
    return "".join(frames.format()).rstrip("\n")


def _pickled(error: BaseException) -> tuple[bytes, bool]:
    """Return a pickle of an error, and whether it is one of the whole and not of its parts; empty if neither works."""
    attempts = [(_parts, False)] if isinstance(error, BaseExceptionGroup) else [(_whole, True), (_parts, False)]
    for take, whole in attempts:
        try:
            data = _dumps(take(error))
            again = _loads(data, whole, _members_of(error))
            if type(again) is type(error) and (str(again) == str(error) or not whole):
                return data, whole
        except Exception:  # the user's own code runs here, and may fail in any way; then the next attempt is made
            continue
    return b"", False


def _whole(error: BaseException) -> Any:
    return error


def _parts(error: BaseException) -> Parts:
    """Return what an error is made of; whatever cannot travel is replaced by its text."""
    args = error.args[:1] if isinstance(error, BaseExceptionGroup) else error.args
    state = {name: _movable(value) for name, value in vars(error).items() if name != "__notes__"}
    return type(error), tuple(map(_movable, args)), state


def _members_of(error: BaseException) -> list[BaseException] | None:
    return list(error.exceptions) if isinstance(error, BaseExceptionGroup) else None


def _loads(data: bytes, whole: bool, members: list[BaseException] | None) -> BaseException:
    loaded = pickle.loads(data)
    error: BaseException = loaded if whole else _put_together(loaded, members)
    return error


def _put_together(parts: Parts, members: list[BaseException] | None) -> BaseException:
    """Make an error without its constructor, which may take other arguments than those it has kept."""
    kind, args, state = parts
    base = _builtin(kind)
    error: BaseException
    if members is not None:
        error = BaseExceptionGroup.__new__(kind, *args, members)  # type: ignore[type-var, call-arg]
    else:
        error = base.__new__(kind, *args)
        try:
            base.__init__(error, *args)
        except Exception:  # built-in kinds with fields of their own, such as UnicodeDecodeError, take just these
            BaseException.__init__(error, *args)
    vars(error).update(state)
    return error


def _builtin(kind: type[BaseException]) -> type[BaseException]:
    """Return the nearest kind of error that every process knows."""
    return next(base for base in kind.__mro__ if base.__module__ == "builtins" and issubclass(base, BaseException))


def _made(told: _Told, members: list[BaseException] | None) -> BaseException:
    """Make an error again: by itself, of its parts, or as the nearest kind of error that this process knows."""
    if told.pickled:
        try:
            return _loads(told.pickled, told.whole, members)
        except Exception:  # a module or a class that this process does not have, or the user's own code failed
            pass
    return _plain(*told.plain, members)


def _plain(name: str, text: str, members: list[BaseException] | None) -> BaseException:
    """Return the nearest kind of error that can be made of a text alone."""
    kind: type[BaseException] = getattr(builtins, name)
    if kind is Exception:
        return RecordError(text)
    try:
        return kind(text) if members is None else kind(text, members)
    except Exception:  # kinds that need more than a text
        return RecordError(text) if issubclass(kind, Exception) else BaseException(text)


def _text(error: BaseException) -> str:
    """Return an error's kind and text."""
    kind = type(error)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    try:
        return f"{name}: {error}"[:_LONGEST_TEXT]
    except Exception as failure:  # its own __str__ is broken
        return f"{name} (its text could not be made: {type(failure).__name__}: {failure})"[:_LONGEST_TEXT]


def _movable(value: Any) -> Any:
    """Return a value, or its text where it cannot travel."""
    try:
        pickle.loads(_dumps(value))
        return value
    except Exception:  # pickling runs the user's code, which may fail in any way
        try:
            return repr(value)[:_LONGEST_TEXT]
        except Exception:
            return f"a {type(value).__qualname__}"


class _Reducers:
    """How objects are taken apart that say nothing of it themselves; errors as their classes are written.

    Some libraries (tblib, which Dask loads) register reducers of their own for all kinds of errors, which lose what
    these hold.
    """

    def __getitem__(self, kind: type) -> Any:
        reducer = copyreg.dispatch_table[kind]
        if issubclass(kind, BaseException) and getattr(reducer, "__module__", "").partition(".")[0] == "tblib":
            raise KeyError(kind)
        return reducer


def _dumps(value: Any) -> bytes:
    try:
        file = io.BytesIO()
        pickler = pickle.Pickler(file, 5)
        pickler.dispatch_table = cast(Any, _Reducers())
        pickler.dump(value)
        return file.getvalue()
    except Exception:  # plain pickle refuses functions and classes that no import finds
        file = io.BytesIO()
        AnyPickler(file, {}).dump(value)
        return file.getvalue()
