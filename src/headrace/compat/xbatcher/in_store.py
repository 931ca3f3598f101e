"""Batches in a store of Headrace: each is a version with one record."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import xarray as xr

from headrace.compat.xbatcher.identity import Identity
from headrace.compat.xbatcher.plain import plain, restored
from headrace.core.errors import KindError, NotFoundError
from headrace.store import Store

ID = "batches"
"""What the dataset is called that all batches belong to."""

_ABOUT = "about"


class StoreCache:
    """Keeps batches in a store, each as a version under a key of all that it is made of.

    Of several processes that want a batch at the same time one makes it.

    Args:
        store: The store.
        identity: What the batches are made of.
    """

    def __init__(self, store: Store, identity: Identity) -> None:
        self._store, self._key = store, identity.digest

    def find(self, number: int) -> Any:
        """Return a batch; None where it is not kept yet."""
        try:
            return _decoded(self._store.fetch(ID, self._version(number))[0])
        except NotFoundError:
            return None

    def keep(self, number: int, make: Callable[[], Any]) -> Any:
        """Make a batch, keep it, and return it as it will be read from now on."""

        def record() -> Iterator[dict[str, Any]]:
            yield _encoded(make())

        fetched = self._store.cacheable(ID, self._version(number), progress=False)(record)()
        return _decoded(fetched[0])

    def _version(self, number: int) -> str:
        return f"{self._key}-{number}"


def _encoded(batch: Any) -> dict[str, Any]:
    """Return a batch as a record: an array for each variable, and a text about them."""
    ds, note = plain(batch)
    record: dict[str, Any] = {}
    variables = []
    for place, (name, variable) in enumerate(ds.variables.items()):
        values = variable.values
        strings = values.dtype == object and all(isinstance(value, str) for value in values.flat)
        if values.dtype == object and not strings:
            raise KindError(f"variable {name!r} holds Python objects, which a Store does not keep: take a Zarr cache")
        record[str(place)] = values.astype(str) if strings else values
        variables.append(
            {
                "name": _name(name),
                "dims": [_name(dim) for dim in variable.dims],
                "attrs": _attrs(variable.attrs),
                "coord": name in ds.coords,
                "objects": strings,
            }
        )
    about = {"variables": variables, "attrs": _attrs(ds.attrs), "note": note}
    return {**record, _ABOUT: json.dumps(about)}


def _decoded(record: Mapping[str, Any]) -> Any:
    about = json.loads(record[_ABOUT])
    variables: tuple[dict[str, xr.Variable], dict[str, xr.Variable]] = ({}, {})
    for place, said in enumerate(about["variables"]):
        values = np.asarray(record[str(place)])
        if said["objects"]:
            values = values.astype(object)
        attrs = _from_attrs(said["attrs"])
        variables[said["coord"]][said["name"]] = xr.Variable(said["dims"], values, attrs)
    return restored(xr.Dataset(*variables, _from_attrs(about["attrs"])), about["note"])


def _name(name: Any) -> str:
    if not isinstance(name, str):
        raise KindError(f"a Store keeps batches whose variables and dimensions are called by strings, got {name!r}")
    return name


def _attrs(attrs: Mapping[Any, Any]) -> list[list[Any]]:
    return [[_name(name), *_value(value)] for name, value in attrs.items()]


def _value(value: Any) -> tuple[Any, str]:
    """Return what JSON holds of an attribute, and the dtype that NumPy knows it by."""
    if isinstance(value, np.ndarray | np.generic) and value.dtype.kind in "biufSU":
        return value.astype(str).tolist() if value.dtype.kind == "S" else value.tolist(), value.dtype.str
    try:
        json.dumps(value)
    except (TypeError, ValueError) as error:
        raise KindError(f"an attribute of a batch cannot be kept: {value!r:.80} ({error})") from error
    return value, ""


def _from_attrs(pairs: list[list[Any]]) -> dict[str, Any]:
    return {name: np.array(value, dtype)[()] if dtype else value for name, value, dtype in pairs}
