"""Progress bars, where somebody would see them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock

from headrace.core.watched import is_watched


@contextmanager
def bar(shown: bool | None, what: str, total: int | None, unit: str) -> Iterator[Callable[[int], object] | None]:
    """Give what is told how much has been done, from any thread, and shows it; None where nobody looks.

    Args:
        shown: Whether to show it; None for where somebody would see it.
        what: Is done.
        total: How much there is to do, where that is known.
        unit: Of what is counted: ``"B"``, ``" records"``.
    """
    if not (is_watched() if shown is None else shown):
        yield None
        return
    from tqdm import tqdm

    # tqdm starts a monitor thread, which outlives the bar, unless its class says not to
    kind = type("Bar", (tqdm,), {"monitor_interval": 0})
    lock = Lock()
    with kind(total=total, desc=what, unit=unit, unit_scale=True, leave=False) as shown_bar:

        def told(done: int) -> None:
            with lock:
                shown_bar.update(done)

        yield told
