"""Whether a step can decide before its deadline, as a sentence: the command line's warning and the operator's.

A step that cannot decide in time is not dangerous, since without evidence nothing is promoted, but it holds every
rollout. Better said on the day the manifest is written.
"""

from datetime import timedelta

from modelrollout import durations
from modelrollout.forecast.bets import NEVER
from modelrollout.forecast.expected import Expected

_LADDER = (60, 300, 600, 900, 1_800, 3_600, 7_200, 10_800, 14_400, 21_600, 43_200, 86_400)
"""Round deadlines, in seconds, that a remedy may name."""


def late(found: Expected, requests_per_second: float, share: float, deadline: timedelta) -> str:
    """Why a step cannot decide before its deadline, with the remedy; empty when it can.

    Args:
        found: what the step has to expect.
        requests_per_second: of both arms together.
        share: the canary's part of them, 0 to 1.
        deadline: of the decision.

    """
    traffic = f"{requests_per_second:g} requests/s at {share * 100:.3g} %"
    if requests_per_second <= 0:
        return f"{traffic}: nothing can be decided without requests"
    passes, notices = found.passes / requests_per_second, (found.doubled or 0.0) / requests_per_second
    given = deadline.total_seconds()
    if found.passes == NEVER:
        too_near = "its error rate is too near the limit or the margin; raise the limit"
        return f"{traffic}: a healthy model never passes: {too_near}"
    if passes > given:
        slow = f"{spoken(passes)} until a healthy model passes, decisionDeadline is {durations.show(deadline)}"
        return f"{traffic}: {slow}; {_remedy(passes)}"
    if notices > given and share < 1:
        slow = (
            f"{spoken(notices)} until a doubled error rate is noticed, decisionDeadline is {durations.show(deadline)}"
        )
        return f"{traffic}: {slow}; until then such a model is held here, not rolled back"
    return ""


def spoken(seconds: float) -> str:
    """A time as people say it: 40 s, 12 min, 2.5 h, 3 d."""
    if seconds == NEVER:
        return "never"
    for most, unit, size in ((90, "s", 1), (5400, "min", 60), (172_800, "h", 3600)):
        if seconds < most:
            return f"{_short(seconds / size)} {unit}"
    return f"{_short(seconds / 86_400)} d"


def _short(number: float) -> str:
    return f"{number:.0f}" if number >= 10 else f"{number:.1f}".removesuffix(".0")  # noqa: PLR2004  # two digits


def _remedy(seconds: float) -> str:
    enough = next((one for one in _LADDER if one >= 1.5 * seconds), None)
    asked = f"set it to {durations.show(timedelta(seconds=enough))}" if enough else "give the canary more requests"
    return f"{asked}, or raise the weight"
