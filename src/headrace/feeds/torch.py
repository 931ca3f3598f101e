"""What a PyTorch user asks for by name; ``Stream.torch`` and the two ``to_torch`` are methods."""

from __future__ import annotations

from headrace.feeds.loader import Loader

__all__ = ["Loader"]
