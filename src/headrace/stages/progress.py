"""A progress bar on what flows by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self, TextIO

from headrace.core.arguments import whole
from headrace.core.flow import Cursor, Flow, State
from headrace.core.watched import is_watched
from headrace.stages.stage import Stage, StageCursor


@dataclass(frozen=True, eq=False)
class Progress(Stage):
    """The same items, counted on a bar (tqdm). States pass through: a bar may be added or left out at a resume.

    The bar is shown where a person can see it (standard error is a terminal or a notebook), or in ``file``.

    Args:
        upstream: Where items come from.
        total: How many there will be; None for what the stream knows.
        desc: What stands before the bar.
        file: Where the bar is written to.
    """

    total: int | None = None
    desc: str | None = None
    file: TextIO | None = None
    stateless = True

    @classmethod
    def of(cls, upstream: Flow, total: Any = None, desc: str | None = None, file: TextIO | None = None) -> Self:
        """Make one of what a user gave.

        Raises:
            KindError: The total is no whole number.
            ArgumentError: The total is below 0.
        """
        return cls(upstream, None if total is None else whole(total, "total"), desc, file)

    def start(self, state: State | None = None, epoch: int = 0) -> Cursor:
        upstream = self.upstream.start(state, epoch)
        if not self.is_shown:
            return upstream
        # A state does not say how many items came before it, so after a resume only a given total can be right.
        total = self.upstream.length() if self.total is None and state is None else self.total
        return ProgressCursor(upstream, self, total)

    def words(self) -> str:
        return "progress()"

    @property
    def is_shown(self) -> bool:
        """Whether anybody would see the bar."""
        return self.file is not None or is_watched()


class ProgressCursor(StageCursor):
    """A place beside a bar, which is closed however the iteration ends."""

    __slots__ = ("_bar", "_flow", "_total")

    def __init__(self, upstream: Cursor, flow: Progress, total: int | None) -> None:
        super().__init__(upstream)
        self._flow = flow
        self._total = total
        self._bar: Any = None

    def __next__(self) -> Any:
        if self._bar is None:
            self._bar = _bar(self._total, self._flow.desc, self._flow.file)
        try:
            item = next(self._upstream)
        except BaseException:
            self._bar.close()
            raise
        self._bar.update(1)
        return item

    def state(self) -> State:
        return self._upstream.state()

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()
        super().close()


def _bar(total: int | None, desc: str | None, file: TextIO | None) -> Any:
    """Return a bar that leaves no thread behind."""
    from tqdm import tqdm

    # tqdm starts a monitor thread, which outlives the bar, unless its class says not to
    kind = type("Bar", (tqdm,), {"monitor_interval": 0})
    return kind(total=total, desc=desc, file=file, leave=True)
