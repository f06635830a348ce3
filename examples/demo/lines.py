"""Views as plain lines: each act, each Event once, and every few seconds where things stand."""

from collections.abc import Iterator

from picture import Heading
from views import View

EVERY_SECONDS = 5.0


class Lines:
    """Remembers what was told."""

    def __init__(self) -> None:
        self._act = 0
        self._events = 0
        self._told = -EVERY_SECONDS

    def news(self, heading: Heading, view: View | None) -> Iterator[str]:
        """What was not told yet."""
        clock = f"{heading.seconds:6.1f} s"
        if heading.act != self._act:
            self._act = heading.act
            yield f"{clock}  == {heading.act} of {heading.acts}: {heading.title}"
        if view is None:
            return
        for event in view.events[self._events :]:
            yield f"{clock}  {event.reason}: {event.message}"
        self._events = max(self._events, len(view.events))
        if heading.seconds - self._told >= EVERY_SECONDS:
            self._told = heading.seconds
            yield f"{clock}  {_standing(view)}"


def _standing(view: View) -> str:
    arms = ", ".join(f"{arm.version} ({arm.role}) {arm.ready} of {len(arm.pods)} pods ready" for arm in view.arms)
    weight = f"; weight {view.asked} % asked, {view.by_pods} % by pods" if view.asked else ""
    served = f", {view.served:.0f} % served" if view.asked and view.served is not None else ""
    traffic = view.traffic
    failed = traffic.failed_fresh + traffic.failed_kept
    return f"{view.phase}: {arms or 'no pods'}{weight}{served}; {traffic.requests} requests, {failed} failed"
