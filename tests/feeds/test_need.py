"""Without torch: each way to it says what is missing, for what, and how it is installed."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from headrace import Dataset
from headrace.core.errors import MissingExtraError
from headrace.feeds.torch import Loader

WAYS: dict[str, Callable[[Dataset], Any]] = {
    "Stream.torch": lambda ds: ds.stream().torch(),
    "Stream.to_torch": lambda ds: ds.stream().to_torch(),
    "Dataset.to_torch": lambda ds: ds.to_torch(),
    "Loader": lambda ds: Loader(ds.stream()),
}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_what_needs_torch_says_so_where_it_is_not_installed(
    way: Callable[[Dataset], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)  # what Python itself looks at: an import fails
    with pytest.raises(MissingExtraError, match=r'needs torch, .*: pip install "headrace\[torch\]"'):
        way(Dataset(range(3)))


def test_a_stream_and_a_loader_can_be_named_without_loading_torch() -> None:
    code = "import headrace.feeds.torch, sys; from headrace import Dataset; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
