"""What becomes of a record that a source or a function failed on: raised, tried again, replaced or left out.

The step that failed decides, on the spot, where it knows which record it was. To leave that record out, or to find out
which of several it was, it raises a ``Parting``; whoever asked for the records then asks for them in halves, down to
single ones, and goes on with those that come. That gives the same records since a batch function is row-wise by
contract.
"""

from __future__ import annotations

from collections.abc import Callable
from time import sleep
from typing import Any, Final, TypeAlias

import numpy as np

from headrace.core.address import At
from headrace.core.callables import failure, name_of
from headrace.core.errors import RecordError
from headrace.core.failures import SKIP, Failure, OnError, Retry
from headrace.core.owning import owned
from headrace.core.records import Records, concat
from headrace.nodes.node import Context, Node

_RAISED: Final = object()
"""What was decided of a record: its error is raised."""


Read: TypeAlias = Callable[[Node, At, Context], Records]


class Parting(RecordError):
    """Records are to be asked for one by one: one of them fails, and a policy has to know which."""


class Skipped(Parting):
    """A record is left out, as a policy says."""


def read_kept(node: Node, at: At, context: Context, read: Read | None = None) -> Records:
    """Return the records at these addresses without those that a policy leaves out.

    Args:
        node: What is read.
        at: The addresses.
        context: Of the read.
        read: Reads them all at once; None for the node's own read.

    Raises:
        Skipped: None is left.
    """
    try:
        return node.read(at, context) if read is None else read(node, at, context)
    except Parting as parting:
        if len(at.positions) == 1:
            raise
        pieces = _halves(node, at, context)
        if not pieces:
            raise Skipped(f"all of {len(at.positions)} records were left out; the last: {parting}") from parting
        return concat(pieces)


def _halves(node: Node, at: At, context: Context) -> list[Records]:
    """Return what is left of addresses, read in halves."""
    middle = len(at.positions) // 2
    whole = not isinstance(at.epochs, np.ndarray)
    pieces: list[Records] = []
    for part in (slice(None, middle), slice(middle, None)):
        half = At(at.positions[part], at.epochs if whole else np.asarray(at.epochs)[part])
        try:
            pieces.append(node.read(half, context))
        except Parting:
            if len(half.positions) > 1:
                pieces += _halves(node, half, context)
    return pieces


def settle(
    node: Node,
    own: OnError | None,
    error: Exception,
    failed: RecordError,
    at: At,
    context: Context,
    record: Any,
    again: Callable[[], Any],
) -> Any:
    """Return what takes the place of what a step failed to give.

    Args:
        node: The step.
        own: Its own policy, if it has one; else that of the stream holds.
        error: What was raised.
        failed: How it is told; raised where the policy says so.
        at: What the step was asked for, one address or several.
        context: Of the read.
        record: What the step was given; of a source that failed the number of the record.
        again: Does it once more.

    Raises:
        RecordError: The policy says so.
        Parting: Several addresses, one of which fails.
        Skipped: The record is left out.
    """
    policy: OnError = context.on_error if own is None else own
    if isinstance(error, Parting):
        raise error  # decided below already
    if policy == "raise":
        raise failed from error
    epoch, position = int(np.asarray(at.epochs).flat[0]), int(at.positions[0])
    key = (id(node), epoch, position)
    alone = len(at.positions) == 1
    if alone and key in context.decided:
        return _given(context.decided[key], failed, error)
    if isinstance(policy, Retry):
        if id(node) not in context.retried:
            found, value = _again(policy, error, again)
            if found:
                return value
            error = value
            if not alone:
                context.retried.add(id(node))  # in this read its single records were tried often enough
        policy = policy.then
    if policy == "raise":
        if alone:
            context.decided[key] = _RAISED  # asked for again in this read, it is not tried again
        raise failed from error
    if not alone:
        raise Parting(str(failed)) from error
    value = SKIP if policy == "skip" else _asked(policy, error, record, failed)
    context.decided[key] = value
    context.failures.append(told(node, at, error, replaced=value is not SKIP))
    return _given(value, failed, error)


def _given(value: Any, failed: RecordError, error: Exception) -> Any:
    if value is _RAISED:
        raise failed from error
    if value is SKIP:
        raise Skipped(f"{failed} (left out)") from error
    return owned(value)  # it may be written to, and asked for again


def _again(policy: Retry, error: Exception, again: Callable[[], Any]) -> tuple[bool, Any]:
    """Try again as often as is asked for; return whether that helped, and the value or the last error."""
    for seconds in policy.waits():
        if not isinstance(error, policy.only):
            break
        sleep(seconds)
        try:
            return True, again()
        except Parting:
            raise
        except Exception as failed:
            error = failed
    return False, error


def _asked(policy: Any, error: Exception, record: Any, failed: RecordError) -> Any:
    """Return what the user's function gives in a record's place."""
    try:
        return policy(error, record)
    except Exception as raised:
        if raised is error:
            raise failed from error
        what = failure(f"on_error={name_of(policy)}", policy, "a record that had failed", raised)
        raise RecordError(f"{what}; the record: {failed}") from raised


def told(node: Node, at: At, error: Exception, replaced: bool = False) -> Failure:
    """Return what is kept of a record that failed."""
    ids = node.ids(at)
    number = int(ids[0]) if len(ids) else 0
    for leaf in node.sources:
        if number < leaf.universe:
            break
        number -= leaf.universe
    epoch = int(np.asarray(at.epochs).flat[0])
    cause = error.__cause__ if isinstance(error, RecordError) and isinstance(error.__cause__, Exception) else error
    return Failure(leaf.words(), number, node.words(), cause, epoch, int(at.positions[0]), replaced)
