"""The fragments of ``changes/`` become the changelog."""

from __future__ import annotations

import re
import runpy
from datetime import date
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
gather = runpy.run_path(str(ROOT / "scripts" / "gather_changes.py"))["gather"]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "changes").mkdir()
    (tmp_path / "changes" / "README.md").write_text("# How to\n")
    (tmp_path / "CHANGELOG.md").write_text("# Changelog\n\nWords.\n\n## 0.1.0 (2026-01-01)\n\n- Old.\n")
    return tmp_path


def test_fragments_become_a_version_above_the_older_ones_in_the_order_of_their_issues(project: Path) -> None:
    (project / "changes" / "10-late.md").write_text("- Late.\n")
    (project / "changes" / "9-early.md").write_text("- Early,\n  with a second line.\n")
    gather(project, "0.2.0", date(2026, 12, 24))
    assert (project / "CHANGELOG.md").read_text() == (
        "# Changelog\n\nWords.\n\n"
        "## 0.2.0 (2026-12-24)\n\n- Early,\n  with a second line.\n- Late.\n\n"
        "## 0.1.0 (2026-01-01)\n\n- Old.\n"
    )
    assert [path.name for path in (project / "changes").iterdir()] == ["README.md"]


def test_a_release_without_a_change_is_refused(project: Path) -> None:
    with pytest.raises(SystemExit, match="nothing to release"):
        gather(project, "0.2.0", date(2026, 12, 24))


def test_every_fragment_of_ours_is_named_for_its_issue_and_holds_bullets() -> None:
    for path in (ROOT / "changes").glob("*.md"):
        if path.name != "README.md":
            assert re.fullmatch(r"\d+-[a-z0-9-]+\.md", path.name)
            assert path.read_text(encoding="utf-8").startswith("- ")
