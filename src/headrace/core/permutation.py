"""Random permutations of ``range(n)``, keyed by (key, epoch): an explicit one, and one in constant memory.

:func:`explicit` is an array of n numbers: 10 to 50 ns and 8 bytes an index to make, 1 or 2 ns to look up.
:class:`Keyed` computes each number when it is asked for, at 20 to 100 ns, and holds nothing, so it serves any
length at once, and its inverse as cheaply.

Both are the same on every platform and under every version of NumPy: the explicit one is shuffled by ``RandomState``,
whose methods NumPy keeps as they are (NEP 19), over SFC64; the keyed one is arithmetic on 64-bit integers.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from hashlib import blake2b
from math import isqrt

import numpy as np
import numpy.random  # NumPy loads it when it is first used: 10 ms better spent here than in the first batch
from numpy.typing import NDArray

from headrace.core.cache import ByteCache
from headrace.core.errors import ArgumentError
from headrace.core.seeds import Key
from headrace.core.source import Indices

EXPLICIT_LIMIT = 2**20
"""Up to this length ``method="auto"`` makes an explicit permutation (8 MB); above it a keyed one.

Making one costs 16 ms here at the start of each epoch, and 0.4 s at ten million, all at once and with the interpreter
locked; a keyed one costs about as much an index, but batch by batch.
"""

KEYED_LIMIT = 2**62
"""The greatest length of a keyed permutation."""

ROUNDS = 6
BLOCK = 65_536
AHEAD = 16_384

Words = NDArray[np.uint64]


def explicit(key: Key, epoch: int, n: int) -> Indices:
    """Return a random permutation of ``range(n)`` as a read-only array; recent ones are kept, up to 256 MB in all.

    >>> sorted(explicit((1, 2), epoch=0, n=5).tolist())
    [0, 1, 2, 3, 4]
    """
    return _explicit.get((key, epoch, n), _make_explicit)


def _make_explicit(name: tuple[Key, int, int]) -> Indices:
    key, epoch, n = name
    random = np.random.RandomState(_words_of(key, epoch))
    # permutation(n) would do the same, but in C longs, which some platforms make 32 bits wide
    indices = np.arange(n, dtype=np.int64)
    random.shuffle(indices)
    indices.flags.writeable = False
    return indices


def _words_of(key: Key, epoch: int) -> np.random.SFC64:
    """Return the raw words of a place: SFC64, a quarter faster to shuffle with than Philox, begun from a hash."""
    digest = blake2b(np.array([*key, epoch], "<u8").tobytes(), digest_size=24, person=b"headrace.explici").digest()
    words = np.random.SFC64(0)
    begun = words.state
    begun["state"]["state"][:] = [*np.frombuffer(digest, "<u8"), 1]
    words.state = begun
    return words


_explicit: ByteCache[tuple[Key, int, int], Indices] = ByteCache(256 << 20, idle=1.0)  # the epochs that are over go


@lru_cache(maxsize=256)
def keyed(key: Key, epoch: int, n: int) -> Keyed:
    """Return the keyed permutation of ``range(n)``; recent ones are kept, which saves some microseconds."""
    return Keyed(n, key, epoch)


def look_up(key: Key, epoch: int, n: int, positions: Indices) -> Indices:
    """Return which index the keyed permutation has at each position, as ``Keyed.forward`` does.

    A batch is small, and its neighbours are asked for next: where positions lie close together, the aligned block
    around them is computed at once and kept, which is five to ten times faster than batch by batch.
    """
    if 16 <= positions.size < AHEAD:
        low, high = int(positions.min()), int(positions.max())
        if high - low < 2 * positions.size:
            first, last = low // AHEAD, high // AHEAD
            blocks = [_ahead.get((key, epoch, n, block), _make_ahead) for block in range(first, last + 1)]
            table = blocks[0] if len(blocks) == 1 else np.concatenate(blocks)
            return table.take(positions - first * AHEAD)
    return keyed(key, epoch, n).forward(positions)


def _make_ahead(name: tuple[Key, int, int, int]) -> Indices:
    key, epoch, n, block = name
    return keyed(key, epoch, n).forward(np.arange(block * AHEAD, min((block + 1) * AHEAD, n)))


_ahead: ByteCache[tuple[Key, int, int, int], Indices] = ByteCache(16 << 20)


class Keyed:
    """A random permutation of ``range(n)`` in constant memory, n from 0 to 2**62.

    A generalised Feistel network on pairs (left, right) of range(a) x range(b), with a = ceil(sqrt(n)) and
    b = ceil(n / a): each round adds a hash of one half to the other, modulo its size, which can be undone whatever
    the hash is. a * b may pass n by less than a; what lands there walks on through the network until it falls below
    n (cycle-walking: Black and Rogaway, "Ciphers with arbitrary finite domains", CT-RSA 2002). It is made to look
    random, not to keep secrets.

    >>> order = Keyed(10**12, key=(1, 2), epoch=0)
    >>> positions = np.array([0, 1, 2, 999_999_999_999])
    >>> order.inverse(order.forward(positions)).tolist()
    [0, 1, 2, 999999999999]
    """

    def __init__(self, n: int, key: Key, epoch: int) -> None:
        if not 0 <= n <= KEYED_LIMIT:
            raise ArgumentError(f"a keyed permutation has a length from 0 to 2**62, got {n}")
        self.n = n
        self._length = np.uint64(n)
        root = isqrt(max(n, 1))
        rows = root + (root * root < n)
        columns = max(-(-n // rows), 1)
        self._sizes = np.uint64(rows), np.uint64(columns)
        self._round_keys = _round_keys(key, epoch)

    def forward(self, positions: Indices) -> Indices:
        """Return which index stands at each position: int64, the shape of ``positions``; a new array."""
        return self._walk(positions, self._encipher)

    def inverse(self, indices: Indices) -> Indices:
        """Return at which position each index stands: int64, the shape of ``indices``; a new array."""
        return self._walk(indices, self._decipher)

    def _walk(self, numbers: Indices, cipher: Callable[[Words, Words], None]) -> Indices:
        numbers = np.ascontiguousarray(numbers, np.int64)
        results = np.empty(numbers.shape, np.int64)
        inputs, outputs = numbers.reshape(-1).view(np.uint64), results.reshape(-1).view(np.uint64)
        for start in range(0, inputs.size, BLOCK):
            block = outputs[start : start + BLOCK]
            cipher(inputs[start : start + BLOCK], block)
            outside = np.flatnonzero(block >= self._length)
            while outside.size:
                again = block[outside]
                cipher(again, again)
                block[outside] = again
                outside = outside[again >= self._length]
        return results

    def _encipher(self, numbers: Words, out: Words) -> None:
        rows, columns = self._sizes
        left, right = numbers // columns, numbers % columns
        buffers = np.empty_like(left), np.empty_like(left)
        for step, round_key in enumerate(self._round_keys):
            if step % 2 == 0:
                _hash(right, round_key, rows, buffers)
                _add(left, buffers[0], rows, buffers[1])
            else:
                _hash(left, round_key, columns, buffers)
                _add(right, buffers[0], columns, buffers[1])
        np.multiply(left, columns, out=out)
        out += right

    def _decipher(self, numbers: Words, out: Words) -> None:
        rows, columns = self._sizes
        left, right = numbers // columns, numbers % columns
        buffers = np.empty_like(left), np.empty_like(left)
        for step, round_key in reversed(list(enumerate(self._round_keys))):
            if step % 2 == 0:
                _hash(right, round_key, rows, buffers)
                _subtract(left, buffers[0], rows, buffers[1])
            else:
                _hash(left, round_key, columns, buffers)
                _subtract(right, buffers[0], columns, buffers[1])
        np.multiply(left, columns, out=out)
        out += right


def _round_keys(key: Key, epoch: int) -> list[np.uint64]:
    """Hash key and epoch to a word for each round."""
    message = b"".join(word.to_bytes(8, "little") for word in (*key, epoch))
    digest = blake2b(message, digest_size=8 * ROUNDS, person=b"headrace.feistel").digest()
    return [np.uint64(int.from_bytes(digest[start : start + 8], "little")) for start in range(0, 8 * ROUNDS, 8)]


# Shifts and multipliers of splitmix64's finaliser, less its last step, which the upper half does not feel:
# Steele, Lea and Flood, "Fast splittable pseudorandom number generators" (OOPSLA 2014), after Stafford's mix 13.
_SHIFT_1, _SHIFT_2, _HALF = np.uint64(30), np.uint64(27), np.uint64(32)
_TIMES_1, _TIMES_2 = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)


def _hash(half: Words, round_key: np.uint64, size: np.uint64, buffers: tuple[Words, Words]) -> None:
    """Hash one half into the first buffer, to numbers in ``range(size)``; size is at most 2**31."""
    mixed, shifted = buffers
    np.add(half, round_key, out=mixed)
    np.right_shift(mixed, _SHIFT_1, out=shifted)
    mixed ^= shifted
    mixed *= _TIMES_1
    np.right_shift(mixed, _SHIFT_2, out=shifted)
    mixed ^= shifted
    mixed *= _TIMES_2
    # the upper 32 bits as a fraction of size: a product and a shift instead of a division
    mixed >>= _HALF
    mixed *= size
    mixed >>= _HALF


def _add(half: Words, amount: Words, size: np.uint64, buffer: Words) -> None:
    """Add modulo size in place; where the sum is below size, the subtraction wraps to a huge number and loses."""
    half += amount
    np.subtract(half, size, out=buffer)
    np.minimum(half, buffer, out=half)


def _subtract(half: Words, amount: Words, size: np.uint64, buffer: Words) -> None:
    """Subtract modulo size in place; a difference below 0 has wrapped to a huge number, which adding size mends."""
    half -= amount
    np.add(half, size, out=buffer)
    np.minimum(half, buffer, out=half)
