"""Where batches are kept once they are made: a Zarr group, or a store of Headrace."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from headrace.compat.xbatcher.identity import identity_of
from headrace.compat.xbatcher.in_store import StoreCache
from headrace.compat.xbatcher.in_zarr import ZarrCache
from headrace.store import Store


class Cache(Protocol):
    """Keeps batches by their number. Safe in several threads and processes."""

    def find(self, number: int) -> Any:
        """Return a batch; None where it is not kept yet."""
        ...

    def keep(self, number: int, make: Callable[[], Any]) -> Any:
        """Make a batch, keep it, and return it."""
        ...


def cache_of(generator: Any) -> Cache:
    """Return the cache of a BatchGenerator.

    Raises:
        ArgumentError: It holds batches of other data or of other arguments, or it is none.
    """
    if isinstance(generator.cache, Store):
        return StoreCache(generator.cache, identity_of(generator, strict=True))
    return ZarrCache(generator.cache, identity_of(generator, strict=False), generator.preload_batch)
