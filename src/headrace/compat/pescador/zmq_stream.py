"""ZMQStreamer: a stream in a process of its own."""

from __future__ import annotations

import random
from collections.abc import Generator, Iterator, Mapping
from typing import Any

import numpy as np

from headrace.compat.pescador.core import Streamer
from headrace.compat.pescador.exceptions import DataError
from headrace.core.errors import RecordError
from headrace.core.flow import Flow
from headrace.stream import Stream

__all__ = ["ZMQStreamer"]


class ZMQStreamer(Streamer):
    """The items of a stream, which runs in another process, some ahead.

    They travel through shared memory: no port is opened. They are mappings from names to arrays of any dtype. An error
    there is raised here, and so is the death of the process; when the iteration ends or is left, the process ends. The
    Streamer must be one that pickle or cloudpickle can carry, which takes functions written anywhere. What was seeded
    here, ``random.seed`` and ``numpy.random.seed``, is seeded there.

    Args:
        streamer: A Streamer or a mux.
        min_port: Without effect, as are the two that follow: there are no ports.
        max_port: Without effect.
        max_tries: Without effect.
        copy: Whether arrays are the caller's own; else they are views of shared memory, which can be written to, and
            stay what they are as long as they are held.
        timeout: Without effect: a process that is busy when its stream is left gets half a second.

    >>> def squares(n):
    ...     for i in range(n):
    ...         yield {"x": np.array(i * i)}
    >>> [int(item["x"]) for item in ZMQStreamer(Streamer(squares, 4))]
    [0, 1, 4, 9]

    Raises:
        DataError: In the iteration: an item that is no mapping from names to arrays.
        WorkerError: In the iteration: the process died.
        KindError: In the iteration: the Streamer cannot be carried there.
    """

    def __init__(
        self,
        streamer: Any,
        min_port: int = 49152,
        max_port: int = 65535,
        max_tries: int = 100,
        copy: bool = False,
        timeout: float | None = 5,
    ) -> None:
        super().__init__(streamer)
        self.min_port = min_port
        self.max_port = max_port
        self.max_tries = max_tries
        self.copy = copy
        self.timeout = timeout

    @property
    def _flow(self) -> Flow:  # type: ignore[override]
        return Stream(self.streamer).background(copy=self.copy)._on()

    def iterate(self, max_iter: float | None = None) -> Generator[Any, None, None]:  # type: ignore[override]
        """Give the first items, or all.

        Args:
            max_iter: How many at most; None for all.
        """
        seeds = random.getstate(), np.random.get_state()
        failed = None
        with iter(Stream(_checked, self.streamer, max_iter, seeds).background(copy=self.copy)) as items:
            try:
                yield from items
            except RecordError as error:
                if error.__cause__ is None:
                    raise
                failed = error.__cause__  # as it was raised there, since that is what a program expects
        if failed is not None:
            raise failed

    def _activate(self) -> None:
        self.stream_ = self.iterate()


def _checked(streamer: Any, max_iter: float | None, seeds: tuple[Any, Any]) -> Iterator[dict[Any, Any]]:
    """Give the items of a stream, in the process where it runs."""
    random.setstate(seeds[0])
    np.random.set_state(seeds[1])
    for number, item in enumerate(streamer(max_iter=max_iter)):
        if not isinstance(item, Mapping):
            raise DataError(f"item {number} of {streamer!r} must be a mapping from names to arrays, got {item!r:.200}")
        for name, value in item.items():
            if not isinstance(value, np.ndarray):
                raise DataError(f"item {number} of {streamer!r}: {name!r} must be an array, got {value!r:.200}")
        yield dict(item)
