"""How many values, their mean, their spread and their bounds, gathered piece by piece.

Pieces are merged as by T. Chan, G. Golub and R. LeVeque, "Updating formulae and a pairwise algorithm for computing
sample variances", Stanford STAN-CS-79-773, 1979: the sum of squared distances from a common mean is that of each piece
from its own, and what the distance of the two means adds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headrace.core.source import Indices

Floats = NDArray[np.float64]

_CACHED = 1 << 16  # numbers that are counted together


@dataclass(frozen=True, eq=False)
class Moments:
    """Of one cell or of many, each array ``(cells,)``.

    Args:
        count: How many values.
        mean: Of them; 0 where there are none, infinite or NaN where some are infinite.
        squares: The sum of their squared distances from the mean.
        low: The least, infinite where there are none.
        high: The greatest.

    >>> moments = Moments.none(1)
    >>> moments.add(np.array([0, 0]), Moments.of(np.array([[1.0, 2.0], [3.0, 6.0]])))
    >>> moments.mean, moments.std
    (array([3.]), array([1.87082869]))
    """

    count: Indices
    mean: Floats
    squares: Floats
    low: Floats
    high: Floats

    @classmethod
    def none(cls, cells: int) -> Moments:
        """Return those of no values."""
        zeros = np.zeros(cells)
        return cls(np.zeros(cells, np.int64), zeros, zeros.copy(), np.full(cells, np.inf), np.full(cells, -np.inf))

    @classmethod
    def of(cls, values: NDArray[Any], there: NDArray[np.bool_] | None = None) -> Moments:
        """Return those of numbers along the second of two axes, or of three. NaN does not count.

        Args:
            values: Of any dtype of numbers, ``(rows, n)`` or ``(rows, n, columns)``.
            there: Which of them count; None for all.

        Returns:
            ``rows`` cells, or ``rows * columns``, those of a row beside each other.
        """
        rows, width, *columns = values.shape
        each = columns[0] if columns else 1
        made = cls.none(rows * each)
        most = max(1, _CACHED // max(width * each, 1))
        for begin in range(0, rows, most):  # so many that they stay in the processor's cache
            some = np.array(values[begin : begin + most], np.float64)
            if there is not None:
                np.copyto(some, np.nan, where=~there[begin : begin + most])
            made._set(slice(begin * each, (begin + most) * each), some)
        return made

    def _set(self, cells: slice, values: Floats) -> None:
        """Set some cells to those of values, which are written to."""
        gone = np.isnan(values)
        lacks = bool(gone.any())
        count = values.shape[1] - np.count_nonzero(gone, axis=1)
        self.count[cells] = count.ravel()
        self.low[cells] = np.fmin.reduce(values, axis=1, initial=np.inf).ravel()
        self.high[cells] = np.fmax.reduce(values, axis=1, initial=-np.inf).ravel()
        with np.errstate(invalid="ignore", over="ignore"):  # of infinite values
            if lacks:
                np.copyto(values, 0.0, where=gone)
            mean = values.sum(1) / np.maximum(count, 1)
            values -= mean[:, None]
            if lacks:
                np.copyto(values, 0.0, where=gone)
            self.mean[cells] = mean.ravel()
            self.squares[cells] = np.einsum("ij...,ij...->i...", values, values).ravel()

    def add(self, cells: Indices, pieces: Moments) -> None:
        """Merge pieces into cells.

        Args:
            cells: The cell of each piece, some of them equal.
            pieces: As many.
        """
        with np.errstate(invalid="ignore", over="ignore"):
            here, new = pieces._together(cells, len(self.count))
            old = self.count[here]
            count = old + new.count
            some = np.maximum(count, 1)
            mean = self.mean[here]
            apart = np.where(new.count > 0, new.mean - mean, 0.0)
            finite = np.isfinite(mean)  # what is infinite stays so
            self.mean[here] = mean + np.where(finite, apart * (new.count / some), new.mean)
            self.squares[here] += new.squares + apart * apart * (old * (new.count / some))
        self.count[here] = count
        self.low[here] = np.minimum(self.low[here], new.low)
        self.high[here] = np.maximum(self.high[here], new.high)

    def take(self, cells: Indices | NDArray[np.bool_]) -> Moments:
        """Return those of some cells, by their numbers or a mask: a copy."""
        return Moments(self.count[cells], self.mean[cells], self.squares[cells], self.low[cells], self.high[cells])

    def _together(self, cells: Indices, total: int) -> tuple[Indices, Moments]:
        """Return cells, among them all that occur, and what all pieces of each have together."""
        if total <= len(cells):  # sorting them takes longer than going over all that there are
            here, place = np.arange(total), cells
        else:
            here, place = np.unique(cells, return_inverse=True)
        made = Moments.none(len(here))
        np.add.at(made.count, place, self.count)
        weights = self.count / np.maximum(made.count, 1)[place]
        first = np.zeros(len(here))  # one of the means: to sum distances from it loses less than to sum the means
        first[place] = np.where(np.isfinite(self.mean), self.mean, 0.0)
        made.mean[:] = first + np.bincount(place, weights * (self.mean - first[place]), len(here))
        apart = np.where(self.count > 0, self.mean - made.mean[place], 0.0)
        made.squares[:] = np.bincount(place, self.squares + self.count * apart * apart, len(here))
        np.minimum.at(made.low, place, self.low)
        np.maximum.at(made.high, place, self.high)
        return here, made

    @property
    def std(self) -> Floats:
        """The standard deviation, of all values there are (``ddof=0``); NaN where there are none."""
        found = np.full(len(self.count), np.nan)
        np.divide(self.squares, self.count, out=found, where=self.count > 0)
        root: Floats = np.sqrt(found)
        return root
