"""One pass of a flow, taken by several iterators, each at its own speed within bounds."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from threading import RLock
from types import TracebackType
from typing import Any, NoReturn, Self, SupportsIndex

from headrace.core.arguments import whole
from headrace.core.errors import KindError, OrderError, StateError
from headrace.core.flow import Cursor, Flow, State
from headrace.core.iteration import StreamIterator
from headrace.core.state import envelope, open_envelope, read_list, read_whole
from headrace.stages.held import Held
from headrace.stages.stage import Stage, chain, dealt


class Tee:
    """Several iterators over one pass of a flow: each gives all items in order, and each is drawn once.

    What one branch has taken and another not yet is held; so they are taken in step, more or less. All branches give
    the same objects, and no copies: who writes into an item writes into that of the others. They may be taken in
    different threads.

    An error upstream reaches each branch that comes to it, and can be tried again as in every stream. The group has one
    state for all of its branches. It is closed at the end of a ``with`` block, by ``close``, and when it is dropped.

    Args:
        flow: What is iterated.
        n: How many branches.
        buffer: How many items a branch may be ahead of the slowest that is open. One more is drawn to see whether there
            is an end.
        at: Where in the flow to begin; None for the front.

    >>> from headrace.stages.iterate import Iterate
    >>> tee = Tee(Iterate.of(range(3)), 2)
    >>> a, b = tee
    >>> next(a), next(a), next(b)
    (0, 1, 0)
    >>> state = tee.state_dict()
    >>> list(a), list(b)
    ([2], [1, 2])
    >>> tee.load_state_dict(state)
    >>> list(b)
    [1, 2]

    Raises:
        KindError: A number is no whole number.
        ArgumentError: It is below 1.
    """

    __slots__ = ("__weakref__", "_at", "_buffer", "_closed", "_flow", "_held", "_lock", "_low", "_slowest")

    def __init__(self, flow: Flow, n: Any, buffer: Any = 1000, at: State | None = None) -> None:
        count = whole(n, "the number of branches", 1)
        self._buffer = whole(buffer, "buffer", 1)
        self._flow = Teed(flow, count)
        self._lock = RLock()
        front = None if at is None else {"upstream": at, "from": 0, "read": 0}
        self._begin(Held(self._flow, 0, self._flow.words(), front), [0] * count)

    def _begin(self, held: Held, at: list[int | None]) -> None:
        self._held = held
        self._at = at  # items that each branch has taken; None for one that is closed
        self._closed = False
        self._look()

    def _look(self) -> None:
        """Note where the slowest branches are, which is the first item held, and how many these are."""
        open_ones = [at for at in self._at if at is not None]
        self._low = min(open_ones, default=self._held.read)
        self._slowest = open_ones.count(self._low)

    def __len__(self) -> int:
        return len(self._at)

    def __iter__(self) -> Iterator[Branch]:
        return map(self.__getitem__, range(len(self)))

    def __getitem__(self, number: SupportsIndex) -> Branch:
        """Return a branch; asked for again, it goes on where it was.

        Raises:
            IndexError: There is none of that number.
        """
        if isinstance(number, slice):
            raise KindError(f"a branch is asked for by its number, got {number!r}: list(tee)[...] gives several")
        place = whole(number, "the number of a branch", -sys.maxsize)
        if not -len(self._at) <= place < len(self._at):
            raise IndexError(f"there are {len(self._at)} branches, and none of number {place}")
        return Branch(self, place % len(self._at))

    def _next(self, branch: int) -> Any:
        with self._lock:
            at = self._at[branch]
            if at is None or self._closed:
                raise StopIteration
            held = self._held
            if at == held.read:
                held.draw()
            if at - self._low >= self._buffer:
                self._let_go()  # it may have been interrupted in between
                if at - self._low >= self._buffer:
                    self._refuse(branch)
            item = held.items[at]
            self._at[branch] = at + 1
            if at == self._low:
                self._slowest -= 1
                if not self._slowest:  # all others have taken it, too
                    del held.items[at]
                    self._low = at + 1
                    self._slowest = self._at.count(at + 1)
            return item

    def _let_go(self) -> None:
        """Drop the items that all open branches have taken."""
        before = self._low
        self._look()
        for number in range(before, self._low):
            self._held.items.pop(number, None)

    def _refuse(self, branch: int) -> NoReturn:
        slowest = self._at.index(self._low)
        raise OrderError(
            f"branch {branch} of {self._flow.words()} is {self._buffer} items ahead of branch {slowest}, and no more "
            f"are held (buffer={self._buffer}): take the branches in step, give a larger buffer, or close() a branch "
            "that nobody reads"
        )

    def _close_branch(self, branch: int) -> None:
        with self._lock:
            if self._closed or self._at[branch] is None:
                return
            self._at[branch] = None
            self._let_go()
            if all(at is None for at in self._at):
                self._held.close()

    def state_dict(self) -> State:
        """Return where each branch goes on: plain JSON, with the numbers of items held and none of the items."""
        with self._lock:
            held = deepcopy(self._held.state())
            for place in (held["upstream"], *(one for _, one in held.get("places", ()))):
                self._held.cursor.bring_up_to_date(place)  # type: ignore[attr-defined]
            return deepcopy(envelope(self._flow, {**held, "branches": list(self._at)}))

    def load_state_dict(self, state: State) -> None:
        """Send all branches to where a state says; items that some had taken and others not are read again.

        Raises:
            StateError: The state does not belong to this group, or it holds more items than the buffer may; the
                branches stay where they are.

        Warns:
            CodeChangedWarning: A function is another than when the state was saved.
            ReplayWarning: The place is reached by going through a generator again.
        """
        at = deepcopy(open_envelope(self._flow, state))
        branches, read = read_list(at, "branches", len(self._at)), read_whole(at, "read")
        taken = [read_whole({"branches": one}, "branches") for one in branches if one is not None]
        low = min(taken, default=read)
        if max(taken, default=read) > read:
            raise StateError(f"the state is damaged: of {read} items its branches have taken {branches!r:.200}")
        if read - low > self._buffer + 1:
            raise StateError(
                f"the state's branches are {read - low} items apart, and {self._buffer} may be held here: give a "
                "buffer as large as it was"
            )
        held = Held(self._flow, 0, self._flow.words(), at, range(low, read))
        with self._lock:
            self._held.close()
            self._begin(held, branches)

    def close(self) -> None:
        """Let go of what is open and held. All branches are then at their end; ``state_dict`` says where they were."""
        with self._lock:
            self._closed = True
            self._held.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __reduce__(self) -> tuple[Any, ...]:
        """Make a copy, or what is pickled, a group of its own whose branches stand at the same places."""
        return _resumed, (self._flow, self._buffer, self.state_dict())

    def __repr__(self) -> str:
        return f"Tee({chain(self._flow)}, buffer={self._buffer}, taken={self._at})"


class Branch:
    """One of the iterators over a pass; it says nothing of its own but which."""

    __slots__ = ("_group", "_number")

    def __init__(self, group: Tee, number: int) -> None:
        self._group = group
        self._number = number

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Any:
        return self._group._next(self._number)

    def close(self) -> None:
        """End this branch for good: what only it was waited for is dropped. The others go on."""
        self._group._close_branch(self._number)

    def state_dict(self) -> NoReturn:
        """Refuse: the group has the state.

        Raises:
            StateError: Always.
        """
        raise StateError(
            f"{self!r} has no state of its own, since all branches share one pass: keep the group, as in "
            "tee = stream.tee(2); a, b = tee, and use tee.state_dict() and tee.load_state_dict(state)"
        )

    def load_state_dict(self, state: State) -> NoReturn:
        """Refuse: see ``state_dict``.

        Raises:
            StateError: Always.
        """
        self.state_dict()

    def __repr__(self) -> str:
        return f"branch {self._number} of {self._group!r}"


@dataclass(frozen=True, eq=False)
class Teed(Stage):
    """What a group of branches draws from, and belongs to: a flow whose steps can be tried again after an error.

    Args:
        upstream: What is iterated.
        branches: How many there are.
    """

    branches: int

    def start(self, state: State | None = None, epoch: int = 0) -> Cursor:
        return _Retried(self.upstream, state)

    def order(self) -> tuple[str, ...]:
        return (*self.upstream.order(), *dealt(self.upstream), self.words())

    def words(self) -> str:
        return f"tee({self.branches})"


class _Retried(StreamIterator):
    __slots__ = ()

    def state(self) -> State:
        at: State = self.state_dict()["at"]
        return at

    def bring_up_to_date(self, place: State) -> None:
        """Have a place that was remembered say what was changed since."""
        if self._changes is not None and (noted := self._changes.state()):
            place["changes"] = noted


def _resumed(flow: Teed, buffer: int, state: State) -> Tee:
    tee = Tee(flow.upstream, flow.branches, buffer)
    tee.load_state_dict(state)
    return tee
