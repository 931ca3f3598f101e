"""Progress bars, where somebody would see them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Any

from headrace.core.watched import is_watched


@contextmanager
def bar(
    shown: bool | None, what: str, total: int | None, unit: str, leave: bool = False
) -> Iterator[Callable[[int], object] | None]:
    """Give what is told how much has been done, from any thread, and shows it; None where nobody looks.

    Args:
        shown: Whether to show it; None for where somebody would see it.
        what: Is done.
        total: How much there is to do, where that is known.
        unit: Of what is counted: ``"B"``, ``" records"``.
        leave: Whether the bar stays when all is done.
    """
    if not _is_shown(shown):
        yield None
        return
    lock = Lock()
    with _kind()(total=total, desc=what, unit=unit, unit_scale=True, leave=leave) as shown_bar:

        def told(done: int) -> None:
            with lock:
                shown_bar.update(done)

        yield told


@contextmanager
def line(shown: bool | None) -> Iterator[Callable[[str], None] | None]:
    """Give what shows a text in the place of the one before, from the first one on; None where nobody looks.

    Args:
        shown: Whether to show it; None for where somebody would see it.
    """
    if not _is_shown(shown):
        yield None
        return
    made: list[Any] = []

    def told(text: str) -> None:
        if not made:
            made.append(_kind()(bar_format="{desc}", leave=False))
        made[0].set_description_str(text)

    try:
        yield told
    finally:
        for one in made:
            one.close()


def _is_shown(shown: bool | None) -> bool:
    return is_watched() if shown is None else shown


def _kind() -> Any:
    """Return tqdm's class, without the monitor thread that it starts, which would outlive the bar."""
    from tqdm import tqdm

    return type("Bar", (tqdm,), {"monitor_interval": 0})
