"""Sequences packed into rows of one length, with little or no padding."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Self

from headrace.core import collate
from headrace.core.arguments import whole
from headrace.core.errors import ArgumentError, ColumnError, KindError
from headrace.core.flow import Cursor, Flow, State
from headrace.core.naming import check_name
from headrace.stages.pack_records import Sequences, check_packed
from headrace.stages.pack_split import SplitCursor
from headrace.stages.pack_whole import WholeCursor
from headrace.stages.packing import Packing
from headrace.stages.stage import Stage, dealt

STRATEGIES = ("best_fit", "first_fit", "concat_split")


@dataclass(frozen=True, eq=False)
class Pack(Stage):
    """Sequences laid one behind the other in bins of ``length`` rows; each bin is an item.

    Of a column ``tokens`` a bin has ``tokens``, filled up behind with ``pad``; ``tokens_segment_ids`` (int32), 1 for
    the rows of its first sequence, 2 for those of the second, and so on, 0 for padding; ``tokens_positions`` (int32),
    0, 1, 2, ... within each sequence, 0 for padding. Where items are no mappings but sequences, a bin is a tuple of the
    three. Arrays are new, with the dtype of the sequences.

    ``best_fit`` puts a sequence whole into the open bin that it leaves the least room in, ``first_fit`` into the
    oldest that it fits into. A bin is finished as soon as it is full; when a sequence fits into none and ``open_bins``
    are open, the fullest is; when one has been open while ``8 * open_bins`` others were finished, it is, too; at the
    end all are, in the order in which they were opened. A finished bin is the next item. Sequences keep their order
    within a bin; one that is longer than a bin is an error.

    ``concat_split`` lays all sequences end to end and cuts every ``length`` rows, so that only the last bin is padded.
    What is cut off goes on in the next bin as its first segment, and its positions begin at 0 again: no position
    reaches ``length``, and none counts rows that cannot be attended to.

    Several columns of a record go into the same bin, and have the same segment number there, even where a sequence is
    empty in some of them; ``concat_split`` needs them of one length. A record whose sequences are all empty is left
    out.

    Args:
        upstream: Where records come from: mappings, or sequences themselves. A sequence is an array of numbers, of one
            or more axes the first of which is packed, or a list or tensor that becomes one.
        columns: What is packed, other columns being left out; None for all, sorted by name, which must then be
            sequences.
        lengths: Rows of a bin, one for each of the columns; one alone where these are not named.
        strategy: ``best_fit``, ``first_fit`` or ``concat_split``.
        open_bins: How many bins are filled at a time, each held in memory; ``concat_split`` has one.
        pad: What bins are filled up with: a value, or a mapping from column to value (0 where it names none).
    """

    columns: tuple[str, ...] | None
    lengths: tuple[int, ...]
    strategy: str = "best_fit"
    open_bins: int = 64
    pad: collate.Pad = 0

    @classmethod
    def of(
        cls,
        upstream: Flow,
        length: Any,
        columns: Any = None,
        strategy: Any = "best_fit",
        open_bins: Any = 64,
        pad: Any = 0,
    ) -> Self:
        """Make one of what a user gave.

        Args:
            upstream: Where records come from.
            length: Rows of a bin; may be None where ``columns`` says it for each.
            columns: A name, several, or a mapping from names to their own lengths (None for ``length``).
            strategy: By its name.
            open_bins: How many bins are filled at a time.
            pad: A value or a mapping from column to value.

        Raises:
            KindError: An argument is of a kind that cannot be used.
            ArgumentError: A length or ``open_bins`` is below 1, no column is named or one twice, there is no such
                strategy, two columns of a bin would have one name, or ``concat_split`` is given several lengths.
            ColumnError: ``pad`` names a column that is not packed.
        """
        names, lengths = _columns(length, columns)
        if strategy not in STRATEGIES:
            near = get_close_matches(str(strategy), STRATEGIES, n=1)
            hint = f". Did you mean {near[0]!r}?" if near else ""
            raise ArgumentError(f"pack strategy must be one of {', '.join(STRATEGIES)}, got {strategy!r}{hint}")
        if strategy == "concat_split" and len(set(lengths)) > 1:
            raise ArgumentError(f"concat_split cuts all columns at the same places: one length for all, got {lengths}")
        if pad is None:
            raise KindError("pad must be a number or a mapping of columns to numbers, got None")
        collate.check(pad, None)
        if names is not None and isinstance(pad, Mapping):
            for name in pad:
                if name not in names:
                    raise ColumnError.missing(name, names)
        return cls(upstream, names, lengths, strategy, whole(open_bins, "open_bins", 1), pad)

    def start(self, state: State | None = None, epoch: int = 0) -> Cursor:
        words = self.words()
        sequences = Sequences(self.columns, self.pad, words)
        if self.strategy == "concat_split":
            return SplitCursor(self.upstream, words, sequences, self.lengths[0], state, epoch)
        packing = Packing(self.lengths, self.strategy, self.open_bins)
        return WholeCursor(self.upstream, words, sequences, packing, state, epoch)

    def length(self) -> None:
        return None

    def order(self) -> tuple[str, ...]:
        return (*self.upstream.order(), *dealt(self.upstream), self._text())

    def code(self) -> tuple[str, ...]:
        return (*self.upstream.code(), self.words())

    def words(self) -> str:
        return self._text("" if type(self.pad) is int and self.pad == 0 else f", pad={self.pad!r}")

    def _text(self, more: str = "") -> str:
        length = str(self.lengths[0])
        if self.columns is not None and len(set(self.lengths)) > 1:
            length = repr(dict(zip(self.columns, self.lengths, strict=True)))
        elif self.columns is not None:
            length += f", columns={list(self.columns)!r}"
        bins = "" if self.strategy == "concat_split" else f", open_bins={self.open_bins}"
        return f"pack({length}, strategy={self.strategy!r}{bins}{more})"


def _columns(length: Any, columns: Any) -> tuple[tuple[str, ...] | None, tuple[int, ...]]:
    """Return the names of the columns to pack, None for all, and the rows that a bin has of each."""
    if columns is None:
        return None, (whole(length, "pack length", 1),)
    if not isinstance(columns, str | Mapping | Sequence):
        raise KindError(f"columns are a name, a list of names or a mapping of names to lengths, got {columns!r:.100}")
    names = (columns,) if isinstance(columns, str) else tuple(columns)
    for name in names:
        check_name(name)
    if not names or len(set(names)) < len(names):
        raise ArgumentError(f"columns must name one column or more, and each once, got {columns!r:.200}")
    check_packed(names)
    own = [columns[name] for name in names] if isinstance(columns, Mapping) else [None] * len(names)
    lengths = [
        whole(length, "pack length", 1) if one is None else whole(one, f"the length of {name!r}", 1)
        for name, one in zip(names, own, strict=True)
    ]
    return names, tuple(lengths)
