"""Slots: nothing that anybody holds is written over, whatever is held on either side."""

from __future__ import annotations

import gc
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.core.batch import Batch
from headrace.core.buffers import Buffers
from headrace.core.errors import KindError
from headrace.workers import segments, slots
from headrace.workers.inbox import Inbox
from headrace.workers.parts import address
from headrace.workers.slots import Outbox

TABLE = np.arange(600 * 1000, dtype=np.float64).reshape(600, 1000)  # rows of 8 kB


class Line:
    """Both ends, as a worker and its parent have them: the worker takes the lowest slot that it knows to be free."""

    def __init__(self, leases: int = 0) -> None:
        self.outbox = Outbox()
        self.inbox = Inbox(leases)
        self.busy: set[int] = set()
        self.sent = 0
        self.bytes_sent = 0

    def begin(self) -> int:
        self.busy -= set(self.inbox.freed())
        slot = next(number for number in range(100) if number not in self.busy)
        self.busy.add(slot)
        self.outbox.begin(slot)
        return slot

    def send(self, slot: int, box: list[Any]) -> tuple[Any, ...]:
        packed, segment = self.outbox.put(slot, box.pop())
        segment = self.outbox.settle(slot) or segment
        if segment is None:
            return slot, packed, None
        self.sent += 1
        fd = os.dup(segment.fd)
        segment.close()
        return slot, packed, (fd, segment.size)

    def carry(self, make: Any) -> Any:
        slot = self.begin()
        return self.inbox.take(*self.send(slot, [make()]))

    def gather(self, start: int, count: int = 20) -> Any:
        return self.outbox.buffers.take("x", TABLE, np.arange(start, start + count))


def maps() -> int:
    """Return how many maps of shared memory this process has."""
    return Path("/proc/self/maps").read_text().count("headrace")


@pytest.fixture(autouse=True)
def _no_outbox() -> Iterator[None]:
    yield
    slots.offer(None)


def test_in_steady_state_a_gathered_batch_is_not_copied_by_its_writer() -> None:
    line = Line()
    inside = []
    for start in range(0, 200, 20):
        slot = line.begin()
        box = [Batch({"x": line.gather(start)})]
        inside.append(segments.find(box[0]["x"]) is not None)
        value = line.inbox.take(*line.send(slot, box))
        assert (value["x"] == TABLE[start : start + 20]).all()
        assert segments.find(value["x"]) is None
    assert inside == [False] + [True] * 9
    assert line.sent == 1, "one segment, with room to gather in"


def test_owned_values_may_all_be_kept() -> None:
    line = Line()
    kept = [line.carry(lambda start=start: {"x": line.gather(start), "n": start}) for start in range(100)]
    assert all((one["x"] == TABLE[one["n"] : one["n"] + 20]).all() for one in kept)
    assert line.busy <= {0}


@pytest.mark.parametrize("leases", [0, 1, 3])
def test_views_may_all_be_kept_and_never_more_slots_are_leased_than_allowed(leases: int) -> None:
    line = Line(leases)
    kept = [line.carry(lambda start=start: {"x": line.gather(start)}) for start in range(60)]
    assert all((one["x"] == TABLE[start : start + 20]).all() for start, one in enumerate(kept))
    assert sum(segments.find(one["x"]) is not None for one in kept) == leases
    assert all(one["x"].flags.writeable for one in kept)


def test_a_slot_is_free_again_when_the_last_view_has_died() -> None:
    line = Line(leases=2)
    value = line.carry(lambda: [line.gather(0), line.gather(30)])
    assert line.inbox.freed() == []
    part = value[1][3:].reshape(-1)[::2]
    del value
    assert line.inbox.freed() == []
    assert part[1] == TABLE[33, 2]
    del part
    gc.collect()
    assert line.inbox.freed() == [0]
    assert line.inbox.freed() == []


def test_records_of_a_leased_batch_hold_it_and_small_columns_do_not() -> None:
    line = Line(leases=1)
    batch = line.carry(lambda: Batch({"x": line.gather(0), "label": np.arange(20)}))
    labels, record = batch["label"], batch[4]
    del batch
    assert line.inbox.freed() == []
    del record
    assert line.inbox.freed() == [0]
    assert labels.sum() == 190


def test_a_value_without_large_arrays_leases_nothing() -> None:
    line = Line(leases=1)
    kept = [line.carry(lambda: {"n": 1, "texts": ["a"] * 5}), line.carry(lambda: [str(at) for at in range(9000)])]
    assert len(kept[1]) == 9000
    assert len(line.inbox._leased) == 0
    assert line.sent == 1, "only the long one needed a slot"


def test_views_may_be_written_to() -> None:
    line = Line(leases=1)
    value = line.carry(lambda: line.gather(0))
    value += 1
    assert (value == TABLE[:20] + 1).all()
    del value
    assert (line.carry(lambda: line.gather(40)) == TABLE[40:60]).all()


def test_slots_grow_with_their_values_and_keep_what_was_leased() -> None:
    line = Line(leases=3)
    kept = []
    for count in (1, 5, 30, 31, 200, 10, 590):
        kept.append((count, line.carry(lambda count=count: line.gather(0, count))))
    assert all((value == TABLE[:count]).all() for count, value in kept)
    assert line.sent <= 7


def test_sizes_that_creep_upward_do_not_need_a_segment_each() -> None:
    line = Line()
    for count in range(100, 160):
        line.carry(lambda count=count: line.gather(0, count))
    assert line.sent <= 5


def test_what_user_code_keeps_of_a_slot_stays_what_it_is() -> None:
    line = Line()
    kept: list[Any] = []

    def make(start: int) -> Any:
        rows = line.gather(start)
        kept.append(rows[3:5])
        return Batch({"x": rows})

    values = [line.carry(lambda start=start: make(start)) for start in range(30)]
    for start, (own, value) in enumerate(zip(kept, values)):
        assert (own == TABLE[start + 3 : start + 5]).all()
        assert (value["x"] == TABLE[start : start + 20]).all()


def test_writing_to_a_batch_that_was_given_out_does_not_reach_its_reader() -> None:
    """A function that keeps the batch and changes it later; inline, its consumer has seen it by then."""
    line = Line()
    last: list[Any] = []
    on_their_way = []
    for start in range(12):
        slot = line.begin()
        for old in last:
            old[:] = -1
        last = [line.gather(start)]
        on_their_way.append((start, line.send(slot, [{"x": last[0]}])))
        if len(on_their_way) == 3:
            number, message = on_their_way.pop(0)
            assert (line.inbox.take(*message)["x"] == TABLE[number : number + 20]).all()


def test_a_function_that_keeps_all_its_batches_gets_ordinary_memory_after_a_while() -> None:
    line = Line()
    kept: list[Any] = []

    def make(start: int) -> Any:
        kept.append(line.gather(start))
        return kept[-1]

    for start in range(20):
        line.carry(lambda start=start: make(start))
    assert segments.find(kept[1]) is not None
    assert segments.find(kept[-1]) is None
    assert line.sent < 12


def test_a_batch_that_never_leaves_is_gathered_elsewhere_after_a_while() -> None:
    line = Line()
    inside = []

    def mean(start: int) -> Any:
        rows = line.gather(start)
        inside.append(segments.find(rows) is not None)
        return {"mean": rows[:15] * 2}

    for start in range(10):
        assert (line.carry(lambda start=start: mean(start))["mean"] == TABLE[start : start + 15] * 2).all()
    assert inside[1] and not inside[-1]


def test_an_array_that_was_offered_is_not_copied_even_while_its_maker_holds_it() -> None:
    line = Line(leases=1)
    slots.offer(line.outbox)
    held = None
    for number in range(8):
        slot = line.begin()
        held = slots.empty((50, 100), "f4")
        held[:] = number
        where = address(held)
        message = line.send(slot, [{"x": held}])
        own = line.outbox.segment(slot)
        assert own is not None
        if number:
            assert address(own.root) <= where < address(own.root) + own.size
        value = line.inbox.take(*message)
        assert (value["x"] == number).all() and value["x"].dtype == np.float32
        del value


def test_a_generator_that_holds_what_it_yielded_writes_to_two_slots_in_turn() -> None:
    line = Line()
    slots.offer(line.outbox)

    def generator() -> Iterator[Any]:
        for number in range(10):
            array = slots.empty((100, 100))
            array[:] = number
            yield array

    values, used = generator(), list[int]()
    free: set[int] = set()
    for number in range(10):
        slot = line.outbox.choose([*sorted(free), len({*used})])
        line.outbox.begin(slot)
        free -= {slot}
        used.append(slot)
        packed, segment = line.outbox.put(slot, next(values))
        value = line.inbox.take(slot, packed, (os.dup(segment.fd), segment.size) if segment is not None else None)
        line.sent += segment is not None
        free.update(line.inbox.freed())
        assert (value == number).all()
    assert used[2:] == [used[2], used[3]] * 4
    assert line.sent <= 4


def test_offered_arrays_without_a_slot_or_with_small_or_odd_content_are_ordinary() -> None:
    line = Line()
    assert slots.empty(3).dtype == np.float64
    slots.offer(line.outbox)
    assert slots.empty((100, 100)).shape == (100, 100)  # none is begun
    line.carry(lambda: TABLE)
    line.begin()
    assert segments.find(slots.empty((100, 100))) is not None
    assert segments.find(slots.empty(3)) is None
    assert slots.empty(np.int64(1000), object)[0] is None
    assert slots.empty((0, 5)).shape == (0, 5)


def test_threads_of_a_function_may_gather_at_once() -> None:
    line = Line()
    line.carry(lambda: TABLE)

    def make() -> dict[str, Any]:
        parts: dict[str, Any] = {}
        threads = [
            threading.Thread(target=lambda at=at: parts.update({str(at): line.gather(at * 20)})) for at in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return parts

    for _ in range(5):
        value = line.carry(make)
        assert all((value[str(at)] == TABLE[at * 20 : at * 20 + 20]).all() for at in range(8))


def test_a_value_that_cannot_travel_leaves_the_slot_in_order() -> None:
    line = Line()
    for _ in range(3):
        slot = line.begin()
        with pytest.raises(KindError, match="generator"):
            line.outbox.put(slot, {"x": line.gather(0), "g": (x for x in "")})
        line.busy.discard(slot)
        assert (line.carry(lambda: line.gather(5)) == TABLE[5:25]).all()


def test_a_value_that_cannot_be_made_again_gives_its_slot_back() -> None:
    line = Line(leases=1)

    class Odd:
        def __reduce__(self) -> Any:
            return int, ("x", TABLE)

    slot = line.begin()
    with pytest.raises((ValueError, TypeError)):
        line.inbox.take(*line.send(slot, [Odd()]))
    gc.collect()
    assert line.inbox.freed() == [slot]


def test_a_slot_can_be_forgotten() -> None:
    gc.collect()
    before = maps()
    line = Line(leases=1)
    value = line.carry(lambda: line.gather(0))
    assert maps() == before + 2
    line.outbox.drop(0)
    line.inbox.drop(0)
    assert maps() == before + 1, "what the value views"
    assert (value == TABLE[:20]).all()
    line.busy.clear()
    assert (line.carry(lambda: line.gather(7)) == TABLE[7:27]).all()


def test_inboxes_of_one_reader_share_the_memory_of_copies() -> None:
    shared = Buffers()
    places = set()
    for _ in range(4):
        line = Line()
        line.inbox = Inbox(0, shared)
        places.add(address(line.carry(lambda line=line: line.gather(0))))
    assert len(places) == 1


def test_no_descriptor_is_left_by_lines_that_end() -> None:
    gc.collect()
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        line = Line(leases=2)
        value = [line.carry(lambda line=line: line.gather(0)) for _ in range(4)]
    del line, value
    gc.collect()
    assert len(os.listdir("/proc/self/fd")) == before


def test_one_outbox_feeds_several_readers() -> None:
    outbox, readers = Outbox(to_worker=True), [Inbox(0), Inbox(0)]
    for number in range(4):
        packed, segment = outbox.put(0, TABLE[number : number + 9])
        for reader in readers:
            sent = (os.dup(segment.fd), segment.size) if segment is not None else None
            assert (reader.take(0, packed, sent) == TABLE[number : number + 9]).all()


@settings(max_examples=40)
@given(st.data())
def test_whatever_is_held_on_either_side_every_value_stays_right(data: st.DataObject) -> None:
    line = Line(data.draw(st.integers(0, 3)))
    slots.offer(line.outbox)
    held: list[tuple[float, Any]] = []
    kept: list[tuple[float, Any]] = []
    waiting: list[tuple[float, Any]] = []
    array: Any
    for number in range(data.draw(st.integers(1, 25))):
        slot = line.begin()
        rows = data.draw(st.integers(1, 60))
        kind = data.draw(st.sampled_from(["gathered", "offered", "fresh", "kept again", "nothing"]))
        if kind == "gathered":
            array = line.outbox.buffers.take("x", np.full((rows, 3000), float(number)), np.arange(rows))
        elif kind == "offered":
            array = slots.empty((rows, 3000))
            array[:] = number
        elif kind == "kept again" and kept:
            array = kept[-1][1]
        else:
            array = np.full((rows if kind == "fresh" else 0, 3000), float(number))
        expected = float(array[0, 0]) if len(array) else 0.0
        if data.draw(st.integers(0, 3)) == 0:
            kept.append((expected, array[: rows // 2 + 1]))
        box = [{"x": array, "part": array[1:3]}]
        array = None
        waiting.append((expected, line.send(slot, box)))
        if len(waiting) > 2 or data.draw(st.booleans()):
            known, message = waiting.pop(0)
            held.append((known, line.inbox.take(*message)))
        drops = data.draw(st.booleans())
        if held and drops:
            held.pop(data.draw(st.integers(0, len(held) - 1)))
        for known, value in held:
            assert (value["x"] == known).all() and (value["part"] == known).all()
        for known, array in kept:
            assert (array == known).all()
        array = None


def test_parts_that_overlap_in_a_slot_find_room_when_it_grows() -> None:
    line = Line(leases=2)
    for fresh in (1, 500, 1):

        def make(fresh: int = fresh) -> Any:
            rows = line.gather(0, 30)
            return [rows, *(rows[at:] for at in range(1, 20)), np.ones((fresh, 1000))]

        value = line.carry(make)
        assert all((part == TABLE[at:30]).all() for at, part in enumerate(value[:20]))
        assert value[20].sum() == fresh * 1000
