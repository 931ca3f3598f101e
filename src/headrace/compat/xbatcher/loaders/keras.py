"""Batches as a dataset that Keras trains on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from headrace.compat.xbatcher.accessors import values_of
from headrace.core.errors import MissingExtraError

try:
    import tensorflow as tf  # type: ignore[import-untyped]
except ImportError as error:
    raise MissingExtraError(
        "the loader of xbatcher for Keras needs TensorFlow: install TensorFlow to proceed, pip install tensorflow"
    ) from error

__all__ = ["CustomTFDataset"]


class CustomTFDataset(tf.keras.utils.Sequence):  # type: ignore[misc]
    """Pairs of inputs and targets by their number, for ``model.fit``.

    Args:
        X_generator: The inputs: batches that are DataArrays, or Datasets with one variable.
        y_generator: The targets, batch for batch.
        transform: Called with the tensor of inputs; what it returns is given.
        target_transform: Called with the tensor of targets.
        kwargs: What Keras's ``PyDataset`` takes, such as ``workers``.
    """

    def __init__(
        self,
        X_generator: Any,
        y_generator: Any,
        *,
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.X_generator = X_generator
        self.y_generator = y_generator
        self.transform = transform
        self.target_transform = target_transform

    def __len__(self) -> int:
        return len(self.X_generator)

    def __getitem__(self, idx: int) -> tuple[Any, Any]:
        x = tf.convert_to_tensor(values_of(self.X_generator[idx]))
        y = tf.convert_to_tensor(values_of(self.y_generator[idx]))
        return x if self.transform is None else self.transform(x), (
            y if self.target_transform is None else self.target_transform(y)
        )
