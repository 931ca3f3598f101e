"""Variables that dask computes: its graph is optimised once, and a chunk costs the part of it that the chunk needs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headrace.core.errors import HeadraceError
from headrace.core.source import Indices
from headrace.cubes.once import Once
from headrace.cubes.reading import failing

_READS = ("getter", "getter_nofancy", "getter_inline")  # dask's functions that read a box of an array


@dataclass(frozen=True, eq=False)
class DaskChunks:
    """A :class:`~headrace.cubes.cube.Variable` over a dask array; chunks are dask's.

    They are computed in the thread that reads, unless dask's configuration names its threads as scheduler.

    Args:
        name: Of the variable.
        dims: Of each axis.
        array: Of dask.
        known: Its identity: a text that changes when its content does; made when it is first asked for.
    """

    name: str
    dims: tuple[str, ...]
    array: Any
    known: Once = field(default_factory=lambda: Once(""))

    def __getstate__(self) -> dict[str, Any]:
        return {"name": self.name, "dims": self.dims, "array": self.array, "known": self.known}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(map(int, self.array.shape))

    @property
    def dtype(self) -> np.dtype[Any]:
        found: np.dtype[Any] = np.dtype(self.array.dtype)
        return found

    @cached_property
    def edges(self) -> tuple[Indices, ...]:
        return tuple(np.cumsum([0, *sizes], dtype=np.int64) for sizes in self._sizes)

    @cached_property
    def _sizes(self) -> tuple[list[int], ...]:
        """Sizes of chunks along each dimension, without those that hold nothing."""
        return tuple([int(size) for size in sizes if size] for sizes in self.array.chunks)

    @cached_property
    def _numbers(self) -> tuple[list[int], ...]:
        """Of the chunks that hold something: their numbers among all."""
        return tuple([number for number, size in enumerate(sizes) if size] for sizes in self.array.chunks)

    @cached_property
    def _graph(self) -> Mapping[Any, Any]:
        """The whole graph, optimised: made once in each process."""
        graph = self.array.__dask_graph__()
        return dict(self.array.__dask_optimize__(graph, self.array.__dask_keys__()))

    def identity(self) -> str:
        return self.known()

    def whole(self) -> NDArray[Any]:
        raise TypeError(f"variable {self.name!r} lies in chunks: read them")

    def read(self, chunks: Sequence[tuple[int, ...]]) -> list[NDArray[Any]]:
        try:
            return self._computed(chunks)
        except (HeadraceError, MemoryError):
            raise
        except Exception as error:
            if len(chunks) > 1:  # to name the chunk; what they have in common is computed anew
                return [found for chunk in chunks for found in self.read([chunk])]
            raise failing.unread(self.name, chunks[0], f"dask's array {self.array.name!r}", error) from error

    def _computed(self, chunks: Sequence[tuple[int, ...]]) -> list[NDArray[Any]]:
        keys = [(self.array.name, *(here[k] for here, k in zip(self._numbers, place))) for place in chunks]
        found = _scheduler()(_reached(self._graph, keys), keys)
        return [np.asarray(chunk).astype(self.dtype, copy=False) for chunk in found]


def _scheduler() -> Any:
    import dask.local
    import dask.threaded

    named = dask.config.get("scheduler", None)
    return dask.threaded.get if named in ("threads", "threading") else dask.local.get_sync


def _reached(graph: Mapping[Any, Any], keys: Sequence[Any]) -> dict[Any, Any]:
    """Return the part of a graph that some keys need."""
    from dask.core import get_dependencies

    found: dict[Any, Any] = {}
    left = list(keys)
    while left:
        key = left.pop()
        if key not in found:
            found[key] = graph[key]
            left.extend(get_dependencies(graph, key))
    return found


def unbroken(array: Any) -> Any | None:
    """Return what a dask array reads, box by box and nothing else; None where it computes.

    So ``xarray.open_zarr`` and ``dask.array.from_zarr`` make them: then chunks need not go through dask.
    """
    try:
        layers = array.dask.layers
        made = layers[array.name]
        (boxes,) = made.io_deps.values()
        (asked,) = made.io_deps
        (source, no_index), (box, index) = made.indices
        read = made.task.func if hasattr(made, "task") else made.dsk[made.output][0]  # dask before 2024.12: tuples
        under = layers[f"original-{array.name}"] if len(layers) == 2 else None
        whole = (
            no_index is None
            and box == asked
            and tuple(index) == tuple(made.output_indices)
            and boxes.chunks == array.chunks
            and not made.new_axes
            and getattr(source, "key", source) == f"original-{array.name}"
            and getattr(read, "__name__", "") in _READS
        )
        if not whole or under is None:
            return None
        found = under[f"original-{array.name}"]
        found = getattr(found, "value", found)
        return found if tuple(found.shape) == array.shape and found.dtype == array.dtype else None
    except (AttributeError, KeyError, ValueError, TypeError):  # made in another way
        return None


def sources(array: Any) -> Iterator[Any]:
    """Give the arrays that a dask array reads, as far as its graph shows them."""
    for name, layer in array.dask.layers.items():
        if str(name).startswith("original-"):
            for found in layer.values():
                yield getattr(found, "value", found)
