"""The warning for a step that cannot decide in time."""

from datetime import timedelta

import pytest

from modelrollout.forecast import Expected, late
from modelrollout.forecast.bets import NEVER
from modelrollout.forecast.deadlines import spoken

HOUR = timedelta(hours=1)


def test_a_step_that_is_fast_enough_says_nothing() -> None:
    assert late(Expected(doubled=7_000, slower=500, passes=3_000), 2.0, 0.05, HOUR) == ""


def test_a_model_that_cannot_pass_in_time_is_named_with_a_deadline_that_would_do() -> None:
    said = late(Expected(doubled=40_000, slower=500, passes=18_200), 2.0, 0.05, HOUR)

    assert said == (
        "2 requests/s at 5 %: 2.5 h until a healthy model passes, decisionDeadline is 1h; set it to 4h, or raise the "
        "weight"
    )


def test_a_fault_that_is_not_noticed_in_time_is_named() -> None:
    said = late(Expected(doubled=18_200, slower=500, passes=3_000), 2.0, 0.05, HOUR)

    assert said == (
        "2 requests/s at 5 %: 2.5 h until a doubled error rate is noticed, decisionDeadline is 1h; until then such a "
        "model is held here, not rolled back"
    )


def test_a_step_that_can_never_pass_names_why() -> None:
    said = late(Expected(doubled=None, slower=None, passes=NEVER), 50.0, 1.0, HOUR)

    assert said == (
        "50 requests/s at 100 %: a healthy model never passes: its error rate is too near the limit or the margin; "
        "raise the limit"
    )


def test_without_requests_nothing_can_be_decided() -> None:
    assert late(Expected(100, 100, 100), 0.0, 0.05, HOUR) == (
        "0 requests/s at 5 %: nothing can be decided without requests"
    )


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(4.2, "4.2 s"), (40, "40 s"), (100, "1.7 min"), (720, "12 min"), (9_100, "2.5 h"), (300_000, "3.5 d")],
)
def test_times_are_said_as_people_say_them(seconds: float, said: str) -> None:
    assert spoken(seconds) == said


def test_never_is_said_as_never() -> None:
    assert spoken(NEVER) == "never"
