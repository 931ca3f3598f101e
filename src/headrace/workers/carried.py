"""Errors that lie beside values: wherever these are pickled, they travel with their causes, and always arrive.

A plain pickle of an error loses what it was raised from, and of many a kind it cannot be made, or not be read. So a
``Failure``, too, is taken apart here whenever it is pickled, by whatever pickler.
"""

from __future__ import annotations

import copyreg
import os
from collections.abc import Iterator
from types import TracebackType
from typing import Any

from headrace.core.failures import Failure
from headrace.workers.remote import Report, capture, revive


class Carried:
    """Holds an error; in this process it stays the one that was raised.

    >>> import pickle
    >>> carried = pickle.loads(pickle.dumps(Carried(ValueError("bad"))))
    >>> carried.error
    ValueError('bad')
    """

    __slots__ = ("error",)

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def __reduce__(self) -> tuple[Any, ...]:
        return _arrived, (told(self.error),)


def _arrived(report: Report) -> Carried:
    return Carried(revive(report))


def told(error: BaseException) -> Report:
    """Return an error in a form that can always be pickled."""
    report = capture(error, 0)
    report.worker = f"process {os.getpid()}"
    return report


def released(error: BaseException) -> None:
    """Turn the traceback of an error that is kept into a note: it would hold the variables of all calls it went by.

    Among these is the batch that the record was in, and what was handed out last.
    """
    seen: set[int] = set()
    chain: list[BaseException | None] = [error]
    while chain:
        one = chain.pop()
        if one is not None and id(one) not in seen:
            seen.add(id(one))
            if one.__traceback__ is not None:
                one.add_note("\n".join(["raised in:", *_places(one.__traceback__)]))
                one.__traceback__ = None
            chain += [one.__cause__, one.__context__]


def _places(trace: TracebackType | None) -> Iterator[str]:
    """Give the lines of a traceback; without the code, which would have to be looked up in its files each time."""
    while trace is not None:
        code = trace.tb_frame.f_code
        yield f'  File "{code.co_filename}", line {trace.tb_lineno}, in {code.co_name}'
        trace = trace.tb_next


def _taken_apart(failure: Failure) -> tuple[Any, ...]:
    rest = (failure.source, failure.record, failure.stage, failure.epoch, failure.position, failure.replaced)
    return _put_together, (told(failure.error), *rest)


def _put_together(
    report: Report, source: str, record: int, stage: str, epoch: int, position: int, replaced: bool
) -> Failure:
    return Failure(source, record, stage, revive(report), epoch, position, replaced)


copyreg.pickle(Failure, _taken_apart)
