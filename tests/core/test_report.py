"""A report in text, in HTML and as plain data; of meters made by hand, and of a run."""

from __future__ import annotations

import json
from time import perf_counter, sleep

import pytest

from headrace.core.meter import Clock, Meter
from headrace.core.report import Report


def busy() -> Meter:
    meter = Meter("2 threads", 2, "two threads took 3.1 ms, inline 5.9 ms")
    clock = Clock()
    clock.add("arrays", "read", 800, 0.5, 8_000_000)
    clock.add("map(<decode>)", "map", 800, 9.0)
    meter.add(clock.take())
    meter.delivered, meter.records, meter.delivered_bytes = 100, 800, 8_000_000
    meter.waited, meter.service, meter.began, meter.ended = 4.0, 10.0, 1.0, 6.0
    return meter


def test_before_any_iteration_it_says_so() -> None:
    for report in (Report([]), Report([Meter()])):
        assert "Nothing has run yet" in str(report)
        assert "Nothing has run yet" in report.html()
        assert report.verdict == "nothing yet"
        json.dumps(report.to_dict(), allow_nan=False)


def test_the_text_says_who_waits_for_whom_and_for_what() -> None:
    text = str(Report([busy()], cores=8))
    assert "100 items in 5 s, 20 a second (160 records)" in text
    assert "The consumer waits for data" in text
    assert "The bottleneck: 2 threads, busy for 100% of the time" in text
    assert "The consumer waited 4 s of 5 s (80%)" in text
    assert "If data were free: 100 a second" in text
    assert "with 0, 1, 2, 4, 8 workers, items a second: 9.09, 10, 20, 40, 72.7 (predicted, 8 cores)" in text
    assert "7 workers instead of 2 threads may be 3.5 times as fast" in text
    assert "Most of its time goes into map(<decode>): 90%" in text
    assert "A prefetch of 6 is deep enough (480 kB)" in text
    assert "two threads took 3.1 ms" in text
    row = next(line for line in text.splitlines() if line.strip().startswith("map(<decode>)"))
    assert row.split()[1:] == ["800", "9", "s", "11.2", "ms", "90%", "-"]


def test_names_are_escaped_in_html() -> None:
    html = Report([busy()])._repr_html_()
    assert "<decode>" not in html
    assert "map(&lt;decode&gt;)" in html


def test_the_plain_data_can_be_written_as_json_and_holds_the_same_numbers() -> None:
    plain = json.loads(json.dumps(Report([busy()], cores=8).to_dict(), allow_nan=False))
    assert plain["verdict"] == "consumer waits"
    assert plain["bottleneck"] == "2 threads"
    assert plain["headspace"] == pytest.approx(100)
    (part,) = plain["parts"]
    assert [stage["stage"] for stage in part["stages"]] == ["arrays", "map(<decode>)"]
    assert {one["workers"]: one["items_per_second"] for one in part["predicted"]}[4] == pytest.approx(40)


def test_a_consumer_that_does_nothing_has_no_bound() -> None:
    meter = Meter("inline", 0, delivered=10, waited=1.0, service=1.0, began=0.0, ended=1.0)
    report = Report([meter])
    assert report.to_dict()["headspace"] is None
    assert "no bound" in str(report)


def test_a_measured_run_is_told_as_it_went() -> None:
    """A consumer that sleeps three times as long as the data takes."""
    meter = Meter("inline", 0)
    for _ in range(10):
        asked = meter.start()
        began = perf_counter()
        sleep(0.004)
        meter.deliver(asked, perf_counter() - began, 8, 1, 1, 0)
        sleep(0.012)
    report = Report([meter], cores=4)
    # nine pauses of the consumer lie between the first item and the last
    assert report.analysis.headspace == pytest.approx(10 / (9 * 0.012), rel=0.3)
    assert report.analysis.predict(meter, 1) == pytest.approx(10 / (9 * 0.012), rel=0.3)
    assert report.analysis.predict(meter, 0) == pytest.approx(report.analysis.rate, rel=0.05)
