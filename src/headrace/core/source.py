"""What can be read in any order: the protocol that every format implements, and which users implement too."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from headrace.core.batch import Batch

Indices: TypeAlias = NDArray[np.int64]
"""Record numbers or positions, shape ``(n,)``, int64."""


@runtime_checkable
class Source(Protocol):
    """Records that can be read in any order; two methods, no base class.

    The same indices always give equal columns, in any thread. Indices lie in ``range(len(self))``: whoever asks has
    checked them, so that this is done once and not in each source. What ``read`` returns is the caller's: it may be
    written to, and the source must not change by it.

    Optional:

    * ``fingerprint() -> str``: an identity that changes when the content does. Without it, the class's name and the
      length stand for it, and a resumed run cannot notice changed data.
    * ``structure``: ``"mapping"`` (the default), ``"tuple"`` or ``"value"``: what one record is.
    * ``schema()``: a :class:`headrace.core.schema.Schema`, where it is known without reading.
    * ``blocks() -> (starts, nbytes)``: which records lie together, such as in a file or a chunk: the number of the
      first record of each block, ascending from 0, and how many bytes each takes, two arrays of whole numbers of shape
      ``(blocks,)``. ``block_shuffle`` keeps them together. Equal wherever the same data lies.
    * ``expect(blocks)``, beside ``blocks()``, where whole blocks are fetched from afar: the numbers of the blocks that
      will be read next, a list of ints, in the order of their first use; a call replaces what the last one said, and an
      empty list says that reading has ended. It is called before a read, by each worker for itself, and returns at
      once (the empty list may come from a finaliser: wait for no lock then); what was not named can be read all the
      same.
    * ``read_into(indices, new)``, beside ``read``: the same, into arrays that ``new(shape, dtype)`` gives, which are
      reused once nobody holds them (their content is undefined).
    * ``placement(memory, lanes)``: which records lie together where they are not numbered one after the other, see
      :class:`headrace.core.placement.Placement`. ``expect`` is then told the numbers of chunks.

    >>> class Squares:
    ...     def __len__(self):
    ...         return 1000
    ...     def read(self, indices):
    ...         return Batch({"n": indices.copy(), "square": indices**2})
    """

    def __len__(self) -> int: ...

    def read(self, indices: Indices, /) -> Batch | Any:
        """Return the records as equal-length columns: a Batch, or a mapping of column names to arrays."""
        ...
