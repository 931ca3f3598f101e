"""What is measured adds up."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from headrace.core.meter import Clock, Meter, total

LAPS = st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 9), st.integers(0, 8), st.integers(0, 99)))


@given(laps=LAPS, cuts=st.sets(st.integers(0, 20)))
def test_laps_add_up_however_they_are_taken(laps: list[tuple[str, int, int, int]], cuts: set[int]) -> None:
    clock, meter = Clock(), Meter()
    for number, (words, items, seconds, nbytes) in enumerate(laps):
        clock.add(words, "map", items, float(seconds), nbytes)
        if number in cuts:
            meter.add(clock.take())
    meter.add(clock.take())
    assert clock.take() == {}
    assert list(meter.gauges) == list(dict.fromkeys(words for words, *_ in laps))
    for words, gauge in meter.gauges.items():
        own = [lap for lap in laps if lap[0] == words]
        assert (gauge.words, gauge.kind, gauge.calls) == (words, "map", len(own))
        assert gauge.items == sum(items for _, items, _, _ in own)
        assert gauge.busy == sum(seconds for _, _, seconds, _ in own)
        assert gauge.nbytes == sum(nbytes for _, _, _, nbytes in own)
    assert total([meter, meter]) == 2 * sum(seconds for _, _, seconds, _ in laps)


def test_taken_laps_do_not_change_afterwards() -> None:
    clock = Clock()
    clock.add("a", "read", 1, 1.0)
    taken = clock.take()
    clock.add("a", "read", 1, 1.0)
    assert taken == {"a": ("read", 1, 1, 1.0, 0)}


def test_a_run_lasts_from_the_first_item_asked_for_to_the_last_handed_out() -> None:
    meter = Meter()
    assert meter.seconds == 0.0
    first = meter.start()
    assert meter.seconds == 0.0
    meter.deliver(first, 0.5, 10, items=2, records=20, ready=1)
    second = meter.start()
    meter.deliver(second, 0.25, 5, items=1, records=10, ready=0)
    assert meter.began == first
    assert meter.ended is not None and meter.seconds == meter.ended - first > 0
    assert 0 < meter.waited <= meter.seconds
    assert (meter.service, meter.delivered, meter.delivered_bytes, meter.records, meter.ahead) == (0.75, 3, 15, 30, 1)
