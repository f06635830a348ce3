"""From measurements to the table in docs/performance.md. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from statistics import median

from bench.serving.load import Closed, Opened
from bench.serving.material import MODELS
from bench.serving.peers import BARE, BARE_ONNX, OURS, OURS_ONNX, PEERS, PLAIN

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
            told += ["", *_table(description, mine), "", *_beside_peers(mine), *_beside_bare(mine)]
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


def _beside_peers(measured: dict[str, Measured]) -> list[str]:
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


def _beside_bare(measured: dict[str, Measured]) -> list[str]:
    pairs = ((mine, bare) for mine, bare in ((OURS, BARE), (OURS_ONNX, BARE_ONNX)) if {mine, bare} <= measured.keys())
    return [
        f"- {mine}: {measured[mine].rps / measured[bare].rps:.2f} times the requests/s of {bare}."
        for mine, bare in pairs
    ]
