"""A Dataset as a map-style dataset of torch, for those who keep their own DataLoader."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence, Sized
from functools import cache
from typing import Any, TypeAlias

import cloudpickle
import numpy as np

from headrace.core.arguments import whole
from headrace.core.source import Indices
from headrace.feeds.convert import to_tensors
from headrace.feeds.need import torch_for
from headrace.feeds.worker import shared_number, stay

Read: TypeAlias = Callable[[Indices, int], list[Any]]
"""Returns the records at positions, int64 of shape ``(n,)``, of an epoch."""


class MapStyle:
    """Records by their number, each read when it is asked for.

    ``__getitems__``, by which a DataLoader asks for a batch, is one read. Arrays come as tensors, a batch as a dict of
    tensors, everything else as it is; the default ``collate_fn`` stacks that with the dtypes that the columns have.

    Nothing is held open, so it may be forked; to a worker that is spawned it travels with its functions, lambdas too.

    Args:
        records: Tells how many there are.
        read: Reads them.
        epoch: Which epoch is read: a tensor in memory that workers share.
    """

    def __init__(self, records: Sized, read: Read, epoch: Any) -> None:
        self._records = records
        self._read = read
        self._epoch = epoch

    def __len__(self) -> int:
        return len(self._records)

    def __getitem__(self, index: Any) -> Any:
        return self.__getitems__([index])[0]

    def __getitems__(self, indices: Sequence[Any]) -> list[Any]:
        """Return several records, by one read.

        Raises:
            IndexError: There is no such record.
        """
        length = len(self)
        positions = np.array([operator.index(index) for index in indices], np.int64)
        outside = (positions < -length) | (positions >= length)
        if outside.any():
            raise IndexError(f"record {positions[outside][0]} of a dataset of {length}")
        records = self._read(np.where(positions < 0, positions + length, positions), int(self._epoch))
        return [to_tensors(record, stay, plain=True) for record in records]

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch whose order and random numbers are read from now on, in workers that run already, too."""
        self._epoch.fill_(whole(epoch, "epoch"))

    def __reduce__(self) -> tuple[Any, ...]:
        return _loaded, (cloudpickle.dumps((self._records, self._read)), self._epoch)


def map_style(records: Sized, read: Read) -> Any:
    """Return a ``torch.utils.data.Dataset``.

    Raises:
        MissingExtraError: torch is not installed.
    """
    return _kind()(records, read, shared_number())


@cache
def _kind() -> Any:
    """Return the class, which torch's own is a base of: it is made when torch is loaded."""
    return type("TorchDataset", (MapStyle, torch_for("Dataset.to_torch").utils.data.Dataset), {})


def _loaded(pickled: bytes, epoch: Any) -> Any:
    return _kind()(*cloudpickle.loads(pickled), epoch)
