"""A stream's items as tensors, on their way to a device before they are asked for."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

from headrace.core.arguments import whole
from headrace.core.flow import Cursor, Flow, State
from headrace.feeds.convert import to_tensors
from headrace.feeds.need import torch_for
from headrace.feeds.through import Through
from headrace.feeds.transfer import Pin, Transfer, check_pin, device_of, open_transfer


@dataclass(frozen=True, eq=False)
class Tensors(Through):
    """The same items, of tensors.

    Args:
        upstream: Where items come from.
        device: A ``torch.device``; None leaves tensors in main memory.
        pin_memory: Whether copies to a GPU go through pinned memory; ``"auto"``: they do.
        prefetch: How many items are on their way to a device beside the one that is handed out.
        plain: Whether Batches become dicts.
    """

    device: Any = None
    pin_memory: Pin = "auto"
    prefetch: int = 2
    plain: bool = False

    @classmethod
    def of(cls, upstream: Flow, device: Any, pin_memory: Any, prefetch: Any, plain: bool = False) -> Self:
        """Make one of what a user gave.

        Raises:
            MissingExtraError: torch is not installed.
            ArgumentError: There is no such device, or ``prefetch`` is below 0.
            KindError: ``prefetch`` is no whole number.
        """
        torch_for("torch()")
        return cls(upstream, device_of(device), check_pin(pin_memory), whole(prefetch, "prefetch"), plain)

    def start(self, state: State | None = None, epoch: int = 0) -> Cursor:
        transfer = self.transfer()  # before anything is opened below: it may fail
        upstream = self.upstream.start(state, epoch)
        if transfer.ahead:
            return AheadCursor(upstream, transfer, self.prefetch, self.plain)
        return TensorCursor(upstream, transfer, self.plain)

    def transfer(self) -> Transfer:
        """Return the way to the device."""
        return open_transfer(self.device, self.pin_memory)

    def words(self) -> str:
        return f"torch({'' if self.device is None else repr(str(self.device))})"


class TensorCursor:
    """A place in tensors that are made when they are asked for."""

    __slots__ = ("_plain", "_transfer", "_upstream")

    def __init__(self, upstream: Cursor, transfer: Transfer, plain: bool) -> None:
        self._upstream = upstream
        self._transfer = transfer
        self._plain = plain

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Any:
        return to_tensors(next(self._upstream), self._transfer.send, self._plain)

    def state(self) -> State:
        return self._upstream.state()

    def close(self) -> None:
        self._upstream.close()


class _Sent(NamedTuple):
    """An item on its way: where it began upstream, and what arrives."""

    before: State
    item: Any = None
    tensors: tuple[Any, ...] = ()
    mark: Any = None
    error: Exception | None = None


class AheadCursor:
    """A place in tensors that are sent off before they are asked for.

    No thread is needed: a copy to a GPU runs by itself once it has been begun. An item that is on its way has not been
    handed out, so the state is that of the flow below as it was before the first of these: they are read again.
    """

    __slots__ = ("_at", "_depth", "_ended", "_hand", "_plain", "_transfer", "_upstream")

    def __init__(self, upstream: Cursor, transfer: Transfer, prefetch: int, plain: bool) -> None:
        self._upstream = upstream
        self._transfer = transfer
        self._depth = prefetch + 1
        self._plain = plain
        self._hand: deque[_Sent] = deque()
        self._ended = False
        self._at: State | None = None  # where it was closed, if that is not where the flow below stands

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Any:
        for _ in range(min(2, self._depth - len(self._hand))):  # one more each time: the first waits for few others
            if self._ended or (self._hand and self._hand[-1].error is not None):
                break
            self._send_next()
        if not self._hand:
            raise StopIteration
        sent = self._hand.popleft()
        if sent.error is not None:
            raise sent.error
        self._transfer.receive(list(sent.tensors), sent.mark)
        return sent.item

    def _send_next(self) -> None:
        """Send the next item off; an error in it waits for its turn."""
        before = self._upstream.state()
        tensors: list[Any] = []

        def send(tensor: Any) -> Any:
            tensors.append(self._transfer.send(tensor))
            return tensors[-1]

        try:
            item = to_tensors(next(self._upstream), send, self._plain)
        except StopIteration:
            self._ended = True
        except Exception as error:
            self._hand.append(_Sent(before, error=error))
        else:
            self._hand.append(_Sent(before, item, tuple(tensors), self._transfer.mark()))

    def state(self) -> State:
        if self._at is not None:
            return self._at
        return self._hand[0].before if self._hand else self._upstream.state()

    def close(self) -> None:
        if self._hand:
            self._at = self._hand[0].before
        self._ended = True
        self._hand.clear()
        self._upstream.close()
