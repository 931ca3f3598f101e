"""Labels as a few words that stand for them, the same in every process and with any release of other libraries."""

from __future__ import annotations

from hashlib import blake2b
from typing import Any

import numpy as np
from numpy.typing import NDArray


def marks(labels: NDArray[Any]) -> dict[str, str]:
    """Return the first and the last label as text, and a digest of all with their shape.

    Dates count by what they say, whatever unit holds them; numbers by their value, whole ones and others apart.

    >>> days = np.array(["2001-01-01", "2001-01-02"], "M8[D]")
    >>> marks(days)["last"], marks(days)["digest"] == marks(days.astype("M8[ns]"))["digest"]
    ('2001-01-02T00:00:00', True)
    """
    labels = np.asarray(np.ma.filled(labels.astype(object), None) if np.ma.isMaskedArray(labels) else labels)
    digest = blake2b(str(labels.shape).encode(), digest_size=8)
    for piece in _encoded(labels.reshape(-1)):
        digest.update(piece)
    ends = [shown(labels.reshape(-1)[place]) if labels.size else "" for place in (0, -1)]
    return {"first": ends[0], "last": ends[1], "digest": digest.hexdigest()}


def _encoded(labels: NDArray[Any]) -> list[bytes]:
    kind = labels.dtype.kind
    if kind in "mM":
        seconds = labels.astype(f"{kind}8[s]")
        rest = (labels - seconds).astype("m8[ns]")
        return [kind.encode(), *(one.astype("<i8").tobytes() for one in (seconds, rest))]
    if kind in "biu":
        return [b"i", labels.astype("<i8").tobytes()]
    if kind == "f":
        return [b"f", (labels.astype("<f8") + 0.0).tobytes()]  # -0.0 is 0.0
    texts = [f"{type(one).__name__ if kind == 'O' else ''} {one}".encode() for one in labels.tolist()]
    return [b"s", *(len(text).to_bytes(8, "little") + text for text in texts)]


def shown(label: Any) -> str:
    """Return a label as text: a date without what is below its seconds, whatever unit holds it.

    >>> shown(np.datetime64("2001-01-01", "ns")), shown(np.float32(-0.0))
    ('2001-01-01T00:00:00', '0.0')
    """
    if isinstance(label, np.datetime64):
        return str(label.astype("M8[s]"))
    if isinstance(label, np.timedelta64):
        return str(label.astype("m8[s]"))
    label = label.item() if isinstance(label, np.generic) else label
    return str(label + 0.0 if isinstance(label, float) else label)
