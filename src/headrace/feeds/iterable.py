"""A stream as an iterable-style dataset of torch, whose workers share its items out by themselves."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any, Self

import cloudpickle

from headrace.core.arguments import whole
from headrace.core.errors import StateError
from headrace.core.flow import Cursor, Flow, State
from headrace.core.iteration import StreamIterator
from headrace.core.state import read_state, read_whole
from headrace.feeds.need import torch_for
from headrace.feeds.tensors import Tensors
from headrace.feeds.through import AtEpoch, Through
from headrace.feeds.worker import shared_number, worker_and_count


class IterableStyle:
    """Items in order; in worker w of W of a DataLoader items w, w + W, w + 2W, ...

    So all workers together give each item once, and a DataLoader, which takes one of each in turn, the order that one
    process would. Batches of a stream are handed through by ``DataLoader(..., batch_size=None)``. A DataLoader that is
    given a batch size makes batches of each worker's own items: each comes once, but not in one process's order.

    Arrays come as tensors, a Batch as a dict. The iterator has ``state_dict`` and ``load_state_dict``.

    Args:
        flow: What flows.
        epoch: Which epoch: a tensor in memory that workers share.
    """

    def __init__(self, flow: Flow, epoch: Any) -> None:
        self._flow = flow
        self._epoch = epoch

    def __iter__(self) -> StreamIterator:
        index, count = worker_and_count()
        share = share_of(self._flow, index, count)
        return StreamIterator(AtEpoch(Tensors(share, plain=True), int(self._epoch)))

    def __len__(self) -> int:
        length = self._flow.length()
        if length is None:
            raise TypeError("the stream's length is not known before it was gone through, or it has no end")
        return length

    def __bool__(self) -> bool:
        return True  # not len(): that may not be known

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch that the next iteration gives, in workers that run already, too."""
        self._epoch.fill_(whole(epoch, "epoch"))

    def __reduce__(self) -> tuple[Any, ...]:
        return _loaded, (cloudpickle.dumps(self._flow), self._epoch)


def iterable_style(flow: Flow) -> Any:
    """Return a ``torch.utils.data.IterableDataset``.

    Raises:
        MissingExtraError: torch is not installed.
    """
    inner = flow.upstream if isinstance(flow, Tensors) else flow  # workers have no business on a device
    return _kind()(inner, shared_number())


@cache
def _kind() -> Any:
    """Return the class, which torch's own is a base of: it is made when torch is loaded."""
    return type("TorchIterable", (IterableStyle, torch_for("Stream.to_torch").utils.data.IterableDataset), {})


def _loaded(pickled: bytes, epoch: Any) -> Any:
    return _kind()(cloudpickle.loads(pickled), epoch)


def share_of(flow: Flow, index: int, count: int) -> Flow:
    """Return every ``count``-th item of a flow, from ``index`` on.

    A flow that can leave items out without making them says so by a method ``with_lane(index, count)``; of others all
    are made.
    """
    if count == 1:
        return flow
    with_lane = getattr(flow, "with_lane", None)
    if with_lane is not None:
        lane: Flow = with_lane(index, count)
        return lane
    return Every(flow, index, count)


@dataclass(frozen=True, eq=False)
class Every(Through):
    """Every ``count``-th item, from ``index`` on; all are made, the others dropped.

    Args:
        upstream: Where items come from.
        index: The first one.
        count: How far they are apart.
    """

    index: int
    count: int
    stateless = False

    def start(self, state: State | None = None, epoch: int = 0) -> Cursor:
        drop = self.index if state is None else read_whole(state, "drop")
        if drop >= self.count:
            raise StateError(f"the state is damaged: {drop} items are to be dropped, of {self.count}")
        return EveryCursor(self.upstream.start(None if state is None else read_state(state), epoch), self.count, drop)

    def length(self) -> int | None:
        items = self.upstream.length()
        return None if items is None else len(range(self.index, items, self.count))

    def order(self) -> tuple[str, ...]:
        return (*self.upstream.order(), self.words())

    def words(self) -> str:
        return f"every({self.index}, {self.count})"


class EveryCursor:
    """A place among items of which some are dropped: how many are to be dropped next."""

    __slots__ = ("_count", "_drop", "_upstream")

    def __init__(self, upstream: Cursor, count: int, drop: int) -> None:
        self._upstream = upstream
        self._count = count
        self._drop = drop

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Any:
        while self._drop:
            next(self._upstream)
            self._drop -= 1
        item = next(self._upstream)
        self._drop = self._count - 1
        return item

    def state(self) -> State:
        return {"upstream": self._upstream.state(), "drop": self._drop}

    def close(self) -> None:
        self._upstream.close()
