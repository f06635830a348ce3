"""What each revision did in the last minute, worked out by hand."""

from typing import Any

import pytest

from modelrollout.judge import Latency, Mark, Recent, Sample, marked, recent

EDGES = (1.0, 10.0, 100.0)


def counted(instance: str = "a", *, requests: int = 0, counts: tuple[int, ...] = (0, 0, 0, 0), **more: Any) -> Sample:
    fields: dict[str, Any] = {"errors": 0, "refusals": 0} | more
    return Sample(pod="churn-1", instance=instance, requests=requests, latency=Latency(EDGES, counts), **fields)


def between(before: dict[str, Sample], now: dict[str, Sample], **revisions: str) -> tuple[Recent, ...]:
    return recent((Mark(0.0, before), Mark(60.0, now)), revisions or dict.fromkeys(now, "v1"))


def test_the_pods_of_a_revision_are_added_up_and_revisions_are_not() -> None:
    before = {"x": counted(requests=10, cpu_seconds=1.0), "y": counted(cpu_seconds=1.0), "z": counted(requests=7)}
    now = {
        "x": counted(requests=30, errors=2, refusals=1, memory_bytes=300, cpu_seconds=31.0),
        "y": counted(requests=10, errors=1, memory_bytes=500, cpu_seconds=2.0),
        "z": counted(requests=8),
    }
    v1, v2 = between(before, now, x="v1", y="v1", z="v2")

    assert (v1.revision, v1.pods, v1.requests, v1.errors, v1.refusals) == ("v1", 2, 30, 3, 1)
    assert v1.memory_bytes == 500
    assert v1.cpu_cores == pytest.approx(31 / 60)
    assert (v2.revision, v2.pods, v2.requests, v2.cpu_cores) == ("v2", 1, 1, None)


def test_latency_is_of_this_minute_alone() -> None:
    (found,) = between({"x": counted(counts=(500, 0, 0, 900))}, {"x": counted(requests=4, counts=(502, 1, 1, 900))})

    middle = [0.5, 2 * 1 * 10 / 11, 2 * 10 * 100 / 110]
    assert found.mean_ms == pytest.approx((2 * middle[0] + middle[1] + middle[2]) / 4)
    assert [round(one.value, 3) for one in found.percentiles] == [0.5, round(middle[2], 3), round(middle[2], 3)]


def test_without_a_request_there_is_no_latency() -> None:
    (found,) = between({"x": counted(requests=4)}, {"x": counted(requests=4)})
    assert (found.requests, found.mean_ms, found.percentiles) == (0, None, ())


ODD: dict[str, tuple[dict[str, Sample], dict[str, Sample]]] = {
    "a process that is new": ({}, {"x": counted(requests=9)}),
    "a process that started again": ({"x": counted(requests=90)}, {"x": counted("b", requests=9)}),
    "a pod that does not answer any more": ({"x": counted(requests=90)}, {}),
}


@pytest.mark.parametrize(("before", "now"), ODD.values(), ids=ODD)
def test_what_cannot_be_compared_says_nothing(before: dict[str, Sample], now: dict[str, Sample]) -> None:
    assert between(before, now) == ()


def test_a_counter_that_falls_takes_nothing_away() -> None:
    before = {"x": counted(requests=9, counts=(9, 0, 0, 0)), "y": counted(requests=0)}
    now = {"x": counted(requests=2, counts=(2, 0, 0, 0)), "y": counted(requests=3, counts=(0, 3, 0, 0))}
    (found,) = between(before, now)

    assert found.requests == 3
    assert found.percentiles[0].value == pytest.approx(20 / 11)


def test_a_pod_that_came_in_between_counts_from_its_first_kept_sample() -> None:
    marks = (
        Mark(0.0, {"x": counted(requests=0)}),
        Mark(40.0, {"x": counted(requests=0), "y": counted(requests=5)}),
        Mark(60.0, {"x": counted(requests=60), "y": counted(requests=25)}),
    )
    (found,) = recent(marks, {"x": "v1", "y": "v1"})
    assert (found.pods, found.requests) == (2, 80)


@pytest.mark.parametrize(
    ("every", "kept", "spans"), [(5.0, 5, 60.0), (1.0, 5, 60.0), (60.0, 2, 60.0), (300.0, 2, 300.0)]
)
def test_a_minute_is_kept_however_often_pods_are_asked(every: float, kept: int, spans: float) -> None:
    marks: tuple[Mark, ...] = ()
    at = 0.0
    for _ in range(700):
        marks, at = marked(marks, at, {}), at + every
    assert len(marks) <= kept + 1
    assert spans <= marks[-1].at - marks[0].at <= spans + 15


def test_nothing_is_known_before_the_second_sample() -> None:
    assert recent((), {}) == ()
    assert recent(marked((), 0.0, {"x": counted()}), {"x": "v1"}) == ()
