"""The muxes: many streams into one. Faces; what they do lies in ``mux``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence, Sized
from typing import Any, Literal, Self, TypeAlias, overload

from numpy.typing import NDArray

from headrace.core import seeds
from headrace.core.arguments import whole
from headrace.core.errors import ArgumentError, KindError
from headrace.core.failures import OnError
from headrace.core.failures import check as check_on_error
from headrace.core.flow import Flow, State
from headrace.core.ledger import Ledger, check_budget
from headrace.dataset import Dataset
from headrace.dataset import mix as mix_datasets
from headrace.mux import kinds
from headrace.mux.lifetimes import Dist, check_dist, check_rate
from headrace.mux.succession import LazyChain, Streams
from headrace.mux.tally import Stats
from headrace.mux.weights import Curriculum, as_weights
from headrace.mux.working_set import Mode, Weighting, check_word
from headrace.nodes.crossing import Crossing
from headrace.stages.iterate import Iterate
from headrace.stream import Stream, _flow_of
from headrace.workers.inline import Inline
from headrace.workers.prefetch import Prefetch

__all__ = ["ChainMux", "Curriculum", "Mux", "RoundRobinMux", "ShuffledMux", "Stats", "StochasticMux", "mix"]

_INLINE, _PREFETCH = Inline(), Prefetch()

Weights: TypeAlias = Sequence[float] | NDArray[Any] | Callable[[int], Sequence[float]] | Curriculum | None


class Mux(Stream):
    """Many streams as one: a Stream, with all that streams can do, whose streams are gone through side by side.

    Each time that a stream is given a seat among the active ones, it is started from its front, with an epoch of its
    own: what is seeded in it draws anew. A Dataset is one pass over it. What is no Stream and no Dataset becomes a
    Stream of its items.

    An iteration's state says who is active, where each of them is, and the place in the draws: plain JSON, however
    deep muxes nest. A stream over a plain generator is resumed by replay of its own activation alone.

    >>> turns = RoundRobinMux([Stream(["a"]), Stream(["b"])], mode="cycle")
    >>> mux = ShuffledMux([turns, Stream(["c"])], seed=0)
    >>> isinstance(mux, Mux), mux.map(str.upper).take(6).list()
    (True, ['C', 'C', 'C', 'C', 'A', 'C'])
    """

    __slots__ = ()

    @classmethod
    def _mux(cls, flow: Flow) -> Self:
        self = object.__new__(cls)
        self._flow = flow
        self._at = self._probe = None
        return self

    def resume(self, state: State) -> Self:
        resumed = super().resume(state)
        mux = self._mux(self._flow)
        mux._at = resumed._at
        return mux

    def stats(self) -> Stats:
        """Return what the latest iteration has given: of which streams how many records, activations, evictions.

        Of an iteration that was resumed, what it has given since; of one in a ``background()``, what the process there
        has made, as it said last: some ahead of what was handed out here.

        >>> mux = RoundRobinMux([Stream([1, 2]), Stream([3])])
        >>> mux.list(), mux.stats().records.tolist(), mux.stats().longest.tolist()
        ([1, 3, 2], [2, 1], [2, 1])
        """
        flow: Any = self._flow
        stats: Stats = flow.tally.stats()
        return stats

    def set_weights(self, weights: Sequence[float] | NDArray[Any]) -> None:
        """Have the iterations of this mux that are running go by other weights, from their next record on.

        It is part of their state from then on: a run that is resumed goes by the same weights at the same records.
        Iterations that begin later have the weights that the mux was made with. A stream that is active and has no
        weight any more is closed; beyond that, those that are active stay for their lifetimes. To be called between
        two items, by the thread that takes them; what steps downstream hold already (a ``rebatch``, a ``pack``) was
        drawn by the weights before. A mux that has come to its end has come to its end.

        Args:
            weights: One for each stream, 0 or more, not all 0.

        >>> mux = mix([Stream(["a"] * 9), Stream(["b"] * 9)], weights=[1, 0])
        >>> items = iter(mux)
        >>> first = [next(items) for _ in range(2)]
        >>> mux.set_weights([0, 1])
        >>> first, [next(items) for _ in range(2)], mux.stats().records.tolist()
        (['a', 'a'], ['b', 'b'], [2, 2])

        Raises:
            OrderError: No iteration is running in this process, or the mux has no weights.
            ArgumentError: There are too many or too few weights, one is negative, or all are 0.
        """
        flow = self._flow
        if not isinstance(flow, kinds.StochasticMux | kinds.ShuffledMux | kinds.QuotaMux):
            raise ArgumentError(f"{type(self).__name__} has no weights: its streams come in strict order")
        flow.tally.set_weights(weights, flow.words())


class StochasticMux(Mux):
    """A working set: of many streams ``n_active`` at a time, each for a lifetime; then another one takes its seat.

    Memory is bounded by that: a stream that has to leave is closed at once. Each turn is drawn among the active ones.

    ``weighting="records"`` means that ``weights`` are the long-run *proportions of records*, whatever ``n_active`` is,
    as long as the streams outlast their lifetimes. With replacement, a free seat goes to a stream in proportion to its
    weight, and all seats have equal turns. Without (``single_active``), the chances of a free seat are such that
    streams sit as often as they should (see ``mux.inclusion``); one that should give more than a seat does always
    sits, and has more turns. A stream that ends before its lifetime gives less: with replacement its share is in
    proportion to weight times the mean of min(length, lifetime); without it loses less, since it comes back sooner.
    With ``exhaustive`` each stream comes once, so all that weights decide is who comes early.

    ``weighting="active"`` is the rule of pescador: a free seat goes to any stream with equal chance, and turns go by
    weight among those that are active at the time. In the long run, with replacement and with a rate, each stream then
    gives as much as any other, whatever the weights; in ``single_active`` heavy streams give somewhat more, since they
    leave sooner and come back more often.

    Args:
        streams: The streams: Streams (muxes among them), Datasets, or anything that a Stream can be made of.
        n_active: How many are active at a time.
        rate: How many records an activated stream gives on average, 1 or more; None: all that it has.
        weights: One for each stream, 0 or more; None for equal ones; a function of the step, or a ``Curriculum``.
        mode: ``"with_replacement"``: a stream may be active several times; ``"single_active"``: once at a time;
            ``"exhaustive"``: each stream comes once, and when all have come the mux ends.
        prune_empty_streams: Whether a stream that gave nothing when it was activated is never activated again.
        dist: How lifetimes are distributed around the rate: ``"constant"``; ``"poisson"``: 1 + Poisson(rate - 1), of
            variance rate - 1; ``"binomial"``: 1 + Binomial(m, (rate - 1) / m), where m is (rate - 1) / (1 - p), rounded
            up, and p the stream's share of the turns: of variance (rate - 1) p.
        seed: Keys all draws, together with the epoch and the number of the draw.
        weighting: What the weights mean.
        on_error: What becomes of a stream that raises an error: ``"raise"``; ``"skip"``: it leaves its seat, and is
            listed in ``errors``; ``Retry(times, wait)``: it is gone through again up to there; or a function of (error,
            number of the stream) that returns an item to be given in that place, or ``SKIP``, before it leaves.
        max_errors: How many different records may fail.

    >>> letters = [Stream([letter] * 50) for letter in "abcdef"]
    >>> mux = StochasticMux(letters, n_active=2, rate=4, seed=0)
    >>> "".join(mux.take(24).list())
    '...'

    Source: the hierarchical sampling of pescador (McFee, Jacoby, Humphrey and others).

    Raises:
        ArgumentError: There are no streams; ``n_active`` is below 1, or above their number where each may be active
            only once; the rate is below 1; weights are negative, all 0, too many or too few.
        OrderError: In the iteration, where no stream has an item to give, or they end at once for ever.
        RecordError: In the iteration, where a stream fails: names it.
    """

    __slots__ = ()

    def __init__(
        self,
        streams: Iterable[Any],
        n_active: int,
        rate: float | None,
        weights: Weights = None,
        mode: Mode = "with_replacement",
        prune_empty_streams: bool = True,
        dist: Dist = "binomial",
        seed: int = 0,
        weighting: Weighting = "records",
        on_error: OnError = "raise",
        max_errors: int | float = 100,
    ) -> None:
        flows = as_flows(streams, "StochasticMux")
        check_word(mode, "mode", Mode)
        active = whole(n_active, "n_active", 1)
        if mode != "with_replacement" and active > len(flows):
            raise ArgumentError(
                f"n_active={active} streams cannot be active when there are {len(flows)}, each of them once at a time: "
                f"take n_active={len(flows)}, or mode='with_replacement'"
            )
        self._flow = kinds.StochasticMux(
            flows,
            as_weights(weights, len(flows)),
            seeds.check(seed),
            check_on_error(on_error),
            check_budget(max_errors),
            n_active=active,
            rate=check_rate(rate),
            mode=mode,
            prune_empty_streams=bool(prune_empty_streams),
            dist=check_dist(dist),
            weighting=check_word(weighting, "weighting", Weighting),
        )
        self._at = self._probe = None


class ShuffledMux(Mux):
    """All streams active, each turn a random one's, by weights: these are the proportions of records.

    A stream that has ended begins anew; one that gave nothing is left out from then on.

    Args:
        streams, weights, seed, on_error, max_errors: As of ``StochasticMux``.

    >>> mux = ShuffledMux([Stream(["a"]), Stream(["b"])], weights=[3, 1], seed=0)
    >>> letters = mux.take(1000).list()
    >>> letters.count("a")
    748

    Raises:
        ArgumentError: There are no streams, or the weights do not fit.
        OrderError: In the iteration, where no stream has an item to give.
    """

    __slots__ = ()

    def __init__(
        self,
        streams: Iterable[Any],
        weights: Weights = None,
        seed: int = 0,
        on_error: OnError = "raise",
        max_errors: int | float = 100,
    ) -> None:
        flows = as_flows(streams, "ShuffledMux")
        self._flow = kinds.ShuffledMux(
            flows,
            as_weights(weights, len(flows)),
            seeds.check(seed),
            check_on_error(on_error),
            check_budget(max_errors),
        )
        self._at = self._probe = None


class RoundRobinMux(Mux):
    """One item of each stream in turn; those that have ended are passed over.

    Args:
        streams, on_error, max_errors: As of ``StochasticMux``.
        mode: What is done when all have ended: ``"exhaustive"``: it ends; ``"cycle"``: all begin anew;
            ``"permuted_cycle"``: all begin anew, in another order.
        seed: Keys the orders.

    >>> RoundRobinMux([Stream("ab".split("|")[0:1] * 2), Stream(["c"])]).list()
    ['ab', 'c', 'ab']

    Raises:
        ArgumentError: There are no streams, or there is no such mode.
        OrderError: In the iteration, where no stream has an item to give.
    """

    __slots__ = ()

    def __init__(
        self,
        streams: Iterable[Any],
        mode: Literal["exhaustive", "cycle", "permuted_cycle"] = "exhaustive",
        seed: int = 0,
        on_error: OnError = "raise",
        max_errors: int | float = 100,
    ) -> None:
        flows = as_flows(streams, "RoundRobinMux")
        check_word(mode, "mode", Literal["exhaustive", "cycle", "permuted_cycle"])
        self._flow = kinds.RoundRobinMux(
            flows,
            as_weights(None, len(flows)),
            seeds.check(seed),
            check_on_error(on_error),
            check_budget(max_errors),
            mode=mode,
        )
        self._at = self._probe = None


class ChainMux(Mux):
    """One stream after the other; only one is open at a time.

    Args:
        streams: A list of streams, as of ``StochasticMux``; or what gives them one by one: a generator function, a
            Stream of streams. Then each is asked for when the one before has ended, and there may be no end of them.
        mode: What is done at the end: ``"exhaustive"``: it ends; ``"cycle"``: begins anew.
        on_error, max_errors: As of ``StochasticMux``.

    >>> ChainMux([Stream([1, 2]), Stream([3])], mode="cycle").take(5).list()
    [1, 2, 3, 1, 2]
    >>> def files():
    ...     for length in (2, 1):
    ...         yield Stream(range(length))
    >>> ChainMux(files).list()
    [0, 1, 0]

    Raises:
        ArgumentError: There are no streams, or there is no such mode.
        OrderError: In the iteration, where no stream has an item to give.
    """

    __slots__ = ()

    def __init__(
        self,
        streams: Any,
        mode: Literal["exhaustive", "cycle"] = "exhaustive",
        on_error: OnError = "raise",
        max_errors: int | float = 100,
    ) -> None:
        check_word(mode, "mode", Literal["exhaustive", "cycle"])
        policy, budget = check_on_error(on_error), check_budget(max_errors)
        if isinstance(streams, Stream) or not isinstance(streams, Sized):
            outer = Streams.over(streams._on()) if isinstance(streams, Stream) else Streams.of(streams)
            self._flow = LazyChain(outer, as_flow, mode, policy, budget)
        else:
            flows = as_flows(streams, "ChainMux")
            self._flow = kinds.ChainMux(flows, as_weights(None, len(flows)), 0, policy, budget, mode=mode)
        self._at = self._probe = None


@overload
def mix(
    streams: Iterable[Dataset],
    weights: Sequence[float] | None = None,
    stop: Literal["first", "longest"] = "first",
) -> Dataset: ...


@overload
def mix(
    streams: Iterable[Any],
    weights: Weights = None,
    stop: Literal["first", "longest"] = "first",
    on_error: OnError = "raise",
    max_errors: int | float = 100,
) -> Mux: ...


def mix(
    streams: Iterable[Any],
    weights: Weights = None,
    stop: Literal["first", "longest"] = "first",
    on_error: OnError = "raise",
    max_errors: int | float = 100,
) -> Dataset | Mux:
    """Mix Datasets, or streams, by weights, in exact quotas: after any k records, i has given k p_i, within one.

    Within one holds for up to three, and for any number whose weights are in the ratio of whole numbers of a sum up to
    2**18; otherwise it is within 1.68. Nothing drifts where whole numbers of a sum below 2**31 hold the ratios: lengths
    as weights give every record exactly once. Other ratios are rounded, by less than 2**-30.

    Args:
        streams: At least one. Datasets alone give a Dataset, with random access; their records must be alike. Where a
            Stream is among them, a Mux: its items may differ.
        weights: As many numbers, 0 or more, not all 0, in proportion; None for equal ones. Of streams also a function
            of the step, or a ``Curriculum``; the quotas are exact from each change on.
        stop: ``first`` ends before the first draw that one cannot serve; ``longest`` when each has been given in
            full, the shorter ones beginning anew.
        on_error, max_errors: Of streams, as of ``StochasticMux``.

    Returns:
        A Dataset or a Mux.

    >>> list(mix([Dataset([0] * 6), Dataset([1] * 2)], weights=[3, 1]))
    [0, 0, 0, 1, 0, 0, 0, 1]
    >>> mix([Stream([0] * 6), Stream([1] * 2)], weights=[3, 1]).list()
    [0, 0, 0, 1, 0, 0, 0, 1]

    Raises:
        ArgumentError: The weights do not fit, or there is nothing to mix.
        SchemaError: The records of Datasets are not alike.
        OrderError: In the iteration of streams, where none has an item to give.
    """
    listed: list[Any] = [streams] if isinstance(streams, Dataset | Stream) else [*streams]
    policy, budget = check_on_error(on_error), check_budget(max_errors)
    if not any(isinstance(one, Stream) for one in listed):
        if callable(weights) or isinstance(weights, Curriculum):
            raise KindError(
                "weights that change with the step need streams, since a Dataset has no step: "
                "mix([dataset.stream(), ...], weights=...)"
            )
        if policy != "raise":
            raise ArgumentError("Datasets are mixed without reading them: give on_error= where they become a stream")
        return mix_datasets(listed, weights, stop)
    flows = as_flows(listed, "mix")
    check_word(stop, "stop", Literal["first", "longest"])
    return Mux._mux(kinds.QuotaMux(flows, as_weights(weights, len(flows)), 0, policy, budget, stop=stop))


def as_flow(stream: Any, ledger: Ledger | None = None) -> Flow:
    """Return the flow of a Stream, of one pass over a Dataset, or of what a Stream can be made of.

    Args:
        stream: What was given.
        ledger: Where a Dataset's is kept; None for one of its own.
    """
    if isinstance(stream, Dataset):
        return Crossing(stream._node, 1, _INLINE, _PREFETCH, ledger=Ledger() if ledger is None else ledger)
    flow = _flow_of(stream)
    return Iterate.of(stream) if flow is None else flow


def as_flows(streams: Any, what: str) -> tuple[Flow, ...]:
    """Return the flows of some streams.

    Raises:
        ArgumentError: There are none.
        KindError: They cannot be gone through, or one of them cannot be a stream.
    """
    if isinstance(streams, Stream | Dataset | str | bytes | Mapping) or not isinstance(streams, Iterable):
        raise KindError(f"{what} takes a list of streams, got {type(streams).__name__}: [stream, ...]")
    flows = []
    ledger = Ledger()  # one for all Datasets
    for number, stream in enumerate(streams):
        try:
            flows.append(as_flow(stream, ledger))
        except KindError as error:
            error.add_note(f"stream {number} of those given to {what}")
            raise
    if not flows:
        raise ArgumentError(f"{what} needs at least one stream, got none")
    return tuple(flows)
