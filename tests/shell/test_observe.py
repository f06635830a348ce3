"""From objects to facts."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from shell.loops import OWNER, STABLE, source
from shell.pods import NOW, condition, crashed, pod, running

from modelrollout import names
from modelrollout.api.status import ModelRolloutStatus, Revision
from modelrollout.builders.controller_revision import controller_revision
from modelrollout.builders.deployment import deployment
from modelrollout.core.facts import DeploymentSeen, PodSeen, PodTrouble, ServiceSeen
from modelrollout.ledger import Kept, Ledger, Scrapes
from modelrollout.observe import Around, Glance, pod_seen, seen
from modelrollout.rollouts import parse

Object = dict[str, Any]
GLANCE = Glance(NOW, "server:1")
ROLLOUT = parse(
    {"metadata": {"name": "churn", "namespace": "default", "uid": "uid-churn"}, "spec": {"model": {"uri": "file:///m"}}}
)


def service(name: str = "churn", owner: Object | None = OWNER, **labels: str) -> Object:
    meta = {"name": name, "ownerReferences": [owner] if owner else [], "labels": labels}
    return {"kind": "Service", "metadata": meta, "spec": {"selector": dict(STABLE)}}


def look(ledger: Ledger | None = None, **around: Any) -> Any:
    return seen(ROLLOUT, Around(**around), ledger or Ledger(), GLANCE)


def test_a_deployment_is_read_with_the_source_that_it_carries() -> None:
    made = deployment(ROLLOUT, source(), 3) | {"status": {"readyReplicas": 2}}

    assert look(deployments=(made,)).deployments == (
        DeploymentSeen("churn-bbbb", "bbbb", 3, 2, frozenset({"aaaa", "bbbb"}), source()),
    )


def test_a_deployment_that_cannot_make_pods_says_why() -> None:
    failure = {"type": "ReplicaFailure", "status": "True", "message": "exceeded quota: cpu"}
    made = deployment(ROLLOUT, source(), 3) | {"status": {"conditions": [failure]}}

    assert look(deployments=(made,)).deployments[0].trouble == "exceeded quota: cpu"


def test_deployments_that_end_that_are_foreign_or_that_lost_their_record_are_not_used() -> None:
    ending = deployment(ROLLOUT, source("b001"), 1)
    ending["metadata"]["deletionTimestamp"] = "2026-03-01T00:00:00Z"
    foreign = deployment(ROLLOUT, source("b002"), 1)
    foreign["metadata"]["ownerReferences"][0] |= {"uid": "uid-other", "name": "fraud"}
    blank = deployment(ROLLOUT, source("b003"), 1)
    del blank["metadata"]["annotations"][names.RECORD_ANNOTATION]
    found = look(deployments=(ending, foreign, blank))

    assert (found.deployments, found.taken) == ((), ())


def test_only_a_foreign_object_of_exactly_a_name_that_is_written_counts() -> None:
    stable = Revision(revision="b002", version="2.0.0", spec_hash="h", image="i")
    rollout = replace(ROLLOUT, status=ModelRolloutStatus(stable=stable))
    objects = {}
    for name in ("churn", "churn-preview", "churn-b002", "churn-b003", "churn-copy", "other"):
        meta = {"name": name, "ownerReferences": [OWNER | {"uid": "uid-other", "name": "fraud"}]}
        kinds = ("Service", "Deployment", "ControllerRevision", "PodDisruptionBudget", "HorizontalPodAutoscaler")
        objects[name] = [{"kind": kind, "metadata": meta, "spec": {}} for kind in kinds]
    services, deployments, revisions, budgets, autoscalers = zip(*objects.values(), strict=True)
    around = Around(
        services=services,
        deployments=deployments,
        revisions=revisions,
        budgets=budgets,
        autoscalers=autoscalers,
        taken=(objects["churn"][0],),
    )
    found = seen(rollout, around, Ledger(), GLANCE).taken

    assert [(one.kind, one.name) for one in found] == [
        ("Service", "churn"),
        ("Service", "churn-preview"),
        ("Deployment", "churn-b002"),
        ("ControllerRevision", "churn-b002"),
        ("PodDisruptionBudget", "churn"),
        ("HorizontalPodAutoscaler", "churn"),
    ]
    assert found[2].message == (
        "Deployment churn-b002 in namespace default belongs to ModelRollout fraud and is left alone; rename the "
        "ModelRollout, or delete that object"
    )


def test_services_are_known_by_their_names_and_owners() -> None:
    found = look(services=(service(), service("churn-preview")))

    assert found.service == found.preview == ServiceSeen(selector=STABLE)
    assert (look().service, look().taken) == (None, ())


def test_a_service_found_when_ours_was_to_be_made_is_shown_with_its_owner() -> None:
    theirs = service(owner=None, **{names.APP_MANAGED_BY_LABEL: "Helm"})
    found = look(taken=(theirs,))

    assert found.service == ServiceSeen(selector=STABLE, owned=False, owner="somebody else (managed by Helm)")
    assert found.taken[0].message.startswith(
        "Service churn in namespace default belongs to somebody else (managed by Helm)"
    )


def test_sources_come_oldest_first() -> None:
    made = [
        controller_revision(ROLLOUT, source(revision)) | {"revision": number}
        for revision, number in (("cccc", 10), ("aaaa", 2), ("bbbb", 9))
    ]

    assert [one.revision for one in look(revisions=tuple(made)).sources] == ["aaaa", "bbbb", "cccc"]


def test_a_pod_is_seen_with_its_container_its_trouble_and_its_scrapes() -> None:
    scrapes = Scrapes(failed=0, answered=True, waits=timedelta(seconds=11))
    found = pod_seen(pod(server=running(60, restartCount=2)), scrapes, NOW)

    assert found == PodSeen(
        name="churn-aaaa-1",
        uid="uid-1",
        revision="aaaa",
        ready=True,
        ready_since=datetime(2026, 3, 1, 11, 59, tzinfo=UTC),
        restarts=11,
        started=True,
        scraped=True,
        waits=timedelta(seconds=11),
    )


def test_a_pod_in_a_crash_loop_has_not_started_and_carries_its_last_words() -> None:
    down = pod(condition("Ready", "False"), server=crashed(message="model not found: nothing at file:///m"))
    found = pod_seen(down, Scrapes(), NOW)

    assert (found.ready, found.started, found.restarts, found.trouble) == (False, False, 11, PodTrouble.MODEL_NOT_FOUND)
    assert found.words == "model not found: nothing at file:///m"


def test_pods_that_end_or_are_over_are_left_out_and_those_lost_to_their_node_are_kept() -> None:
    ending = pod()
    ending["metadata"]["deletionTimestamp"] = "2026-03-01T11:59:59Z"
    evicted = pod(condition("Ready", "False"), phase="Failed", reason="Evicted", message="low on memory")
    over = pod(condition("Ready", "False"), phase="Succeeded")
    naked = pod()
    naked["metadata"]["labels"] = {}
    found = look(pods=(ending, evicted, over, naked))

    assert [(one.trouble, one.words) for one in found.pods] == [(PodTrouble.NODE_LOST, "low on memory")]


def test_what_the_scraper_counted_is_handed_on_as_it_is() -> None:
    ledger = Ledger(epoch="e", watched=timedelta(seconds=7), kept=Kept("p"), pods={"uid-1": Scrapes(failed=3)})
    found = look(ledger, pods=(pod(),))

    assert (found.epoch, found.watched, found.packed, found.default_image) == (
        "e",
        timedelta(seconds=7),
        "p",
        "server:1",
    )
    assert (found.pods[0].failed_scrapes, found.pods[0].scraped) == (3, False)


def test_what_carries_our_record_and_has_no_owner_is_ours_and_an_orphan() -> None:
    since = datetime(2026, 3, 1, tzinfo=UTC)
    made, memory = deployment(ROLLOUT, source("b001"), 1), controller_revision(ROLLOUT, source("b001"))
    ours = service()
    labels = {names.NAME_LABEL: "churn", names.APP_MANAGED_BY_LABEL: names.MANAGER}
    ours["metadata"] |= {"labels": labels, "annotations": {names.APPLIED_ANNOTATION: "0123"}}
    for obj in (made, memory, ours):
        del obj["metadata"]["ownerReferences"]
    memory["metadata"]["annotations"][names.STABLE_SINCE_ANNOTATION] = since.isoformat()
    found = look(deployments=(made,), revisions=(memory,), services=(ours,))

    assert [(one.kind, one.name) for one in found.orphans] == [
        ("Service", "churn"),
        ("Deployment", "churn-b001"),
        ("ControllerRevision", "churn-b001"),
    ]
    assert (found.service, found.taken) == (ServiceSeen(selector=STABLE), ())
    assert [one.revision for one in found.deployments] == [one.revision for one in found.sources] == ["b001"]
    assert found.stable_since("b001") == since


NOT_OURS: dict[str, dict[str, Any]] = {
    "of another rollout": {"labels": {names.NAME_LABEL: "fraud", names.APP_MANAGED_BY_LABEL: names.MANAGER}},
    "without our labels": {"labels": {}},
    "without our record": {"annotations": {}},
    "owned by somebody": {"ownerReferences": [OWNER | {"uid": "uid-other", "name": "fraud"}]},
    "ending": {"deletionTimestamp": "2026-03-01T00:00:00Z"},
    "of another name": {"name": "churn-b002"},
}


@pytest.mark.parametrize("changes", NOT_OURS.values(), ids=NOT_OURS)
def test_no_other_object_is_an_orphan_of_ours(changes: Object) -> None:
    made = deployment(ROLLOUT, source("b001"), 1)
    del made["metadata"]["ownerReferences"]
    made["metadata"] |= changes

    assert look(deployments=(made,)).orphans == ()


def test_a_copy_of_our_service_under_another_name_is_nobodys_orphan() -> None:
    copy = service()
    labels = {names.NAME_LABEL: "churn", names.APP_MANAGED_BY_LABEL: names.MANAGER}
    copy["metadata"] |= {"name": "churn-copy", "labels": labels, "annotations": {names.APPLIED_ANNOTATION: "0123"}}
    copy["metadata"].pop("ownerReferences", None)
    found = look(services=(copy,))

    assert (found.orphans, found.taken, found.service) == ((), (), None)


@pytest.mark.parametrize("text", ["", "yesterday", "2026-03-01", None, 7])
def test_a_record_of_who_was_stable_that_was_edited_by_hand_is_none(text: Any) -> None:
    made = deployment(ROLLOUT, source("b001"), 1)
    made["metadata"]["annotations"][names.STABLE_SINCE_ANNOTATION] = text

    assert look(deployments=(made,)).stable_since("b001") is None
