"""How numbers, times and revisions read in messages for people."""

from datetime import timedelta

LONGEST = 1000
"""Characters of a message; an Event has room for 1,024."""


REPLACED_ONCE = "the pod is replaced once and evidence begins anew; if it comes back the rollout is rolled back"


def called(version: str, revision: str) -> str:
    """A revision as people call it: "2.1.0 (7f3a9c21)"."""
    return revision if version == revision else f"{version} ({revision})"


def place(weight: int) -> str:
    """Where in a rollout a weight is; only the preview of blue-green has weight 0."""
    return f"weight {weight}" if weight else "the preview"


def pods(count: int) -> str:
    return "1 pod" if count == 1 else f"{count} pods"


def requests(count: int) -> str:
    return "1 request" if count == 1 else f"{count} requests"


def times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def seconds(value: timedelta) -> str:
    """A duration in the unit that reads best: "90 s", "10 min", "2 h"; a measured one as "7.5 s"."""
    whole = value.total_seconds()
    for unit, size in (("h", 3600), ("min", 60)):
        if whole >= size and whole % size == 0:
            return f"{whole / size:g} {unit}"
    return f"{whole:g} s" if whole.is_integer() else f"{whole:.1f} s"


def mebibytes(count: int) -> str:
    """Bytes as people write a limit: "498Mi"."""
    return f"{round(count / 2**20)}Mi"


def cut(text: str, longest: int = LONGEST) -> str:
    return text if len(text) <= longest else f"{text[: longest - 3]}..."
