"""Move the fragments of ``changes/`` into ``CHANGELOG.md``, under a new version: gather_changes.py VERSION."""

from __future__ import annotations

import sys
from datetime import date
from pathlib import Path


def gather(root: Path, version: str, day: date) -> None:
    """Put all fragments, in the order of their issues, above the older versions, and remove their files."""
    fragments = [path for path in (root / "changes").glob("*.md") if path.name != "README.md"]
    fragments.sort(key=lambda path: (int(path.name.partition("-")[0]), path.name))
    if not fragments:
        raise SystemExit("changes/ has no fragment, so there is nothing to release")
    news = "\n".join(path.read_text(encoding="utf-8").strip() for path in fragments)
    log = root / "CHANGELOG.md"
    head, mark, older = log.read_text(encoding="utf-8").rstrip().partition("\n## ")
    log.write_text(
        f"{head.rstrip()}\n\n## {version} ({day.isoformat()})\n\n{news}\n"
        + (f"\n{mark.strip()} {older}\n" if mark else "")
    )
    for path in fragments:
        path.unlink()


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    gather(Path(__file__).parents[1], sys.argv[1], date.today())
