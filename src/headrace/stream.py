"""Stream: the face of the sequential layer; each method forwards to a stage."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import deepcopy
from functools import wraps
from threading import Lock
from types import TracebackType
from typing import Any, Literal, TextIO

from headrace.core.amounts import bytes_of
from headrace.core.arguments import function as check_function
from headrace.core.arguments import whole
from headrace.core.batch import Batch
from headrace.core.callables import failure
from headrace.core.changes import beside
from headrace.core.collate import Pad
from headrace.core.errors import ArgumentError, EndlessError, KindError, OrderError, RecordError
from headrace.core.failures import Failure, OnError
from headrace.core.failures import check as check_on_error
from headrace.core.flow import Flow, State
from headrace.core.iteration import StreamIterator
from headrace.core.ledger import check_budget
from headrace.core.meter import Meter
from headrace.core.probe import Probe
from headrace.core.records import stacked
from headrace.core.report import Report
from headrace.core.state import open_envelope
from headrace.core.tree import Explanation
from headrace.dryrun.result import DryRun
from headrace.dryrun.trial import dry_run_flow
from headrace.explain import explain_flow
from headrace.feeds.iterable import iterable_style
from headrace.feeds.tensors import Tensors
from headrace.stages.background import Background
from headrace.stages.batch import Batched
from headrace.stages.bucket import Bucket
from headrace.stages.cache import Cache
from headrace.stages.chain import Chain
from headrace.stages.filter import Filter
from headrace.stages.flat_map import FlatMap
from headrace.stages.interleave import Interleave
from headrace.stages.iterate import Iterate
from headrace.stages.map import Map
from headrace.stages.pack import Pack
from headrace.stages.parallel import Doing
from headrace.stages.progress import Progress
from headrace.stages.rebatch import Rebatch
from headrace.stages.refuse import check_synchronous
from headrace.stages.repeat import Repeat
from headrace.stages.stage import chain as text_of
from headrace.stages.stage import is_endless, ledgers, walk
from headrace.stages.take import Skip, Take
from headrace.stages.tee import Tee
from headrace.stages.unbatch import Unbatch
from headrace.stages.window import WindowShuffle
from headrace.stages.zip import Zip
from headrace.workers.auto import cores
from headrace.workers.choose import as_workers
from headrace.workers.prefetch import Prefetch
from headrace.workers.processes import Processes
from headrace.workers.work import StartMethod

__all__ = ["Stream", "StreamIterator", "chain", "interleave", "streamable"]

_MOST_AHEAD = 64  # items in the buffer of a background process, however small they are
_ENTERED: dict[int, list[tuple[int, StreamIterator]]] = {}  # by stream: which block has which iterator
_ENTERING = Lock()


class Stream:
    """Items that flow in one order: a frozen description, which can be iterated again and again.

    Each ``iter`` is a :class:`StreamIterator` of its own, with ``state_dict`` and ``load_state_dict``; methods return a
    new Stream and change nothing. A Dataset becomes one by ``dataset.stream()``.

    Args:
        source: What is iterated: anything that can be iterated again and again, or a function that returns an iterable,
            such as a generator function, which is called for each iteration; a Dataset, another Stream.
        args: What the function is called with.
        seed: With one the function is given ``rng=``, a NumPy Generator that is the same in each run, and another in
            each round of a ``repeat``.
        kwargs: What the function is called with by name.

    A list, an array or anything else with a length and an index is resumed by index. Anything else is resumed by
    *replay*: its items are gone through again up to the place (a :class:`ReplayWarning` says so), and the last of them
    must be the item that it was.

    >>> Stream([1, 2, 3, 4]).map(lambda x: x * 10).filter(lambda x: x != 20).list()
    [10, 30, 40]

    >>> def numbers(n, rng):
    ...     for _ in range(n):
    ...         yield int(rng.integers(100))
    >>> drawn = Stream(numbers, 3, seed=0)
    >>> drawn.list() == drawn.list(), drawn.repeat(2).list()[3:] == drawn.list()
    (True, False)

    Raises:
        KindError: The source cannot be iterated again (an iterator, a file: hand over the function that makes it), or
            not as items in an order (a text, a set, a mapping, None).
        ArgumentError: The function does not take the arguments.
    """

    __slots__ = ("_at", "_flow", "_probe")

    _flow: Flow
    _at: State | None
    _probe: Probe | None  # of the latest iteration

    def __init__(self, source: Any, /, *args: Any, seed: Any = None, **kwargs: Any) -> None:
        plain = not args and not kwargs and seed is None
        flow = _flow_of(source) if plain else None
        self._flow = Iterate.of(source, args, kwargs, seed) if flow is None else flow
        self._at = self._probe = None

    @classmethod
    def _of(cls, flow: Flow, at: State | None = None) -> Stream:
        """Make one of a flow, and of a place in it where iteration begins."""
        self = object.__new__(cls)
        self._flow = flow
        self._at = at
        self._probe = None
        return self

    def _on(self) -> Flow:
        """Return the flow for a step to stand on."""
        if self._at is not None:
            raise OrderError("resume comes last: write the steps first, then .resume(state)")
        return self._flow

    # Iteration: each time an iterator of its own, as many at once as are wanted

    def __iter__(self) -> StreamIterator:
        return self._iterator(self._flow, self._at)

    def _iterator(self, flow: Flow, at: State | None, max_iter: Any = None) -> StreamIterator:
        if max_iter is not None:
            flow = Take.of(flow, whole(max_iter, "max_iter"))
            at = None if at is None else beside(at, {"upstream": at, "count": 0})
        iterator = StreamIterator(flow, at)
        self._probe = iterator.probe
        return iterator

    def iterate(self, max_iter: int | None = None) -> StreamIterator:
        """Return an iterator of its own, over the first items or over all.

        Args:
            max_iter: How many items at most; None for all. Its state belongs to the same call, and to ``take`` of as
                many. Of a resumed stream they are counted from where it begins.

        >>> numbers = Stream([1, 2, 3])
        >>> first, second = numbers.iterate(), numbers.iterate(max_iter=2)
        >>> next(first), list(second), list(first)
        (1, [1, 2], [2, 3])

        Raises:
            ArgumentError: ``max_iter`` is no whole number, or below 0.
        """
        return self._iterator(self._flow, self._at, max_iter)

    def cycle(self, max_iter: int | None = None) -> StreamIterator:
        """Return an iterator that begins anew where the stream has ended, each round with an epoch of its own.

        Args:
            max_iter: How many items at most; None for ever. Its state belongs to the same call, and to ``repeat()``,
                then ``take`` of as many. A resumed stream begins where it was in its first round alone.

        >>> list(Stream([1, 2, 3]).cycle(max_iter=5))
        [1, 2, 3, 1, 2]

        Raises:
            ArgumentError: ``max_iter`` is no whole number, or below 0.
            OrderError: In the iteration, where the stream gives nothing: it would never end.
        """
        at = None if self._at is None else beside(self._at, {"round": 0, "upstream": self._at})
        return self._iterator(Repeat.of(self._flow), at, max_iter)

    def __call__(self, max_iter: int | None = None, cycle: bool = False) -> StreamIterator:
        """Return ``cycle(max_iter)`` where it shall cycle, else ``iterate(max_iter)``.

        >>> stream = Stream([1, 2])
        >>> list(stream(max_iter=1)), list(stream(max_iter=3, cycle=True))
        ([1], [1, 2, 1])
        """
        return self.cycle(max_iter) if cycle else self.iterate(max_iter)

    def __enter__(self) -> StreamIterator:
        """Return an iterator that is closed at the end of the block, however that is left.

        >>> with Stream(range(9)) as items:
        ...     next(items), next(items)
        (0, 1)
        >>> list(items)
        []
        """
        iterator = iter(self)
        with _ENTERING:
            _ENTERED.setdefault(id(self), []).append((id(sys._getframe(1)), iterator))
        return iterator

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # Which block ends is told by its frame: of two generators with a block each, either may be the first to end.
        # An ExitStack, which enters in one frame and leaves in another, ends the latest.
        block = id(sys._getframe(1))
        with _ENTERING:
            entered = _ENTERED[id(self)]
            places = [place for place, (frame, _) in enumerate(entered) if frame == block]
            _, iterator = entered.pop(places[-1] if places else -1)
            if not entered:
                del _ENTERED[id(self)]
        iterator.close()

    def __len__(self) -> int:
        """Return the number of items, where it is known beforehand.

        Raises:
            EndlessError: There is no end.
            TypeError: Only going through the stream would tell: after a filter, a flat_map, a generator.
        """
        length = None if self._at is not None else self._flow.length()
        if length is not None:
            return length
        self._needs_end("len()")
        raise TypeError(f"the length of {self!r} is not known before it was gone through")

    def __bool__(self) -> bool:
        return True  # not len(): that is seldom known

    def __getstate__(self) -> tuple[Any, Any]:
        state: Any = super().__getstate__()
        plain, slots = state
        return plain, {**slots, "_probe": None}  # what was measured here is no part of what it is

    def __add__(self, other: Any) -> Stream:
        """Return the items of this stream, then those of another; that one is started when this one has ended.

        >>> (Stream([1, 2]) + Stream([3])).list()
        [1, 2, 3]
        """
        if not isinstance(other, Stream):
            return NotImplemented
        return Stream._of(Chain.of(self._on(), other._on()))

    def __repr__(self) -> str:
        costly = any(getattr(flow, "costly", False) for flow in walk(self._flow))
        length = None if costly else self._flow.length()
        items = "" if length is None else f"{length:,} items: "
        endless = "endless: " if is_endless(self._flow) else ""
        return f"Stream({items or endless}{text_of(self._flow)}{'' if self._at is None else ' -> resume(...)'})"

    # What becomes of each item

    def map(
        self,
        function: Callable[..., Any],
        seed: int | None = None,
        workers: Any = 0,
        prefetch: Any = None,
        copy: bool = True,
        on_error: OnError = "raise",
        max_errors: int | float = 100,
    ) -> Stream:
        """Return what a function makes of each item.

        Args:
            function: Called with the item; with a seed also with a NumPy Generator, good for that call.
            seed: Keys the generator together with the epoch (the round of a ``repeat``) and the item's number, so that
                an item's draws do not depend on those before it. Maps that follow each other draw different numbers
                from one seed; in streams that are zipped they draw the same.
            workers: Who does it, as in ``Dataset.stream``. Items come in order, and the same, whoever does it.
            prefetch: How many items workers run ahead, and how much memory these may take, as in ``Dataset.stream``.
            copy: Whether what comes from other processes is the caller's own, as in ``Dataset.stream``.
            on_error: What becomes of items that it fails on, as in ``Dataset.stream``.
            max_errors: How many items may fail, or which fraction of those seen, before it is an error.

        >>> Stream(range(3)).map(lambda x: x + 1).list()
        [1, 2, 3]
        >>> noisy = Stream(range(2)).map(lambda x, rng: x + rng.random(), seed=0)
        >>> noisy.list() == noisy.list()
        True

        Raises:
            RecordError: In the iteration, where the function fails: names it and the item; the original is the cause.
        """
        return self._mapped(function, seed, False, workers, prefetch, copy, on_error, max_errors)

    def starmap(
        self,
        function: Callable[..., Any],
        seed: int | None = None,
        workers: Any = 0,
        prefetch: Any = None,
        copy: bool = True,
        on_error: OnError = "raise",
        max_errors: int | float = 100,
    ) -> Stream:
        """Return what a function makes of each item's fields: ``function(*item)``; else like ``map``.

        >>> Stream([(1, 2), (3, 4)]).starmap(lambda a, b: a * b).list()
        [2, 12]
        """
        return self._mapped(function, seed, True, workers, prefetch, copy, on_error, max_errors)

    def _mapped(
        self,
        function: Any,
        seed: int | None,
        starred: bool,
        workers: Any,
        prefetch: Any,
        copy: bool,
        on_error: OnError,
        max_errors: int | float,
    ) -> Stream:
        who, bounds = as_workers(workers, prefetch)
        doing = Doing(who, bounds, bool(copy), check_on_error(on_error), check_budget(max_errors))
        return Stream._of(Map.of(self._on(), function, seed, starred, doing))

    def flat_map(self, function: Callable[[Any], Iterable[Any]]) -> Stream:
        """Return the items of the iterables that a function makes, one of each item.

        A resume calls the function again for the item it was in, and drops what had come of it.

        >>> Stream(["to be", "or not"]).flat_map(str.split).list()
        ['to', 'be', 'or', 'not']

        Raises:
            RecordError: In the iteration, where the function or what it made fails.
            KindError: In the iteration, where it returns no iterable (a text and a mapping are none here).
        """
        return Stream._of(FlatMap.of(self._on(), function))

    def filter(self, predicate: Callable[[Any], Any]) -> Stream:
        """Return the items of which a predicate is true.

        >>> Stream(range(6)).filter(lambda x: x % 2).list()
        [1, 3, 5]

        Raises:
            RecordError: In the iteration, where the predicate fails.
        """
        return Stream._of(Filter.of(self._on(), predicate))

    # Batches

    def batch(
        self,
        size: int,
        drop_remainder: bool = False,
        collate: Callable[[list[Any]], Any] | None = None,
        pad: Pad = None,
    ) -> Stream:
        """Return batches of items: of mappings a Batch, of tuples a tuple of columns, of values one column.

        Written after ``repeat``, a batch may hold the end of one round and the front of the next; before it, none does.

        Args:
            size: Items in a batch.
            drop_remainder: Whether to leave out a last batch of fewer items.
            collate: Makes a batch of a list of items; None stacks columns.
            pad: Fills arrays that differ in length up to the longest of the batch: a value for all, or a mapping from
                column to value, which should name the columns of two or more dimensions. A column ``text_length``
                then tells the true lengths of ``text``; of tuples and values they are further fields at the end.

        >>> Stream(range(5)).batch(2).list()
        [array([0, 1]), array([2, 3]), array([4])]
        >>> Stream([{"text": [7]}, {"text": [8, 9]}]).batch(2, pad=0).first().to_dict()
        {'text': array([[7, 0], [8, 9]]), 'text_length': array([1, 2])}

        Raises:
            ArgumentError: The size is below 1, or both ``collate`` and ``pad`` are given.
            SchemaError: In the iteration, where the items of a batch do not fit together.
        """
        return Stream._of(Batched.of(self._on(), size, drop_remainder, collate, pad))

    def unbatch(self) -> Stream:
        """Return the records of batches, one by one; arrays in them are views of the batch.

        >>> Stream(range(5)).batch(3).unbatch().list()
        [0, 1, 2, 3, 4]

        Raises:
            KindError: In the iteration, where an item is no batch.
        """
        return Stream._of(Unbatch(self._on()))

    def rebatch(self, size: int, drop_remainder: bool = False) -> Stream:
        """Return the records of batches in batches of another size: after records were left out, all of one size.

        Args:
            size: Records in a batch.
            drop_remainder: Whether to leave out a last batch of fewer.

        Returns:
            A stream; a batch cut from one batch below is a view of it.

        >>> import numpy as np
        >>> Stream([[1, 2, 3], [4], [5, 6]]).map(np.array).rebatch(2).list()
        [array([1, 2]), array([3, 4]), array([5, 6])]

        Raises:
            KindError: In the iteration, where an item is no batch.
        """
        return Stream._of(Rebatch.of(self._on(), size, drop_remainder))

    def bucket(
        self,
        by: str | Callable[[Any], Any],
        boundaries: Iterable[float],
        batch_sizes: int | Iterable[int] | None = None,
        tokens_per_batch: int | None = None,
        pad: Pad = None,
        drop_remainder: bool = False,
    ) -> Stream:
        """Return batches of items of like length, so that little of a padded batch is padding.

        A batch is handed out as soon as its bucket is full; at the end what is left comes in the order of the buckets.
        At most a batch less one item is held in each bucket; a state holds their numbers, never the items.

        Args:
            by: The column whose length counts ("0", "1", ... of tuples, "value" of values), or a function of the item
                that returns a number.
            boundaries: Where buckets end, ascending; each belongs to the bucket below it, and a last bucket takes what
                is longer.
            batch_sizes: Items in a batch: one number for all buckets, or one for each, one more than boundaries.
            tokens_per_batch: In the place of sizes: a batch is as many items as fit, their number times the length of
                the longest; an item that is longer makes a batch alone.
            pad: Fills arrays that differ in length, as in ``batch``; None leaves them ragged.
            drop_remainder: Whether to leave out what is left in the buckets at the end.

        >>> import numpy as np
        >>> rows = Stream([1, 5, 2, 4, 1]).map(np.ones)
        >>> [batch.shape for batch, length in rows.bucket("value", [2], batch_sizes=2, pad=0)]
        [(2, 2), (2, 5), (1, 1)]

        Raises:
            ArgumentError: The boundaries do not ascend, there are not as many sizes as buckets, or not one of
                ``batch_sizes`` and ``tokens_per_batch`` is given.
            RecordError: In the iteration, where ``by`` fails.
        """
        return Stream._of(Bucket.of(self._on(), by, boundaries, batch_sizes, tokens_per_batch, pad, drop_remainder))

    def pack(
        self,
        length: int | None,
        columns: str | Sequence[str] | Mapping[str, int | None] | None = None,
        strategy: Literal["best_fit", "first_fit", "concat_split"] = "best_fit",
        open_bins: int = 64,
        pad: Pad = 0,
    ) -> Stream:
        """Return bins of one length that sequences are laid in one behind the other, with little or no padding.

        Of a column ``tokens`` a bin has ``tokens``, filled up behind with ``pad``, ``tokens_segment_ids`` (int32: 1 for
        the rows of its first sequence, 2, 3, ...; 0 for padding) and ``tokens_positions`` (int32: 0, 1, 2, ... within
        each sequence; 0 for padding). Where items are no mappings but sequences, a bin is a tuple of the three.

        Args:
            length: Rows of a bin.
            columns: What is packed, other columns being left out: a name, several, or a mapping from names to lengths
                of their own. None for all, which must then be sequences.
            strategy: ``best_fit`` puts a sequence whole into the open bin that it leaves the least room in,
                ``first_fit`` into the oldest that it fits into; ``concat_split`` lays all end to end and cuts every
                ``length`` rows.
            open_bins: How many bins are filled at a time, each held in memory.
            pad: What bins are filled up with: a value, or a mapping from column to value.

        Returns:
            A stream; arrays are new, with the dtype of the sequences.

        >>> texts = Stream([{"tokens": [5, 5, 5]}, {"tokens": [6, 6, 6]}, {"tokens": [7]}])
        >>> bins = texts.pack(4, "tokens").list()
        >>> bins[0]["tokens"], bins[0]["tokens_segment_ids"], bins[0]["tokens_positions"]
        (array([5, 5, 5, 7]), array([1, 1, 1, 2], dtype=int32), array([0, 1, 2, 0], dtype=int32))

        Raises:
            ArgumentError: A length or ``open_bins`` is below 1, or there is no such strategy.
            SchemaError: In the iteration, where a sequence is longer than a bin, or something is no sequence.
            ColumnError: In the iteration, where there is no such column.
        """
        return Stream._of(Pack.of(self._on(), length, columns, strategy, open_bins, pad))

    # Elsewhere

    def background(
        self, buffer: int | str = "64 MB", copy: bool = True, start_method: StartMethod = "forkserver"
    ) -> Stream:
        """Return the same items, made in a process of its own: all that lies left of here runs there.

        It runs ahead as far as the buffer holds, and waits while nobody takes items. Its errors arrive here, with the
        place there that raised them, and its death is an error too.

        Args:
            buffer: How much memory items that lie ready may take: bytes, or a text such as ``"64 MB"``.
            copy: Whether arrays are the caller's own. False gives views of memory that the process shares, which is its
                own again when the last view dies; while too many are held, copies are given. A producer that fills
                arrays made by ``headrace.empty`` writes right into that memory.
            start_method: How the process is started, see ``Processes``.

        >>> Stream(range(3)).map(lambda x: x * x).background().list()
        [0, 1, 4]

        Raises:
            WorkerError: In the iteration, where the process dies.
        """
        bounds = Prefetch(_MOST_AHEAD, bytes_of(buffer, "buffer"))
        return Stream._of(Background(self._on(), Processes(1, start_method=start_method), bounds, bool(copy)))

    def _meters(self) -> list[Meter]:
        """Return what the latest iteration has measured: of parts with workers, and of the steps right of them."""
        found = [ledger.meter for ledger in ledgers(self._flow) if ledger.meter.began is not None]
        if self._probe is None:
            return found
        steps = self._probe.meter()
        if steps.began is not None and steps.ended is not None:  # rates are those from when the workers were there
            steps.began = min(steps.began + max((meter.starting for meter in found), default=0.0), steps.ended)
        return [*found, steps]

    def report(self) -> Report:
        """Return where the time of the latest iteration went, and what more workers would bring.

        >>> stream = Stream(range(3)).map(lambda x: x + 1)
        >>> stream.report().verdict, stream.list(), stream.report().verdict
        ('nothing yet', [1, 2, 3], 'inline')
        """
        return Report(self._meters(), cores=cores())

    def explain(self, schema: bool = False) -> Explanation:
        """Return the chain as a tree, as it runs, with schema, length and seed of each step; nothing is read.

        Args:
            schema: Whether to read one record at each step of a Dataset below whose schema only a read can tell.

        >>> print(Stream(range(5)).map(str).take(2).explain())
        Stream: 2 items
        ┬ take(2)      2 items  ?
        ├ map(str)     5 items  ?  in builtins
        └ range(0, 5)  5 items  ?
        """
        return explain_flow(self._flow, schema)

    def dry_run(self, n: int = 8, strict: bool = False) -> DryRun:
        """Try the chain on a few items, with every kind of check; returns a report of all problems at once.

        Steps run one after the other on copies, each twice, so that one that fails hides no other; nothing is written,
        no bar is shown and no worker runs a step. Functions are carried to a fresh process and opened there.

        Args:
            n: How many items, or records of a Dataset below.
            strict: Whether problems are an error.

        >>> [problem.stage for problem in Stream([2, 1, 0]).map(lambda x: 1 / x).batch(2).dry_run().problems]
        ['map(lambda)']

        Raises:
            DryRunError: There are problems, all of which the message lists; only with ``strict``.
            ArgumentError: ``n`` is below 1.
        """
        return dry_run_flow(self._flow, n, strict)

    @property
    def errors(self) -> list[Failure]:
        """The records that were left out, or replaced, in the latest iteration; see ``on_error``."""
        return [failure for ledger in ledgers(self._flow) for failure in ledger.failures]

    # Which items, and in what order

    def take(self, n: int) -> Stream:
        """Return the first ``n`` items, or all if there are fewer; no more are drawn.

        >>> Stream(range(10)).take(2).list()
        [0, 1]
        """
        return Stream._of(Take.of(self._on(), n))

    def skip(self, n: int) -> Stream:
        """Return all but the first ``n`` items, which are drawn and dropped.

        >>> Stream(range(5)).skip(3).list()
        [3, 4]
        """
        return Stream._of(Skip.of(self._on(), n))

    def repeat(self, times: int | None = None) -> Stream:
        """Return all items again and again; what is seeded below differs from round to round.

        Args:
            times: How many rounds; None for ever.

        >>> Stream("ab".split() + ["c"]).repeat(2).list()
        ['ab', 'c', 'ab', 'c']

        Raises:
            OrderError: In the iteration, where an endless repeat is of nothing.
        """
        return Stream._of(Repeat.of(self._on(), times))

    def zip(self, *others: Any) -> Stream:
        """Return tuples of one item of each stream; the shortest one ends it.

        >>> Stream(range(3)).zip(Stream(["a", "b"])).list()
        [(0, 'a'), (1, 'b')]
        """
        if not others:
            raise ArgumentError("zip needs another stream: first.zip(second)")
        return Stream._zipped((self, *others))

    @staticmethod
    def _zipped(streams: Iterable[Any]) -> Stream:
        return Stream._of(Zip(_as_flows(streams, "zip")))

    def window_shuffle(self, size: int, seed: int) -> Stream:
        """Return the items in an order that is random within a window: the approximate shuffle.

        ``size`` items are held; each step hands out a random one of them. A state holds their numbers, never the items
        themselves, and resuming reads on from the oldest of them. ``Dataset.shuffle`` is the true one.

        Args:
            size: How many items are held: the more, the closer to a true shuffle.
            seed: Decides the order, together with the epoch (the round of a ``repeat``).

        >>> shuffled = Stream(range(8)).window_shuffle(4, seed=0)
        >>> shuffled.list() != shuffled.repeat(2).list()[8:], sorted(shuffled.list()) == list(range(8))
        (True, True)
        """
        return Stream._of(WindowShuffle.of(self._on(), size, seed))

    def cache(self, n: int, probability: float = 0.5, seed: int = 0) -> Stream:
        """Return items several times: ``n`` are at hand, and each step gives a new one or one of these.

        A new item takes the place of one of those at hand, all of them equally likely. Each item comes once or more,
        about ``1 / probability`` times. A state holds their numbers; resuming reads on from the oldest of them.

        Args:
            n: How many items are at hand.
            probability: Of a new item.
            seed: Decides the draws, together with the epoch (the round of a ``repeat``).

        Returns:
            A stream; what comes again is the same object, and no copy.

        >>> Stream(range(6)).cache(2, seed=1).list()
        [0, 1, 1, 1, 2, 3, 4, 5]

        Raises:
            ArgumentError: ``n`` is below 1, or the probability not above 0 and at most 1.
        """
        return Stream._of(Cache.of(self._on(), n, probability, seed))

    def tee(self, n: int, buffer: int = 1000) -> Tee:
        """Return a group of iterators over one pass: each gives all items, and each item is drawn once.

        What one has taken and another not yet is held. The group has one state for all of them, and is closed at the
        end of a ``with`` block, by ``close``, and when it is dropped.

        Args:
            n: How many iterators.
            buffer: How many items one may be ahead of the slowest.

        Returns:
            The group, which unpacks to the iterators; they give the same objects, and no copies.

        >>> inputs, targets = Stream(range(3)).tee(2)
        >>> next(inputs), next(inputs), next(targets)
        (0, 1, 0)

        Raises:
            OrderError: In the iteration, where one is further ahead than the buffer holds.
        """
        return Tee(self._flow, n, buffer, self._at)

    def progress(self, total: int | None = None, desc: str | None = None, file: TextIO | None = None) -> Stream:
        """Return the same items, counted on a progress bar.

        Args:
            total: How many there will be; None for the stream's own length, if that is known.
            desc: What stands before the bar.
            file: Where the bar is written to; None for standard error, if it is a terminal or a notebook.
        """
        return Stream._of(Progress.of(self._on(), total, desc, file))

    def torch(self, device: Any = None, pin_memory: Literal["auto"] | bool = "auto", prefetch: int = 2) -> Stream:
        """Return the same items with torch tensors in the place of arrays, on a device where one is given.

        A Batch becomes a Batch of tensors, a tuple of columns one of tensors, a column a tensor; text and objects stay.
        In main memory a tensor shares the memory of its array, but an array that cannot be written to is copied. On a
        GPU the copies run beside what it computes, ahead of use. States know nothing of this step: it may be added or
        left out at a resume.

        Args:
            device: Where the tensors shall lie, such as ``"cuda"``; None for main memory.
            pin_memory: Whether copies to a GPU go through pinned memory, or, without a device, tensors lie in it.
                ``"auto"``: the copies do.
            prefetch: How many items are on their way to the device beside the one that is handed out.

        Raises:
            MissingExtraError: torch is not installed.
            ArgumentError: There is no such kind of device; in the iteration: CUDA is asked for and not there.
            SchemaError: In the iteration, where torch has no dtype for a column, or its rows differ in length.
        """
        return Stream._of(Tensors.of(self._on(), device, pin_memory, prefetch))

    def to_torch(self) -> Any:
        """Return a ``torch.utils.data.IterableDataset``, whose items a DataLoader's workers share out by themselves.

        With batches made here, ``DataLoader(stream.to_torch(), batch_size=None, num_workers=n)`` gives the same ones in
        the same order with any number of workers. Arrays come as tensors, a Batch as a dict. ``set_epoch(epoch)`` on
        it sets the epoch that the next iteration gives.

        Raises:
            MissingExtraError: torch is not installed.
        """
        return iterable_style(self._on())

    def resume(self, state: State) -> Stream:
        """Return a stream, each iteration of which begins where a state says.

        >>> stream = Stream(range(6)).batch(2)
        >>> iterator = iter(stream)
        >>> _ = next(iterator)
        >>> stream.resume(iterator.state_dict()).list()
        [array([2, 3]), array([4, 5])]

        Raises:
            StateError: The state does not belong to this stream.

        Warns:
            CodeChangedWarning: A function is another than when the state was saved.
        """
        return Stream._of(self._flow, deepcopy(open_envelope(self._flow, state)))

    # All at once

    def foreach(self, function: Callable[[Any], Any]) -> None:
        """Call a function with every item.

        >>> Stream(["a", "b"]).foreach(print)
        a
        b

        Raises:
            RecordError: The function failed: names it and the item; the original is the cause.
        """
        check_function(function, "foreach")
        with iter(self) as items:
            for number, item in enumerate(items):
                try:
                    function(item)
                except Exception as error:
                    raise RecordError(failure("foreach", function, f"item {number}", error)) from error

    def list(self) -> list[Any]:
        """Return all items."""
        self._needs_end("list()")
        with iter(self) as items:
            return [*items]

    def collect(self) -> Any:
        """Return all items as one batch: a Batch, a tuple of columns or one column.

        >>> Stream([(1, "a"), (2, "b")]).collect()
        (array([1, 2]), array(['a', 'b'], dtype=object))

        Raises:
            SchemaError: The items do not fit together.
            ArgumentError: They are batches already.
        """
        self._needs_end("collect()")
        items = self.list()
        if items and isinstance(items[0], Batch):
            raise ArgumentError(
                "collect() makes one batch, and these are batches already: list() them, or collect() before batch"
            )
        return stacked(items).unwrap()

    def first(self) -> Any:
        """Return the first item, and let go of the rest.

        Raises:
            IndexError: There is none.
        """
        with iter(self) as items:
            for item in items:
                return item
        raise IndexError(f"first(): {self!r} gives no items")

    def _needs_end(self, what: str) -> None:
        if is_endless(self._flow):
            raise EndlessError(f"{what} needs an end, and {self!r} has none: take(n) first")


def _flow_of(source: Any) -> Flow | None:
    """Return the flow of what is one already: a Stream, a Flow, a Dataset (known by its ``stream``)."""
    if isinstance(source, Stream):
        return source._on()
    if isinstance(source, type):
        return None
    crossed = getattr(source, "stream", None)
    if callable(crossed) and hasattr(source, "indices"):
        stream = crossed()
        return stream._on() if isinstance(stream, Stream) else None
    return source if isinstance(source, Flow) else None


def _as_flows(streams: Iterable[Any], what: str) -> tuple[Flow, ...]:
    """Return the flows of Streams and Datasets."""
    flows = []
    for one in streams:
        flow = _flow_of(one)
        if flow is None:
            raise KindError(f"{what} takes Streams, got {type(one).__name__}: Stream(...) of it first")
        flows.append(flow)
    return tuple(flows)


def chain(*streams: Any) -> Stream:
    """Return the items of each stream, one stream after the other; each is started when the one before has ended.

    Args:
        streams: Streams; a Dataset is one pass over it.

    >>> chain(Stream([1, 2]), Stream([3]), Stream([4, 5])).list()
    [1, 2, 3, 4, 5]

    Raises:
        ArgumentError: There are none.
        KindError: One of them is something else.
    """
    if not streams:
        raise ArgumentError("chain needs at least one stream")
    return Stream._of(Chain.of(*_as_flows(streams, "chain")))


def interleave(streams: Iterable[Any], block: int = 1) -> Stream:
    """Return ``block`` items of each stream in turn; one that has ended is left out, until all have ended.

    A stream is started at its first turn, and closed as soon as it has ended.

    Args:
        streams: Streams; a Dataset is one pass over it.
        block: How many items a stream gives in its turn.

    >>> interleave([Stream([1, 2, 3]), Stream([10]), Stream([20, 30])]).list()
    [1, 10, 20, 2, 30, 3]
    >>> interleave([Stream([1, 2, 3]), Stream([10]), Stream([20, 30])], block=2).list()
    [1, 2, 10, 20, 30, 3]

    Raises:
        ArgumentError: There are no streams, or the block is below 1.
        KindError: One of them is something else.
    """
    if _flow_of(streams) is not None or isinstance(streams, Mapping) or not isinstance(streams, Iterable):
        raise KindError(f"interleave takes a list of Streams, got one {type(streams).__name__}")
    return Stream._of(Interleave.of(_as_flows(streams, "interleave"), block))


def streamable(function: Callable[..., Iterable[Any]]) -> Callable[..., Stream]:
    """Make a function that returns an iterable, such as a generator function, one that returns a Stream of it.

    ``f(*args, **kwargs)`` is then ``Stream(function, *args, **kwargs)``, ``seed=`` included, except where the function
    has a ``seed`` of its own. It keeps its name, docstring and signature. Of a method the stream holds the object.
    Such streams travel to workers as others do, by cloudpickle; plain pickle finds no function under a name that has
    been decorated.

    >>> @streamable
    ... def count(n):
    ...     yield from range(n)
    >>> count(3)
    Stream(count(3))
    >>> count(3).map(lambda x: x * x).list()
    [0, 1, 4]

    Raises:
        KindError: It is no function, or an asynchronous one; in the call, where it has returned no iterable.
        ArgumentError: In the call: the function does not take the arguments.
    """
    check_function(function, "streamable")
    if isinstance(function, type) or hasattr(function, "__iter__"):
        what = "a class" if isinstance(function, type) else f"a {type(function).__name__}"
        raise KindError(f"streamable is for functions, got {what}: make a Stream(...) of it")
    check_synchronous(function)
    own_seed = _takes_seed(function)

    @wraps(function)
    def streamed(*args: Any, **kwargs: Any) -> Stream:
        seed = None if own_seed else kwargs.pop("seed", None)
        return Stream._of(Iterate.of(function, args, kwargs, seed))

    return streamed


def _takes_seed(function: Callable[..., Any]) -> bool:
    try:
        return "seed" in inspect.signature(function).parameters
    except (TypeError, ValueError):  # builtins that do not tell
        return False
