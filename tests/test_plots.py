"""The charts on the pages are those that their runs give."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest

from docs.plots import draw

HERE = Path(draw.__file__).parent
PAGES = "".join(page.read_text(encoding="utf-8") for page in (HERE.parent / "howto").glob("*.md"))


@pytest.mark.parametrize("name", draw.FIGURES)
def test_a_chart_is_what_its_run_gives_and_on_a_page(name: str) -> None:
    kept = (HERE / f"{name}.svg").read_text(encoding="utf-8")
    assert draw.FIGURES[name]() == kept, "it changed: python -m docs.plots.draw"
    assert ElementTree.fromstring(kept).tag.endswith("svg")
    assert f"](../plots/{name}.svg)" in PAGES


def test_no_chart_lies_there_that_no_run_has_drawn() -> None:
    assert {path.stem for path in HERE.glob("*.svg")} == {*draw.FIGURES}
