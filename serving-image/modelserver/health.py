"""The health port's documents: /health as the judge reads it, and /ready.

Everything here runs in the main thread and touches only the shared state, so that it answers while the predict path
is stuck. What a request that will never finish does to the counters is decided here too, at every look.
"""

import time
from typing import Any

from modelserver import memory
from modelserver.models import Baseline
from modelserver.state import Phase, State
from modelserver.traffic import Counters
from modelserver.window import Window

STUCK_AFTER_S = 60.0


class Health:
    """Answers the operator's scrapes and the kubelet's probes."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._window = Window(state.traffic.edges_ms)
        self._memory_limit = memory.limit_bytes()
        self._names = {
            "model_name": state.settings.name,
            "model_version": state.settings.version,
            "active_model": f"{state.settings.name}:{state.settings.version}",
            "revision": state.settings.revision,
            "instance": state.instance,
            "pod_uid": state.settings.pod_uid,
        }

    def tick(self) -> None:
        """Count what is overdue and remember this second; to be called once a second."""
        self._window.add(time.monotonic(), self._count())

    def document(self) -> tuple[int, dict[str, Any]]:
        """Status code and body of /health; to be encoded by msgspec, which knows dataclasses."""
        counters, baseline = self._count(), self._baseline()
        inflight, oldest_s, standstill_s = self._state.traffic.waiting()
        violations = self._violations(inflight, standstill_s)
        now = time.time()
        return 503 if violations else 200, {
            "status": "stuck" if violations else self._state.phase,
            "healthy": not violations,
            "violations": violations,
            "model_loaded": self._state.artifact is not None,
            **self._names,
            "digest": self._state.digest,
            "uptime_s": round(now - self._state.started_ns / 1e9, 3),
            "timestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now)),
            "window": self._window.until(counters, baseline),
            "cpu_seconds": time.process_time(),
            "memory_bytes": memory.used_bytes(),
            "memory_limit_bytes": self._memory_limit,
            "inflight": inflight,
            "oldest_inflight_s": round(oldest_s, 3),
            "counters": self._counters(counters),
            **({"baseline": baseline} if baseline is not None else {}),
        }

    def readiness(self) -> tuple[int, dict[str, Any]]:
        """Status code and body of /ready."""
        return 200 if self._state.ready else 503, {"ready": self._state.ready, "status": self._state.phase}

    def _count(self) -> Counters:
        self._state.traffic.count_overdue(self._state.settings.request_timeout_s)
        return self._state.traffic.snapshot()

    def _baseline(self) -> Baseline | None:
        artifact = self._state.artifact
        return artifact.metadata.baseline if artifact is not None else None

    def _violations(self, inflight: int, standstill_s: float) -> list[str]:
        # A draining server is on its way out already; a restart would only cut it off.
        if standstill_s < STUCK_AFTER_S or self._state.phase is Phase.DRAINING:
            return []
        return [f"nothing was predicted for {standstill_s:.0f} s while {inflight} requests wait"]

    def _counters(self, counters: Counters) -> dict[str, Any]:
        traffic = self._state.traffic
        return {
            "requests": counters.requests,
            "errors": counters.errors,
            "refusals": counters.refusals,
            "latency": {
                "edges_ms": traffic.edges_ms,
                "counts": counters.latency_counts,
                "sum_ms": counters.latency_sum_ms,
            },
            "predictions": {
                "count": counters.prediction_count,
                "sum": counters.prediction_sum,
                "sum_squares": counters.prediction_sum_squares,
                "edges": traffic.prediction_edges,
                "counts": counters.prediction_counts,
            },
        }
