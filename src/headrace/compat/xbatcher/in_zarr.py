"""Batches in a Zarr group: each is a group that is called by its number."""

from __future__ import annotations

import threading
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
"""The attribute that says what batches are made of: of the whole group, and of each batch, where it is written last."""


class ZarrCache:
    """Keeps batches in a Zarr group.

    A new group in a dict has Zarr's format 2, so that its keys are those that xbatcher's were; elsewhere Zarr chooses.
    A batch counts once it says that it is whole, which is written last.

    Args:
        place: A dict, a path, or a store of Zarr.
        identity: What the batches are made of.
        load: Whether they are read into memory; else they are lazy.
    """

    def __init__(self, place: Any, identity: Identity, load: bool) -> None:
        self._place, self._identity, self._load = place, identity, load
        self._mine = {"data": identity.data, "arguments": identity.arguments}
        self._writing = threading.Lock()
        self._warned = False

    @cached_property
    def _root(self) -> zarr.Group:
        try:
            root = _opened(self._place)
        except TypeError as error:
            raise KindError(
                f"cache must be a dict, the path of a Zarr group, a store of Zarr, or a headrace.Store: {error}"
            ) from error
        if MARK in root.attrs:
            self._check(root.attrs[MARK])
        else:
            root.attrs[MARK] = self._mine
        return root

    def _check(self, there: Any) -> None:
        """Refuse batches of other data or of other arguments."""
        for what in ("arguments", "data"):
            if there.get(what) != self._mine[what]:
                said = f" ({there.get(what)}, and not {self._mine[what]})" if what == "arguments" else ""
                raise ArgumentError(
                    f"cache {_shown(self._place)} holds batches that were made of other {what}{said}: take another "
                    "place for these, or delete what is there"
                )

    def find(self, number: int) -> Any:
        """Return a batch; None where it is not kept yet, or another ``cache_preprocess`` made it.

        Raises:
            ArgumentError: There are batches of other data or of other arguments; or of nobody knows what.
            KindError: The place is none that Zarr knows.
        """
        mark = self._mark(number)
        if mark is None or not mark["whole"]:
            return None
        if mark["preprocess"] != self._identity.preprocess:
            self._warn()
            return None
        chunks: dict[str, Any] = {"chunks": None} if self._load else {}
        version = self._root.metadata.zarr_format
        ds = xr.open_zarr(
            self._place, group=str(number), consolidated=False, decode_cf=False, zarr_format=version, **chunks
        )
        del ds.attrs[MARK]
        return restored(ds.load() if self._load else ds, mark["note"])

    def _mark(self, number: int) -> Any:
        """Return what a batch says that it is made of; None where there is none."""
        found = self._root.get(str(number))
        if found is None:
            return None
        if MARK not in found.attrs:
            raise ArgumentError(
                f"cache {_shown(self._place)} has a batch {number} that this cache did not write, and nobody can tell "
                "what it was made of: take another place, or delete what is there"
            )
        mark: Any = found.attrs[MARK]
        self._check(mark)
        return mark

    def _warn(self) -> None:
        if not self._warned:
            self._warned = True
            warnings.warn(
                f"cache {_shown(self._place)} holds batches of another cache_preprocess: they are made anew, and "
                "replaced",
                HeadraceWarning,
                stacklevel=4,
            )

    def keep(self, number: int, make: Callable[[], Any]) -> Any:
        """Make a batch, keep it, and return it.

        Another process that makes the same batch at that time writes the same bytes, so nothing is taken away before.
        """
        batch = make()
        ds, note = plain(batch)
        with self._writing:
            mark = self._mark(number)
            preprocess = self._identity.preprocess
            same = mark is not None and mark["preprocess"] == preprocess
            if not (same and mark["whole"]):
                self._write(number, ds, {**self._mine, "preprocess": preprocess, "note": note}, replace=not same)
        return batch

    def _write(self, number: int, ds: xr.Dataset, mark: dict[str, Any], replace: bool) -> None:
        root, group = self._root, str(number)
        begun = {MARK: {**mark, "whole": False}}
        if replace:
            root.create_group(group, attributes=begun, overwrite=True)
        version = root.metadata.zarr_format
        ds.assign_attrs(begun).to_zarr(self._place, group=group, mode="a", consolidated=False, zarr_format=version)
        written = root[group]
        written.attrs[MARK] = {**mark, "whole": True}


def _opened(place: Any) -> zarr.Group:
    try:
        return zarr.open_group(place, mode="r+")
    except FileNotFoundError:
        return zarr.open_group(place, mode="a", zarr_format=2 if isinstance(place, dict) else None)


def _shown(place: Any) -> str:
    return "in a dict" if isinstance(place, dict) else str(place)
