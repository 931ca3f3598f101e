"""Whatever cannot be meant is refused with a word about the mend, and nothing ever hangs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import headrace as hr
from headrace.core.errors import ArgumentError, KindError, OrderError, RecordError
from tests.mux.made import MUXES, columns, dataset, generator, mixed, some

untyped: Any = hr  # to be called with what a type checker would refuse


def two() -> list[Any]:
    return [dataset("a", 3), dataset("b", 3)]


CONSTRUCTED: dict[str, Callable[[Any], Any]] = {
    "StochasticMux": lambda streams: hr.StochasticMux(streams, 1, 2),
    "ShuffledMux": lambda streams: hr.ShuffledMux(streams),
    "RoundRobinMux": lambda streams: hr.RoundRobinMux(streams),
    "ChainMux": lambda streams: hr.ChainMux(streams),
}


@pytest.mark.parametrize("name", CONSTRUCTED)
@pytest.mark.parametrize("empty", [[], ()])
def test_no_streams_are_refused(name: str, empty: Any) -> None:
    with pytest.raises(ArgumentError, match=f"{name} needs at least one stream, got none"):
        CONSTRUCTED[name](empty)
    with pytest.raises(ArgumentError):
        hr.mix(empty)


@pytest.mark.parametrize("name", ["StochasticMux", "ShuffledMux", "RoundRobinMux"])
@pytest.mark.parametrize("wrong", [hr.Stream([1]), dataset("a", 2), "abc", b"abc", None, 3, lambda: iter([[1]])])
def test_one_stream_or_none_at_all_instead_of_a_list_is_refused(name: str, wrong: Any) -> None:
    with pytest.raises(KindError, match=f"{name} takes a list of streams, got"):
        CONSTRUCTED[name](wrong)


@pytest.mark.parametrize("name", CONSTRUCTED)
@pytest.mark.parametrize("wrong", [["abc"], [[1], None], [[1], 3], [{"a": 1}], [{1, 2}], [iter([1])]])
def test_what_cannot_be_a_stream_is_refused_with_its_number(name: str, wrong: Any) -> None:
    with pytest.raises(KindError) as raised:
        CONSTRUCTED[name](wrong)
    assert f"stream {len(wrong) - 1} of those given to {name}" in raised.value.__notes__


def test_a_generator_of_streams_is_a_list_of_them() -> None:
    assert hr.RoundRobinMux(one for one in two()).list() == hr.RoundRobinMux(two()).list()
    assert some(hr.ShuffledMux(iter(two())), 9) == some(hr.ShuffledMux(two()), 9)
    assert hr.mix(hr.Stream(one) for one in two()).list() == hr.mix([hr.Stream(one) for one in two()]).list()


def test_an_iterator_cannot_be_chained_again_and_again() -> None:
    with pytest.raises(KindError):
        hr.ChainMux(iter(two()))
    with pytest.raises(KindError):
        hr.ChainMux(one for one in two())


EMPTY: dict[str, Callable[[], Any]] = {
    "lists": list,
    "datasets": lambda: dataset("a", 0),
    "generators": lambda: generator("a", 0),
    "filtered": lambda: hr.Stream([1, 3]).filter(lambda item: item % 2 == 0),
    "filtered datasets": lambda: dataset("a", 3).filter(lambda record: False),
    "several epochs": lambda: dataset("a", 0).stream(epochs=3),
}


@pytest.mark.timeout(20)
@pytest.mark.parametrize("what", EMPTY)
@pytest.mark.parametrize("kind", MUXES)
def test_when_all_streams_are_empty_it_is_said(kind: str, what: str) -> None:
    mux = MUXES[kind]([EMPTY[what]() for _ in range(3)])
    for asked in (mux, mux.batch(4)):
        with pytest.raises(OrderError, match=r"empty|no item|end at once") as raised:
            some(asked, 1)
        assert "stream" in str(raised.value)
    assert "Stream(" in repr(mux)


@pytest.mark.timeout(20)
@pytest.mark.parametrize("what", ["generators", "filtered"])
def test_streams_that_end_at_once_for_ever_are_refused(what: str) -> None:
    mux = hr.StochasticMux([EMPTY[what]() for _ in range(5)], 2, 3, prune_empty_streams=False)
    with pytest.raises(OrderError, match=r"end at once, again and again.*prune_empty_streams=True"):
        some(mux, 1)


def test_empty_streams_among_others_are_passed_over_for_ever() -> None:
    streams = [generator(k, 0) for k in range(20)] + [generator("full", 2)]
    for prune in (True, False):
        mux = hr.StochasticMux(streams, 3, 4, prune_empty_streams=prune, seed=1)
        assert {name for name, _ in some(mux, 50)} == {"full"}
        assert mux.stats().endings[:20].max() <= 3 or not prune  # one may have several seats


def test_an_endless_stream_without_records_is_refused() -> None:
    for mux in (hr.ShuffledMux([dataset("a", 0).stream(epochs=None), dataset("b", 2)]), hr.ChainMux([[]], "cycle")):
        with pytest.raises(OrderError):
            some(mux, 5)


def test_a_stream_that_turns_empty_ends_a_mux_with_a_word() -> None:
    begun = [0]

    def once() -> Iterator[int]:
        begun[0] += 1
        if begun[0] == 1:
            yield 1

    for mux in (
        hr.ShuffledMux([hr.Stream(once)]),
        hr.StochasticMux([hr.Stream(once)], 1, 3),
        hr.ChainMux([hr.Stream(once)], "cycle"),
        hr.RoundRobinMux([hr.Stream(once)], "cycle"),
    ):
        begun[0] = 0
        with iter(mux) as running:
            assert next(running) == 1
            with pytest.raises(OrderError):
                next(running)


def test_a_mix_with_an_empty_stream_is_over_at_once_or_never_whole() -> None:
    for make in (generator, dataset):
        streams = [hr.Stream(make("a", 0)), hr.Stream(make("b", 2))]
        assert hr.mix(streams).list() == []
        assert hr.mix(streams, [0, 1]).list() == [("b", 0), ("b", 1)]
        longest = hr.mix(streams, stop="longest")
        with pytest.raises(OrderError, match=r"stream 0 of mix.* has no items, so it can never be given in full"):
            longest.list()
        assert "mix(2 streams" in repr(longest)
        with iter(hr.mix(streams, [0, 1], "longest").map(tuple)) as running:
            assert next(running) == ("b", 0)
    for make in (generator, dataset):
        mux: Any = hr.mix([hr.Stream(make("a", 0)), hr.Stream(make("b", 9))], [0, 1], "longest")
        with iter(mux) as running:
            next(running)
            mux.set_weights([1, 1])
            with pytest.raises(OrderError, match=r"stream 0 of .* has no items"):
                some(running, 9)


WEIGHED: dict[str, Callable[[Any], Any]] = {
    "StochasticMux": lambda weights: hr.StochasticMux(two(), 1, 2, weights),
    "single": lambda weights: hr.StochasticMux(two(), 1, 2, weights, mode="single_active"),
    "ShuffledMux": lambda weights: hr.ShuffledMux(two(), weights),
    "mix": lambda weights: mixed(two(), weights),
}


@pytest.mark.parametrize("name", WEIGHED)
@pytest.mark.parametrize(
    "weights",
    [[1], [1, 2, 3], [], [1, -1], [0, 0], [1, np.nan], [1, np.inf], [1, -np.inf], 3, -1, np.array([0.0, -0.5])],
)
def test_weights_that_are_none_are_refused(name: str, weights: Any) -> None:
    with pytest.raises(ArgumentError):
        WEIGHED[name](weights)


@pytest.mark.parametrize("name", WEIGHED)
@pytest.mark.parametrize("weights", ["ab", "12", ["1", "2"], [None, 1], [[1], [2]], [1, 2j]])
def test_weights_that_are_no_numbers_are_refused(name: str, weights: Any) -> None:
    with pytest.raises((KindError, ArgumentError)):
        WEIGHED[name](weights)


@pytest.mark.parametrize("name", WEIGHED)
def test_weights_may_be_any_numbers(name: str) -> None:
    expected = some(WEIGHED[name]([0.25, 0.75]), 20)
    for weights in ([1, 3], (1, 3), np.array([1, 3]), np.array([1, 3], np.uint8), np.array([0.5, 1.5], np.float32)):
        assert some(WEIGHED[name](weights), 20) == expected
    assert some(WEIGHED[name](iter([1, 3])), 20) == expected


def test_weights_are_copied() -> None:
    weights = np.array([1.0, 0.0])
    mux = hr.ShuffledMux(two(), weights)
    weights[:] = 0, 1
    assert {name for name, _ in some(mux, 30)} == {"a"}


@pytest.mark.parametrize("n_active", [0, -1])
def test_no_active_streams_are_refused(n_active: int) -> None:
    with pytest.raises(ArgumentError, match=f"n_active must be 1 or more, got {n_active}"):
        hr.StochasticMux(two(), n_active, 2)


@pytest.mark.parametrize("n_active", [1.5, "1", None, True, np.float64(2)])
def test_a_number_of_active_streams_that_is_none_is_refused(n_active: Any) -> None:
    with pytest.raises(KindError):
        hr.StochasticMux(two(), n_active, 2)


@pytest.mark.parametrize("mode", ["single_active", "exhaustive"])
def test_more_active_streams_than_there_are_are_refused_where_each_sits_once(mode: Any) -> None:
    with pytest.raises(ArgumentError, match=r"n_active=3 .* there are 2, .*: take n_active=2"):
        hr.StochasticMux(two(), 3, 2, mode=mode)
    assert len(some(hr.StochasticMux(two(), 3, 2), 20)) == 20


@pytest.mark.parametrize("rate", [0, 0.99, -1, np.nan, np.inf, -np.inf])
def test_a_rate_below_one_is_refused(rate: float) -> None:
    with pytest.raises(ArgumentError, match="1 or more, or None for whole streams"):
        hr.StochasticMux(two(), 1, rate)


@pytest.mark.parametrize("rate", [True, np.True_, "2", [2], 2j])
def test_a_rate_that_is_no_number_is_refused(rate: Any) -> None:
    with pytest.raises(KindError, match="rate must be a number"):
        hr.StochasticMux(two(), 1, rate)


def test_a_rate_may_be_any_number_from_one_up() -> None:
    rates: list[Any] = [1, 1.0, np.float32(1.5), np.int64(3), 1e300, 10**30]
    for rate in rates:
        for dist in ("binomial", "poisson", "constant"):
            given: Any = dist
            assert len(some(hr.StochasticMux(two(), 1, rate, dist=given), 20)) == 20


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: untyped.StochasticMux(two(), 1, 2, mode="one"),
            "mode must be 'with_replacement', 'single_active' or",
        ),
        (lambda: untyped.StochasticMux(two(), 1, 2, dist="normal"), "dist must be 'binomial', 'poisson' or 'constant'"),
        (lambda: untyped.StochasticMux(two(), 1, 2, weighting="all"), "weighting must be 'records' or 'active'"),
        (lambda: untyped.RoundRobinMux(two(), "shuffled"), "mode must be 'exhaustive', 'cycle' or 'permuted_cycle'"),
        (lambda: untyped.ChainMux(two(), "permuted_cycle"), "mode must be 'exhaustive' or 'cycle'"),
        (lambda: untyped.mix([untyped.Stream([1])], stop="last"), "stop must be 'first' or 'longest'"),
        (lambda: untyped.mix([untyped.Stream([1])], stop=None), "stop must be"),
        (lambda: untyped.ShuffledMux(two(), on_error="ignore"), "on_error must be"),
        (lambda: untyped.ShuffledMux(two(), max_errors=-1), "max_errors"),
        (lambda: untyped.ShuffledMux(two(), seed=-1), "seed"),
        (lambda: untyped.mix(two(), on_error="skip"), "give on_error= where they become a stream"),
    ],
)
def test_unknown_words_and_bad_numbers_are_refused(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        make()


@pytest.mark.parametrize("seed", [1.5, "0", None])
def test_a_seed_that_is_none_is_refused(seed: Any) -> None:
    makers: list[Any] = [
        lambda: untyped.ShuffledMux(two(), seed=seed),
        lambda: untyped.StochasticMux(two(), 1, 2, seed=seed),
        lambda: untyped.RoundRobinMux(two(), "permuted_cycle", seed=seed),
    ]
    for make in makers:
        with pytest.raises((KindError, ArgumentError)):
            make()


def test_unhashable_words_are_refused() -> None:
    wrong: Any = ["cycle"]
    makers: list[Any] = [
        lambda: untyped.RoundRobinMux(two(), wrong),
        lambda: untyped.StochasticMux(two(), 1, 2, dist=wrong),
    ]
    for make in makers:
        with pytest.raises((ArgumentError, KindError)):
            make()


def test_a_resumed_stream_is_no_stream_for_a_mux() -> None:
    stream = hr.Stream([1, 2, 3])
    with iter(stream) as running:
        next(running)
        state = running.state_dict()
    with pytest.raises(OrderError, match="resume comes last"):
        hr.ShuffledMux([stream.resume(state)])


def test_what_is_no_stream_in_a_lazy_chain_is_said_when_it_comes() -> None:
    def streams() -> Iterator[Any]:
        yield [1]
        yield 3

    with iter(hr.ChainMux(streams)) as running:
        assert next(running) == 1
        with pytest.raises((KindError, RecordError)):
            next(running)

    def failing() -> Iterator[Any]:
        yield [1]
        raise OSError("no more paths")

    with iter(hr.ChainMux(failing)) as running:
        assert next(running) == 1
        for _ in range(2):
            with pytest.raises(RecordError, match="no more paths"):
                next(running)


def test_one_dataset_or_stream_may_be_mixed_alone() -> None:
    assert hr.mix([hr.Stream([1, 2])]).list() == [1, 2]
    one: Any = hr.Stream([1, 2])
    assert hr.mix(one).list() == [1, 2]
    assert list(hr.mix([dataset("a", 2)])) == [("a", 0), ("a", 1)]


def test_very_different_weights_are_drawn_from() -> None:
    weights = [10.0**-k for k in range(0, 300, 30)]
    streams = [columns(k, 3) for k in range(10)]
    for mux in (
        hr.ShuffledMux(streams, weights),
        hr.StochasticMux(streams, 3, 2, weights),
        hr.StochasticMux(streams, 10, 2, weights, mode="single_active"),
        hr.StochasticMux(streams, 1, 2, weights, mode="single_active"),
    ):
        assert {row["stream"] for row in some(mux, 100)} <= {0, 1, 2, 3, 4, 5, 6, 7, 8, 9}
