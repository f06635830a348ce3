"""ModelRollouts as they are held and parsed."""

from typing import Any

from modelrollout.api.status import ModelRolloutStatus
from modelrollout.rollouts import Rollouts, parse

KEY = "default/churn"


def raw(version: int = 1, uid: str = "u1", **more: Any) -> dict[str, Any]:
    meta = {"name": "churn", "namespace": "default", "uid": uid, "resourceVersion": str(version), "generation": 3}
    return {"metadata": meta, "spec": {"model": {"uri": "file:///m", "version": "1"}}} | more


def test_only_news_is_news() -> None:
    held = Rollouts()

    assert [held.put(raw(5)), held.put(raw(5)), held.put(raw(4)), held.put(raw(6))] == [True, False, False, True]
    assert len(held) == 1


def test_a_late_deletion_of_an_earlier_object_removes_nothing() -> None:
    held = Rollouts()
    held.put(raw(5, "new"))

    assert [held.remove(KEY, "old"), held.remove(KEY, "new"), held.remove(KEY)] == [False, True, False]


def test_the_model_and_server_are_kept_as_written() -> None:
    found = parse(raw(spec={"model": {"uri": "file:///m", "version": "1"}, "server": {"env": []}}))

    assert (found.model, found.server) == ({"uri": "file:///m", "version": "1"}, {"env": []})
    assert (found.generation, found.key, found.invalid) == (3, KEY, "")


def test_a_spec_that_cannot_be_read_says_where_and_what() -> None:
    steps = [{"weight": 10}, {"weight": 120}]
    found = parse(raw(spec={"model": {"uri": "file:///m"}, "strategy": {"canary": {"steps": steps}}, "oops": 1}))

    assert found.spec is not None
    assert found.invalid == (
        "spec.strategy.canary.steps.1.weight: Input should be less than or equal to 100 (found 120); 1 more"
    )


def test_a_status_that_cannot_be_read_counts_as_none() -> None:
    assert parse(raw(status={"phase": "FromTheFuture"})).status == ModelRolloutStatus()
    assert parse(raw(status=None)).status == ModelRolloutStatus()


def test_an_unknown_field_of_a_newer_version_costs_only_itself() -> None:
    found = parse(raw(status={"phase": "Stable", "novelty": 1, "weights": {"asked": 5, "moonPhase": "full"}}))

    assert found.status.phase == "Stable"
    assert found.status.weights is not None
    assert found.status.weights.asked == 5


def test_an_object_without_a_spec_is_told_what_it_lacks() -> None:
    found = parse({"metadata": raw()["metadata"]})

    assert found.invalid == "spec.model: Field required"


def test_what_only_shows_in_the_pod_template_makes_a_spec_invalid_for_its_generation() -> None:
    too_much = {"requests": {"memory": "1Gi"}, "limits": {"memory": "512Mi"}}
    spec = {"model": {"uri": "file:///m", "version": "1"}, "server": {"resources": too_much}}
    held = Rollouts()
    for version in (5, 6):
        held.put(raw(version, spec=spec))

        kept = held.get(KEY)
        assert kept is not None
        assert kept.rollout.invalid == (
            "spec.server.resources requests 1Gi memory, more than its limit of 512Mi; raise the limit"
        )
