"""The face of the random-access layer: each method forwards to the node that does it."""

from __future__ import annotations

import operator
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Literal, Self, overload

import numpy as np

from headrace.core.address import At, Order
from headrace.core.amounts import bytes_of
from headrace.core.arguments import whole
from headrace.core.batch import Batch
from headrace.core.callables import name_of
from headrace.core.collate import Pad
from headrace.core.collate import check as check_collate
from headrace.core.errors import ArgumentError, EndlessError, KindError, SchemaError
from headrace.core.failures import OnError
from headrace.core.failures import check as check_on_error
from headrace.core.ledger import check_budget
from headrace.core.order import Repeat
from headrace.core.quotas import check as check_weights
from headrace.core.ranks import rank_and_world
from headrace.core.records import Records, Rows, stacked, to_columns
from headrace.core.records import concat as concat_records
from headrace.core.schema import Schema
from headrace.core.seeds import check as check_seed
from headrace.core.shuffle import Shuffle
from headrace.core.shuffle_report import ShuffleReport
from headrace.core.source import Indices
from headrace.core.tree import Explanation
from headrace.dryrun.result import DryRun
from headrace.dryrun.trial import dry_run_node
from headrace.explain import explain_node
from headrace.feeds.map_style import map_style
from headrace.formats.adopt import adopt
from headrace.nodes import divide, rewrite
from headrace.nodes.batched import Batched, of_batch
from headrace.nodes.block_shuffled import BlockShuffled, refuse_apart
from headrace.nodes.cached import Cached
from headrace.nodes.crossing import Crossing
from headrace.nodes.forgive import Skipped, read_kept
from headrace.nodes.joined import Concat, Mix, Zip, check_alike
from headrace.nodes.kept import Kept
from headrace.nodes.leaf import Leaf
from headrace.nodes.maps import BatchMap, Map, RecordMap
from headrace.nodes.node import Context, Node, costs_nothing
from headrace.nodes.ordered import Ordered
from headrace.nodes.passes import announce
from headrace.nodes.sharded import Remainder, Sharded
from headrace.nodes.show import chain, known_length
from headrace.nodes.shuffle_study import study
from headrace.nodes.storage import is_there
from headrace.parts import Parts
from headrace.stream import Stream
from headrace.workers.choose import as_workers

_BLOCK = 4096  # records read together by list and collect


class Dataset:
    """Records that can be read in any order: a pure function from (epoch, position) to a record.

    Every method returns a new Dataset and reads nothing, except where it says so. As a Python sequence a Dataset is
    its epoch 0.

    Args:
        *data: Several columns, then records are tuples; or one thing: a mapping of columns, an array (records are its
            rows), a ``range``, a list, a pandas DataFrame, a :class:`Batch`, a :class:`Source`, or anything with
            ``__len__`` and ``__getitem__``, which is read row by row.
        **columns: Named columns, then records are mappings: arrays of shape ``(n, ...)``, lists, :class:`Ragged`,
            tensors. Arrays are not copied.

    Raises:
        ArgumentError: There is no data at all, or columns are given by name and by position.
        KindError: The data cannot be read in any order, such as a generator, a set or a string.
        SchemaError: Columns differ in length; the message names each length.

    >>> ds = Dataset(image=np.zeros((6, 2, 2), np.uint8), label=[0, 1, 0, 1, 0, 1])
    >>> len(ds), ds[0]["image"].shape, ds[-1]["label"]
    (6, (2, 2), 1)
    >>> ds.shuffle(seed=0).batch(4)[0]["image"].shape
    (4, 2, 2)
    """

    __slots__ = ("__weakref__", "_node")

    def __init__(self, /, *data: Any, **columns: Any) -> None:
        if len(data) == 1 and not columns and isinstance(data[0], Dataset):
            self._node: Node = data[0]._node
        elif len(data) == 1 and isinstance(data[0], Stream):
            raise KindError(
                "a Stream flows in one order and cannot be read in any: submit() it to a Store, and fetch() it"
            )
        else:
            self._node = Leaf(adopt(data, columns))

    @classmethod
    def _of(cls, node: Node) -> Self:
        dataset = cls.__new__(cls)
        dataset._node = node
        return dataset

    def _like(self, node: Node) -> Self:
        """Return other records of the same kind: what a subclass knows beside its node goes with them."""
        return self._of(node)

    # As a sequence: epoch 0

    def __len__(self) -> int:
        """Return the number of records in an epoch; after a filter this costs one pass, once."""
        length = self._node.length
        if length is None:
            raise EndlessError("an endless dataset has no length; take(n) of it has")
        return length

    def __length_hint__(self) -> int:
        if self._node.length is None:  # list(endless) asks here, and would fill the memory otherwise
            raise ArgumentError("an endless dataset cannot become a list: take(n) of it first")
        return len(self)

    def __bool__(self) -> bool:
        return self._node.length != 0

    def __getitem__(self, key: Any) -> Any:
        """Return a record for an integer; for a slice, a list of integers or a boolean mask a Dataset of those."""
        if isinstance(key, slice):
            return self._window(key.start, key.stop, key.step, f"[{_slice_text(key)}]")
        if isinstance(key, str):
            raise KindError(
                f"records are asked for by number: [{key!r}] of a record, or select({key!r}) for the column"
            )
        if isinstance(key, np.ndarray | Sequence) and not isinstance(key, bytes):
            if not (isinstance(key, np.ndarray) and key.ndim == 0):
                chosen = self._positions(key)
                return self._like(divide.subset(self._node, chosen, f"[{len(chosen):,} chosen]"))
        return self._record(self._position(key))

    def _record(self, position: int, epoch: int = 0) -> Any:
        at = At(np.array([position], np.int64), epoch)
        return self._node.read(at, Context()).rows()[0]

    def _position(self, key: Any) -> int:
        try:
            position = operator.index(key)
        except TypeError:
            raise KindError(
                "records are asked for by an integer, a slice, a list of integers or a boolean mask, "
                f"not {type(key).__name__}"
            ) from None
        length = self._node.length
        if length is None:
            if position < 0:
                raise EndlessError(f"[{position}] counts from the end, and an endless dataset has none")
            return position
        if not -length <= position < length:
            raise IndexError(f"record {position} of a dataset of {length}")
        return position % length

    def _positions(self, key: Any) -> Indices:
        wanted = np.asarray(key)
        length = self._node.length
        if wanted.ndim != 1 or (wanted.size and wanted.dtype.kind not in "iub"):
            raise KindError(
                f"a list of records must hold integers or booleans, got {wanted.dtype} of shape {wanted.shape}"
            )
        if wanted.dtype == np.bool_:
            if length is None:
                raise EndlessError("a mask has a value for each record, and an endless dataset has no number of them")
            if wanted.shape != (length,):
                raise IndexError(f"a mask of {len(wanted)} booleans for a dataset of {length}")
            return np.flatnonzero(wanted)
        if wanted.size and int(wanted.max()) >= 2**63:  # would become a negative number, counted from the end
            raise IndexError(f"record {wanted.max()} of a dataset of {'no end' if length is None else length}")
        wanted = wanted.astype(np.int64)
        if wanted.size and length is None and wanted.min() < 0:
            raise EndlessError(f"[{wanted.min()}] counts from the end, and an endless dataset has none")
        if wanted.size and length is not None:
            outside = (wanted < -length) | (wanted >= length)
            if outside.any():
                raise IndexError(f"record {wanted[outside][0]} of a dataset of {length}")
            wanted = np.where(wanted < 0, wanted + length, wanted)
        return wanted

    def __iter__(self) -> Iterator[Any]:
        """Give the records of epoch 0, one after the other; of an endless dataset for ever."""
        return Crossing(self._node, 1).start()

    def __reversed__(self) -> Iterator[Any]:
        return iter(self[::-1])

    def __add__(self, other: Any) -> Dataset:
        return concat([self, other]) if isinstance(other, Dataset) else NotImplemented

    def __repr__(self) -> str:
        return f"Dataset({known_length(self._node)} records, {self._node.schema() or '?'}: {chain(self._node)})"

    # What it is

    @property
    def schema(self) -> Schema:
        """Names, dtypes and shapes of a record's columns; where a map decides them, this reads record 0."""
        known = self._node.schema()
        if known is not None:
            return known
        if not self:
            raise SchemaError(f"there are no records that could tell what {self._node.words()} gives")
        record = self._record(0)
        if isinstance(record, Batch):
            return of_batch(Schema.of(record), len(record))
        columns = stacked([record])
        return Schema.of(columns.batch, columns.structure)

    def explain(self, schema: bool = False) -> Explanation:
        """Return the chain as a tree, as it runs, with schema, length and seed of each step; nothing is read.

        Args:
            schema: Whether to read one record at each step whose schema only a read can tell.

        >>> print(Dataset(np.arange(10)).shuffle(seed=3).batch(4).explain())
        Dataset: 3 batches
        ┬ batch(4)         3 batches           int64[?]
        ├ shuffle(seed=3)  10 records  seed 3  int64     another order in each epoch
        └ array            10 records          int64
        """
        return explain_node(self._node, schema)

    def dry_run(self, n: int = 8, strict: bool = False) -> DryRun:
        """Try the chain on a few records, with every kind of check; returns a report of all problems at once.

        Records that are spread over an epoch go through one step after the other, each on copies and twice, so that
        one that fails hides no other. It looks at: reading; functions that fail, draw from a global generator, or
        give something else the second time; ``map_batches`` whose rows depend on each other; records that do not
        stack; functions and sources that cannot be carried to a process (a fresh one is started); sizes. Where no
        problem is seen and a batch takes less than 0.15 s, up to three whole ones are read for their time. Nothing is
        written.

        Args:
            n: How many records.
            strict: Whether problems are an error.

        >>> report = Dataset(range(10)).map(lambda x: 1 / (x - 9)).batch(4).dry_run()
        >>> print(report.problems[0].what.partition(" (lambda")[0])
        fails on 1 of 8 (record 9); the first: ZeroDivisionError: division by zero

        Raises:
            DryRunError: There are problems, all of which the message lists; only with ``strict``.
            ArgumentError: ``n`` is below 1.
        """
        return dry_run_node(self._node, n, strict)

    def indices(self, step: int, epoch: int = 0) -> Indices:
        """Return which source records a position holds: of a batched dataset those of batch ``step``.

        Nothing is read. Several sources are numbered one after the other, as ``concat`` would, and one that comes
        several times once; of a zip it is the first one that counts.

        Returns:
            Shape ``(records,)``, int64, in the order of the batch.

        >>> Dataset(range(10)).shuffle(seed=0).batch(4).indices(1).shape
        (4,)
        """
        return self._node.ids(At(np.array([self._position(step)], np.int64), _epoch(epoch)))

    def step_of(self, record: int, epoch: int = 0) -> int | None:
        """Return the first step of an epoch that sees a source record; None where it is left out.

        Nothing is read, and nothing iterated: the order is inverted. A step is a batch where there are batches, else
        a record.

        >>> batches = Dataset(range(10)).shuffle(seed=0).batch(4)
        >>> all(record in batches.indices(batches.step_of(record)) for record in range(10))
        True
        """
        number = operator.index(record)
        if not 0 <= number < self._node.universe:
            raise IndexError(f"source record {record} of {self._node.universe}")
        return self._node.find(number, _epoch(epoch))

    # Orders

    def _ordered(self, make: Callable[[int | None], Order], says: str, **about: bool) -> Self:
        return self._like(_settled(Ordered(self._node, make, says, **about)))

    def _window(self, start: int | None, stop: int | None, step: int | None, says: str) -> Self:
        for value in (start, stop, step):
            if value is not None:
                operator.index(value)
        if step == 0:
            raise ArgumentError("a slice's step must not be 0")
        return self._like(_settled(divide.window(self._node, start, stop, step, says)))

    def shuffle(self, seed: int, reshuffle: bool = True, method: Literal["auto", "explicit", "keyed"] = "auto") -> Self:
        """Put all records in a random order: the true, global shuffle, another one in each epoch.

        Args:
            seed: A whole number, 0 or more. Different seeds, and different epochs of one, share no order.
            reshuffle: False keeps the order of epoch 0 for all epochs.
            method: ``explicit`` holds a permutation (8 bytes a record), ``keyed`` computes it (no memory, any length);
                ``auto`` takes the first up to a million records. Which one is part of a state's identity.

        >>> sorted(Dataset(range(5)).shuffle(seed=0))
        [0, 1, 2, 3, 4]
        """
        seed = check_seed(seed)
        if method not in ("auto", "explicit", "keyed"):
            raise ArgumentError(f"method must be 'auto', 'explicit' or 'keyed', got {method!r}")
        says = f"shuffle(seed={seed}{'' if reshuffle else ', reshuffle=False'})"
        place = rewrite.count(self._node, lambda node: isinstance(node, Ordered) and node.says.startswith("shuffle("))
        make = partial(Shuffle, seed=seed, reshuffle=bool(reshuffle), method=method, place=place)
        return self._ordered(make, says, reorders=bool(reshuffle), whole=True, keeps_length=True)

    def block_shuffle(self, memory: int | str = "2 GB", seed: int = 0, lanes: int = 8, reshuffle: bool = True) -> Self:
        """Put records in an order that is random, and reads each block once: for data that is fetched block by block.

        Blocks are what the source fetches together: parts of a stored version, or what :class:`Source` says of its own;
        of arrays, stretches of up to 4 MB. They are laid end to end in random order, and this line is cut into
        ``lanes`` of equal length, whose records come in turns. Within a lane one window of whole blocks after the other
        is served, its records in random order, while the next is fetched. Write ``shard`` after it: with a number of
        readers that divides ``lanes`` each has blocks of its own, but for those that a border between lanes cuts.

        ``shuffle_report()`` tells how random it is beside :meth:`shuffle`, and what will be fetched.

        Args:
            memory: What two windows of all lanes take together, in the source's bytes; of W readers each holds a W-th.
                Where all blocks have room in it, each lane is one window.
            seed: A whole number, 0 or more.
            lanes: How many: a multiple of the number of readers.
            reshuffle: False keeps the order of epoch 0 for all epochs.

        All of them, and the blocks, are part of a state's identity; the number of readers is not.

        Raises:
            OrderError: The records lie in another order than that in which they are stored, such as after ``shuffle``,
                or have no end.
            ArgumentError: The memory does not hold two blocks for each lane.

        >>> ds = Dataset(np.arange(100_000)).block_shuffle(memory="400 kB", seed=0)
        >>> sorted(ds) == list(range(100_000))
        True
        """
        given = check_seed(seed), bytes_of(memory, "memory"), whole(lanes, "lanes", 1), bool(reshuffle)
        shuffled = BlockShuffled.of(self._node, *given)
        return self._like(_settled(shuffled) if is_there(self._node) else shuffled)

    def shuffle_report(
        self, count: int | None = None, batch: int | None = None, memory: int | str = "2 GB", epoch: int = 0
    ) -> ShuffleReport:
        """Return what the order of records fetches, and how random it is; nothing is read.

        Beside it stands what a true shuffle would fetch through a cache of the same memory. Three measures
        (:class:`headrace.core.shuffle_quality.Quality`), from a sample of positions, are 0 for storage order and 1 for
        a true shuffle.

        Args:
            count: How many readers share the records; None for those of ``shard``, else one.
            batch: Records in a batch; None for those of ``batch``, else 32.
            memory: What each reader's cache holds; after :meth:`block_shuffle` it is known.
            epoch: Whose order.

        >>> ds = Dataset(np.zeros((80_000, 250), np.float32)).block_shuffle(memory="20 MB", seed=0)
        >>> print(ds.shuffle_report(count=2))
        block_shuffle(memory='20 MB', seed=0): 2 readers, each with 10 MB, batches of 32
        80,000 records in ... blocks of ... kB (80 MB), the largest ... kB.
        8 lanes in turns, ... windows of up to ... records (... MB).
        ...

        Raises:
            EndlessError: There is no end.
        """
        readers = None if count is None else whole(count, "count", 1)
        size = None if batch is None else whole(batch, "batch", 1)
        return study(self._node, readers, size, bytes_of(memory, "memory"), _epoch(epoch))

    def shard(self, index: int, count: int, remainder: Remainder = "uneven") -> Self:
        """Return one reader's share: every ``count``-th record from ``index`` on.

        Write it last before ``batch``: then a state saved by any number of readers resumes with any other.

        Args:
            index: This reader, in ``range(count)``.
            count: How many readers there are.
            remainder: What becomes of what ``count`` does not divide: ``uneven`` gives some readers one record more,
                ``drop`` leaves out fewer than ``count``, ``pad`` repeats some and marks them (a column ``padded``, or
                one more field of a tuple).

        >>> [list(Dataset(range(7)).shard(index, 3)) for index in range(3)]
        [[0, 3, 6], [1, 4], [2, 5]]
        """
        index, count = whole(index, "index", 0), whole(count, "count", 1)
        if index >= count:
            raise ArgumentError(f"shard index must be in range({count}), got {index}")
        if remainder not in ("uneven", "drop", "pad"):
            raise ArgumentError(f"remainder must be 'uneven', 'drop' or 'pad', got {remainder!r}")
        if remainder == "pad" and self._node.batched:
            raise ArgumentError("remainder='pad' marks records, not whole batches: shard() before batch()")
        return self._like(Sharded(self._node, index, count, remainder))

    def shard_by_rank(self, remainder: Remainder = "drop") -> Self:
        """Return this process's share of a distributed run: ``shard(rank, processes)``.

        The rank is that of ``torch.distributed`` or JAX, where it was initialised, else what the launcher (torchrun,
        Open MPI, MPICH, ``srun``) left in the environment; a process by itself reads everything.

        Args:
            remainder: See :meth:`shard`. ``drop``, the default here, gives all the same number of steps: collective
                training hangs where one has a step more.

        Raises:
            ArgumentError: The environment contradicts itself, such as by a rank without a number of processes.

        >>> len(Dataset(range(7)).shard_by_rank())
        7
        """
        ranks = rank_and_world()
        return self.shard(ranks.index, ranks.count, remainder)

    def take(self, n: int) -> Self:
        """Return the first ``n`` records, or all if there are fewer."""
        return self._window(None, whole(n, "n", 0), None, f"take({n})")

    def skip(self, n: int) -> Self:
        """Return all but the first ``n`` records."""
        return self._window(whole(n, "n", 0), None, None, f"skip({n})")

    def repeat(self, times: int | None = None) -> Self:
        """Return the records several times over; a shuffle below draws a new order each time.

        Args:
            times: How often; None for ever, and then there is no ``len``.

        >>> list(Dataset(range(2)).repeat(2))
        [0, 1, 0, 1]
        """
        if times is not None:
            times = whole(times, "times", 0)
        return self._ordered(partial(Repeat, times=times), f"repeat({'' if times is None else times})", whole=True)

    def split(self, *, seed: int | None = None, by: str | int | None = None, **parts: float) -> Parts[Self]:
        """Divide the records into parts, once and for all epochs; no record is in two.

        Shuffles written before it are drawn over each part by itself. Reads one column where ``by`` is given.

        Args:
            seed: Draws who goes where; None cuts in order.
            by: A column: records of one value stay together, so that no patient is in two parts; then the sizes are
                as near to the fractions as whole groups allow.
            **parts: Fractions that sum to 1, or numbers of records that sum to the length.

        Returns:
            The parts, which unpack in order and answer to their names: ``parts.train``, ``parts["train"]``.

        Raises:
            OrderError: The set of records differs by epoch below, or holds a record more than once.

        >>> train, val = Dataset(range(10)).split(train=0.8, val=0.2, seed=0)
        >>> len(train), len(val), sorted([*train, *val]) == list(range(10))
        (8, 2, True)
        """
        self._needs_end("split()")
        if seed is not None:
            seed = check_seed(seed)
        divided = divide.split(self._node, parts, seed, by)
        return Parts({name: self._like(node) for name, node in divided.items()})

    def sort_by(self, by: str | int | Callable[[Any], Any], descending: bool = False) -> Self:
        """Return the records in the order of a column, or of a function of the record; equal ones keep their order.

        The column is read on first use. A shuffle written before has no effect.

        >>> Dataset(name=["b", "a"], size=[1, 2]).sort_by("name")[0]
        {'name': 'a', 'size': 2}
        """
        if costs_nothing(self._node):
            self._needs_end("sort_by()")
        return self._like(divide.sort(self._node, by, descending))

    def group_by(self, column: str | int) -> dict[Any, Self]:
        """Return the records of each value of a column, in order of appearance; reads the column at once.

        >>> {kind: len(group) for kind, group in Dataset(kind=["x", "y", "x"]).group_by("kind").items()}
        {'x': 2, 'y': 1}
        """
        self._needs_end(f"group_by({column!r})")
        return {name: self._like(node) for name, node in divide.group(self._node, column).items()}

    def balance(self, by: str | int, length: Literal["largest", "smallest"] | int = "largest") -> Dataset:
        """Return equal shares of each group, in turns: after any number of records they differ by one at most.

        Reads the column at once.

        Args:
            by: The column that tells the groups.
            length: How many records each group gives in an epoch: as many as the largest has, as the smallest has, or
                a number. Smaller groups go round again, and all go on in the next epoch where they stopped in this
                one, so that the records of a group come equally often.

        >>> Dataset(label=[0, 0, 0, 1]).balance(by="label").collect()["label"].tolist()
        [0, 1, 0, 1, 0, 1]
        """
        groups = list(self.group_by(by).values())
        if not groups:
            raise ArgumentError("balance: there are no records, so there are no groups")
        if length in ("largest", "smallest"):
            each = (max if length == "largest" else min)(len(group) for group in groups)
        else:
            each = whole(length, "length (a number, 'largest' or 'smallest')", 1)
        nodes = tuple(group._node for group in groups)
        return Dataset._of(Mix(nodes, (1.0,) * len(nodes), "longest", each))

    def sample(self, n: int, *, seed: int, weights: Any = None, replace: bool = False) -> Self:
        """Return ``n`` records drawn at random, once and for all epochs.

        Args:
            n: How many.
            seed: A whole number, 0 or more.
            weights: The chance of each record, in proportion: shape ``(len,)``, or a column's name; None for equal.
            replace: Whether a record may be drawn more than once.

        >>> len(set(Dataset(range(100)).sample(10, seed=0)))
        10
        """
        return self._like(divide.sample(self._node, whole(n, "n", 0), check_seed(seed), weights, replace))

    # Functions

    def map(self, function: Callable[..., Any], seed: int | None = None, on_error: OnError | None = None) -> Self:
        """Apply a function to each record; after ``batch``, to each batch.

        Args:
            function: Called with a record; with a seed, with a record and a NumPy Generator of that record's own,
                which is good within the call.
            seed: Makes the generators, keyed by (seed, epoch, position): a record drawn twice is augmented
                differently, and the same run gives the same numbers with any workers.
            on_error: What becomes of records that it fails on, see ``stream``; None for what the stream says.

        >>> sum(Dataset(range(10)).map(lambda x: x + 1))
        55
        """
        return self._mapped(RecordMap, function, seed, on_error)

    def map_batches(
        self, function: Callable[..., Any], seed: int | None = None, on_error: OnError | None = None
    ) -> Self:
        """Apply a function to many records at once; it must treat each row by itself.

        How many rows it is given, and which are beside each other, is not promised: the contract is row-wise. After
        ``batch`` it is the same as ``map``.

        Args:
            function: Called with a Batch (of mappings), a tuple of columns (of tuples) or a column (of values), and
                returns one of these with as many rows; with a seed it is given a :class:`RowGenerator`, too.
            seed: Makes the generator, whose row i is keyed by (seed, epoch, position of row i).
            on_error: What becomes of records that it fails on: where it fails, it is called again with fewer of them,
                down to single ones. See ``stream``; None for what the stream says.

        >>> Dataset(np.arange(3)).map_batches(lambda x: x * 10).list()
        [0, 10, 20]
        """
        return self._mapped(RecordMap if self._node.batched else BatchMap, function, seed, on_error)

    def _mapped(self, kind: type[Map], function: Any, seed: int | None, on_error: OnError | None) -> Self:
        if not callable(function):
            raise KindError(f"map needs a function, got {type(function).__name__}")
        checked = None if seed is None else check_seed(seed)
        policy = None if on_error is None else check_on_error(on_error)
        place = rewrite.count(self._node, lambda node: isinstance(node, Map))
        return self._like(rewrite.above_maps(self._node, lambda node: kind(node, function, checked, place, policy)))

    def cache(
        self,
        store: Any,
        id: str | None = None,
        version: str | None = None,
        libraries: Sequence[str] = (),
        progress: bool | None = None,
        workers: Any = 0,
    ) -> Self:
        """Make the records once, on first use, keep them in a store, and read them from there ever after.

        They are kept under a key of all that they are made of: sources, parameters, the functions' code with what it
        reaches in your own project. Change any of it, and they are made anew; of many processes that need them, one
        makes them. Orders above stay what they are: a shuffle before is drawn over what is cached.

        Args:
            store: A ``headrace.Store``.
            id: The dataset that the versions belong to; ``"cache"`` if None.
            version: The version's name, in the place of the key: you say when it changes.
            libraries: Packages whose versions belong to the key, such as ``["torch"]``.
            progress: Show a progress bar while the records are made; None for where somebody would see it.
            workers: Who makes them, as for :meth:`stream`. When they are killed, the next ones go on from there.

        Raises:
            OrderError: The records differ by epoch below, by a random map for example; the message names the step.
            ArgumentError: When records are first asked for: something cannot be keyed (it is named), see ``version``.
            StoreError: The store cannot be written.

        >>> from tempfile import TemporaryDirectory
        >>> import headrace as hr
        >>> with TemporaryDirectory() as folder:
        ...     ds = Dataset(range(4)).shuffle(seed=0).map(lambda n: print("working") or n * n).cache(hr.Store(folder))
        ...     sorted(ds), sorted(ds)
        working
        working
        working
        working
        ([0, 1, 4, 9], [0, 1, 4, 9])
        """
        if not hasattr(store, "keeper"):
            raise KindError(
                f"cache needs a headrace.Store, got {type(store).__name__}: cache(hr.Store({str(store)!r}))"
            )
        if self._node.batched:
            raise ArgumentError("what is cached is records: write cache(...) before batch(...)")
        rewrite.refuse_random(self._node, "cache()")
        place = rewrite.still(self._node, "cache()")
        cached = Cached(rewrite.content(self._node, place), store.keeper(id, version, libraries, progress, workers))
        return self._like(rewrite.orders(self._node, place, cached))

    def filter(self, predicate: Callable[[Any], Any], batches: bool = False) -> Self:
        """Keep the records for which a function is true.

        It looks at every record once, on first use, and remembers two bits a record; then ``len`` is right and access
        random. Written after a shuffle, it is evaluated below it, and the shuffle is drawn over what is kept.

        Args:
            predicate: Called with a record, returns a truth value; with ``batches`` called with a batch, returns a
                boolean array of shape ``(rows,)``.
            batches: Whether the predicate looks at many records at once, which is faster.

        Raises:
            OrderError: The set of records differs by epoch below, by a random map or a take of a reshuffled order;
                the message names the step. ``.stream().filter(...)`` filters whatever flows.

        >>> list(Dataset(range(10)).filter(lambda x: x % 2 == 1))
        [1, 3, 5, 7, 9]
        """
        if not callable(predicate):
            raise KindError(f"filter needs a function, got {type(predicate).__name__}")

        def kept(node: Node) -> Node:
            parted = rewrite.each_part(node, kept)
            if parted is not None:
                return parted
            what = f"filter({name_of(predicate)})"
            rewrite.refuse_random(node, what)
            place = rewrite.still(node, what)
            shown = rewrite.content(node, place)
            return rewrite.rebuild(node, place, lambda below: Kept(below, shown, predicate, batches))

        return self._like(kept(self._node))

    # Columns

    def select(self, *names: str | int) -> Self:
        """Return records with these columns only, in this order; the others are not read where that can be avoided."""
        return self._picked("select", names)

    def select_tuple(self, *names: str | int) -> Self:
        """Return records that are tuples of these columns, for ``for x, y in ...``.

        >>> Dataset(x=[1.5], y=[2]).select_tuple("y", "x")[0]
        (2, 1.5)
        """
        return self._picked("select_tuple", names)

    def drop(self, *names: str | int) -> Self:
        """Return records without these columns."""
        return self._picked("drop", names)

    def _picked(self, kind: str, names: tuple[str | int, ...]) -> Self:
        flat = tuple(names[0]) if len(names) == 1 and isinstance(names[0], list | tuple) else names
        wanted = [str(name) for name in flat]
        if not wanted:
            raise ArgumentError(f"{kind} needs the name of a column")
        if len(set(wanted)) < len(wanted) and kind != "select_tuple":
            raise ArgumentError(f"{kind}: a column is named twice in {', '.join(wanted)}")
        schema = self._node.schema()
        if kind != "select_tuple" and schema is not None and schema.structure == "tuple":
            keep = wanted if kind == "select" else [name for name in schema.fields if name not in wanted]
            pairs = tuple((old, str(place)) for place, old in enumerate(keep))
            return self._like(rewrite.pick(self._node, "select_tuple", pairs))
        as_tuple = kind == "select_tuple"
        pairs = tuple((name, str(place) if as_tuple else name) for place, name in enumerate(wanted))
        return self._like(rewrite.pick(self._node, kind, pairs))

    def rename(self, names: Mapping[str, str] | None = None, /, **more: str) -> Self:
        """Return records with some columns under new names: ``rename({"old": "new"})`` or ``rename(old="new")``."""
        pairs = {**(names or {}), **more}
        if not pairs:
            raise ArgumentError('rename needs names, such as rename({"old": "new"})')
        for old, new in pairs.items():
            if not isinstance(old, str) or not isinstance(new, str) or not new:
                raise ArgumentError(f"rename: names must be strings that are not empty, got {old!r} to {new!r}")
        return self._like(rewrite.pick(self._node, "rename", tuple(pairs.items())))

    # To batches, streams and results

    def batch(
        self,
        size: int,
        drop_remainder: bool = False,
        collate: Callable[[list[Any]], Any] | None = None,
        pad: Pad = None,
    ) -> Self:
        """Return a Dataset whose records are batches: ``len`` counts batches, ``[k]`` is batch k.

        A batch keeps its records' structure: of mappings it is a :class:`Batch`, of tuples a tuple of columns, of
        values one column. No batch spans two epochs. Columns are copies, the caller's own.

        Args:
            size: Records in a batch.
            drop_remainder: Whether to leave out a last batch of fewer records.
            collate: Makes a batch of a list of records; None stacks columns.
            pad: Fills ragged columns up to the longest row of the batch: a value for all, or a mapping from column to
                value. A column ``text_length`` then tells the true lengths of ``text``; of tuples and values they
                are further fields at the end.

        >>> Dataset(range(5)).batch(2).list()
        [array([0, 1]), array([2, 3]), array([4])]
        """
        check_collate(pad, collate)
        return self._like(Batched(self._node, whole(size, "batch size", 1), bool(drop_remainder), collate, pad))

    def stream(
        self,
        epochs: int | None = 1,
        workers: Any = 0,
        prefetch: Any = None,
        copy: bool = True,
        on_error: OnError = "raise",
        max_errors: int | float = 100,
        *,
        start_offset: int = 0,
        shuffle: bool = False,
        skip_shuffle_at_epoch_end: bool = False,
        shuffle_seed: int | None = None,
        shard_rank: int = 0,
        num_shards: int = 1,
        drop_shard_remainder: bool = False,
    ) -> Stream:
        """Cross over to the sequential layer: the records, or batches, in order, with a state to resume from.

        Whoever does the work, the same batches come in the same order, byte for byte, and a state that was saved with
        some workers is resumed with others.

        Args:
            epochs: How many epochs; None for ever.
            workers: 0 for none: the work is done when a batch is asked for. A number of processes; ``Threads(n)``;
                ``Processes(n, ...)``; an executor (of ``concurrent.futures``, Dask, loky); or ``"auto"``, which tries
                on the first batches what is fastest here (``report()`` says what it chose, and why).
            prefetch: How far workers run ahead: a number of batches (by default twice as many as there are workers,
                and two), an amount of memory such as ``"256 MB"`` (by default 1 GB), or a pair of both; both bounds
                hold.
            copy: Whether batches are the caller's own. False gives views of memory that worker processes share, which
                is theirs again when the last view dies; while too many are held, copies are given.
            on_error: What becomes of records that a read or a map left of here fails on. ``"raise"``; ``"skip"``: they
                are left out, their batch is shorter, and the stream lists them in ``errors``; ``Retry(times, wait)``;
                or a function of (error, record), which returns what is put in the place of what the failed step would
                have given, or ``SKIP``. It is given what the step was given: of a read that failed, the record's
                number.
            max_errors: How many different records may fail, or which fraction of an epoch's, before it is an error.
            start_offset: How many items of this reader lie behind already, counted in its own order from the front of
                epoch 0; as many epochs as ``epochs`` says follow, of which the first one lacks its front. It costs
                nothing, whatever it is.
            shuffle: Whether each reader draws an order of its share, anew for each epoch: ``shard``, then ``shuffle``.
                With these as methods the other way round, readers exchange records from epoch to epoch.
            skip_shuffle_at_epoch_end: Whether all epochs have the order of the first.
            shuffle_seed: What is drawn from; None draws a seed, too, which the stream's repr tells.
            shard_rank: Which of the readers this is: it gets every ``num_shards``-th record, from this one on.
            num_shards: How many readers there are.
            drop_shard_remainder: Whether records that ``num_shards`` does not divide are left out, so that all readers
                have as many.

        >>> batches = Dataset(range(8)).map(lambda x: 10 // (x - 3)).batch(4)
        >>> stream = batches.stream(on_error="skip")
        >>> stream.list()
        [array([ -4,  -5, -10]), array([10,  5,  3,  2])]
        >>> print(stream.errors[0])
        record 3 of range(0, 8): map(lambda): ZeroDivisionError: integer division or modulo by zero

        >>> iterator = iter(Dataset(range(4)).batch(2).stream(epochs=2))
        >>> next(iterator), iterator.state_dict()["at"]["step"]
        (array([0, 1]), 1)
        """
        if epochs is not None:
            epochs = whole(epochs, "epochs", 0)
        who, bounds = as_workers(workers, prefetch)
        policy, budget = check_on_error(on_error), check_budget(max_errors)
        offset = whole(start_offset, "start_offset", 0)
        dealt = self._dealt(shard_rank, num_shards, bool(drop_shard_remainder))
        seed = secrets.randbits(32) if shuffle_seed is None else check_seed(shuffle_seed)
        node = (dealt.shuffle(seed, reshuffle=not skip_shuffle_at_epoch_end) if shuffle else dealt)._node
        return Stream._of(Crossing(node, epochs, who, bounds, bool(copy), policy, budget, offset=offset))

    def _dealt(self, rank: int, count: int, drop: bool) -> Self:
        rank, count = whole(rank, "shard_rank", 0), whole(count, "num_shards", 1)
        if rank >= count:
            raise ArgumentError(f"shard_rank must be in range({count}), got {rank}")
        if count == 1:
            return self
        dealt = self.shard(rank, count, "drop" if drop else "uneven")
        if drop and costs_nothing(dealt._node) and self and not dealt:
            raise ArgumentError(
                f"num_shards={count} readers, but there are {len(self)} records: nothing is left to read"
            )
        return dealt

    def to_torch(self) -> Any:
        """Return a map-style ``torch.utils.data.Dataset`` of the records, for a DataLoader of your own.

        A DataLoader reads a whole batch of it at once. Arrays come as tensors, numbers and text as they are, so that
        the default ``collate_fn`` stacks them with their dtypes; after ``batch()`` a record is a dict of tensors, for
        ``DataLoader(..., batch_size=None)``. It may be forked, and travels to workers that are spawned.
        ``set_epoch(epoch)`` on it draws shuffles and random maps anew.

        Raises:
            MissingExtraError: torch is not installed.
            EndlessError: There is no end, and so no length.
        """
        self._needs_end("to_torch()")
        return map_style(self, self._rows)

    def _rows(self, positions: Indices, epoch: int) -> list[Any]:
        return self._node.read(At(positions, epoch), Context()).rows()

    def list(self) -> list[Any]:
        """Return all records of epoch 0."""
        self._needs_end("list()")
        return [*iter(self)]

    def collect(self) -> Any:
        """Return all records of epoch 0 as one batch: a Batch, a tuple of columns or one column."""
        self._needs_end("collect()")
        if self._node.batched:
            raise ArgumentError(
                "collect() makes one batch, and these are batches already: list() them, or collect() before batch"
            )
        return to_columns(self._read_all()).unwrap()

    def _read_all(self) -> Records:
        context, length = Context(), len(self)
        pieces: list[Records] = []
        announce(self._node, length)
        for start in range(0, max(length, 1), _BLOCK):
            try:
                at = At(np.arange(start, min(start + _BLOCK, length), dtype=np.int64))
                pieces.append(read_kept(self._node, at, context))
            except Skipped:  # a policy of a map leaves all of them out
                continue
        if not pieces:
            return Rows([])
        if any(isinstance(piece, Rows) for piece in pieces):
            return Rows([row for piece in pieces for row in piece.rows()])
        return pieces[0] if len(pieces) == 1 else concat_records(pieces)

    def first(self) -> Any:
        """Return record 0 of epoch 0."""
        if not self:
            raise IndexError("first(): the dataset has no records")
        return self._record(0)

    def foreach(self, function: Callable[[Any], Any]) -> None:
        """Call a function with every record of epoch 0.

        >>> Dataset(range(10)).filter(lambda x: x % 4 == 1).foreach(print)
        1
        5
        9
        """
        for record in self:
            function(record)

    def _needs_end(self, what: str) -> None:
        if self._node.length is None:
            raise EndlessError(f"{what} needs an end, and this dataset has none: take(n) first")


def concat(datasets: Iterable[Dataset]) -> Dataset:
    """Return datasets one after the other; their records must be alike.

    >>> list(concat([Dataset(range(2)), Dataset(range(3))]))
    [0, 1, 0, 1, 2]
    """
    nodes = _nodes(datasets, "concat")
    check_alike(nodes, "concat")
    # one list of parts however they were put together: adding in a loop would nest as deep
    parts: list[Node] = []
    for node in rewrite.in_one_order(nodes):
        parts += node.inputs if isinstance(node, Concat) else (node,)
    return Dataset._of(_settled(Concat(tuple(parts))))


@overload
def zip(*things: Dataset) -> Dataset: ...
@overload
def zip(first: Stream, /, *things: Dataset | Stream) -> Stream: ...
@overload
def zip(*things: Dataset | Stream) -> Dataset | Stream: ...
def zip(*things: Dataset | Stream) -> Dataset | Stream:
    """Return datasets, or streams, side by side: a record is a tuple with one of each; the shortest one ends it.

    Where one of them is a Stream it is a Stream, and a Dataset among them is one pass over it.

    >>> list(zip(Dataset(range(3)), Dataset(["a", "b"])))
    [(0, 'a'), (1, 'b')]
    >>> zip(Stream([1, 2]), Dataset(range(9)), Stream("to be or not".split())).list()
    [(1, 0, 'to'), (2, 1, 'be')]

    Raises:
        ArgumentError: There are none.
        KindError: One of them is neither a Dataset nor a Stream.
        OrderError: Two have block shuffles of one seed over blocks that differ, so that what belongs together would not
            come together.
    """
    if any(isinstance(thing, Stream) for thing in things):
        return Stream._zipped(things)
    nodes = _nodes(things, "zip")
    refuse_apart(nodes)
    return Dataset._of(Zip(nodes))


def mix(
    datasets: Iterable[Dataset], weights: Iterable[float] | None = None, stop: Literal["first", "longest"] = "first"
) -> Dataset:
    """Mix datasets by weights, in exact quotas: after any k records, dataset i has given k p_i of them, within one.

    Within one holds for up to three datasets, and for any number whose weights are in the ratio of whole numbers of a
    sum up to 2**18; otherwise it is within 1.68. Nothing drifts where whole numbers of a sum below 2**31 hold the
    ratios: lengths as weights give every record exactly once. Other ratios are rounded, by less than 2**-30.

    Args:
        datasets: At least one; their records must be alike.
        weights: As many numbers, 0 or more, not all 0, in proportion; None for equal ones.
        stop: ``first`` ends before the first draw that a dataset cannot serve; ``longest`` when each has been given
            in full, the shorter ones going round again.

    Raises:
        ArgumentError: The weights do not fit.
        SchemaError: The records are not alike.

    >>> list(mix([Dataset([0] * 6), Dataset([1] * 2)], weights=[3, 1]))
    [0, 0, 0, 1, 0, 0, 0, 1]
    """
    nodes = _nodes(datasets, "mix")
    check_alike(nodes, "mix")
    given = [1.0] * len(nodes) if weights is None else [*weights]
    shares = tuple(check_weights(given)) if len(given) == len(nodes) else tuple(given)
    mixed = Mix(rewrite.in_one_order(nodes), shares, stop)
    mixed.check()
    return Dataset._of(_settled(mixed))


def _nodes(datasets: Iterable[Any], what: str) -> tuple[Node, ...]:
    listed = [datasets] if isinstance(datasets, Dataset) else [*datasets]
    if not listed:
        raise ArgumentError(f"{what} needs at least one dataset")
    for dataset in listed:
        if not isinstance(dataset, Dataset):
            raise KindError(f"{what} takes Datasets, got {type(dataset).__name__}: Dataset(...) of it first")
    return tuple(dataset._node for dataset in listed)


def _settled(node: Ordered | Concat | Mix) -> Node:
    """Draw the order now, where no pass is needed for it: one that cannot be drawn is answered where it is written."""
    if costs_nothing(node):
        _ = node.bound if isinstance(node, Ordered) else node.starts if isinstance(node, Concat) else node.mixture
    return node


def _epoch(value: Any) -> int:
    return whole(value, "epoch", 0)


def _slice_text(key: slice) -> str:
    parts = [key.start, key.stop] + ([key.step] if key.step is not None else [])
    return ":".join("" if part is None else str(part) for part in parts)
