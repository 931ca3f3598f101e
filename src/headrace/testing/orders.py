"""What every order must do: subclass :class:`OrderTests`, give an ``order`` fixture, and pytest runs the laws."""

from __future__ import annotations

import pickle

import numpy as np

from headrace.core.address import At, Order
from headrace.core.source import Indices

EPOCHS = (0, 1, 5)


class OrderTests:
    """The laws of an :class:`~headrace.core.address.Order`; needs NumPy alone.

    Of an order of up to 2,000 positions all are tried, of a longer or endless one a sample. The fixture gives the same
    order each time that it is asked::

        class TestShuffle(OrderTests):
            @pytest.fixture
            def order(self):
                return Shuffle(below=1000, seed=0)
    """

    def test_addresses_lie_below(self, order: Order) -> None:
        for epoch in EPOCHS:
            below = order(At(_positions(order), epoch))
            _check_kind(below, len(_positions(order)))
            assert (below.positions >= 0).all()
            assert order.below is None or (below.positions < order.below).all()

    def test_many_at_once_are_the_same_as_one_by_one(self, order: Order) -> None:
        positions = _positions(order)[:200]
        for epoch in EPOCHS:
            together = _pairs(order(At(positions, epoch)))
            alone = [_pairs(order(At(positions[place : place + 1], epoch)))[0] for place in range(len(positions))]
            assert together == alone

    def test_an_epoch_for_all_and_one_for_each_agree(self, order: Order) -> None:
        positions = _positions(order)
        for epoch in EPOCHS:
            for_all = order(At(positions, epoch))
            for_each = order(At(positions, np.full(len(positions), epoch)))
            _check_kind(for_each, len(positions))
            assert _pairs(for_all) == _pairs(for_each)

    def test_epochs_can_be_mixed_in_one_call(self, order: Order) -> None:
        positions = _positions(order)
        epochs = np.resize(np.array(EPOCHS, np.int64), len(positions))
        mixed = _pairs(order(At(positions, epochs)))
        for epoch in EPOCHS:
            here = np.flatnonzero(epochs == epoch)
            assert [mixed[place] for place in here] == _pairs(order(At(positions[here], epoch)))

    def test_the_same_addresses_always_lie_below(self, order: Order) -> None:
        positions = _positions(order)
        shuffled = np.random.default_rng(0).permutation(len(positions))
        first = _pairs(order(At(positions, 1)))
        order(At(positions[:1], 0))
        again = _pairs(order(At(positions[shuffled], 1)))
        assert again == [first[place] for place in shuffled]

    def test_none_asked_is_none_given(self, order: Order) -> None:
        none = np.empty(0, np.int64)
        assert _pairs(order(At(none, 2))) == []
        assert _pairs(order(At(none, none))) == []

    def test_the_positions_given_are_not_written_to(self, order: Order) -> None:
        positions = _positions(order)
        positions.flags.writeable = False
        epochs = np.zeros(len(positions), np.int64)
        epochs.flags.writeable = False
        order(At(positions, epochs))
        order(At(positions, 1))

    def test_finds_the_first_position_that_lies_on_an_address(self, order: Order) -> None:
        for epoch in EPOCHS:
            positions = _positions(order)
            firsts: dict[tuple[int, int], int] = {}
            for position, address in zip(positions.tolist(), _pairs(order(At(positions, epoch))), strict=True):
                firsts.setdefault(address, position)
            for address, position in list(firsts.items())[:300]:
                found = order.find(*address, epoch)
                assert found is not None, f"{address} lies under position {position} of epoch {epoch}"
                assert type(found) is int
                assert found == position if _all_tried(order) else found <= position
                assert _pairs(order(At(np.array([found]), epoch))) == [address]

    def test_finds_nothing_where_nothing_lies(self, order: Order) -> None:
        if not _all_tried(order) or order.below is None or order.below > 2000:
            return
        taken = set(_pairs(order(At(_positions(order), 1))))
        for epoch in [*order.epochs(1)][:5]:
            for position in range(order.below):
                if (position, epoch) not in taken:
                    assert order.find(position, epoch, 1) is None
        for position in (-1, order.below):
            assert order.find(position, 1, 1) is None

    def test_epochs_names_the_epochs_below(self, order: Order) -> None:
        for epoch in EPOCHS:
            touched = {below for _, below in _pairs(order(At(_positions(order), epoch)))}
            named = order.epochs(epoch)
            known = named if isinstance(named, range) else set(named)  # a range may be too long to list
            assert all(below in known for below in touched)

    def test_an_order_that_does_not_reorder_is_the_same_in_each_epoch(self, order: Order) -> None:
        if not order.reorders:
            first, second = (order(At(_positions(order), epoch)).positions for epoch in (0, 1))
            assert (first == second).all()

    def test_is_the_same_after_the_trip_to_a_worker(self, order: Order) -> None:
        positions = _positions(order)
        arrived = pickle.loads(pickle.dumps(order))
        assert arrived == order
        assert hash(arrived) == hash(order)
        assert arrived.text() == order.text()
        assert (arrived.length, arrived.below, arrived.reorders) == (order.length, order.below, order.reorders)
        assert _pairs(arrived(At(positions, 3))) == _pairs(order(At(positions, 3)))

    def test_cannot_be_changed(self, order: Order) -> None:
        try:
            order.length = 1  # type: ignore[misc]
        except AttributeError:
            return
        raise AssertionError("an order is a frozen description: setting its length must raise an AttributeError")


def _positions(order: Order) -> Indices:
    """Return the positions to try, ascending: all, or both ends and a sample between."""
    length = order.length
    if length is not None and length <= 2000:
        return np.arange(length, dtype=np.int64)
    last = 2**32 if length is None else length
    between = np.random.default_rng(1).integers(0, last, 500)
    ends = [np.arange(500), np.arange(last - 500, last)]
    return np.unique(np.concatenate([*ends, between]).astype(np.int64))


def _all_tried(order: Order) -> bool:
    return order.length is not None and order.length <= 2000


def _pairs(at: At) -> list[tuple[int, int]]:
    """Return addresses as (position, epoch)."""
    epochs = np.broadcast_to(at.epochs, at.positions.shape)
    return list(zip(at.positions.tolist(), epochs.tolist(), strict=True))


def _check_kind(at: At, count: int) -> None:
    assert at.positions.dtype == np.int64
    assert at.positions.shape == (count,)
    if isinstance(at.epochs, np.ndarray):
        assert at.epochs.dtype == np.int64
        assert at.epochs.shape == (count,)
