"""The function of the workload ``augment``, of one record and of a batch; and the check that somebody applied it.

A random crop to 56x56, flipped from left to right every other time, each channel with its mean subtracted and divided
by its deviation, as float32.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from benchmarks.checks import CheckError
from benchmarks.workloads import CROPPED, Data

SIDE = CROPPED[0]
MEAN = np.array([125.3, 123.0, 113.9], np.float32)
DEVIATION = np.array([63.0, 62.1, 66.7], np.float32)
SCALE = np.tile(1 / DEVIATION, SIDE * SIDE)
SHIFT = np.tile(-MEAN / DEVIATION, SIDE * SIDE)


def augment(image: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.float32]:
    """Return one image as the model wants it, ``(56, 56, 3)``: what one writes in NumPy without further thought."""
    top, left = rng.integers(0, image.shape[0] - SIDE + 1, 2)
    crop = image[top : top + SIDE, left : left + SIDE]
    if rng.random() < 0.5:
        crop = crop[:, ::-1]
    made: NDArray[np.float32] = (crop.astype(np.float32) - MEAN) / DEVIATION
    return made


def augment_columns(
    images: NDArray[np.uint8], starts: NDArray[np.int64], flipped: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """Return many images as the model wants them, ``(n, 56, 56, 3)``, without a Python step for each.

    Args:
        images: ``(n, 64, 64, 3)``.
        starts: Where the crops begin, ``(n, 2)``: row and column.
        flipped: Which are flipped, ``(n,)``.
    """
    count, height, width, channels = images.shape
    rows = images.reshape(count, height, width * channels)  # so that a row of a crop is one run of bytes
    windows = sliding_window_view(rows, (SIDE, SIDE * channels), axis=(1, 2))[:, :, ::channels]
    crops = windows[np.arange(count), starts[:, 0], starts[:, 1]].reshape(count, SIDE, SIDE, channels)
    chosen = np.flatnonzero(flipped)
    plain = crops[chosen]
    mirrored = np.empty_like(plain)
    for channel in range(channels):  # NumPy copies long rows of single bytes faster than short ones of three
        mirrored[..., channel] = plain[:, :, ::-1, channel]
    crops[chosen] = mirrored
    made = crops.reshape(count, -1).astype(np.float32)
    made *= SCALE
    made += SHIFT
    return made.reshape(count, SIDE, SIDE, channels)


class Seen:
    """Checks that batches hold crops of the records that their labels name, value by value; and that they vary."""

    def __init__(self, data: Data) -> None:
        self.images = data.column("payload")
        self.places = [
            (top, left, flipped)
            for top in range(self.images.shape[1] - SIDE + 1)
            for left in range(self.images.shape[2] - SIDE + 1)
            for flipped in (False, True)
        ]
        self.counts = np.zeros(len(self.places), np.int64)

    def check(self, rows: NDArray[Any], labels: NDArray[Any]) -> None:
        """Find each row among all crops of its image; raises ``CheckError`` for one that is none of them."""
        if rows.shape != (len(labels), *CROPPED) or rows.dtype != np.float32 or labels.dtype != np.int64:
            raise CheckError(
                f"a batch is {rows.dtype}{list(rows.shape)} with {labels.dtype} labels, "
                f"not float32{[len(labels), *CROPPED]} with int64 ones"
            )
        pixels = np.rint(rows * DEVIATION + MEAN)
        if not np.allclose((pixels - MEAN) / DEVIATION, rows, rtol=0, atol=1e-4):
            raise CheckError("a batch holds values that are no normalised pixels")
        images, found = self.images[labels], pixels.astype(np.uint8)
        left_over = np.ones(len(labels), bool)
        for number, place in enumerate(self.places):
            corner = _crop(images, place, slice(0, 1), slice(0, 8))
            candidates = np.flatnonzero(left_over & (corner == found[:, :1, :8]).all(axis=(1, 2, 3)))
            same = (_crop(images[candidates], place) == found[candidates]).all(axis=(1, 2, 3))
            left_over[candidates[same]] = False
            self.counts[number] += np.count_nonzero(same)
        if left_over.any():
            raise CheckError(f"{np.count_nonzero(left_over)} rows of a batch are no crops of their records")

    def check_variety(self) -> None:
        """Check that every row, column and direction was drawn, in about equal shares."""
        counts = self.counts.reshape(9, 9, 2)
        for what, share in (("rows", (1, 2)), ("columns", (0, 2)), ("directions", (0, 1))):
            of = counts.sum(axis=share)
            if of.min() < 0.6 * of.mean() or of.max() > 1.4 * of.mean():
                raise CheckError(f"the crops' {what} are not drawn evenly: {of.tolist()}")


def _crop(
    images: NDArray[np.uint8],
    place: tuple[int, int, bool],
    rows: slice = slice(None),
    columns: slice = slice(None),
) -> NDArray[np.uint8]:
    top, left, flipped = place
    crop = images[:, top : top + SIDE, left : left + SIDE]
    return (crop[:, :, ::-1] if flipped else crop)[:, rows, columns]
