"""Random numbers for many rows at once: each row draws as if it had a generator of its own.

A number is a hash of (key, epoch, position, how many the row has drawn before), nothing is carried from one to the
next. So a row's numbers depend on its address alone, never on which rows are beside it in a batch, and whole arrays
are drawn without a Python step per row.
"""

from __future__ import annotations

from math import prod
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from headrace.core.errors import ArgumentError

Words: TypeAlias = NDArray[np.uint64]
Size: TypeAlias = int | tuple[int, ...]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_TIMES_1, _TIMES_2 = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_SHIFTS = np.uint64(30), np.uint64(27), np.uint64(31)
_HALF, _LOW_HALF = np.uint64(32), np.uint64(0xFFFFFFFF)
_BELOW_DOUBLE = np.uint64(11)


class RowGenerator:
    """Like ``numpy.random.Generator``, for the rows of a batch: each method returns ``(rows, *size)``.

    The words are splitmix64's finaliser (Steele, Lea and Flood, OOPSLA 2014) over two 64-bit words of state for each
    row. The state is a bijection of (epoch, position) under each key, so no two rows share one.

    Args:
        key: Two words, from :func:`headrace.core.seeds.key`.
        epochs: The rows' epochs: one for all, or ``(rows,)``.
        positions: The rows' positions, ``(rows,)``.

    >>> import numpy as np
    >>> both = RowGenerator((1, 2), 0, np.array([7, 8])).random(3)
    >>> alone = RowGenerator((1, 2), 0, np.array([8])).random(3)
    >>> both.shape, bool((both[1] == alone[0]).all())
    ((2, 3), True)
    """

    def __init__(self, key: tuple[int, int], epochs: NDArray[np.int64] | int, positions: NDArray[np.int64]) -> None:
        left = np.array(positions, np.int64).reshape(-1).view(np.uint64)
        right = np.full(left.shape, epochs, np.int64).view(np.uint64)
        first, second = (np.array([word], np.uint64) for word in key)
        # a Feistel network: each step can be undone, so different pairs stay different
        left += _mix(right + first)
        right += _mix(left + second)
        left += _mix(right + first)
        self._state = left, right
        self._drawn = 0

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self._state[0])

    def random(self, size: Size = ()) -> NDArray[np.float64]:
        """Draw from [0, 1), multiples of 2**-53."""
        words = self._words(_shape(size))
        words >>= _BELOW_DOUBLE
        return np.multiply(words, 2.0**-53)

    def uniform(self, low: ArrayLike = 0.0, high: ArrayLike = 1.0, size: Size = ()) -> NDArray[np.float64]:
        """Draw from [low, high); the bounds are numbers, or arrays that fit ``(rows, *size)`` (see ``integers``)."""
        shape = _shape(size)
        first, end = self._fit(low, shape, np.float64), self._fit(high, shape, np.float64)
        drawn: NDArray[np.float64] = self.random(shape) * (end - first) + first
        return drawn

    def integers(self, low: ArrayLike, high: ArrayLike | None = None, size: Size = ()) -> NDArray[np.int64]:
        """Draw integers from ``range(low, high)``, or from ``range(low)`` when only one is given; every one as likely.

        Args:
            low: A number, an array ``(rows,)`` (one for each row, whatever the size), or one that broadcasts to
                ``(rows, *size)``.
            high: The same; above ``low`` everywhere.
            size: How many for each row.

        Raises:
            ArgumentError: A range is empty, or the bounds do not fit the rows.
        """
        if high is None:
            low, high = 0, low
        shape = _shape(size)
        first, end = self._fit(low, shape, np.int64), self._fit(high, shape, np.int64)
        if np.any(first >= end):
            raise ArgumentError(f"integers: low must be below high for every row, got low={low!r}, high={high!r}")
        spans = end.view(np.uint64) - first.view(np.uint64)
        words = self._words(shape)
        return (_bounded(words, spans) + first.view(np.uint64)).view(np.int64)

    def standard_normal(self, size: Size = ()) -> NDArray[np.float64]:
        """Draw from the normal distribution of mean 0 and standard deviation 1.

        Box and Muller, "A note on the generation of random normal deviates" (1958): two numbers make two. Logarithm and
        cosine are the platform's, so the last bit may differ between processors.
        """
        shape = _shape(size)
        count = prod(shape)
        words = self._words((2, (count + 1) // 2)) >> _BELOW_DOUBLE
        radius = np.sqrt(-2.0 * np.log((words[:, 0] + 1.0) * 2.0**-53))  # of (0, 1], where the logarithm is finite
        angle = words[:, 1] * (2.0 * np.pi * 2.0**-53)
        drawn = np.concatenate([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
        return np.ascontiguousarray(drawn[:, :count]).reshape(len(self), *shape)

    def normal(self, loc: ArrayLike = 0.0, scale: ArrayLike = 1.0, size: Size = ()) -> NDArray[np.float64]:
        """Draw from the normal distribution of mean ``loc`` and standard deviation ``scale``, given as in ``integers``.

        Raises:
            ArgumentError: A scale below 0.
        """
        shape = _shape(size)
        mean, deviation = self._fit(loc, shape, np.float64), self._fit(scale, shape, np.float64)
        if np.any(deviation < 0):
            raise ArgumentError(f"normal: scale must be 0 or more, got {scale!r}")
        drawn: NDArray[np.float64] = self.standard_normal(shape) * deviation + mean
        return drawn

    def choice(self, a: int | ArrayLike, size: Size = ()) -> NDArray[Any]:
        """Draw members of an array's first axis, or of ``range(a)``, each as likely and any number of times.

        Returns ``(rows, *size)``, followed by the shape of one member.
        """
        if isinstance(a, int | np.integer):
            return self.integers(int(a), size=size)
        members = np.asarray(a)
        return members.take(self.integers(len(members), size=size), axis=0)

    def _words(self, shape: tuple[int, ...]) -> Words:
        """Draw ``(rows, *shape)`` words; the numbers of the draws go on from the last call's."""
        count = prod(shape)
        numbers = np.arange(self._drawn, self._drawn + count, dtype=np.uint64)
        self._drawn += count
        left, right = self._state
        words = _mix(left[:, None] + numbers * _GOLDEN)
        words ^= right[:, None]
        return _mix(words).reshape(len(left), *shape)

    def _fit(self, bound: ArrayLike, shape: tuple[int, ...], dtype: type[np.generic]) -> NDArray[Any]:
        """Return a bound so that it broadcasts to ``(rows, *shape)``."""
        if type(bound) is int or (type(bound) is float and dtype is np.float64):
            return np.array(bound, dtype)
        array = np.asarray(bound)
        if np.issubdtype(dtype, np.integer) and array.dtype.kind not in "iub":
            raise ArgumentError(f"integers: bounds must be whole numbers, got {array.dtype}")
        array = array.astype(dtype)
        if array.shape == (len(self),):
            array = array.reshape(-1, *(1 for _ in shape))
        try:
            np.broadcast_to(array, (len(self), *shape))
        except ValueError:
            raise ArgumentError(
                f"a bound of shape {array.shape} does not fit draws of shape {(len(self), *shape)}: give a number, one "
                "for each row, or an array that broadcasts"
            ) from None
        return array


def _shape(size: Size) -> tuple[int, ...]:
    return (size,) if isinstance(size, int | np.integer) else tuple(size)


def _mix(words: Words) -> Words:
    """Scramble words in place, bijectively; two numbers one apart come out unrelated."""
    shifted = words >> _SHIFTS[0]
    words ^= shifted
    words *= _TIMES_1
    np.right_shift(words, _SHIFTS[1], out=shifted)
    words ^= shifted
    words *= _TIMES_2
    np.right_shift(words, _SHIFTS[2], out=shifted)
    words ^= shifted
    return words


def _bounded(words: Words, spans: Words) -> Words:
    """Turn words into numbers below ``spans``; every one as likely.

    Spans below 2**32 by a product and a shift (Lemire, "Fast random integer generation in an interval", 2019), others
    by masking to the next power of two; where that would favour some numbers, the word is scrambled and tried again.
    """
    narrow = spans <= _LOW_HALF
    chosen, refused = _by_product(words, spans)
    if not narrow.all():  # decided for each number alone, so that a row's do not depend on its neighbours' bounds
        masked, too_high = _by_mask(words, spans)
        chosen, refused = np.where(narrow, chosen, masked), np.where(narrow, refused, too_high)
    again = np.nonzero(refused)
    if again[0].size:
        few = np.broadcast_to(spans, words.shape)[again]
        chosen[again] = _bounded(_mix(words[again] + _GOLDEN), few)
    return chosen


def _by_product(words: Words, spans: Words) -> tuple[Words, NDArray[np.bool_]]:
    product = (words >> _HALF) * spans
    unfair = (_LOW_HALF + np.uint64(1)) % spans
    return product >> _HALF, (product & _LOW_HALF) < unfair


def _by_mask(words: Words, spans: Words) -> tuple[Words, NDArray[np.bool_]]:
    mask = spans - np.uint64(1)
    for shift in (1, 2, 4, 8, 16, 32):
        mask |= mask >> np.uint64(shift)
    masked = words & mask
    return masked, masked >= spans
