"""What is known of the values of patches, and the maps that scale patches by it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headrace.core.batch import Batch
from headrace.core.errors import ArgumentError, ColumnError, KindError, SchemaError
from headrace.core.source import Indices
from headrace.cubes.measuring.moments import Floats

FORMAT = 1

WHAT = ("count", "mean", "std", "min", "max")
"""What is counted."""


@dataclass(frozen=True, eq=False)
class Statistics:
    """What is known of the values of each variable, by name: arrays over the dimensions that were kept.

    Args:
        count: How many values there are, int64; NaN does not count.
        mean: Of them, float64 as the next ones; NaN where there are none.
        std: Their standard deviation, of all there are (``ddof=0``).
        min: The least.
        max: The greatest.
        dims: The dimensions that were kept.
        axes: The dimensions of patches.
        cut: Dimensions that were kept and along which patches are cut: there arrays are as long as the cube.
        skipped: Variables without a mean: dates, durations, texts and other objects.

    >>> one = {"sst": np.array(2.0)}
    >>> known = Statistics({"sst": np.array(4)}, one, one, one, one, {"sst": ()}, {"sst": ("x",)})
    >>> known.normalize({"sst": np.array([2.0, 6.0])})
    {'sst': array([0., 2.])}
    >>> Statistics.from_json(known.to_json()) == known
    True
    """

    count: Mapping[str, Indices]
    mean: Mapping[str, Floats]
    std: Mapping[str, Floats]
    min: Mapping[str, Floats]
    max: Mapping[str, Floats]
    dims: Mapping[str, tuple[str, ...]]
    axes: Mapping[str, tuple[str, ...]]
    cut: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()

    # Maps

    def normalize(self, batch: Any, only: Iterable[str] | None = None) -> Any:
        """Return a batch, or a record, with each variable less its mean and divided by its standard deviation.

        For ``patches.map(stats.normalize)`` and ``map_batches(stats.normalize)``; it travels to workers. Where the
        deviation is 0 values are divided by 1, and where nothing is known (all values were NaN) they stay as they are.
        Floats keep their dtype, other numbers become float64. Other columns are passed on.

        Where dimensions were kept along which patches are cut, a batch must say where its patches lie, in the columns
        that ``coords="index"`` makes; what lies past an end stays as it is.

        Args:
            batch: A mapping of names to arrays; of patches, or of batches of them; or these as xarray objects.
            only: Some of the variables; None for all.

        Returns:
            A Batch if a Batch is given, an xarray object if one is, else a dict: new arrays of what was scaled, the
            others shared.

        Raises:
            ColumnError: A variable of ``only`` is not known, or the batch has not got it.
            SchemaError: Patches have another shape, or do not say where they lie.
        """
        return self._scaled(batch, only, back=False)

    def restore(self, batch: Any, only: Iterable[str] | None = None) -> Any:
        """Return what :meth:`normalize` was given, but for rounding: each variable times its deviation, plus its mean.

        Arguments and errors are those of :meth:`normalize`.
        """
        return self._scaled(batch, only, back=True)

    def _scaled(self, batch: Any, only: Iterable[str] | None, back: bool) -> Any:
        if hasattr(batch, "to_dataset"):  # a DataArray
            name = batch.name if batch.name in self.mean else next(iter(self.mean), None)
            return self._labelled(batch.to_dataset(name=name), only, back)[name].rename(batch.name)
        if hasattr(batch, "data_vars"):
            return self._labelled(batch, only, back)
        if not isinstance(batch, Mapping | Batch):
            raise KindError(f"statistics scale a mapping of names to arrays, got {type(batch).__name__}")
        made = {}
        for name in self._chosen(batch, only):
            values = np.asarray(batch[name])
            if values.dtype.kind != "f":
                values = values.astype(np.float64)
            mean, std = self._beside(name, values, batch)
            made[name] = values * std + mean if back else (values - mean) / std
        return batch.with_columns(made) if isinstance(batch, Batch) else {**batch, **made}

    def _labelled(self, batch: Any, only: Iterable[str] | None, back: bool) -> Any:
        """Return a Dataset of xarray scaled; where patches lie is said by coordinates there."""
        places = {dim: batch[f"{dim}_index"].values for dim in self.cut if f"{dim}_index" in batch.coords}
        columns = {str(name): variable.values for name, variable in batch.data_vars.items()}
        chosen = self._chosen(columns, only)
        made = self._scaled({**columns, **places}, chosen, back)
        return batch.assign({name: (batch[name].dims, made[name], batch[name].attrs) for name in chosen})

    def _chosen(self, batch: Any, only: Iterable[str] | None) -> list[str]:
        if only is None:
            return [name for name in self.mean if name in batch]
        names = [only] if isinstance(only, str) else list(only)
        for name in names:
            for known in (self.mean, batch):
                if name not in known:
                    raise ColumnError.missing(name, known)
        return names

    def _beside(self, name: str, values: NDArray[Any], batch: Any) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return mean and deviation in the shape that they have beside values."""
        axes, kept = self.axes[name], self.dims[name]
        known = ~np.isnan(self.mean[name])
        mean = np.where(known, self.mean[name], 0.0)
        std = np.where(known & (self.std[name] > 0), self.std[name], 1.0)
        lead = values.ndim - len(axes)
        sizes = dict(zip(axes, values.shape[max(lead, 0) :], strict=False))
        lengths = dict(zip(kept, mean.shape, strict=True))
        if lead < 0 or any(sizes[dim] != lengths[dim] for dim in kept if dim not in self.cut):
            expected = ", ".join(f"{dim} ({lengths[dim]})" if dim in lengths else dim for dim in axes) or "none"
            raise SchemaError(f"statistics are of patches of {name!r} with axes {expected}; got shape {values.shape}")
        if not any(dim in self.cut for dim in kept):
            shape = [lengths.get(dim, 1) for dim in axes]
            return mean.reshape(shape).astype(values.dtype), std.reshape(shape).astype(values.dtype)
        where, there = [], np.ones((), np.bool_)
        for dim in kept:
            at = self._places(dim, values.shape[:lead], batch, sizes[dim], lengths[dim])
            at = at.reshape(*at.shape[:-1], *(sizes[dim] if other == dim else 1 for other in axes))
            there = there & (at >= 0)
            where.append(np.maximum(at, 0))
        mean, std = mean[tuple(where)], std[tuple(where)]
        return np.where(there, mean, 0.0).astype(values.dtype), np.where(there, std, 1.0).astype(values.dtype)

    def _places(self, dim: str, lead: tuple[int, ...], batch: Any, size: int, length: int) -> Indices:
        """Return which elements of a dimension patches have, ``(*lead, size)``, -1 past an end."""
        if dim not in self.cut:
            return np.arange(length)
        if dim not in batch:
            raise SchemaError(
                f"statistics were kept along {dim!r}, along which patches are cut: scaling needs the column {dim!r} "
                "that says where they lie, so make them by hr.patches(..., coords='index')"
            )
        places = np.asarray(batch[dim])
        if places.dtype.kind not in "iu" or places.shape != (*lead, size) or places.max(initial=-1) >= length:
            raise SchemaError(
                f"column {dim!r} must have the numbers of elements of {dim!r}, below {length}, in shape "
                f"{(*lead, size)}, as coords='index' makes it; got {places.dtype} of {places.shape}"
            )
        return places.astype(np.int64)

    # As text

    def to_json(self) -> str:
        """Return all of it as JSON; NaN is null there."""
        variables = {
            name: {
                "dims": self.dims[name],
                "axes": self.axes[name],
                "shape": self.mean[name].shape,
                **{what: _listed(getattr(self, what)[name]) for what in WHAT},
            }
            for name in self.mean
        }
        return json.dumps({"format": FORMAT, "cut": self.cut, "skipped": self.skipped, "variables": variables})

    @classmethod
    def from_json(cls, text: str) -> Statistics:
        """Return what :meth:`to_json` wrote: the same to the last bit.

        Raises:
            ArgumentError: It is no such text.
        """
        try:
            document = json.loads(text)
            if document["format"] != FORMAT:
                raise ArgumentError(f"statistics: format {document['format']!r} is not known, only {FORMAT}")
            found = document["variables"]
            arrays = {what: {name: _array(one, what) for name, one in found.items()} for what in WHAT}
            dims, axes = ({name: tuple(one[what]) for name, one in found.items()} for what in ("dims", "axes"))
            return cls(**arrays, dims=dims, axes=axes, cut=tuple(document["cut"]), skipped=tuple(document["skipped"]))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            if isinstance(error, ArgumentError):
                raise
            raise ArgumentError(f"these are no statistics as to_json() writes them: {error}") from error

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Statistics) and self.to_json() == other.to_json()

    def __hash__(self) -> int:
        return hash(self.to_json())

    def __repr__(self) -> str:
        lines = [f"{name}: {self._line(name)}" for name in self.mean]
        if self.skipped:
            lines.append(f"no numbers: {', '.join(self.skipped)}")
        return "Statistics(" + "; ".join(lines) + ")"

    def _line(self, name: str) -> str:
        if self.mean[name].ndim:
            shape = ", ".join(f"{dim} {length}" for dim, length in zip(self.dims[name], self.mean[name].shape))
            return f"{int(self.count[name].sum()):,} values by {shape}"
        known = ", ".join(f"{what} {float(getattr(self, what)[name]):.6g}" for what in WHAT[1:])
        return f"{int(self.count[name]):,} values, {known}"


def _listed(array: NDArray[Any]) -> list[Any]:
    """Return numbers as JSON has them: no NaN, no infinity."""
    flat = array.ravel().tolist()
    return [None if one != one else str(one) if one in (float("inf"), float("-inf")) else one for one in flat]


def _array(document: Mapping[str, Any], what: str) -> NDArray[Any]:
    flat = [float("nan") if one is None else float(one) if isinstance(one, str) else one for one in document[what]]
    return np.array(flat, np.int64 if what == "count" else np.float64).reshape(document["shape"])
