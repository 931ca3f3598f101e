"""Chunks of a Zarr array: several at a time, each fetched and decoded once.

Three ways, of which the first that an array allows is taken. **Straight**: where store and codecs offer to work
without an event loop, threads fetch and decode. **Together**: the bytes of all chunks are asked for at once, and each
is decoded when it is there. **By selections**: zarr itself reads boxes, as for chunks within shards, whose index is
then read once for each box. The first spares the turns through zarr's loop, and both of the first two the copy into a
result.
"""

from __future__ import annotations

import os
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from headrace.core.errors import NotFoundError, UnreachableError
from headrace.core.source import Indices
from headrace.cubes.reading import failing
from headrace.cubes.reading.grid import blocks, box, even
from headrace.cubes.reading.side_by_side import side_by_side

AT_ONCE = 64
"""Chunks that are asked for at the same time, at most."""

_PLAIN_PIPELINES = ("BatchedCodecPipeline",)  # whose decode() is written
_ALIKE = ("ZarrsCodecPipeline",)  # decodes as zarr does; one call for many chunks of it takes longer than we do


class _Codecs(NamedTuple):
    """How the bytes of a chunk become an array.

    Args:
        pipeline: Of zarr, which decodes in its event loop.
        spec: What it has to be told.
        straight: The codecs in the order of decoding with what each has to be told, where all work without a loop.
    """

    pipeline: Any
    spec: Any
    straight: list[tuple[Any, Any]] | None


@dataclass(frozen=True, eq=False)
class ZarrChunks:
    """The chunks of a Zarr array, as they are stored: nothing but the byte order is changed.

    A chunk that is not there has the fill value in each element, as Zarr says. Of arrays in shards the chunks are those
    within.

    Args:
        name: What errors call the variable.
        array: ``zarr.Array``, of format 2 or 3.
    """

    name: str
    array: Any

    def __getstate__(self) -> dict[str, Any]:
        return {"name": self.name, "array": self.array}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.array.shape)

    @cached_property
    def dtype(self) -> np.dtype[Any]:
        found: np.dtype[Any] = np.dtype(self.array.dtype).newbyteorder("=")
        return found

    @cached_property
    def edges(self) -> tuple[Indices, ...]:
        sizes = self._sizes
        if sizes is None:
            return blocks(self.shape, self.dtype.itemsize)
        return tuple(even(length, size) for length, size in zip(self.shape, sizes))

    @cached_property
    def _sizes(self) -> tuple[int, ...] | None:
        try:
            return tuple(map(int, self.array.chunks))
        except (NotImplementedError, AttributeError, TypeError):  # chunks of several sizes
            return None

    @cached_property
    def _shards(self) -> tuple[int, ...] | None:
        found = getattr(self.array, "shards", None)
        return None if found is None else tuple(map(int, found))

    @property
    def where(self) -> str:
        """The place of the array: of its store, and there."""
        return str(self.array.store_path)

    # Reading

    def read(self, places: Sequence[tuple[int, ...]]) -> list[NDArray[Any]]:
        """Return chunks, cut at the end of the array; not to be written to.

        Raises:
            StoreError: One cannot be read; ``DamageError`` where it cannot be decoded.
            NotFoundError: The folder of the store has gone since it was opened.
        """
        codecs = self._codecs
        if codecs is None:
            found = self._selected(places)
        elif codecs.straight is not None:
            found = side_by_side(self._straight, places)
        else:
            found = self._run(self._together(places))
        if self._documents and not any(map(os.path.exists, self._documents)):
            raise NotFoundError(
                f"variable {self.name!r}: nothing lies at {self.where} any more, neither chunks nor metadata, so what "
                "is not there is not taken as the fill value. Bring the store back, or mount it again."
            )
        return found

    @cached_property
    def _documents(self) -> tuple[str, ...]:
        """The files that say of a folder that an array lies there: one of them is there. Of other stores none."""
        path = self.array.store_path
        if type(path.store).__name__ != "LocalStore":
            return ()
        root, here = str(path.store.root), os.path.join(str(path.store.root), path.path)
        if self.array.metadata.zarr_format == 3:
            return tuple(os.path.join(folder, "zarr.json") for folder in (here, root))
        return os.path.join(here, ".zarray"), os.path.join(root, ".zmetadata"), os.path.join(root, ".zgroup")

    @cached_property
    def _codecs(self) -> _Codecs | None:
        """How chunks are decoded one by one; None where zarr has to do it, such as within shards."""
        if self._sizes is None or self._shards is not None:
            return None
        try:
            inner = _inner(self.array)
            pipeline = inner.codec_pipeline
            alike = type(pipeline).__name__ in _ALIKE
            if alike:
                pipeline = _own_pipeline(inner.metadata.codecs)  # format 2 has none: it is left to that
            elif type(pipeline).__name__ not in _PLAIN_PIPELINES:
                return None
            config = getattr(inner, "config", None) or inner._config
            if inner.metadata.zarr_format == 2 and hasattr(inner.metadata, "order"):
                config = replace(config, order=inner.metadata.order)
            spec = inner.metadata.get_chunk_spec((0,) * len(self.shape), config, _prototype())
            straight = _straight(pipeline, spec, self.array.store_path.store)
            return None if alike and straight is None else _Codecs(pipeline, spec, straight)
        except (AttributeError, TypeError):  # a zarr that is made in another way
            return None

    def _straight(self, place: tuple[int, ...]) -> NDArray[Any]:
        assert self._codecs is not None and self._codecs.straight is not None
        key = self._key(place)
        path = self.array.store_path
        try:
            found = path.store.get_sync(f"{path.path}/{key}".strip("/"), prototype=_prototype())
        except Exception as error:
            raise failing.unread(self.name, place, self._at(key), error) from error
        if found is None:
            return self._filled(place)
        try:
            self._whole(found)
            for codec, spec in self._codecs.straight:
                found = codec._decode_sync(found, spec)
            return self._cut(found.as_numpy_array(), place)
        except Exception as error:
            raise _decoding(self.name, place, self._at(key), error) from error

    async def _together(self, places: Sequence[tuple[int, ...]]) -> list[NDArray[Any]]:
        import asyncio  # which nothing but this needs, and which takes long to load

        assert self._codecs is not None
        turn, codecs, prototype = asyncio.Semaphore(AT_ONCE), self._codecs, _prototype()

        async def one(place: tuple[int, ...]) -> NDArray[Any]:
            key = self._key(place)
            async with turn:
                try:
                    found = await (self.array.store_path / key).get(prototype=prototype)
                except Exception as error:
                    raise failing.unread(self.name, place, self._at(key), error) from error
                if found is None:
                    return self._filled(place)
                try:
                    self._whole(found)
                    (decoded,) = await codecs.pipeline.decode([(found, codecs.spec)])
                    return self._cut(decoded.as_numpy_array(), place)
                except Exception as error:
                    raise _decoding(self.name, place, self._at(key), error) from error

        return list(await asyncio.gather(*map(one, places)))

    def _selected(self, places: Sequence[tuple[int, ...]]) -> list[NDArray[Any]]:
        """Let zarr read: all chunks of a shard in one go, where those asked for fill a box."""
        groups: dict[tuple[int, ...], list[int]] = {}
        for number, place in enumerate(places):
            groups.setdefault(self._stored(place), []).append(number)
        boxes: list[tuple[tuple[slice, ...], list[int]]] = []
        for numbers in groups.values():
            grid = np.array([places[number] for number in numbers], np.int64).reshape(len(numbers), -1)
            low, high = grid.min(axis=0), grid.max(axis=0) + 1
            if int((high - low).prod()) == len({places[number] for number in numbers}):
                whole = (slice(int(e[a]), int(e[b])) for e, a, b in zip(self.edges, low, high))
                boxes.append((tuple(whole), numbers))
            else:
                boxes += [(box(self.edges, places[number]), [number]) for number in numbers]
        found: list[Any] = [None] * len(places)
        firsts = [places[numbers[0]] for _, numbers in boxes]
        read = self._run(self._boxes([asked for asked, _ in boxes], firsts))
        for (around, numbers), values in zip(boxes, read):
            for number in numbers:
                own = box(self.edges, places[number])
                part = values[tuple(slice(a.start - b.start, a.stop - b.start) for a, b in zip(own, around))]
                found[number] = part if part.size == values.size else part.copy()
        return found

    async def _boxes(self, boxes: list[tuple[slice, ...]], firsts: list[tuple[int, ...]]) -> list[NDArray[Any]]:
        import asyncio

        turn, inner = asyncio.Semaphore(AT_ONCE), _inner(self.array)

        async def one(asked: tuple[slice, ...], first: tuple[int, ...]) -> NDArray[Any]:
            async with turn:
                try:
                    return np.asarray(await inner.getitem(asked)).astype(self.dtype, copy=False)
                except Exception as error:
                    raise await self._why(first, error) from error

        return list(await asyncio.gather(*map(one, boxes, firsts)))

    async def _why(self, place: tuple[int, ...], error: Exception) -> BaseException:
        """Tell what cannot be fetched from what cannot be decoded: by fetching once more."""
        key = self._key(self._stored(place))
        if isinstance(error, NotImplementedError | TimeoutError | ConnectionError | PermissionError):
            return failing.unread(self.name, place, self._at(key), error)
        try:
            await (self.array.store_path / key).get(prototype=_prototype())
        except Exception as again:
            return failing.unread(self.name, place, self._at(key), again)
        return _decoding(self.name, place, self._at(key), error)

    def _run(self, reading: Coroutine[Any, Any, list[NDArray[Any]]]) -> list[NDArray[Any]]:
        """Wait for what zarr's event loop does, as long as its settings say."""
        from zarr.core.config import config
        from zarr.core.sync import sync

        try:
            return sync(reading, timeout=config.get("async.timeout", None))
        except TimeoutError as error:
            raise UnreachableError(f"variable {self.name!r} cannot be read from {self.where}: {error}") from error

    def _whole(self, found: Any) -> None:
        """Make sure that the bytes of Blosc are all there: it would read on behind them, and give anything."""
        if not self._blosc:
            return
        there = found.as_numpy_array().view(np.uint8)
        said = int(there[12:16].view("<u4")[0]) if len(there) >= 16 else 16
        if said > len(there):
            raise ValueError(f"there are {len(there)} bytes of {said}")

    @cached_property
    def _blosc(self) -> bool:
        """Whether what is stored was written by Blosc, last of all codecs."""
        metadata = self.array.metadata
        last = metadata.compressor if metadata.zarr_format == 2 else list(metadata.codecs)[-1]
        return type(last).__name__ in ("Blosc", "BloscCodec")

    # Parts of it

    def _stored(self, place: tuple[int, ...]) -> tuple[int, ...]:
        """Return the place of the object in which a chunk lies."""
        if self._shards is None or self._sizes is None:
            return place
        return tuple(k * size // shard for k, size, shard in zip(place, self._sizes, self._shards))

    def _key(self, place: tuple[int, ...]) -> str:
        return str(self.array.metadata.encode_chunk_key(place))

    def _at(self, key: str) -> str:
        return f"{key!r} in {self.where}"

    def _cut(self, chunk: NDArray[Any], place: tuple[int, ...]) -> NDArray[Any]:
        shape = tuple(part.stop - part.start for part in box(self.edges, place))
        found = chunk if chunk.shape == shape else chunk[tuple(map(slice, shape))].copy()
        return found.astype(self.dtype, copy=False)

    def _filled(self, place: tuple[int, ...]) -> NDArray[Any]:
        from zarr.core.codec_pipeline import fill_value_or_default

        shape = tuple(part.stop - part.start for part in box(self.edges, place))
        assert self._codecs is not None
        return np.full(shape, fill_value_or_default(self._codecs.spec), self.dtype)


def _prototype() -> Any:
    """Return what zarr reads bytes into: memory of the processor."""
    from zarr.core.buffer import default_buffer_prototype

    return default_buffer_prototype()


def _inner(array: Any) -> Any:
    """Return the array that works in zarr's event loop."""
    found = getattr(array, "async_array", None)
    return array._async_array if found is None else found


def _own_pipeline(codecs: Any) -> Any:
    from zarr.core.codec_pipeline import BatchedCodecPipeline

    return BatchedCodecPipeline.from_codecs(codecs)


def _straight(pipeline: Any, spec: Any, store: Any) -> list[tuple[Any, Any]] | None:
    """Return codecs in the order of decoding; None where the store or one of them needs an event loop."""
    codecs = list(pipeline)
    if not hasattr(store, "get_sync") or not all(hasattr(codec, "_decode_sync") for codec in codecs):
        return None
    told = []
    for codec in codecs:
        told.append((codec, spec))
        spec = codec.resolve_metadata(spec)
    return told[::-1]


def _decoding(name: str, place: tuple[int, ...], where: str, error: Exception) -> BaseException:
    return error if isinstance(error, MemoryError) else failing.damaged(name, place, where, error)


def dimension_names(array: Any) -> tuple[str, ...] | None:
    """Return the names of an array's dimensions as they were written; None where they were not."""
    found = getattr(array.metadata, "dimension_names", None) or array.attrs.get("_ARRAY_DIMENSIONS")
    return tuple(found) if found is not None and all(isinstance(name, str) for name in found) else None
