"""Where parts end depends on the records, not on the blocks in which they come."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.core import columns
from headrace.core.records import Columns
from headrace.stores.layout import Layout
from headrace.stores.parts import Writer
from headrace.stores.weights import weights
from tests.stores.drawn import records


@settings(deadline=None)
@given(records(least=1), st.data())
def test_a_row_weighs_the_same_in_any_block(made: Columns, data: st.DataObject) -> None:
    layout = Layout.of(made.batch)
    whole = weights(made.batch, layout)
    cut = data.draw(st.integers(0, len(made)))
    parts: Any = [columns.part(made.batch, slice(0, cut)), columns.part(made.batch, slice(cut, None))]
    assert np.concatenate([weights(part, layout) for part in parts]).tolist() == whole.tolist()


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(1, 200), min_size=1, max_size=10))
def test_parts_end_at_the_same_record_in_any_blocks(lengths: list[int]) -> None:
    texts = columns.objects(["t" * (number % 37) for number in range(sum(lengths))])
    found = []
    for cuts in ([len(texts)], lengths):
        with TemporaryDirectory() as folder, Writer(Path(folder), part_bytes=2000) as writer:
            start = 0
            for count in cuts:
                writer.append(Columns(columns.as_column({"x": texts[start : start + count]})))
                start += count
            found.append(writer.finish())
    assert found[0] == found[1]
