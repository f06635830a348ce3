"""The pictures of docs/judge.md, drawn from the simulations as SVG."""

import math
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from bench.judge import ours, worlds
from bench.judge.others import ARGO_TIGHT, FLAGGER
from bench.judge.worlds import Array

WIDTH, HEIGHT, LEFT, BOTTOM = 640, 300, 60, 40
BLUE, RED, GREY, GREEN = "#2b6cb0", "#c53030", "#718096", "#2f855a"


class Plane:
    """Lines over axes: x from 0 to `right`, y from `low` to `high`."""

    def __init__(self, right: float, low: float, high: float) -> None:
        self._right, self._low, self._high = right, low, high
        self._parts: list[str] = []

    def line(self, xs: Sequence[float], ys: Sequence[float], colour: str, width: float = 1.5) -> None:
        points = " ".join(f"{self._x(x):.1f},{self._y(y):.1f}" for x, y in zip(xs, ys, strict=True))
        self._parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="{width}"/>')

    def level(self, y: float, text: str, colour: str) -> None:
        self.line((0, self._right), (y, y), colour, 1)
        self._parts.append(f'<text x="{LEFT + 6}" y="{self._y(y) - 4:.1f}" fill="{colour}">{text}</text>')

    def label(self, x: float, y: float, text: str, colour: str) -> None:
        self._parts.append(f'<text x="{self._x(x):.1f}" y="{self._y(y):.1f}" fill="{colour}">{text}</text>')

    def svg(self, across: str, up: str, ticks: Iterable[tuple[float, str]]) -> str:
        floor = HEIGHT - BOTTOM
        frame = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}">',
            "<style>text { font: 12px sans-serif }</style>",
            f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
            f'<path d="M{LEFT},10V{floor}H{WIDTH - 10}" fill="none" stroke="{GREY}"/>',
            f'<text x="{WIDTH / 2}" y="{HEIGHT - 6}" text-anchor="middle" fill="{GREY}">{across}</text>',
            f'<text transform="translate(14,{floor / 2}) rotate(-90)" text-anchor="middle" fill="{GREY}">{up}</text>',
        ]
        for y, text in ticks:
            frame.append(f'<text x="{LEFT - 6}" y="{self._y(y) + 4:.1f}" text-anchor="end" fill="{GREY}">{text}</text>')
        for part in range(5):
            x = self._right * part / 4
            frame.append(
                f'<text x="{self._x(x):.1f}" y="{floor + 14}" text-anchor="middle" fill="{GREY}">{x:,.0f}</text>'
            )
        return "\n".join((*frame, *self._parts, "</svg>", ""))

    def _x(self, x: float) -> float:
        return LEFT + (WIDTH - LEFT - 10) * x / self._right

    def _y(self, y: float) -> float:
        kept = min(self._high, max(self._low, y))
        return HEIGHT - BOTTOM - (HEIGHT - BOTTOM - 10) * (kept - self._low) / (self._high - self._low)


def evidence() -> str:
    """Twelve healthy and twelve bad canaries: evidence over requests, and the bar."""
    plane = Plane(20_000, -4, 10)
    for rate, colour in ((0.01, BLUE), (0.02, RED)):
        counts = worlds.errors_of(worlds.differing(100, 0.5, rate, 0.01), 12, np.random.default_rng(7))
        looks = ours.errors(counts, frozenset())
        for one in range(12):
            plane.line(looks.requests[:, one].tolist(), looks.alarm[:, one].tolist(), colour, 1)
    bar = -math.log(0.01 * 0.3)
    plane.level(bar, "rolled back above this line (E = 333)", GREY)
    plane.label(13_500, -2.9, "healthy: 1 % errors in both arms", BLUE)
    plane.label(5_800, 8.6, "bad: 2 % errors, stable 1 %", RED)
    return plane.svg("requests of both arms", "evidence E", [(math.log(e), text) for e, text in _POWERS])


_POWERS = ((0.1, "0.1"), (1, "1"), (10, "10"), (100, "100"), (1000, "1,000"), (10_000, "10,000"))


def looking() -> str:
    """The share of healthy canaries that were rolled back, over requests: fixed thresholds, and this judge."""
    counts = worlds.errors_of(worlds.alike(100), 2_000, np.random.default_rng(8))
    looks = ours.errors(counts, frozenset())
    plane = Plane(20_000, 0, 1)
    requests = looks.requests[:, 0].tolist()
    for fired, colour, at, text in (
        (FLAGGER.alarms(counts), RED, (4_000, 0.93), "success &gt;= 99 %, 5 failures"),
        (ARGO_TIGHT.alarms(counts), GREEN, (11_500, 0.80), "success &gt;= 98.5 %, more than 3 failures"),
        (looks.alarm >= -math.log(0.05), BLUE, (11_500, 0.08), "this judge, promised at most .05"),
    ):
        plane.line(requests, _so_far(fired), colour, 2)
        plane.label(*at, text, colour)
    return plane.svg("requests of both arms", "healthy canaries rolled back", [(y / 4, f"{y / 4:g}") for y in range(5)])


def _so_far(fired: Array) -> list[float]:
    shares: list[float] = np.maximum.accumulate(fired, axis=0).mean(axis=1).tolist()
    return shares


PICTURES = {"judge-evidence.svg": evidence, "judge-looking.svg": looking}


def draw(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, picture in PICTURES.items():
        (folder / name).write_text(picture(), encoding="utf-8")
