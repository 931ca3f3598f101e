"""Short texts that stand for arrays, files, functions and records, equal in every process.

They notice changes; they do not prove equality: large arrays are sampled (see :func:`of_array`, :func:`of_record`),
and of a function only what it brings along itself is seen (see :func:`of_function`).
"""

from __future__ import annotations

import os
from hashlib import blake2b
from typing import Any

from numpy.typing import NDArray

from headrace.core.encoding import Encoder
from headrace.core.sampling import sample

WHOLE_LIMIT = 4 << 20
BLOCKS = 64
RECORD_BYTES = 1 << 10


def of_array(array: NDArray[Any]) -> str:
    """Return dtype, shape and a digest of the content.

    Up to 4 MiB the whole content counts. Of more, a sample: 64 blocks of 64 KiB, evenly spaced from the first byte to
    the last, so that a mapped file of any size costs 4 MiB of reading, and an edit between the blocks goes unnoticed.
    Of an array of Python objects 5,000 count, evenly spaced too.

    >>> import numpy as np
    >>> of_array(np.arange(3, dtype=np.int32))
    '<i4 (3) 99a5826197698e6d'
    """
    name = str(array.dtype) if array.dtype.names else array.dtype.str
    if array.dtype.hasobject:
        digest = _digest(array, WHOLE_LIMIT)
    else:
        digest = blake2b(sample(array, WHOLE_LIMIT, BLOCKS), digest_size=8).hexdigest()
    return f"{name} ({', '.join(map(str, array.shape))}) {digest}"


def of_file(path: str | os.PathLike[str]) -> tuple[int, int]:
    """Return a file's size in bytes and when it was last written, in milliseconds since 1970.

    Raises:
        OSError: There is no such file, or it cannot be looked at.
    """
    found = os.stat(path)
    return found.st_size, found.st_mtime_ns // 1_000_000


def of_function(function: object) -> str:
    """Return a digest of what a function does, as far as it can be seen: sixteen hexadecimal digits.

    Seen are its bytecode with its constants and names, its nested functions, its defaults and the values it closes
    over; of a partial the function and its arguments, of a bound method and of a callable object its class's methods
    and its attributes. Not seen are line numbers, file names, comments, its docstring, and what it looks up by name
    when it runs: module globals, and so the functions it calls. Another version of Python compiles to other bytecode,
    so it gives another digest. Never fails: what cannot be looked into counts by the name of its type.

    >>> def double(x): return x * 2
    >>> def twice(x): return x * 2  # another name and this comment make no difference
    >>> of_function(double) == of_function(twice), of_function(double) == of_function(lambda x: x * 3)
    (True, False)
    """
    return _digest(function, WHOLE_LIMIT)


def of_record(record: object) -> str:
    """Return a digest of one record of any nesting: sixteen hexadecimal digits, the same in every process.

    Of each array up to 1 KiB counts: all of a small one, else 16 evenly spaced pieces; of a very long list, tuple or
    mapping the first 10,000 parts. Objects that are no containers count by what pickle would store of them, or, where
    it stores nothing, by the name of their type. Never fails.

    >>> import numpy as np
    >>> image = np.zeros((64, 64, 3), np.uint8)
    >>> of_record({"image": image, "label": 3}) == of_record({"image": image, "label": 4})
    False
    """
    return _digest(record, RECORD_BYTES)


def _digest(value: object, array_bytes: int) -> str:
    encoder = Encoder(array_bytes)
    encoder.add(value)
    return blake2b(b"".join(encoder.parts), digest_size=8).hexdigest()
