"""Services, disruption budget and autoscaler, and what all children take over from the rollout."""

from builders.values import SELECTOR, rollout

from modelrollout import names
from modelrollout.builders.autoscaler import autoscaler
from modelrollout.builders.disruption_budget import disruption_budget
from modelrollout.builders.manifests import applied_hash, is_applied, repaired_metadata
from modelrollout.builders.service import preview_service, service

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
