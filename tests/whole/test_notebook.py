"""A notebook, run by a kernel as in Jupyter: functions of its cells travel to workers, and nothing outlives it."""

from __future__ import annotations

import os
import re
import sys
import time
import uuid
import warnings
from pathlib import Path
from typing import Any

import pytest

nbformat = pytest.importorskip("nbformat", reason="notebooks are run where nbclient and ipykernel are installed")
nbclient = pytest.importorskip("nbclient", reason="notebooks are run where nbclient and ipykernel are installed")
pytest.importorskip("ipykernel", reason="notebooks are run where nbclient and ipykernel are installed")

CELLS = [
    """
import os
from dataclasses import dataclass
import numpy as np
import headrace as hr
""",
    """
@dataclass
class Sample:
    n: int
    worker: int

def look(n):
    return {"double": n * factor, "other process": os.getpid() != here}

factor, here = 2, os.getpid()
ds = hr.Dataset(range(10)).map(look).batch(5)
for batch in ds.stream(workers=2):
    print(batch["double"].tolist(), bool(batch["other process"].all()))
""",
    """
factor = 3  # as people do: one cell is changed and run again
print([batch["double"].tolist() for batch in ds.stream(workers=2)])
hr.Dataset(range(4)).map(lambda n: Sample(n, 0)).stream(workers=2).list()[3] == Sample(3, 0)
""",
    """
def produce():
    for n in range(3):
        yield {"x": np.full(20_000, n), "pid": os.getpid()}

items = hr.Stream(produce).background().list()
print([int(item["x"].sum()) for item in items], items[0]["pid"] != here)
""",
    """
def fails(n):
    return 1 // (n - 5)

hr.Dataset(range(10)).map(fails).batch(2).stream(workers=2).list()
""",
    """
kept = iter(ds.stream(None, workers=2))
next(kept)
forever = iter(hr.Stream(produce).repeat().background())
print(len(next(forever)))
""",
]


def living(mark: str) -> list[str]:
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and mark.encode() in (entry / "environ").read_bytes():
                found.append(f"{entry.name}: {(entry / 'cmdline').read_bytes()!r}")
        except OSError:
            continue
    return found


def text_of(cell: Any) -> str:
    return "".join(output.get("text", "") for output in cell.outputs)


def test_a_notebook_with_workers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mark = uuid.uuid4().hex
    monkeypatch.setenv("HEADRACE_TEST_MARK", mark)
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "runtime"))
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in CELLS])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what runs the notebook; those in it are not seen from here
        client = nbclient.NotebookClient(
            notebook, timeout=60, allow_errors=True, resources={"metadata": {"path": str(tmp_path)}}
        )
        client.create_kernel_manager()
        client.km.kernel_spec.argv[0] = sys.executable
        with client.setup_kernel(env={**os.environ}):
            for number, cell in enumerate(notebook.cells):
                client.execute_cell(cell, number)
            assert len(living(mark)) >= 5  # a kernel, and what it has left running: workers of two streams
    cells = notebook.cells
    assert text_of(cells[1]) == "[0, 2, 4, 6, 8] True\n[10, 12, 14, 16, 18] True\n"
    assert text_of(cells[2]) == "[[0, 3, 6, 9, 12], [15, 18, 21, 24, 27]]\n"
    assert cells[2].outputs[-1]["data"]["text/plain"] == "True"
    assert text_of(cells[3]) == "[0, 20000, 40000] True\n"
    failed = cells[4].outputs[-1]
    assert failed["output_type"] == "error" and failed["ename"] == "RecordError"
    told = re.sub(r"\x1b\[[0-9;]*m", "", "\n".join(failed["traceback"]))
    assert "ZeroDivisionError" in told and "1 // (n - 5)" in told and "in worker" in told
    assert text_of(cells[5]) == "2\n"
    until = time.monotonic() + 5
    while living(mark) and time.monotonic() < until:
        time.sleep(0.02)
    assert living(mark) == []
