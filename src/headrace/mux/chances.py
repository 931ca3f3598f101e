"""Random numbers of a mux, each known by what it is for: the turn, or the activation, that it decides.

So a draw never depends on which were made before it, in which blocks, or by whom; to go on from a place takes the
place alone. They are made of raw words of Philox, whose sequence NumPy never changes.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

import numpy as np
from numpy.typing import NDArray

from headrace.core import seeds

Floats = NDArray[np.float64]

_BLOCK = 1024  # turns drawn together; these three are part of what a seed means
ACTIVATIONS = 64  # activations drawn together
_EACH = 8  # numbers of each that are drawn with those of others
_MORE = 64  # further ones, which few activations need
_OF_TURNS, _OF_ACTIVATIONS, _OF_ROUNDS = range(3)


class Chances:
    """What a mux draws in one of its runs.

    Args:
        seed: The mux's.
        epoch: Of the run; hashed into the key, since where muxes nest it is wider than a word.
        height: How many muxes lie one in another from there down, so that with one seed a mux draws other numbers than
            those below it.

    >>> chances = Chances(0, epoch=0)
    >>> bool(chances.turns(1000, 48)[-1] == chances.turns(1047, 1)[0])
    True
    """

    __slots__ = ("_activations", "_block", "_generators", "_numbers", "_path", "_rows", "_seed")

    def __init__(self, seed: int, epoch: int, height: int = 1) -> None:
        self._seed = seed
        self._path = ("mux", epoch) if height == 1 else ("mux", epoch, height)
        self._generators = seeds.KeyedGenerator(seed, *self._path)
        self._block = -1
        self._numbers: Floats = np.empty(0)
        self._activations = -1
        self._rows: list[list[float]] = []

    def turns(self, first: int, many: int) -> Floats:
        """Return the numbers of ``many`` turns, from one on: in [0, 1), float64 ``(many,)``, not to be written to."""
        block, place = divmod(first, _BLOCK)
        if place + many <= _BLOCK:
            return self._of(block)[place : place + many]
        last = (first + many - 1) // _BLOCK
        joined = np.concatenate([self._of(number) for number in range(block, last + 1)])
        return joined[place : place + many]

    def _of(self, block: int) -> Floats:
        if block != self._block:
            self._numbers = self._drawn(_OF_TURNS, block, _BLOCK)
            self._block = block
        return self._numbers

    def activations(self, block: int) -> Floats:
        """Return the first numbers of each activation of a block: float64 ``(ACTIVATIONS, EACH)``, a new array."""
        return self._drawn(_OF_ACTIVATIONS, block, ACTIVATIONS * _EACH).reshape(ACTIVATIONS, _EACH)

    def activation(self, ordinal: int) -> Iterator[float]:
        """Return the numbers that decide an activation, without end: in [0, 1)."""
        block, place = divmod(ordinal, ACTIVATIONS)
        if block != self._activations:
            self._rows = self.activations(block).tolist()
            self._activations = block
        yield from self._rows[place]
        for more in count():
            generator = seeds.generator(self._seed, *self._path, "further", ordinal, more)
            yield from _scaled(generator.bit_generator.random_raw(_MORE)).tolist()

    def permutation(self, number: int, length: int) -> list[int]:
        """Return the numbers below ``length`` in a random order, another one for each round."""
        order: list[int] = np.argsort(self._drawn(_OF_ROUNDS, number, length), kind="stable").tolist()
        return order

    def _drawn(self, purpose: int, number: int, many: int) -> Floats:
        words = self._generators.at(purpose, number).bit_generator.random_raw(many)
        return _scaled(words)


def _scaled(words: object) -> Floats:
    return np.asarray((np.asarray(words, np.uint64) >> np.uint64(11)) * 2.0**-53, np.float64)
