"""The face of stitching: predictions of patches back into one labelled array."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from headrace.core.address import At
from headrace.core.amounts import bytes_of
from headrace.core.errors import ArgumentError, KindError, MissingExtraError, OrderError
from headrace.core.sampling import spread
from headrace.core.source import Indices
from headrace.cubes.source import PatchSource
from headrace.cubes.stitching.blend import Blending
from headrace.cubes.stitching.predictions import Selection
from headrace.dataset import Dataset
from headrace.nodes.crossing import Crossing
from headrace.nodes.node import Node
from headrace.patching import Patches, records_of, source_of
from headrace.stages.map import Map as StreamMap
from headrace.stores.bars import bar
from headrace.stream import Stream

if TYPE_CHECKING:
    import xarray as xr


def stitch(
    predictions: Any,
    patches: Patches,
    blend: Blending = "mean",
    dims: Sequence[str] | Mapping[str, Sequence[str]] | None = None,
    scale: Mapping[str, Any] | None = None,
    out: Any = None,
    variables: str | Sequence[str] | None = None,
    coverage: bool = False,
    memory: int | str = "1 GB",
    progress: bool | None = None,
    overwrite: bool = False,
    chunks: Mapping[str, int] | None = None,
) -> xr.DataArray | xr.Dataset:
    """Return what was predicted for patches as one array with the cube's labels.

    A prediction has the shape of a patch, or some of its dimensions, finer or coarser ones, and others:

    - Dimensions that only number the patches (``batch_dims``) are dimensions of the output.
    - Along a patch's dimension that predictions lack, the output has one element for each window, labelled in the
      middle of it. So one value a patch gives an array over the grid of patches. Windows that lie on no grid, such as
      those with ``centers``, give one along ``place``.
    - Of finer and coarser ones the labels lie in the middle of elements, by linear interpolation between the cube's;
      text and other labels that have nothing between them are left out there.
    - A prediction with the name of one of the cube's variables and the shape of its patches has that variable's
      dimensions.
    - The output's dimensions come in the order of ``dims``, those that predictions lack before the next of the cube.

    NaN is no prediction. Elements that no prediction covers are NaN (NaT for dates); of whole numbers the ``fill`` of
    the patches where that is a whole number, else 0: ``coverage`` tells them apart. What lies past the ends of the cube
    is dropped.

    Args:
        predictions: In the order of the patches in epoch 0: an array or tensor ``(n, ...)``, a mapping of names to
            those, or batches of either: a list, a generator, a Stream, a Dataset.
        patches: What they were made from: any order and choice of ``hr.patches(...)``.
        blend: How predictions that meet at an element become one. ``"mean"``; ``"tapered"``, a mean in which the middle
            of a patch weighs more than its border (a raised sine squared along each dimension that is cut);
            ``"crop"``, that of the patch whose centre is nearest; ``"first"`` and ``"last"`` of those that come. The
            last three keep the dtype. Means of floats have their dtype, others are float64.
        dims: Names of the axes of a prediction, after the first; where there are several variables, those by variable.
            None: those of a patch, or none.
        scale: Elements of a prediction for one of a patch, along a dimension: ``{"lat": 2}`` for twice as many.
            Patches must begin at whole elements of the output.
        out: The path or URL of a Zarr store, or a store of zarr's, into which the output is written as it is made, and
            from which it is read when it is used. None: it is made in memory.
        variables: Of mappings, which are stitched: all but coordinates if None. Of arrays, the name of the output,
            ``"prediction"`` if None.
        coverage: Whether a variable ``coverage`` (of mappings ``<name>_coverage``) says how many predictions met at
            each element. The result is a Dataset.
        memory: With ``out``, how much of the tiles that are not finished lies in memory; the rest lies in a file beside
            it, which is gone at the end, however that comes. A tile is written once, when all its patches have come: in
            the patches' own order few are open at a time, shuffled ones open all of them.
        progress: Show a progress bar; None for where somebody would see it.
        overwrite: Whether what lies at ``out`` is replaced, when all is done.
        chunks: With ``out``, elements of a stored chunk by dimension; chosen where one is not named.

    Returns:
        A DataArray where predictions are arrays, a Dataset where they are mappings. A path has its name only when all
        is there; before that it is called ``<name>.partial-<digits>``. A store that cannot be renamed has the attribute
        ``headrace_unfinished`` until then.

    Raises:
        ArgumentError: There are more or fewer predictions than patches (of fewer, with ``out``, the error says where
            those lie that came), or what was asked for cannot be meant.
        OrderError: Predictions are a Dataset or a Stream of patches in another order, or of other patches.
        SchemaError: The shape of predictions does not fit.
        ExistsError: Something lies at ``out``.
        StoreError: Tiles do not fit into memory, nor on the disk.
        MissingExtraError: xarray is not installed.

    >>> import numpy as np, xarray as xr
    >>> import headrace as hr
    >>> field = xr.DataArray(np.arange(48.0).reshape(6, 8), dims=("y", "x"), coords={"x": np.arange(8) * 10}, name="f")
    >>> patches = hr.patches(field, {"y": 4, "x": 4}, overlap={"y": 2, "x": 2})
    >>> whole = stitch((batch["f"] * 2 for batch in patches.batch(2).stream()), patches)
    >>> bool((whole == field * 2).all()), whole.dims
    (True, ('y', 'x'))
    >>> means = stitch(np.concatenate([batch["f"].mean(axis=(1, 2)) for batch in patches.batch(2).stream()]), patches)
    >>> means.shape, means.x.values.tolist()
    ((2, 3), [15.0, 35.0, 55.0])
    """
    try:
        from headrace.cubes.stitching.assemble import Stitching, Wish
        from headrace.cubes.stitching.sink import Memory, Zarr
    except ImportError as error:
        raise MissingExtraError.of("xarray", "xarray", "stitch") from error
    source = source_of(patches)
    if not isinstance(patches, Patches):
        raise KindError("stitch needs patches, as hr.patches(...) gives them, joined with nothing else")
    if out is None and (overwrite or chunks is not None):
        raise ArgumentError("overwrite and chunks are for an output in a store: say out=, too")
    numbers = patches.numbers()
    _require_order(predictions, source, numbers)
    labels = {*source.dims, *source.cube.lengths, *source.cube.coords} - {*source.cube.variables}
    wish = Wish(Selection.of(variables, labels), blend, dims, scale, bool(coverage), bytes_of(memory, "memory"))
    sink = Memory() if out is None else Zarr(out, overwrite, chunks)
    given = predictions.stream() if isinstance(predictions, Dataset) else predictions
    with bar(progress, "stitch", len(numbers), " patches") as told:
        return Stitching(source.cube, source.geometry, numbers, wish, sink).run(given, told)


def _require_order(predictions: Any, source: PatchSource, numbers: Indices) -> None:
    """Refuse a Dataset or a Stream of which it is seen that it gives other patches, or in another order."""
    node = _below(predictions)
    if node is None:
        return
    found = [leaf.source for leaf in node.sources]
    if len(found) != 1 or not isinstance(found[0], PatchSource) or found[0].geometry != source.geometry:
        return  # whether these belong together only the user knows
    if node.length != len(numbers) or not len(numbers):
        return  # which is told when they have been counted
    positions = spread(len(numbers), min(len(numbers), _COMPARED), 1)
    there = node.ids(At(positions))
    wrong = np.flatnonzero(there != numbers[positions])
    if len(wrong):
        at = wrong[0]
        raise OrderError(
            f"predictions are of other patches, or in another order: number {positions[at]:,} is of window "
            f"{there[at]:,}, and of patches it is {numbers[positions[at]]:,}. Give stitch the same patches that were "
            "predicted, such as shuffled ones"
        )


def _below(predictions: Any) -> Node | None:
    """Return the records that predictions are made of one by one; None where that is not seen."""
    if isinstance(predictions, Dataset):
        return records_of(predictions)._node
    if not isinstance(predictions, Stream) or predictions._at is not None:
        return None
    flow = predictions._flow
    while isinstance(flow, StreamMap):
        flow = flow.upstream
    return records_of(Dataset._of(flow.node))._node if isinstance(flow, Crossing) else None


_COMPARED = 1 << 16  # predictions of which it is looked up where they belong
