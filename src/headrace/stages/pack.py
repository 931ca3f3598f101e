"""Sequences packed into rows of one length, with little or no padding."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from operator import gt
from typing import Any, NoReturn, Self

from numpy.typing import NDArray

from headrace.core import collate
from headrace.core.arguments import whole
from headrace.core.errors import ArgumentError, ColumnError, KindError, SchemaError, StateError
from headrace.core.flow import Cursor, Flow, State
from headrace.core.naming import check_name
from headrace.core.state import read_list, read_whole
from headrace.stages.held import Held
from headrace.stages.pack_records import Sequences, check_packed
from headrace.stages.pack_rows import Bin
from headrace.stages.pack_split import SplitCursor
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
        if self.strategy == "concat_split":
            return SplitCursor(self.upstream, self.words(), self._sequences(), self.lengths[0], state, epoch)
        return PackCursor(self, self._sequences(), state, epoch)

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

    def _sequences(self) -> Sequences:
        return Sequences(self.columns, self.pad, self.words())


class PackCursor:
    """A place in a packing: which items lie in the bins that are open, by their numbers upstream.

    Sequences are copied into their bin as they come, and not held themselves; resuming reads them again.
    """

    __slots__ = ("_bins", "_closed", "_flow", "_held", "_lengths", "_packing", "_sequences")

    def __init__(self, flow: Pack, sequences: Sequences, state: State | None, epoch: int) -> None:
        self._flow = flow
        self._sequences = sequences
        self._lengths = flow.lengths
        self._bins: dict[int, Bin] = {}
        self._closed = False
        opened = [] if state is None else _opened(state, flow.open_bins)
        numbers = [number for _, within in opened for number in within]
        self._held = Held(flow.upstream, epoch, flow.words(), state, numbers)
        finished = 0 if state is None else read_whole(state, "finished")
        self._packing = Packing(flow.lengths, flow.strategy, flow.open_bins, finished)
        try:
            for since, within in opened:
                self._fill_again(since, within)
        except BaseException:
            self.close()
            raise

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Any:
        if self._closed:
            raise StopIteration
        held = self._held
        if (late := self._packing.overdue()) is not None:
            return self._finish(late)
        while True:
            try:
                number = held.draw()
            except StopIteration:
                oldest = self._packing.oldest()
                if oldest is None:
                    raise
                return self._finish(self._packing.close(oldest))
            sequences, sizes = self._read(number)
            if not any(sizes):
                del held.items[number]
                continue
            place, closed = self._packing.put(number, sizes)
            if place == number:
                self._bins[place] = Bin(self._lengths)
            self._bins[place].add(number, sequences)
            held.items[number] = None  # it is in its bin
            if closed is not None:
                return self._finish(closed)

    def _read(self, number: int) -> tuple[list[NDArray[Any]], tuple[int, ...]]:
        """Return the sequences of an item that is held, and their lengths; one that cannot be packed is let go of."""
        try:
            sequences = self._sequences.of(self._held.items[number], number)
            sizes = tuple(map(len, sequences))
            if len(sizes) > len(self._lengths):  # the first record says how many columns there are
                self._lengths = self._flow.lengths * len(sizes)
                self._packing = self._packing.of_lengths(self._lengths)
            if any(map(gt, sizes, self._lengths)):
                self._refuse(number, sizes)
        except BaseException:
            del self._held.items[number]
            raise
        return sequences, sizes

    def _refuse(self, number: int, sizes: tuple[int, ...]) -> NoReturn:
        names = self._sequences.names
        name, size, length = next(one for one in zip(names, sizes, self._lengths, strict=True) if one[1] > one[2])
        raise SchemaError(
            f"item {number} of what {self._flow.words()} was given has {size} rows in column {name!r}, and a bin has "
            f"{length}: shorten it by a map before, give a larger length, or cut it: strategy='concat_split'"
        )

    def _finish(self, place: int) -> Any:
        """Hand out a bin that is closed."""
        done = self._bins.pop(place)
        for number in done.numbers:
            del self._held.items[number]
        return self._sequences.packed(done.finish(self._sequences.fillers))

    def _fill_again(self, since: int, numbers: list[int]) -> None:
        """Fill a bin with items that were read again."""
        again: Bin | None = None
        for number in numbers:
            sequences, sizes = self._read(number)
            again = Bin(self._lengths) if again is None else again
            if any(map(gt, sizes, again.rooms())):
                raise StateError(
                    f"item {number} of what {self._flow.words()} was given does not fit into the bin that it was in: "
                    "it is not what it was when the state was saved"
                )
            again.add(number, sequences)
            self._held.items[number] = None
        assert again is not None  # no bin is empty
        self._bins[numbers[0]] = again
        self._packing.open(numbers[0], again.rooms(), since)

    def state(self) -> State:
        bins = [[self._packing.since(place), *one.numbers] for place, one in self._bins.items()]
        return {**self._held.state(), "finished": self._packing.finished, "bins": bins}

    def close(self) -> None:
        self._closed = True
        for one in self._bins.values():
            one.drop()
        self._held.close()


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


def _opened(state: State, most: int) -> list[tuple[int, list[int]]]:
    """Return the bins that a state says were open: how many were finished before each, and the items in it.

    Raises:
        StateError: There cannot have been such.
    """
    bins, finished = read_list(state, "bins"), read_whole(state, "finished")
    opened: list[tuple[int, list[int]]] = []
    for one in bins:
        if not isinstance(one, list) or len(one) < 2 or not all(type(number) is int for number in one):
            raise StateError(f"the state is damaged: a bin is a list of two numbers or more, got {one!r:.200}")
        since, *numbers = one
        opened.append((since, numbers))
    sinces = [since for since, _ in opened]
    firsts = [numbers[0] for _, numbers in opened]
    rising = all(numbers == sorted(numbers) for numbers in ([0, *sinces, finished], firsts, *(n for _, n in opened)))
    if len(opened) > most or not rising:
        raise StateError(f"the state is damaged: there cannot have been these bins open: {bins!r:.200}")
    return opened
