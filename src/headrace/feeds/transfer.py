"""Where tensors go, and how: the three ways from an array to where a model computes."""

from __future__ import annotations

from functools import cache
from typing import Any, Literal, Protocol, TypeAlias

from headrace.core.errors import ArgumentError
from headrace.feeds.need import torch_for

Pin: TypeAlias = Literal["auto"] | bool


class Transfer(Protocol):
    """Takes the tensors of one item after the other to where they shall lie."""

    @property
    def ahead(self) -> bool:
        """Whether a copy goes on while the caller does something else, so that it is worth beginning it early."""
        ...

    def send(self, tensor: Any) -> Any:
        """Return a tensor at its destination, which may be filled only later."""
        ...

    def mark(self) -> Any:
        """Return what tells when all that was sent so far has arrived."""
        ...

    def receive(self, tensors: list[Any], mark: Any) -> None:
        """Make sure that whatever the caller does next with these tensors comes after their arrival."""
        ...


class Direct:
    """Tensors that stay where they are, or are copied at once.

    Args:
        device: A ``torch.device``; None leaves each tensor where it is.
    """

    def __init__(self, device: Any) -> None:
        self._device = device

    @property
    def ahead(self) -> bool:
        return self._device is not None and self._device.type != "cpu"

    def send(self, tensor: Any) -> Any:
        return tensor if self._device is None else tensor.to(self._device)

    def mark(self) -> None:
        return None

    def receive(self, tensors: list[Any], mark: None) -> None:
        return None


class Pinned:
    """Tensors in main memory that cannot be swapped out, for those who copy them to a GPU themselves."""

    ahead = False

    def send(self, tensor: Any) -> Any:
        return pinned(tensor)

    def mark(self) -> None:
        return None

    def receive(self, tensors: list[Any], mark: None) -> None:
        return None


class Cuda:
    """Copies to a GPU on a stream of its own, beside what the GPU computes.

    Pinned memory comes from torch's own allocator, which hands a block out again only when the copies that read it are
    done: buffers are reused, and none is overwritten too early. A tensor on the GPU is allocated by the copying stream.
    Before the consumer is given it, the consumer's stream waits for the copy, and the allocator is told that this
    stream uses the memory too, so that it is not given to a later copy while a kernel still reads it.

    Args:
        device: A ``torch.device`` of type cuda.
        pin: Whether copies go through pinned memory; others hold up the caller.
    """

    ahead = True

    def __init__(self, device: Any, pin: bool) -> None:
        self._cuda = torch_for("a copy to a GPU").cuda
        self._device = device
        self._pin = pin
        self._stream = _copying(device)

    def send(self, tensor: Any) -> Any:
        if tensor.device == self._device:
            return tensor
        if tensor.device.type != "cpu":  # from another device: ordered by torch behind what made it there
            return tensor.to(self._device)
        with self._cuda.stream(self._stream):  # this makes the device the current one, too
            source = pinned(tensor) if self._pin else tensor
            return source.to(self._device, non_blocking=self._pin)

    def mark(self) -> Any:
        return self._stream.record_event()

    def receive(self, tensors: list[Any], mark: Any) -> None:
        consumer = self._cuda.current_stream(self._device)
        consumer.wait_event(mark)
        for tensor in tensors:
            tensor.record_stream(consumer)


@cache
def _copying(device: Any) -> Any:
    """Return the stream on which copies to a device run: one for all iterations.

    The allocator keeps the memory that was freed on a stream for that stream, so a new one for each epoch would leave
    some behind in each.
    """
    return torch_for("a copy to a GPU").cuda.Stream(device)


def pinned(tensor: Any) -> Any:
    """Return a copy in pinned memory, of torch's allocator."""
    torch = torch_for("pinned memory")
    return torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True).copy_(tensor)


def device_of(device: Any) -> Any:
    """Return a ``torch.device`` for what a user gave, None for None.

    Raises:
        ArgumentError: There is no such kind of device.
    """
    if device is None:
        return None
    torch = torch_for("torch()")
    try:
        return torch.device(device)
    except (RuntimeError, TypeError) as error:
        raise ArgumentError(f'device must be one of torch, such as "cpu" or "cuda:0", got {device!r}') from error


def check_pin(pin_memory: Any) -> Pin:
    """Return the argument ``pin_memory``.

    Raises:
        ArgumentError: It is none of True, False and ``"auto"``.
    """
    if not (pin_memory is True or pin_memory is False or pin_memory == "auto"):
        raise ArgumentError(f"pin_memory must be True, False or 'auto', got {pin_memory!r}")
    answer: Pin = pin_memory
    return answer


def open_transfer(device: Any, pin_memory: Pin) -> Transfer:
    """Return the way to a device.

    Raises:
        ArgumentError: CUDA is asked for, and not there.
    """
    kind = None if device is None else device.type
    if kind == "cuda" or (pin_memory is True and kind in (None, "cpu")):
        torch = torch_for("torch()")
        if not torch.cuda.is_available():
            what = f"device={str(device)!r}" if kind == "cuda" else "pin_memory=True"
            raise ArgumentError(
                f"{what} needs CUDA, and torch finds no GPU here: leave it out, or run where there is one"
            )
        if kind != "cuda":
            return Pinned()
        here = torch.cuda.current_device() if device.index is None else device.index
        return Cuda(torch.device("cuda", here), pin_memory is not False)
    return Direct(device)
