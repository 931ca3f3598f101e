"""Batches as datasets of PyTorch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from headrace.compat.xbatcher.accessors import values_of
from headrace.compat.xbatcher.generators import BatchGenerator
from headrace.core.errors import MissingExtraError

try:
    import torch
except ImportError as error:
    raise MissingExtraError(
        'the loaders of xbatcher for PyTorch need it: install PyTorch to proceed, pip install "headrace[torch]"'
    ) from error

dask: Any
try:
    import dask
except ImportError:
    dask = None

__all__ = ["IterableDataset", "MapDataset", "to_tensor"]


def to_tensor(xr_obj: Any) -> torch.Tensor:
    """Return the values of a DataArray, or of a Dataset with one variable, as a tensor: a copy."""
    return torch.tensor(values_of(xr_obj))


class MapDataset(torch.utils.data.Dataset[Any]):
    """Batches by their number. A DataLoader over it wants ``batch_size=None``.

    Args:
        X_generator: The inputs.
        y_generator: The targets, batch for batch; None for inputs alone.
        transform: Makes the tensor of a batch of inputs, which is loaded.
        target_transform: Makes the tensor of a batch of targets.

    >>> import numpy as np, xarray as xr
    >>> generator = BatchGenerator(xr.DataArray(np.arange(6.0), dims="x"), {"x": 3})
    >>> MapDataset(generator)[1]
    tensor([3., 4., 5.], dtype=torch.float64)
    """

    def __init__(
        self,
        X_generator: BatchGenerator,
        y_generator: BatchGenerator | None = None,
        transform: Callable[[Any], torch.Tensor] = to_tensor,
        target_transform: Callable[[Any], torch.Tensor] = to_tensor,
    ) -> None:
        self.X_generator = X_generator
        self.y_generator = y_generator
        self.transform = transform
        self.target_transform = target_transform

    def __len__(self) -> int:
        return len(self.X_generator)

    def __getitem__(self, idx: Any) -> Any:
        """Return the tensor of a batch, or those of inputs and targets.

        Raises:
            NotImplementedError: Several batches are asked for at once.
        """
        if isinstance(idx, torch.Tensor):
            if idx.numel() != 1:
                raise NotImplementedError(f"{type(self).__name__} gives one batch at a time, got {idx.numel()} numbers")
            idx = int(idx.item())
        x = self.X_generator[idx]
        y = None if self.y_generator is None else self.y_generator[idx]
        if dask is not None and any(map(dask.is_dask_collection, (x, y))):
            x, y = dask.compute(x, y)
        made = self._checked(self.transform(x))
        return made if y is None else (made, self._checked(self.target_transform(y)))

    def _checked(self, made: Any) -> torch.Tensor:
        assert isinstance(made, torch.Tensor), f"a transform returns a tensor, got {type(made).__name__}"
        return made


class IterableDataset(torch.utils.data.IterableDataset[Any]):
    """Batches one after the other. Of several workers of a DataLoader each makes its share of them.

    Args:
        X_generator: The inputs.
        y_generator: The targets, batch for batch.
    """

    def __init__(self, X_generator: BatchGenerator, y_generator: BatchGenerator) -> None:
        self.X_generator = X_generator
        self.y_generator = y_generator

    def __iter__(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        worker = torch.utils.data.get_worker_info()
        first, step = (0, 1) if worker is None else (worker.id, worker.num_workers)
        for number in range(first, min(len(self.X_generator), len(self.y_generator)), step):
            yield to_tensor(self.X_generator[number]), to_tensor(self.y_generator[number])
