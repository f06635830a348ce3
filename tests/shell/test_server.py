"""Metrics and probes, over HTTP."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import aiohttp
import pytest
from shell.loops import rollout_object

from modelrollout.api.status import (
    Condition,
    ConditionStatus,
    Drift,
    Judged,
    Measured,
    ModelRolloutStatus,
    Percentile,
    Phase,
    Revision,
    SelfTest,
    Weights,
)
from modelrollout.judge import Recent
from modelrollout.metrics import Metrics
from modelrollout.rollouts import Held, parse
from modelrollout.shell.health import Health
from modelrollout.shell.server import CannotListen, serve


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@asynccontextmanager
async def asked(metrics: Metrics, health: Health) -> AsyncIterator[aiohttp.ClientSession]:
    server = await serve("127.0.0.1", 0, metrics, health)
    async with aiohttp.ClientSession(f"http://127.0.0.1:{server.port}") as session:
        yield session
    await server.stop()


async def answers(health: Health) -> list[tuple[int, str]]:
    found = []
    async with asked(Metrics(), health) as session:
        for path in ("/healthz", "/readyz"):
            async with session.get(path) as response:
                found.append((response.status, await response.text()))
    return found


async def test_it_is_alive_from_the_start_and_ready_when_everything_was_listed() -> None:
    health = Health()
    assert await answers(health) == [(200, "ok"), (503, "waiting for the first lists")]

    health.waits_for = ""
    assert await answers(health) == [(200, "ok"), (200, "ok")]


async def test_a_task_that_ended_is_a_reason_to_restart() -> None:
    async def work() -> None:
        return

    health = Health()
    task = asyncio.create_task(work(), name="reflector of pods")
    health.guard(task)
    await task

    assert (await answers(health))[0] == (503, "ended: reflector of pods")


def test_an_event_loop_that_is_stuck_is_a_reason_to_restart() -> None:
    clock = Clock()
    health = Health(clock)
    clock.now = 10.4
    assert health.complaint() == ""

    clock.now = 31.0
    assert health.complaint() == "the event loop has been stuck for 30 s"


async def test_a_port_that_is_taken_is_said_with_the_remedy() -> None:
    first = await serve("127.0.0.1", 0, Metrics(), Health())
    with pytest.raises(CannotListen, match=rf"cannot listen on 127\.0\.0\.1:{first.port} .*choose another with --port"):
        await serve("127.0.0.1", first.port, Metrics(), Health())
    await first.stop()


def lines(metrics: Metrics, *starts: str) -> list[str]:
    return [line for line in metrics.text().decode().splitlines() if line.startswith(starts)]


async def test_metrics_are_served_as_prometheus_reads_them() -> None:
    metrics = Metrics()
    metrics.called("patch", "services", 409)
    metrics.follow({"queue_depth": lambda: 7})
    async with asked(metrics, Health()) as session, session.get("/metrics") as response:
        text = await response.text()

    assert response.headers["Content-Type"].startswith("text/plain")
    assert 'modelrollout_api_calls_total{code="409",kind="services",verb="patch"} 1.0' in text
    assert "modelrollout_queue_depth 7.0" in text


def test_the_process_tells_its_memory_and_when_it_began() -> None:
    told = {line.partition(" ")[0]: float(line.partition(" ")[2]) for line in lines(Metrics(), "process_")}

    assert told["process_resident_memory_bytes"] > 2**20
    assert told["process_start_time_seconds"] > 0


def test_what_happens_is_counted_by_its_result() -> None:
    metrics = Metrics()
    metrics.reconciled("ok", 0.01)
    metrics.scraped("failed", 3)
    metrics.scraped("unsent", 0)
    metrics.missed_event()

    assert lines(
        metrics, "modelrollout_scrapes_total{", "modelrollout_missed_events_total", "modelrollout_reconciles_t"
    ) == [
        'modelrollout_reconciles_total{result="ok"} 1.0',
        'modelrollout_scrapes_total{result="failed"} 3.0',
        "modelrollout_missed_events_total 1.0",
    ]


def test_the_judges_numbers_are_gauges_and_leave_nothing_behind() -> None:
    metrics, raw = Metrics(), rollout_object()
    raw["metadata"]["namespace"] = "default"
    held = Held(raw, parse(raw))
    errors = Measured(
        metric="errors", verdict="undecided", log_e=1.5, p=0.2, log_e_noninferior=-1.0, ratio=1.4, low=0.9
    )
    judge = Judged(
        requests=500,
        expected_requests=320,
        metrics=[errors],
        candidate_latency=[Percentile(name="p95", ms=21.0, low=19.0, high=24.0)],
        drift=Drift(verdict="clear", deviations=0.1),
        shape=0.25,
    )
    tested = SelfTest(trials=8, alarms=1, requests=900, errors_dispersion=1.5, latency_dispersion=1.0)
    metrics.shown(held, ModelRolloutStatus(judge=judge, self_test=tested))

    text = metrics.text().decode()
    assert 'modelrollout_rollout_judge{metric="errors",name="churn",namespace="default",number="ratio"} 1.4' in text
    assert (
        'modelrollout_rollout_judge{metric="requests",name="churn",namespace="default",number="expected"} 320.0' in text
    )
    assert 'number="ms_high"} 24.0' in text
    assert 'number="high"}' not in text
    assert 'metric="shape",name="churn",namespace="default",number="distance"} 0.25' in text
    assert 'metric="self_test",name="churn",namespace="default",number="errors_dispersion"} 1.5' in text

    metrics.shown(held, ModelRolloutStatus())
    assert lines(metrics, "modelrollout_rollout_judge{") == []


def test_what_a_version_did_lately_is_a_gauge_until_it_is_gone() -> None:
    metrics = Metrics()
    raw = rollout_object()
    raw["metadata"]["namespace"] = "default"
    held = Held(raw, parse(raw))
    status = ModelRolloutStatus(stable=Revision(revision="aaaa", version="1.0.0", spec_hash="0", image="server:1"))
    lately = Recent("aaaa", 2, 120, 3, 1, 7.5, (), 0.25, 1024)
    metrics.shown(held, status, (lately, Recent("gone", 1, 9, 0, 0, None, (), None, 0)))

    labels = 'arm="stable",name="churn",namespace="default",number="{}",version="1.0.0"'
    numbers: dict[str, float] = {
        "pods": 2,
        "requests": 120,
        "errors": 3,
        "refusals": 1,
        "success_percent": 97.5,
        "mean_ms": 7.5,
    }
    numbers |= {"cpu_cores": 0.25, "memory_bytes": 1024}
    wanted = {f"modelrollout_rollout_version{{{labels.format(one)}}} {float(numbers[one])}" for one in numbers}
    assert set(lines(metrics, "modelrollout_rollout_version")) == wanted
    metrics.shown(held, status)
    assert lines(metrics, "modelrollout_rollout_version") == []


def test_a_rollout_shows_its_phase_and_weights_and_leaves_nothing_behind() -> None:
    metrics = Metrics()
    raw = rollout_object()
    raw["metadata"]["namespace"] = "default"
    held = Held(raw, parse(raw))
    weights = Weights(asked=25, pods=20, served=19.5)
    unhealthy = Condition(
        type="StableUnhealthy",
        observed_generation=1,
        status=ConditionStatus.TRUE,
        reason="ErrorRate",
        message="",
        last_transition_time=datetime(2026, 3, 1, tzinfo=UTC),
    )
    metrics.shown(held, ModelRolloutStatus(phase=Phase.PROGRESSING, weights=weights, conditions=[unhealthy]))

    shown = [line for line in lines(metrics, "modelrollout_rollout_") if not line.endswith(" 0.0")]
    assert shown == [
        'modelrollout_rollout_phase{name="churn",namespace="default",phase="Progressing"} 1.0',
        'modelrollout_rollout_stable_unhealthy{name="churn",namespace="default"} 1.0',
        'modelrollout_rollout_weight{kind="asked",name="churn",namespace="default"} 25.0',
        'modelrollout_rollout_weight{kind="pods",name="churn",namespace="default"} 20.0',
        'modelrollout_rollout_weight{kind="served",name="churn",namespace="default"} 19.5',
    ]

    metrics.gone("default/churn")
    metrics.gone("default/churn")
    assert lines(metrics, "modelrollout_rollout_") == []
