"""Which examples in docstrings are left out where PyTorch is not installed."""

from __future__ import annotations

from importlib.util import find_spec

collect_ignore = [] if find_spec("torch") else ["src/headrace/feeds/loader.py"]
