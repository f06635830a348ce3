"""From measurements to the table in docs/performance.md. Pure but for `write`."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from bench.serving.load import Closed, Opened
from bench.serving.material import MODELS
from bench.serving.peers import OURS, OURS_ONNX, PEERS, PLAIN

BEGIN, END = "<!-- bench-serving: begin -->\n", "<!-- bench-serving: end -->\n"
SLOW_RPS, BRISK_RPS = 50, 250


@dataclass(slots=True)
class Measured:
    """All rounds of one server with one model."""

    seconds_to_ready: float
    closed: list[Closed] = field(default_factory=list)
    opened: dict[int, list[Opened]] = field(default_factory=lambda: {SLOW_RPS: [], BRISK_RPS: []})

    @property
    def rps(self) -> float:
        return median(one.rps for one in self.closed)

    @property
    def p99_ms(self) -> float:
        return median(one.p99_ms for one in self.closed)

    @property
    def failed(self) -> int:
        opened = (one for many in self.opened.values() for one in many)
        return sum(one.failed for one in self.closed) + sum(one.failed for one in opened)

    def at(self, rps: int, share: float) -> float:
        """Median over the rounds of this quantile, in milliseconds."""
        return median(quantile(one.latencies_ms, share) for one in self.opened[rps])


Results = dict[tuple[str, str], Measured]
"""By model and server."""


def quantile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def lines(results: Results, heading: Iterable[str]) -> list[str]:
    told = [*heading]
    for model, description in MODELS.items():
        mine = {server: measured for (of, server), measured in results.items() if of == model}
        if mine:
            told += ["", *_table(description, mine), "", *_verdict(mine)]
    return told


def _table(description: str, measured: dict[str, Measured]) -> list[str]:
    opened_heads = " | ".join(f"at {rps}/s p50 / p99 ms" for rps in (SLOW_RPS, BRISK_RPS))
    rows = [
        f"| {description} | requests/s | p50 / p99 ms | {opened_heads} | start s | failed |",
        "|---|---|---|---|---|---|---|",
    ]
    for server, one in measured.items():
        p50 = median(closed.p50_ms for closed in one.closed)
        opened = [f"{one.at(rps, 0.5):.2f} / {one.at(rps, 0.99):.2f}" for rps in (SLOW_RPS, BRISK_RPS)]
        rows.append(
            f"| {server} | {one.rps:,.0f} | {p50:.2f} / {one.p99_ms:.2f} | {' | '.join(opened)} "
            f"| {one.seconds_to_ready:.1f} | {one.failed} |"
        )
    return rows


def _verdict(measured: dict[str, Measured]) -> list[str]:
    peers = {server: one for server, one in measured.items() if server in PEERS}
    if OURS not in measured or not peers:
        return []
    mine, best = measured[OURS], max(peers, key=lambda server: peers[server].rps)
    calmest = min(one.p99_ms for one in peers.values())
    told = [
        (
            f"- {mine.rps / peers[best].rps:.1f} times the best peer ({best}) with scikit-learn; "
            f"p99 {mine.p99_ms:.2f} ms against {calmest:.2f} ms of the best peer."
        )
    ]
    if OURS_ONNX in measured:
        told.append(f"- {measured[OURS_ONNX].rps / peers[best].rps:.1f} times the best peer with ONNX.")
    if PLAIN in measured:
        share = mine.at(SLOW_RPS, 0.5) / measured[PLAIN].at(SLOW_RPS, 0.5)
        told.append(f"- At {SLOW_RPS} requests/s its p50 is {share:.2f} times plain FastAPI's.")
    return told


def write(document: Path, told: Sequence[str]) -> None:
    """Put the lines between the marks, at the end where there are none yet."""
    text = document.read_text(encoding="utf-8")
    if BEGIN not in text:
        text = f"{text.rstrip()}\n\n{BEGIN}{END}"
    before, _, rest = text.partition(BEGIN)
    after = rest.partition(END)[2]
    body = "\n".join(told)
    document.write_text(f"{before}{BEGIN}{body}\n{END}{after}", encoding="utf-8")
