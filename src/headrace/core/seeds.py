"""Independent random generators, each keyed by a seed, a place in the pipeline, an epoch and a position.

A seed and a path (the place: ``"shuffle"``, ``"map", 2``) are hashed to a key of 128 bits; epoch and position are a
counter beside the key and are never added to the seed. So epoch 1 of seed 42 is not epoch 0 of seed 43, and what one
record draws never depends on which records were drawn before it.

Philox is the counter-based generator of Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3"
(SC 2011): any place of its stream is reached at once, which makes a generator per record cheap.
"""

from __future__ import annotations

import operator
from hashlib import blake2b
from typing import SupportsIndex, TypeAlias

import numpy as np

from headrace.core.errors import ArgumentError, KindError

Key: TypeAlias = tuple[int, int]
"""Two words of 64 bits."""

Seed: TypeAlias = SupportsIndex
"""A non-negative integer of any size, Python's or NumPy's."""


def check(seed: Seed) -> int:
    """Return a seed as a Python integer.

    >>> check(np.int64(3))
    3

    Raises:
        KindError: The seed is no integer (``None``, a float, a string, a bool).
        ArgumentError: The seed is below 0.
    """
    if isinstance(seed, bool | np.bool_):
        raise KindError(f"a seed is a non-negative integer, got {seed!r}, a bool")
    try:
        number = operator.index(seed)
    except TypeError:
        raise KindError(
            f"a seed is a non-negative integer, got {seed!r}, a {type(seed).__name__}; take a fixed one such as "
            "seed=0, or draw one with secrets.randbits(63) and write it down"
        ) from None
    if number < 0:
        raise ArgumentError(f"a seed is a non-negative integer, got {number}")
    return number


def key(seed: Seed, *path: str | int) -> Key:
    """Hash a seed and a path to two words of 64 bits; different (seed, path) give unrelated keys.

    >>> key(0, "shuffle") == key(np.uint8(0), "shuffle")
    True
    >>> key(0, "map", 1) == key(0, "map", "1")
    False

    Raises:
        KindError, ArgumentError: See :func:`check`; a part of the path is neither a string nor an integer.
    """
    digest = blake2b(_encoded(check(seed)), digest_size=16, person=b"headrace.seeds")
    for part in path:
        if not isinstance(part, str | int | np.integer):
            raise KindError(f"a seed's path is made of strings and integers, got {part!r}")
        digest.update(_encoded(part if isinstance(part, str) else int(part)))
    words = digest.digest()
    return int.from_bytes(words[:8], "little"), int.from_bytes(words[8:], "little")


def generator(seed: Seed, *path: str | int) -> np.random.Generator:
    """Return a new generator of its own for a place in the pipeline.

    >>> generator(0, "init").integers(10, size=3).tolist() == generator(0, "init").integers(10, size=3).tolist()
    True
    """
    return np.random.Generator(np.random.Philox(key=np.array(key(seed, *path), np.uint64)))


class KeyedGenerator:
    """One generator that is set to any (epoch, position) in about a microsecond; a new one would take eight.

    Not safe for several threads at once: each keeps its own.

    >>> rngs = KeyedGenerator(0, "map", 1)
    >>> first = rngs.at(epoch=2, position=17).random()
    >>> other = rngs.at(epoch=2, position=18).random()
    >>> first == rngs.at(epoch=2, position=17).random(), first == other
    (True, False)
    """

    def __init__(self, seed: Seed, *path: str | int) -> None:
        self._philox = np.random.Philox(key=np.array(key(seed, *path), np.uint64))
        self._generator = np.random.Generator(self._philox)
        self._fresh = self._philox.state
        self._counter = self._fresh["state"]["counter"]

    def at(self, epoch: int, position: int) -> np.random.Generator:
        """Return the generator, set to the start of an address's own draws.

        It is the same object each time: the next call moves it. The counter is (0, 0, position, epoch), so that an
        address has 2**128 blocks of draws before it would run into the next.
        """
        counter = self._counter
        counter[2] = position
        counter[3] = epoch
        self._philox.state = self._fresh
        return self._generator


def _encoded(part: str | int) -> bytes:
    """Encode so that no two sequences of parts give the same bytes: the kind, the length, the content."""
    if isinstance(part, str):
        content, kind = part.encode(), b"s"
    else:
        content, kind = part.to_bytes(part.bit_length() // 8 + 1, "little", signed=True), b"i"
    return kind + len(content).to_bytes(8, "little") + content
