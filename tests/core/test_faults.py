"""Whose fault it is: what is seen at pods, turned into a rejection, a standstill, or nothing."""

from datetime import timedelta
from typing import Any

import pytest
from core.values import FAILING, STABLE_FAILING, arm, candidate, deployment, judged, pod, seen, shared, status, turn

from modelrollout.api.status import Routing
from modelrollout.core import faults
from modelrollout.core.facts import PodSeen, PodTrouble
from modelrollout.core.faults import Finding, Rejection, Standstill
from modelrollout.judge import verdicts
from modelrollout.judge.verdicts import Verdict

SILENT: dict[str, Any] = {"failed_scrapes": 3, "scraped": False}
STUCK: dict[str, Any] = {"waits": timedelta(seconds=10.5)}
DOWN: dict[str, Any] = {"ready": False, "restarts": 2, "trouble": PodTrouble.MISSING_DEPENDENCY, "words": "no numpy"}


def found(
    candidates: tuple[PodSeen, ...],
    stables: tuple[PodSeen, ...] = (pod(1),),
    verdict: Verdict | None = None,
    **fields: Any,
) -> Finding:
    """What is found with these pods of both arms, and with a verdict of the present epoch where one is given."""
    known = status(candidate=candidate(**fields))
    world = seen((deployment(2, 1, against=1), candidates), (deployment(1, 4), stables), selector=shared())
    look = turn(known, world)
    look = judged(look, verdict) if verdict is not None else look
    assert known.candidate is not None
    return faults.find(look, known, known.candidate)


@pytest.mark.parametrize(
    ("candidates", "stables", "expected"),
    [
        pytest.param((pod(2),), (pod(1),), None, id="all pods are well"),
        pytest.param((), (pod(1),), None, id="no pod yet"),
        pytest.param(
            (pod(2, ready=False, restarts=2, trouble=PodTrouble.OOM_KILLED, words="peak 2Gi of 2Gi"),),
            (pod(1),),
            Rejection(
                "OOMKilled",
                "churn-v2-1 restarted 2 times (limit 1): OOMKilled (peak 2Gi of 2Gi); raise "
                "server.resources.limits.memory or make the model smaller",
            ),
            id="killed for its memory after one tolerated restart",
        ),
        pytest.param(
            (pod(2, restarts=2, trouble=PodTrouble.OOM_KILLED, words="limit 512Mi", peak_bytes=498 * 2**20),),
            (pod(1),),
            Rejection(
                "OOMKilled",
                "churn-v2-1 restarted 2 times (limit 1): OOMKilled (limit 512Mi, highest seen 498Mi); raise "
                "server.resources.limits.memory or make the model smaller",
            ),
            id="killed for its memory with the peak that was seen",
        ),
        pytest.param(
            (pod(2, ready=False, restarts=1, trouble=PodTrouble.OOM_KILLED),),
            (pod(1),),
            None,
            id="the first restart is tolerated",
        ),
        pytest.param(
            (pod(2), pod(2, 2, ready=False, restarts=2, trouble=PodTrouble.MODEL_NOT_FOUND, words="404")),
            (pod(1),),
            Rejection("ModelNotFound", "churn-v2-2 restarted 2 times (limit 1): ModelNotFound (404); check model.uri"),
            id="the second pod cannot load its model",
        ),
        pytest.param(
            (pod(2, ready=False, restarts=9, trouble=PodTrouble.NODE_LOST, words="evicted"),),
            (pod(1),),
            None,
            id="an evicted pod is blamed for nothing",
        ),
        pytest.param(
            (pod(2, ready=False, restarts=9, trouble=PodTrouble.UNSCHEDULABLE),),
            (pod(1),),
            None,
            id="a pod without room is blamed for nothing",
        ),
        pytest.param((pod(2, restarts=9),), (pod(1),), None, id="restarts without a reason of its own"),
        pytest.param(
            (pod(2, **DOWN),),
            (pod(1, **DOWN),),
            Standstill(
                "StableUnhealthy",
                "stable's containers fail like churn-v2-1's: MissingDependency (no numpy); use a serving image that "
                "has it",
            ),
            id="all of stable fails alike",
        ),
        pytest.param(
            (pod(2, **DOWN),),
            (pod(1), pod(1, 2, **DOWN)),
            Rejection(
                "MissingDependency",
                "churn-v2-1 restarted 2 times (limit 1): MissingDependency (no numpy); use a serving image that has it",
            ),
            id="one of stable's pods is well",
        ),
        pytest.param(
            (pod(2, **SILENT),),
            (pod(1),),
            Rejection(
                "Unresponsive",
                "churn-v2-1 gave no usable answer to 3 scrapes in a row while other pods answered",
            ),
            id="only the candidate is silent",
        ),
        pytest.param(
            (pod(2, **SILENT), pod(2, 2)),
            (pod(1, **SILENT),),
            Rejection(
                "Unresponsive",
                "churn-v2-1 gave no usable answer to 3 scrapes in a row while other pods answered",
            ),
            id="another pod of the candidate answers",
        ),
        pytest.param(
            (pod(2, **SILENT),),
            (pod(1, **SILENT),),
            Standstill(
                "ScrapeBlocked",
                "no pod of either arm answers on port 8081; allow the operator to reach port 8081 of pods labelled "
                "modelrollout.dev/name=churn",
            ),
            id="both arms are blind",
        ),
        pytest.param(
            (pod(2, failed_scrapes=2, scraped=False),),
            (pod(1),),
            Standstill("ScrapeFailing", "churn-v2-1 gave no usable answer to its last scrape"),
            id="two failed scrapes only hold",
        ),
        pytest.param((pod(2, ready=False, started=False, **SILENT),), (pod(1),), None, id="a pod that has not started"),
        pytest.param(
            (pod(2), pod(2, 2, **STUCK)),
            (pod(1, waits=timedelta(seconds=10)),),
            Rejection(
                "Unresponsive",
                "churn-v2-2 has not finished a request in 10.5 s (limit 10 s), and those behind it wait, while "
                "stable's pods answer",
            ),
            id="the candidate's server is stuck",
        ),
        pytest.param(
            (pod(2, **STUCK),),
            (),
            Rejection(
                "Unresponsive", "churn-v2-1 has not finished a request in 10.5 s (limit 10 s), and those behind it wait"
            ),
            id="stuck where stable has no pods any more",
        ),
        pytest.param(
            (pod(2, **STUCK),),
            (pod(1), pod(1, 2, **STUCK)),
            Standstill(
                "StableUnhealthy",
                "both arms are stuck: churn-v2-1 has not finished a request in 10.5 s (limit 10 s), and those behind "
                "it wait; churn-v1-2 has not finished a request in 10.5 s (limit 10 s), and those behind it wait",
            ),
            id="servers of both arms are stuck",
        ),
        pytest.param((pod(2),), (pod(1, **STUCK),), None, id="only stable is stuck"),
        pytest.param(
            (pod(2, waits=timedelta(seconds=10)),), (pod(1),), None, id="a request that takes as long as it may"
        ),
        pytest.param(
            (pod(2, **SILENT, node="n1"), pod(2, 2, node="n2")),
            (pod(1, **SILENT, node="n1"), pod(1, 2, node="n2")),
            Standstill("ScrapeFailing", "neither churn-v2-1 nor stable's pods on its node n1 answer"),
            id="everything on its node is silent",
        ),
        pytest.param(
            (pod(2, **SILENT, node="n1"), pod(2, 2, **SILENT, node="n2")),
            (pod(1, **SILENT, node="n1"), pod(1, 2, node="n2")),
            Rejection(
                "Unresponsive",
                "churn-v2-2 gave no usable answer to 3 scrapes in a row while other pods answered",
            ),
            id="one node is silent, and a candidate pod beside a good one, too",
        ),
        pytest.param(
            (pod(2, **SILENT, node="n1"), pod(2, 2, **SILENT, node="n1")),
            (pod(1, node="n2"),),
            Rejection(
                "Unresponsive",
                "churn-v2-1 gave no usable answer to 3 scrapes in a row while other pods answered",
            ),
            id="only candidate pods are on the silent node",
        ),
        pytest.param(
            (pod(2, ready=False, trouble=PodTrouble.NODE_LOST, **SILENT),),
            (pod(1),),
            None,
            id="its node is known to be lost",
        ),
    ],
)
def test_pods_speak_for_a_rejection_a_standstill_or_nothing(
    candidates: tuple[PodSeen, ...], stables: tuple[PodSeen, ...], expected: Finding
) -> None:
    assert found(candidates, stables) == expected


def test_restarts_before_the_step_do_not_count() -> None:
    crashed = pod(2, ready=False, restarts=5, trouble=PodTrouble.CRASHED)
    assert found((crashed,), restarts={"v2-1": 4}) is None
    assert found((crashed,), restarts={"v2-1": 3}) == Rejection(
        "Crashed", "churn-v2-1 restarted 2 times (limit 1): Crashed; read the pod's log"
    )


@pytest.mark.parametrize(
    ("verdict", "expected"),
    [
        (Verdict(enough=True), None),
        (Verdict(doubt="6 of 20 requests failed, more than 5 %"), None),
        (Verdict(stable=STABLE_FAILING), None),
        (Verdict(candidate=FAILING), Rejection("ErrorRate", "31 of 40 requests failed (limit 5 %)")),
        (
            Verdict(candidate=FAILING, stable=STABLE_FAILING),
            Standstill(
                "StableUnhealthy",
                "both break errorRate: the candidate 31 of 40 requests failed (limit 5 %); stable 29 of 40 requests "
                "failed (limit 5 %)",
            ),
        ),
        (
            Verdict(candidate=verdicts.Finding("p95LatencyMs", "p95 is 900 ms (limit 500 ms)"), stable=STABLE_FAILING),
            Rejection("P95LatencyMs", "p95 is 900 ms (limit 500 ms)"),
        ),
        (
            Verdict(candidate=verdicts.Finding("errorRatio", "53 of 2640 failed, stable 104 of 10560", 5.9)),
            Rejection("ErrorRatio", "53 of 2640 failed, stable 104 of 10560; p = 0.0027"),
        ),
    ],
    ids=["nothing", "a doubt", "stable alone", "the candidate", "both by one limit", "each by its own", "compared"],
)
def test_a_broken_limit_rejects_unless_stable_breaks_the_same_one(verdict: Verdict, expected: Finding) -> None:
    assert found((pod(2),), verdict=verdict) == expected


def test_a_verdict_of_another_epoch_says_nothing() -> None:
    known = status(candidate=candidate(round=2))
    before = turn(status(candidate=candidate(round=1)), seen(arm(1, 4), arm(2, 1, against=1)))
    stale = judged(before, Verdict(candidate=FAILING))
    assert known.candidate is not None
    assert faults.find(stale, known, known.candidate) is None


@pytest.mark.parametrize("fields", [{"routing": Routing.STABLE}, {"forced": True}], ids=["no traffic yet", "forced"])
def test_a_single_failed_scrape_holds_nobody(fields: dict[str, Any]) -> None:
    assert found((pod(2, failed_scrapes=1, scraped=False),), **fields) is None


def test_every_trouble_has_a_remedy() -> None:
    assert set(faults.REMEDIES) == set(PodTrouble)


@pytest.mark.parametrize(
    ("quota", "pods", "expected"),
    [
        ("exceeded quota: pods=8", (), "churn-v2 cannot make pods: exceeded quota: pods=8"),
        (
            "",
            (pod(2, ready=False, trouble=PodTrouble.CANNOT_PULL, words="401"),),
            "churn-v2-1: ImageCannotBePulled (401); check the image and its pull secret",
        ),
        ("", (pod(2, ready=False, trouble=PodTrouble.CRASHED),), ""),
        ("", (pod(2, trouble=PodTrouble.NODE_LOST),), ""),
    ],
    ids=["quota", "pull", "its own fault", "ready again"],
)
def test_only_what_the_cluster_lacks_is_waited_for(quota: str, pods: tuple[PodSeen, ...], expected: str) -> None:
    look = turn(status(), seen((deployment(2, 1, trouble=quota), pods)))
    assert faults.world_trouble(look, "v2") == expected


def test_the_cluster_is_named_before_a_container() -> None:
    crashed = pod(2, ready=False, trouble=PodTrouble.CRASHED, words="exit 1")
    look = turn(status(), seen((deployment(2, 1), (crashed,))))
    assert faults.any_trouble(look, "v2") == "churn-v2-1: Crashed (exit 1); read the pod's log"
    full = turn(status(), seen((deployment(2, 1, trouble="quota"), (crashed,))))
    assert faults.any_trouble(full, "v2") == "churn-v2 cannot make pods: quota"
