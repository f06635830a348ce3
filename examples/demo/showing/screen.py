"""Where the picture goes: a live one on a terminal, plain lines elsewhere."""

from contextlib import AbstractContextManager
from types import TracebackType
from typing import Protocol, Self

from rich.console import Console
from rich.live import Live

from showing.picture import Scene, arm_in_words, draw


class Screen(Protocol):
    """Shows scenes."""

    def show(self, scene: Scene) -> None: ...

    def say(self, sentence: str) -> None: ...


class Picture(AbstractContextManager["Picture"]):
    """Redraws one picture in place."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(console=console, auto_refresh=False, transient=False)

    def __enter__(self) -> Self:
        self._live.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.__exit__(kind, error, trace)

    def show(self, scene: Scene) -> None:
        self._live.update(draw(scene), refresh=True)

    def say(self, sentence: str) -> None:
        del sentence  # the picture says it


class Lines(AbstractContextManager["Lines"]):
    """Prints a line when something has changed, and each Event once."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._last = ""
        self._told = 0

    def __exit__(self, *_: object) -> None:
        return

    def show(self, scene: Scene) -> None:
        facts = scene.facts
        if facts is None:
            return
        for event in facts.events[self._told :]:
            self.say(f"  {event.reason}: {event.message}")
        self._told = len(facts.events)
        line = f"  {facts.phase}; pods: {', '.join(map(arm_in_words, facts.arms)) or 'none'}"
        if line != self._last:
            self.say(line)
            self._last = line

    def say(self, sentence: str) -> None:
        self._console.print(sentence, markup=False, highlight=False, soft_wrap=True)
