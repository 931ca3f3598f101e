"""Where the two interfaces meet: what is iterated in pescador's way is a Stream, on which every step can stand."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Self

from headrace.core import fingerprint
from headrace.core.callables import code_of, name_of
from headrace.core.flow import Cursor, Flow, State
from headrace.stages.replay import ReplayCursor
from headrace.stream import Stream


class Crossing(Stream):
    """A Stream whose items come from an ``iterate`` of its own, with attributes of its own."""

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        self = object.__new__(cls)  # a subclass need not call __init__ for the steps to work, nor does a copy
        self._at = self._probe = None
        return self

    @property
    def _flow(self) -> Flow:  # type: ignore[override]  # made when asked for: held, it would be a circle
        return Iterated(self)

    def __getstate__(self) -> tuple[Any, Any]:
        return dict(vars(self)), {}

    def iterate(self, max_iter: float | None = None) -> Any:
        """Return an iterator over the first ``max_iter`` items, or over all."""
        raise NotImplementedError

    def __iter__(self) -> Any:
        return self.iterate()

    def list(self) -> list[Any]:
        """Return all items."""
        return Stream(self).list()

    def collect(self) -> Any:
        """Return all items as one batch, as ``Stream.collect`` does."""
        return Stream(self).collect()

    def first(self) -> Any:
        """Return the first item, and let go of the rest.

        Raises:
            IndexError: There is none.
        """
        return Stream(self).first()

    def foreach(self, function: Callable[[Any], Any]) -> None:
        """Call a function with every item, as ``Stream.foreach`` does."""
        Stream(self).foreach(function)

    def _source(self) -> Any:
        """Return what is gone through: a function, an iterable, or the Streamers of a mux in a list."""
        raise NotImplementedError

    def _settings(self) -> dict[str, Any]:
        """Return what was set by name, without what only an active copy has."""
        return {name: value for name, value in vars(self).items() if not name.endswith("_")}


@dataclass(frozen=True, eq=False)
class Iterated:
    """The items that ``iterate`` gives, as a flow.

    It is resumed by going through them again, so the draws must be those they were: a ``random_state``, or no draws.
    Otherwise a resume is refused.

    Args:
        stream: What is iterated.
    """

    stream: Crossing

    def start(self, state: State | None = None, epoch: int = 0) -> Cursor:
        return ReplayCursor(self.stream.iterate(), self.words(), state)

    def length(self) -> int | None:
        return None

    def order(self) -> tuple[str, ...]:
        return tuple(f"{_words(stream)} {_digest(stream)}" for stream in _tree(self.stream))

    def code(self) -> tuple[str, ...]:
        sources = [stream._source() for stream in _tree(self.stream)]
        return tuple(f"{name_of(source)} {code_of(source)}" for source in sources if _is_function(source))

    def words(self) -> str:
        return _words(self.stream)


def _words(stream: Crossing) -> str:
    source = stream._source()
    what = name_of(source) if _is_function(source) else type(source).__name__
    return f"{type(stream).__name__}({f'{len(source)} streams' if _below(stream) == source else what})"


def _digest(stream: Crossing) -> str:
    """Return a digest of what was set, without the streams below, which have their own."""
    source = stream._source()
    known = _is_function(source) or isinstance(source, Crossing) or _below(stream) == source
    held = {name: value for name, value in stream._settings().items() if value is not source}
    if isinstance(source, Stream) and not known:
        held["items"] = source._on().order()
    elif not known:
        held["items"] = source
    return fingerprint.of_record(held)


def _tree(stream: Crossing) -> Iterator[Crossing]:
    """Give a stream and all below it, from the top."""
    yield stream
    for one in _below(stream):
        yield from _tree(one)


def _below(stream: Crossing) -> list[Crossing]:
    source = stream._source()
    parts = source if isinstance(source, list) else [source]
    return [part for part in parts if isinstance(part, Crossing)]


def _is_function(source: Any) -> bool:
    return callable(source) and not hasattr(source, "__iter__")
