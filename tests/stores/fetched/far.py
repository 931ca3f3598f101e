"""Parts in a far place, which here is a folder or memory."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np

from headrace.core.batch import Batch
from headrace.core.records import Records, wrap
from headrace.stores.backends.disk import Files
from headrace.stores.backends.protocol import Backend
from headrace.stores.manifest import Manifest
from headrace.stores.packing import Codec
from headrace.stores.parts import Writer
from headrace.stores.transfer.upload import upload


def sent(
    backend: Backend,
    stage: Path,
    blocks: Iterable[Records],
    compression: Codec | None = None,
    part_bytes: int | None = None,
) -> Manifest:
    """Write records as parts on a stage and send these; return the manifest of what was sent."""
    stage.mkdir(parents=True, exist_ok=True)
    with Writer(stage, part_bytes=part_bytes) as writer, ThreadPoolExecutor(4) as pool:
        for block in blocks:
            writer.append(block)
        parts = [upload(backend, stage / part.digest, part, compression, pool) for part in writer.finish()]
    draft = Manifest("data", "1", 1, writer.structure, writer.layout, (), (), "2026-01-01", "0.1", "2.4")
    return replace(draft, parts=tuple(parts))


def numbered(root: Path, parts: int, rows: int = 1000) -> tuple[Files, Manifest]:
    """Return a place with parts that are alike in size: the first record's number is ``rows`` times the part's."""
    backend = Files(root / "far")
    blocks = [wrap(Batch({"x": np.arange(rows) + rows * at, "y": np.full(rows, at, "u1")})) for at in range(parts)]
    each = [sent(backend, root / "stage", [block]) for block in blocks]
    return backend, replace(each[0], parts=tuple(part for one in each for part in one.parts))
