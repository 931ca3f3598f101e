"""A stream as the loader that training frameworks ask for: one epoch for each ``for``, a length, a state."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from itertools import islice
from typing import Any

import cloudpickle

from headrace.core.arguments import whole
from headrace.core.errors import ArgumentError, EndlessError, KindError, StateError
from headrace.core.flow import Flow, State
from headrace.core.iteration import StreamIterator
from headrace.core.state import open_envelope, read_whole
from headrace.feeds.tensors import Tensors
from headrace.feeds.through import AtEpoch


class Loader:
    """A stream as a loader: each ``for`` over it is one epoch, and the next one is the next epoch.

    Lightning's Trainer takes it as a dataloader, and saves and restores its state with its checkpoints; Accelerate
    takes it, too (``register_for_checkpointing`` for its state). In a loop of your own it needs no bookkeeping::

        while loader.epoch < 10:
            for batch in loader: ...

    A ``for`` that is left early (``break``) has had its epoch: the next one is the next epoch. Its state still says
    where it was left, and whoever loads that state goes on there.

    Args:
        stream: A stream of one epoch, as ``dataset.shuffle(seed).batch(n).stream()`` makes it: the loader starts it
            anew for each epoch, so that shuffles and random maps differ.
        device: Where the tensors shall lie; None for main memory, from where a framework moves them by itself.
        pin_memory: Whether tensors in main memory are pinned, or copies to a GPU go through such memory; ``"auto"``:
            the copies do.
        prefetch: How many batches are on their way to a GPU beside the one that is handed out.

    Batches are as ``Stream.torch`` gives them, but dicts in the place of Batches, since frameworks look into
    Python's own containers only.

    >>> from headrace import Dataset
    >>> loader = Loader(Dataset(x=[1.0, 2.0, 3.0]).shuffle(seed=0).batch(2).stream())
    >>> len(loader), [len(batch["x"]) for batch in loader], loader.epoch
    (2, [2, 1], 1)

    Raises:
        MissingExtraError: torch is not installed.
        KindError: It is no stream.
        ArgumentError: The stream has several epochs, or is resumed already; or there is no such device.
        EndlessError: The stream has no end, so no epoch would.
    """

    def __init__(self, stream: Any, device: Any = None, pin_memory: Any = "auto", prefetch: int = 2) -> None:
        self._stream = stream
        self._settings = (device, pin_memory, prefetch)
        self._flow = Tensors.of(_flow_of(stream), device, pin_memory, prefetch, plain=True)
        self._next = 0  # the epoch that comes, where no pass is open
        self._pass: _Pass | None = None

    def __iter__(self) -> Iterator[Any]:
        """Give the next epoch, or go on where a state says that was loaded.

        Which epoch that is, is settled when the first batch is asked for, so ``set_epoch`` may come after ``iter``.
        """
        going = self._open()
        if going.is_begun or going.is_spent():
            going = self._pass = _Pass(self._flow, going.following)
        try:
            yield from going.batches()
        finally:
            going.leave()
        if self._pass is going:
            self._next, self._pass = going.following, None

    def _open(self) -> _Pass:
        if self._pass is None:
            self._pass = _Pass(self._flow, self._next)
        return self._pass

    def __len__(self) -> int:
        """Return the number of batches of an epoch.

        Raises:
            TypeError: It is not known before the stream was gone through: after a filter, of a generator.
        """
        length = self._flow.length()
        if length is None:
            raise TypeError(f"the number of batches of {self._stream!r} is not known before it was gone through")
        return length

    def __bool__(self) -> bool:
        return True  # not len(): that may not be known

    @property
    def epoch(self) -> int:
        """The epoch of the next batch, from 0 on: in a ``for`` that of the running one, else that of the next ``for``.

        After a state was loaded, this reads a batch: what stands at the end of an epoch goes on with the next one.
        """
        going = self._pass
        if going is None:
            return self._next
        return going.following if going.is_left or going.is_spent() else going.epoch

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch that the next ``for`` gives, from its front.

        Where a state was loaded that stands within this epoch, the next ``for`` gives the rest of it; so a loop over
        epochs may call this first thing, whether it begins or goes on.

        >>> from headrace import Dataset
        >>> loader = Loader(Dataset(range(4)).shuffle(seed=0).stream())
        >>> loader.set_epoch(3)
        >>> third = list(loader)
        >>> loader.set_epoch(3)
        >>> third == list(loader), third == list(loader)
        (True, False)

        Raises:
            KindError: It is no whole number.
            ArgumentError: It is below 0.
        """
        epoch, going = whole(epoch, "epoch"), self._pass
        if going is None or going.is_left:
            self._next, self._pass = epoch, None
        elif going.is_begun:
            going.following = epoch
        elif going.epoch == epoch:
            going.is_wanted = True
        else:
            going.close()
            self._next, self._pass = epoch, None

    @property
    def batch_sampler(self) -> _Sampler:
        """What Lightning looks for to tell the epoch: it calls ``loader.batch_sampler.sampler.set_epoch``."""
        return _Sampler(self)

    def state_dict(self) -> State:
        """Return where the next batch begins, plain JSON: what was handed out counts, not what is on its way."""
        going = self._open()
        return {**going.state_dict(), "epoch": going.epoch}

    def load_state_dict(self, state: State) -> None:
        """Go to where a state says; the next ``for`` goes on there.

        It gives the rest of that epoch. If nothing of it is left, it gives the next epoch, unless ``set_epoch`` asks
        for the one that is over: then it gives nothing.

        Raises:
            StateError: The state does not belong to this stream, or is not a loader's; the loader stays where it is.

        Warns:
            CodeChangedWarning: A function is another than when the state was saved.
            ReplayWarning: The place is reached by going through a generator again.
        """
        if isinstance(state, dict) and "at" in state and "epoch" not in state:
            raise StateError(
                "the state is one of a stream's iterator, which does not say the epoch; a Loader needs one that "
                "its own state_dict() gave"
            )
        place = deepcopy(open_envelope(self._flow, state))
        loaded = _Pass(self._flow, read_whole(state, "epoch"), place)
        if self._pass is not None:
            self._pass.close()
        self._pass = loaded

    def __repr__(self) -> str:
        device = "" if self._settings[0] is None else f", device={str(self._settings[0])!r}"
        return f"Loader({self._stream!r}{device})"

    def __reduce__(self) -> tuple[Any, ...]:
        """Make a copy, or what is pickled, a loader that stands at the same place; functions travel, lambdas too."""
        return _loaded, (cloudpickle.dumps((self._stream, self._settings)), self.state_dict())


@dataclass(frozen=True)
class _Sampler:
    """Leads to the loader from where a loader of torch would have its sampler."""

    sampler: Loader


class _Pass:
    """One epoch, or the rest of one."""

    def __init__(self, flow: Flow, epoch: int, at: State | None = None) -> None:
        self.epoch = epoch
        self.following = epoch + 1
        self.is_begun = False
        self.is_left = False
        self.is_wanted = False
        """Whether this epoch was asked for although nothing of it may be left."""
        self._is_rest = at is not None
        self._iterator = StreamIterator(AtEpoch(flow, epoch), at)
        self._first: list[Any] = []  # the batch that was read to see whether there is one
        self._before: State | None = None  # where it begins, or would

    def batches(self) -> Iterator[Any]:
        self.is_begun, self._before = True, None
        while self._first:
            yield self._first.pop()
        yield from self._iterator

    def is_spent(self) -> bool:
        """Say whether this is the rest of an epoch of which nothing is left; reads a batch for the answer."""
        if self.is_begun or self.is_wanted or not self._is_rest:
            return False
        if self._before is None:
            self._before = self._iterator.state_dict()
            self._first = list(islice(self._iterator, 1))
        return not self._first

    def state_dict(self) -> State:
        return self._iterator.state_dict() if self._before is None else deepcopy(self._before)

    def leave(self) -> None:
        """Let go of what is held open, at the end or before it."""
        self.is_left = True
        self._iterator.close()

    def close(self) -> None:
        self._first.clear()
        self._iterator.close()


def _loaded(pickled: bytes, state: State) -> Loader:
    stream, settings = cloudpickle.loads(pickled)
    loader = Loader(stream, *settings)
    loader.load_state_dict(state)
    return loader


def _flow_of(stream: Any) -> Flow:
    """Return a stream's flow, if it is one that can be gone through epoch after epoch."""
    if getattr(stream, "_at", None) is not None:
        raise ArgumentError(
            "the stream is resumed already, and a Loader goes through it from the front, epoch after epoch: leave "
            "resume() out, and give the loader its own state by load_state_dict()"
        )
    flow = getattr(stream, "_flow", stream)
    if not isinstance(flow, Flow):
        hint = ": give its .stream()" if hasattr(stream, "stream") else ""
        raise KindError(f"a Loader goes through a Stream, got a {type(stream).__name__}{hint}")
    for one in _walk(flow):
        epochs = getattr(one, "epochs", 1)
        if isinstance(epochs, int) and epochs != 1:
            raise ArgumentError(
                f"a Loader starts the stream anew for each epoch, and this one has {epochs} of its own: .stream() "
                "without epochs, or repeat() on the Dataset for longer ones"
            )
    if getattr(flow, "endless", False):
        raise EndlessError(
            "an epoch of a Loader is the stream from front to end, and this one has no end: take(n) first"
        )
    return flow


def _walk(flow: Any) -> Iterator[Any]:
    yield flow
    upstream = getattr(flow, "upstream", None)
    for below in getattr(flow, "upstreams", ()) if upstream is None else (upstream,):
        yield from _walk(below)
