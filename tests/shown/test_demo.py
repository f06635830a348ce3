"""What the demo shows, from what it sees."""

import io
from dataclasses import replace

from ending import Row, row
from lines import Lines
from picture import Heading, picture
from rich.console import Console
from views import Arm, Traffic, View, arms_of, traffic_of

from modelrollout import names
from modelrollout.traffic.records import Kind, Record
from modelrollout.traffic.summary import BadSpan
from stage.kube import Object
from stage.rollout import Happening

GOOD = Record(number=0, due=10.0, answered=10.01, kind=Kind.ANSWERED, connection=1, fresh=False, version="1.0.0")
FAILED = replace(GOOD, kind=Kind.EXPECTED, version="", status=500, words='{"error":"Fail","detail":"the model failed"}')
HEADING = Heading(2, 3, "a better model", 61.0)
STARTED = Happening("Normal", "StepStarted", "2.0.0 has 1 pod ready", "2026-01-01T00:00:00Z")
VIEW = View(
    phase="Progressing",
    step="1/4",
    verdict="0 of 20 failed",
    message="waits for evidence",
    asked=10,
    by_pods=20,
    served=19.6,
    arms=(Arm("1.0.0", "aaaa", "stable", ("ready", "ready")), Arm("2.0.0", "bbbb", "canary", ("ready", "ending"))),
    traffic=Traffic(
        requests=1200, failed_fresh=2, failed_kept=1, per_second=100.0, shares=(("1.0.0", 240), ("failed", 1))
    ),
    events=(STARTED,),
)


def pod(revision: str, version: str, *, ready: bool = True, ending: bool = False) -> Object:
    labels = {names.REVISION_LABEL: revision, "app.kubernetes.io/version": version}
    metadata = {"name": "churn", "labels": labels} | ({"deletionTimestamp": "2026-01-01T00:00:00Z"} if ending else {})
    conditions = [{"type": "Ready", "status": str(ready)}]
    return {"metadata": metadata, "status": {"conditions": conditions}}


def test_revisions_are_shown_by_version_with_their_role_and_the_state_of_each_pod() -> None:
    status = {"stable": {"revision": "aaaa"}, "candidate": {"revision": "bbbb"}}
    pods = [
        pod("bbbb", "2.0.0", ready=False),
        pod("bbbb", "2.0.0"),
        pod("aaaa", "1.0.0"),
        pod("cccc", "0.9.0", ending=True),
    ]
    assert arms_of(status, pods) == (
        Arm("0.9.0", "cccc", "leaving", ("ending",)),
        Arm("1.0.0", "aaaa", "stable", ("ready",)),
        Arm("2.0.0", "bbbb", "canary", ("ready", "starting")),
    )


def test_a_candidate_without_a_stable_model_is_the_first_one() -> None:
    (arm,) = arms_of({"candidate": {"revision": "aaaa"}}, [pod("aaaa", "1.0.0")])
    assert arm.role == "first"


def test_failures_are_counted_by_connection_and_only_the_last_seconds_make_the_shares() -> None:
    old = replace(GOOD, answered=5.0)
    seen = traffic_of([old, GOOD, replace(FAILED, answered=10.5, fresh=True), replace(GOOD, answered=11.0)])
    assert (seen.requests, seen.failed_fresh, seen.failed_kept) == (4, 1, 0)
    assert seen.shares == (("1.0.0", 2), ("failed", 1))


def test_a_stretch_tells_its_bad_answers_apart_by_connection_and_why() -> None:
    records = [
        GOOD,
        replace(FAILED, answered=10.5),
        replace(FAILED, answered=12.5, fresh=True),
        replace(GOOD, due=99.0),
    ]
    told = row("rollback", records, (10.0, 20.0))
    assert told == Row(
        name="rollback",
        seconds=10.0,
        requests=3,
        fresh=BadSpan(12.5, 12.5, 1),
        kept=BadSpan(10.5, 10.5, 1),
        reasons=(("500 the model failed", 2),),
    )
    assert (told.failed, told.bad_seconds) == (2, 2.0)


def test_lines_tell_each_act_and_each_event_once() -> None:
    lines = Lines()
    assert list(lines.news(HEADING, VIEW)) == [
        "  61.0 s  == 2 of 3: a better model",
        "  61.0 s  StepStarted: 2.0.0 has 1 pod ready",
        (
            "  61.0 s  Progressing: 1.0.0 (stable) 2 of 2 pods ready, 2.0.0 (canary) 1 of 2 pods ready; "
            "weight 10 % asked, 20 % by pods, 20 % served; 1200 requests, 3 failed"
        ),
    ]
    assert list(lines.news(HEADING, VIEW)) == []


def test_the_picture_fits_a_terminal_and_shows_the_newest_event_whole() -> None:
    many = tuple(replace(STARTED, message=f"number {number} " + "long " * 20) for number in range(30))
    console = Console(file=io.StringIO(), width=100, height=30, force_terminal=True, color_system=None)
    console.print(picture(HEADING, replace(VIEW, events=many)))
    lines = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert len(lines) == 30
    assert max(map(len, lines)) <= 100
    shown = "\n".join(lines)
    assert "number 29" in shown
    assert "number 3 " not in shown
    assert "3 failed: 2 fresh, 1 keep-alive" in shown
