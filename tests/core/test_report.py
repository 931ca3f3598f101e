"""A report in text, in HTML and as plain data; of meters made by hand, and of a run."""

from __future__ import annotations

import json
from time import perf_counter, sleep

import pytest

import headrace as hr
from headrace.core.meter import Clock, Meter
from headrace.core.report import Report


def slow(record: int) -> int:
    sleep(0.002)
    return record


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


def stages(items: int, seconds: float, **busy: float) -> Meter:
    """Return the meter of stages that run in the thread that iterates."""
    meter = Meter("inline", 0, delivered=items, began=0.0, ended=seconds)
    for words, spent in busy.items():
        meter.add({words: ("stage", items, items, spent, 0)})
        meter.waited += spent
    return meter


def test_stages_right_of_the_workers_belong_to_the_thread_that_iterates() -> None:
    """Ten seconds: six in a stage, two waiting for workers of which the samples saw one, two of the consumer."""
    workers = Meter("2 threads", 2, delivered=100, waited=2.0, service=4.0, began=0.0, ended=10.0)
    report = Report([workers, stages(100, 10.0, crossing=1.0, slow=6.0)], cores=8)
    assert report.analysis.waited == 8.0
    assert report.analysis.headspace == pytest.approx(50)
    assert report.analysis.bottleneck.demand == pytest.approx(0.08)
    text = str(report)
    assert "busy with steps of its own" in text
    assert "Steps in the thread that iterates take 60% of the time, most of it slow" in text
    assert "waiting for crossing" in text
    assert report.to_dict()["parts"][1]["working"] == 6.0


def test_what_is_zipped_is_waited_for_where_it_is_measured_by_itself() -> None:
    workers = Meter("2 threads", 2, delivered=100, waited=8.5, service=19.0, began=0.0, ended=10.0)
    report = Report([workers, stages(100, 10.0, zip=9.0)], cores=8)
    assert report.analysis.bottleneck.name == "2 threads"
    assert report.analysis.waited == 9.0
    assert Report([stages(100, 10.0, zip=9.0)], cores=8).analysis.thread.demand == pytest.approx(0.1)


def test_without_stages_of_its_own_the_thread_has_no_table() -> None:
    workers = Meter("2 threads", 2, delivered=100, waited=9.0, service=19.0, began=0.0, ended=10.0)
    text = str(Report([workers, stages(100, 10.0, crossing=3.0)], cores=8))
    assert "waiting for crossing" not in text
    assert "The consumer waited 9 s of 10 s" in text


def test_a_stream_reports_of_its_latest_iteration() -> None:
    stream = hr.Dataset(range(60)).map(slow).batch(6).stream(workers=hr.Threads(2))
    assert stream.report().verdict == "nothing yet"
    assert len(stream.list()) == 10
    plain = stream.report().to_dict()
    assert plain["items"] == 10
    part = plain["parts"][0]
    assert (part["workers"], part["items"], part["records"]) == ("2 threads", 10, 60)
    assert next(one for one in part["stages"] if one["stage"] == "map(slow)")["working"] >= 60 * 0.002
    assert plain["verdict"] == "consumer waits"
    text = str(stream.report())
    assert "Most of its time goes into map(slow)" in text


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
    assert 10 / (9 * 0.03) <= report.analysis.headspace <= 10 / (9 * 0.012)  # a busy machine sleeps longer
    assert report.analysis.predict(meter, 1) == pytest.approx(report.analysis.headspace, rel=0.05)
    assert report.analysis.predict(meter, 0) == pytest.approx(report.analysis.rate, rel=0.05)
