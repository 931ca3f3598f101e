"""Batches in a Zarr group: each is a group that is called by its number."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import cached_property
from typing import Any

import xarray as xr
import zarr

from headrace.compat.xbatcher.identity import Identity
from headrace.compat.xbatcher.plain import plain, restored
from headrace.core.errors import ArgumentError, HeadraceWarning, KindError

MARK = "headrace"
"""The attribute that says what batches are made of, and that one is whole: it is written last."""


class ZarrCache:
    """Keeps batches in a Zarr group.

    A new group in a dict has Zarr's format 2, so that its keys are those that xbatcher's were; elsewhere Zarr chooses.

    Args:
        place: A dict, a path, or a store of Zarr.
        identity: What the batches are made of.
        load: Whether they are read into memory; else they are lazy.

    Raises:
        ArgumentError: There are batches of other data or of other arguments; or of nobody knows what.
        KindError: It is no such place.
    """

    def __init__(self, place: Any, identity: Identity, load: bool) -> None:
        self._place, self._identity, self._load = place, identity, load
        self._warned = False

    @cached_property
    def _root(self) -> zarr.Group:
        try:
            root = _opened(self._place)
        except TypeError as error:
            raise KindError(
                f"cache must be a dict, the path of a Zarr group, a store of Zarr, or a headrace.Store: {error}"
            ) from error
        mine = {"data": self._identity.data, "arguments": self._identity.arguments}
        there: Any = root.attrs.get(MARK)
        if there is None:
            if any(True for _ in root.keys()):
                raise ArgumentError(
                    f"{root.store_path} holds what this cache did not write, and nobody can tell what it was made of: "
                    "take another place, or delete what is there"
                )
            root.attrs[MARK] = mine
        elif there != mine:
            what = "arguments" if there.get("arguments") != mine["arguments"] else "data"
            said = f" ({there.get('arguments')}, and not {mine['arguments']})" if what == "arguments" else ""
            raise ArgumentError(
                f"{root.store_path} holds batches that were made of other {what}{said}: take another place for these, "
                "or delete what is there"
            )
        return root

    def find(self, number: int) -> Any:
        """Return a batch; None where it is not kept yet, or another ``cache_preprocess`` made it."""
        mark = self._mark(number)
        if mark is None:
            return None
        if mark["preprocess"] != self._identity.preprocess:
            self._warn()
            return None
        root = self._root
        chunks: dict[str, Any] = {"chunks": None} if self._load else {}
        ds = xr.open_zarr(
            self._place, group=str(number), consolidated=False, zarr_format=root.metadata.zarr_format, **chunks
        )
        del ds.attrs[MARK]
        return restored(ds.load() if self._load else ds, mark["note"])

    def _mark(self, number: int) -> Any:
        found = self._root.get(str(number))
        return None if found is None else found.attrs.get(MARK)

    def _warn(self) -> None:
        if not self._warned:
            self._warned = True
            warnings.warn(
                f"{self._root.store_path} holds batches of another cache_preprocess: they are made anew, and replaced",
                HeadraceWarning,
                stacklevel=4,
            )

    def keep(self, number: int, make: Callable[[], Any]) -> Any:
        """Make a batch, keep it, and return it.

        Who else makes the same batch at that time writes the same bytes, so nothing is taken away before.
        """
        batch = make()
        ds, note = plain(batch)
        root, group = self._root, str(number)
        other = self._mark(number) is not None
        ds.to_zarr(
            self._place,
            group=group,
            mode="w" if other else "a",
            consolidated=False,
            zarr_format=root.metadata.zarr_format,
        )
        written = root[group]
        written.attrs[MARK] = {"preprocess": self._identity.preprocess, "note": note}
        return batch


def _opened(place: Any) -> zarr.Group:
    try:
        return zarr.open_group(place, mode="r+")
    except FileNotFoundError:
        return zarr.open_group(place, mode="a", zarr_format=2 if isinstance(place, dict) else None)
