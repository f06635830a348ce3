"""Services, disruption budget and autoscaler, and what all children take over from the rollout."""

import pytest
from builders.values import SELECTOR, rollout

from modelrollout import names
from modelrollout.builders.autoscaler import autoscaler
from modelrollout.builders.disruption_budget import disruption_budget
from modelrollout.builders.manifests import applied_hash, is_applied, repaired_metadata
from modelrollout.builders.service import preview_service, service
from modelrollout.core.facts import Exposure

OURS = {
    "app.kubernetes.io/name": "churn",
    "app.kubernetes.io/managed-by": "modelrollout",
    "modelrollout.dev/name": "churn",
}


def test_the_service_is_as_the_spec_says() -> None:
    asked = {"type": "LoadBalancer", "port": 8000, "annotations": {"cloud/internal": "true"}}

    made = service(rollout({"service": asked}), SELECTOR)

    assert made["metadata"]["name"] == "churn"
    assert made["metadata"]["labels"] == OURS
    assert made["metadata"]["annotations"]["cloud/internal"] == "true"
    assert made["spec"] == {
        "type": "LoadBalancer",
        "selector": SELECTOR,
        "ports": [{"name": "http", "port": 8000, "targetPort": 8080, "protocol": "TCP"}],
    }


def test_the_preview_is_never_open_to_the_outside() -> None:
    made = preview_service(rollout({"service": {"type": "LoadBalancer"}}), SELECTOR)

    assert (made["metadata"]["name"], made["spec"]["type"]) == ("churn-preview", "ClusterIP")


def test_a_service_gets_none_of_the_rollouts_annotations_that_is_not_allowed() -> None:
    given = {"external-dns.alpha.kubernetes.io/hostname": "shop.example.com", "prometheus.io/scrape": "true"}
    parent = rollout(annotations=given, exposure=Exposure(("ClusterIP",), ("prometheus.io/*",)))

    for made in (service(parent, SELECTOR), preview_service(parent, SELECTOR)):
        assert made["metadata"]["annotations"].keys() == {
            "prometheus.io/scrape", names.APPLIED_ANNOTATION, names.PASSED_ON_ANNOTATION,
        }  # fmt: skip


def test_a_service_gets_none_of_the_rollouts_labels_that_a_tool_may_open_it_by() -> None:
    given = {"mirror.linkerd.io/exported": "true", "team": "growth", "app.kubernetes.io/part-of": "shop", "a/b": "c"}
    parent = rollout(labels=given, exposure=Exposure(("ClusterIP",), ("a/*",)))

    for made in (service(parent, SELECTOR), preview_service(parent, SELECTOR)):
        assert made["metadata"]["labels"] == OURS | {"team": "growth", "app.kubernetes.io/part-of": "shop", "a/b": "c"}


@pytest.mark.parametrize(
    ("allowed", "key", "allows"),
    [
        ("*", "anything", True),
        ("a/b", "a/b", True),
        ("a/b", "a/bc", False),
        ("a/*", "a/b", True),
        ("a/*", "aa/b", False),
        ("a/*", "x.a/b", False),
        ("a/*", "a", False),
        ("team", "team", True),
        ("", "team", False),
    ],
)
def test_an_annotation_is_allowed_by_its_key_its_domain_or_all(allowed: str, key: str, allows: bool) -> None:  # noqa: FBT001
    assert Exposure(annotations=(allowed,)).allows(key) is allows


def test_the_disruption_budget_lets_one_pod_go_at_a_time() -> None:
    assert disruption_budget(rollout(), SELECTOR)["spec"] == {
        "maxUnavailable": 1,
        "selector": {"matchLabels": SELECTOR},
        "unhealthyPodEvictionPolicy": "AlwaysAllow",
    }


def test_no_autoscaler_without_the_wish_for_one() -> None:
    assert autoscaler(rollout()) is None


def test_the_autoscaler_scales_the_rollout_and_never_a_deployment() -> None:
    behavior = {"scaleDown": {"stabilizationWindowSeconds": 60}}
    asked = {"minReplicas": 3, "maxReplicas": 20, "targetCPUUtilization": 70, "behavior": behavior}

    made = autoscaler(rollout({"autoscaling": asked}))

    assert made is not None
    assert made["spec"] == {
        "scaleTargetRef": {"apiVersion": "modelrollout.dev/v1alpha1", "kind": "ModelRollout", "name": "churn"},
        "minReplicas": 3,
        "maxReplicas": 20,
        "metrics": [
            {
                "type": "Resource",
                "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 70}},
            }
        ],
        "behavior": behavior,
    }


@pytest.mark.parametrize("behavior", [None, {"scaleDown": {"stabilizationWindowSeconds": 60}}])
def test_the_autoscaler_takes_no_pods_while_traffic_moves(behavior: dict[str, dict[str, int]] | None) -> None:
    asked = {"minReplicas": 3, "maxReplicas": 20, "targetCPUUtilization": 70, "behavior": behavior}

    made = autoscaler(rollout({"autoscaling": asked}), shrinks=False)

    assert made is not None
    down = (behavior or {}).get("scaleDown", {})
    assert made["spec"]["behavior"] == {"scaleDown": down | {"selectPolicy": "Disabled"}}


def test_labels_and_annotations_are_passed_on_but_not_those_of_tools() -> None:
    parent = rollout(
        labels={"team": "growth", "app.kubernetes.io/managed-by": "Helm", "argocd.argoproj.io/instance": "x"},
        annotations={
            "cost/centre": "7",
            "kubectl.kubernetes.io/last-applied-configuration": "{}",
            "meta.helm.sh/release-name": "x",
            "kustomize.toolkit.fluxcd.io/ssa": "merge",
            names.COMMAND_ANNOTATION: "promote 7f3a9c21 1",
        },
    )

    meta = disruption_budget(parent, SELECTOR)["metadata"]

    assert meta["labels"] == OURS | {"team": "growth"}
    assert meta["annotations"].keys() == {"cost/centre", names.APPLIED_ANNOTATION, names.PASSED_ON_ANNOTATION}


def test_a_webhook_that_changes_what_we_wrote_causes_no_second_write() -> None:
    made = service(rollout(), SELECTOR)
    live = made | {"spec": made["spec"] | {"sessionAffinity": "None"}}

    assert is_applied(made, live)


def test_a_changed_wish_is_a_write() -> None:
    live = service(rollout(), SELECTOR)

    assert not is_applied(service(rollout({"service": {"port": 81}}), SELECTOR), live)


def test_the_selector_of_a_service_is_no_part_of_its_hash_but_that_of_a_budget_is() -> None:
    other = SELECTOR | {names.REVISION_LABEL: "1b2c3d4e"}

    assert applied_hash(service(rollout(), SELECTOR)) == applied_hash(service(rollout(), other))
    assert applied_hash(disruption_budget(rollout(), SELECTOR)) != applied_hash(disruption_budget(rollout(), other))


def test_a_child_names_the_keys_that_came_from_people() -> None:
    parent = rollout(
        {"service": {"annotations": {"cloud/zone": "a"}}}, labels={"team": "growth"}, annotations={"a": "1"}
    )

    assert service(parent, SELECTOR)["metadata"]["annotations"][names.PASSED_ON_ANNOTATION] == (
        '{"annotations":["a","cloud/zone"],"labels":["team"]}'
    )


def test_a_child_that_passes_nothing_on_says_so_by_saying_nothing() -> None:
    assert list(service(rollout(), SELECTOR)["metadata"]["annotations"]) == [names.APPLIED_ANNOTATION]


def test_labels_that_are_taken_back_go_and_those_of_others_stay() -> None:
    live = service(rollout(labels={"team": "growth", "tier": "1"}), SELECTOR)
    live["metadata"]["labels"]["mesh"] = "yes"

    repaired = repaired_metadata(live, service(rollout(labels={"tier": "2"}), SELECTOR))

    assert repaired["labels"] == OURS | {"tier": "2", "mesh": "yes"}
