"""Messages between processes: whole, in order, with their files, and never in anybody's way."""

from __future__ import annotations

import os
import resource
import tempfile
from collections.abc import Iterator
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.workers.frames import Channel, Message, wait
from headrace.workers.queue import Queue


@pytest.fixture
def ends() -> Iterator[tuple[Channel, Channel]]:
    here, there = Channel.pair()
    yield here, there
    here.close()
    there.close()


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


@given(st.lists(st.tuples(st.binary(max_size=300_000), st.integers(0, 3)), max_size=6))
def test_messages_arrive_whole_in_order_and_with_their_files(sent: list[tuple[bytes, int]]) -> None:
    before = descriptors()
    here, there = Channel.pair()
    for body, files in sent:
        opened = [tempfile.TemporaryFile() for _ in range(files)]
        for number, file in enumerate(opened):
            os.write(file.fileno(), b"%d" % number)
        here.send(body, [file.fileno() for file in opened])
        for file in opened:
            file.close()  # the receiver has its own
    arrived: list[Message] = []
    while len(arrived) < len(sent):
        here.flush()
        arrived += there.receive()
    assert [message.body for message in arrived] == [body for body, _ in sent]
    for (_, files), message in zip(sent, arrived):
        assert [os.pread(file, 10, 0) for file in message.files] == [b"%d" % number for number in range(files)]
        assert not any(map(os.get_inheritable, message.files))
        for descriptor in message.files:
            os.close(descriptor)
    here.close()
    there.close()
    assert descriptors() == before


@pytest.mark.parametrize("count", [200, 201, 450])
def test_any_number_of_files_goes_with_one_message(ends: tuple[Channel, Channel], count: int) -> None:
    here, there = ends
    read, write = os.pipe()
    here.send(b"many", [write] * count)
    here.send(b"none")
    many, none = there.receive()
    assert (many.body, len(many.files)) == (b"many", count) and none == Message(b"none", [])
    for file in (*many.files, read, write):
        os.close(file)


def test_sending_never_waits_and_nothing_is_lost(ends: tuple[Channel, Channel]) -> None:
    here, there = ends
    for number in range(1000):
        here.send(b"%d" % number * 1000)
    assert here.waiting and not here.flush()
    arrived: list[Message] = []
    while len(arrived) < 1000:
        arrived += there.receive()
        here.flush()
    assert [message.body for message in arrived] == [b"%d" % number * 1000 for number in range(1000)]
    assert not here.waiting


def test_files_that_wait_to_be_sent_may_be_closed_by_the_sender(ends: tuple[Channel, Channel]) -> None:
    here, there = ends
    here.send(b"x" * 1_000_000)
    before = descriptors()
    read, write = os.pipe()
    here.send(b"file", [write])
    os.close(write)
    arrived: list[Message] = []
    while len(arrived) < 2:
        arrived += there.receive()
        here.flush()
    os.write(arrived[1].files[0], b"still open")
    assert os.read(read, 100) == b"still open"
    os.close(arrived[1].files[0])
    os.close(read)
    assert descriptors() == before


def test_the_end_of_the_other_side_is_seen_and_what_is_sent_then_is_dropped(ends: tuple[Channel, Channel]) -> None:
    here, there = ends
    there.send(b"last words")
    there.close()
    assert here.receive() == [Message(b"last words", [])]
    assert here.receive() == [] and here.ended
    here.send(b"into the void")
    here.push()
    assert not here.waiting


def test_sending_to_who_is_gone_does_not_end_this_process(ends: tuple[Channel, Channel]) -> None:
    here, there = ends
    there.close()
    for _ in range(3):
        here.send(b"anybody?")
    assert here.ended and not here.waiting


def test_hanging_up_wakes_who_waits_at_either_end(ends: tuple[Channel, Channel]) -> None:
    here, there = ends
    here.hang_up()
    assert wait(here, seconds=5) and wait(there, seconds=5)
    assert there.receive() == [] and there.ended


def test_waiting_has_an_end(ends: tuple[Channel, Channel]) -> None:
    assert not wait(ends[0], seconds=0.01)


def test_files_that_nobody_asked_for_are_closed() -> None:
    before = descriptors()
    here, there = Channel.pair()
    with tempfile.TemporaryFile() as file:
        here.send(b"x" * 500_000, [file.fileno()])
    there.receive()  # the file has come, the end of the message has not
    here.close()
    there.close()
    assert descriptors() == before


def test_too_many_open_files_are_an_error(ends: tuple[Channel, Channel]) -> None:
    here, there = ends
    with tempfile.TemporaryFile() as file:
        here.send(b"many", [file.fileno()] * 100)
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    taken = set(map(int, os.listdir("/proc/self/fd")))
    free = (number for number in range(limits[0]) if number not in taken)
    resource.setrlimit(resource.RLIMIT_NOFILE, (list(islice(free, 20))[-1], limits[1]))
    try:
        with pytest.raises(OSError, match="too many open files"):
            there.receive()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def test_each_message_of_a_queue_goes_to_one_reader() -> None:
    writer, reader = Queue.pair()
    other = Queue.adopt(os.dup(reader.fileno()))
    for number in range(100):
        writer.put(b"%d" % number)
    taken = [one.take() for _ in range(50) for one in (reader, other)]
    assert taken == [b"%d" % number for number in range(100)]
    assert reader.take() is None and other.take() is None
    writer.close()
    assert reader.take() == other.take() == Queue.END
    reader.close()
    other.close()


def test_a_full_queue_keeps_what_is_put() -> None:
    writer, reader = Queue.pair()
    for number in range(5000):
        writer.put(b"%d" % number)
    assert writer.waiting
    taken: list[int] = []
    while len(taken) < 5000:
        writer.flush()
        while (body := reader.take()) is not None:
            taken.append(int(body))
    assert taken == list(range(5000))
    writer.close()
    reader.close()


def test_a_queue_without_readers_drops_what_is_put() -> None:
    writer, reader = Queue.pair()
    reader.close()
    writer.put(b"to nobody")
    assert not writer.waiting
    writer.close()
