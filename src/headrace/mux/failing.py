"""What becomes of a stream of a mux that raises an error in the middle."""

from __future__ import annotations

from collections.abc import Callable
from time import sleep
from typing import TYPE_CHECKING, Any

from headrace.core.callables import failure, name_of
from headrace.core.errors import HeadraceError, RecordError
from headrace.core.failures import SKIP, Failure, Retry

if TYPE_CHECKING:
    from headrace.mux.flow import MuxFlow
    from headrace.mux.succession import LazyChain


class Failing:
    """The policy of a mux for errors of its streams.

    ``"raise"``: the error is raised, and names the stream. ``"skip"``: the stream leaves its seat, as if it had ended.
    ``Retry``: it is gone through again, in its activation, up to the item that failed. A function of (error, number of
    the stream): what it returns is given in the item's place, or ``SKIP``, and the stream leaves its seat.

    Args:
        flow: The mux.
        shown: Returns a stream as a chain shows it.
    """

    __slots__ = ("_flow", "_shown")

    def __init__(self, flow: MuxFlow | LazyChain, shown: Callable[[int], str]) -> None:
        self._flow = flow
        self._shown = shown

    def settle(
        self, stream: int, given: int, step: int, error: Exception, again: Callable[[], Any]
    ) -> tuple[Any, bool]:
        """Return what is given in the place of the item that failed (or ``SKIP``), and whether the stream goes on.

        Args:
            stream: Which stream it is.
            given: How many items it has given in this activation.
            step: How many items the mux has given.
            error: What it raised.
            again: Goes through the activation again, and returns the item.

        Raises:
            RecordError: The error is to be raised, or there were too many of them.
            StopIteration: Gone through again, the stream has ended.
        """
        policy: Any = self._flow.on_error
        if isinstance(policy, Retry):
            for seconds in policy.waits():
                if not isinstance(error.__cause__ or error, policy.only):
                    break
                sleep(seconds)
                try:
                    return again(), True
                except Exception as raised:
                    if isinstance(raised, StopIteration):
                        raise
                    error = raised
            policy = policy.then
        if policy == "raise":
            named = self.named(stream, error)
            if named is error:
                raise error
            raise named from (error.__cause__ or error)
        value = SKIP if policy == "skip" else self._asked(policy, stream, error)
        flow = self._flow
        cause = error.__cause__ if isinstance(error, RecordError) and error.__cause__ is not None else error
        source = f"stream {stream}: {self._shown(stream)}"
        one = Failure(source, given, flow.words(), cause, 0, step, value is not SKIP)
        flow.ledger.admit([one], flow.max_errors, None)
        return value, False

    def named(self, stream: int, error: Exception) -> Exception:
        """Return an error that says in which stream it was raised."""
        where = f"stream {stream} of {self._flow.words()}"
        if isinstance(error, RecordError):  # which says what failed
            return RecordError(f"{where}: {error}")
        where += f": {self._shown(stream)}"
        if isinstance(error, HeadraceError):
            error.add_note(f"in {where}")
            return error
        return RecordError(f"{where}: {type(error).__name__}: {error}")

    def _asked(self, policy: Any, stream: int, error: Exception) -> Any:
        try:
            return policy(error.__cause__ or error, stream)
        except Exception as raised:
            what = failure(f"on_error={name_of(policy)}", policy, f"stream {stream}, which had failed", raised)
            raise RecordError(what) from raised
