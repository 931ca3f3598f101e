"""What is common to all steps that stand on one other flow."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Self

from headrace.core.flow import Cursor, Flow, State
from headrace.core.ledger import Ledger


@dataclass(frozen=True, eq=False)
class Stage:
    """A step over one flow, which it follows in everything that it does not say itself.

    Args:
        upstream: Where items come from.
    """

    upstream: Flow

    def start(self, state: State | None = None, epoch: int = 0) -> Cursor:
        raise NotImplementedError

    def length(self) -> int | None:
        return self.upstream.length()

    def order(self) -> tuple[str, ...]:
        return self.upstream.order()

    def code(self) -> tuple[str, ...]:
        return self.upstream.code()

    @property
    def endless(self) -> bool:
        """Whether there is no end, as far as that is known beforehand."""
        return is_endless(self.upstream)

    @property
    def adjustable(self) -> bool:
        """Whether something upstream may be changed while it runs, which is part of the state from then on."""
        return is_adjustable(self.upstream)

    def words(self) -> str:
        """Return this step alone, as a chain shows it."""
        return type(self).__name__


class StageCursor:
    """A place in a step over one flow: each begins where the cursor below stands."""

    __slots__ = ("_upstream",)

    def __init__(self, upstream: Cursor) -> None:
        self._upstream = upstream

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Any:
        raise NotImplementedError

    def state(self) -> State:
        return {"upstream": self._upstream.state()}

    def close(self) -> None:
        self._upstream.close()


def below(flow: Flow) -> tuple[Flow, ...]:
    """Return the flows that a flow stands on; none for one in which items begin."""
    upstream = getattr(flow, "upstream", None)
    several: tuple[Flow, ...] = getattr(flow, "upstreams", ())
    return several if upstream is None else (upstream,)


def walk(flow: Flow) -> Iterator[Flow]:
    """Give a flow and all that lie below it, from the top."""
    yield flow
    for one in below(flow):
        yield from walk(one)


def ledgers(flow: Flow) -> list[Ledger]:
    """Return what is kept of each part of a flow that has workers or a policy for errors, upstream first."""
    found = [getattr(one, "ledger", None) for one in walk(flow)]
    different = {id(ledger): ledger for ledger in reversed(found) if ledger is not None}
    return list(different.values())


def dealt(flow: Flow) -> tuple[str, ...]:
    """Return a line that says how many readers share what lies below; none where there is one.

    A step that stands in the middle of something (a batch, a window) can only go on with as many of them: others would
    be dealt other items. So it is part of the order of such a step.
    """
    counts = [count for one in walk(flow) if (count := getattr(one, "readers", 1)) > 1]
    return tuple(f"shared by {count} readers" for count in counts)


def is_endless(flow: Flow) -> bool:
    """Say whether a flow is known to have no end."""
    return bool(getattr(flow, "endless", False))


def is_adjustable(flow: Flow) -> bool:
    """Say whether a flow can be changed while it runs: its own place at the front is remembered then, too."""
    return bool(getattr(flow, "adjustable", False))


def chain(flow: Flow) -> str:
    """Return the steps of a flow as text, an arrow between; nothing is read for it.

    >>> from headrace.stages.iterate import Iterate
    >>> from headrace.stages.take import Take
    >>> chain(Take(Iterate.of(range(10)), 3))
    'range(0, 10) -> take(3)'
    """
    give = getattr(flow, "words", None)
    own = give() if give is not None else type(flow).__name__
    under = below(flow)
    if not under:
        return str(own)
    if len(under) == 1:
        return f"{chain(under[0])} -> {own}"
    shown = " | ".join(map(chain, under[:4])) + (" | ..." if len(under) > 4 else "")
    return f"[{shown}] -> {own}"
