"""The Job that asks a registry of the rollout's own namespace: as what it runs, and what it does not take along."""

from typing import Any

import pytest
from builders.values import env_of, rollout, server_of

from modelrollout.api import reserved
from modelrollout.builders.pod_template import ForbiddenTemplate
from modelrollout.builders.resolver import resolver

IMAGE = "modelrollout-server:1"
URL = "https://mlflow.shop.svc/"


def made(**server: Any) -> dict[str, Any]:
    model = {"uri": "models:/churn@champion", "registry": URL}
    return resolver(rollout({"model": model, "server": server}, labels={"team": "risk"}), IMAGE)


def pod(**template: Any) -> dict[str, Any]:
    found: dict[str, Any] = made(podTemplate=template)["spec"]["template"]
    return found


def test_it_is_one_pod_that_ends_and_is_cleared_away() -> None:
    job = made()
    assert (job["metadata"]["name"], job["metadata"]["namespace"]) == ("churn-alias", "shop")
    assert job["metadata"]["ownerReferences"][0]["uid"] == "4d1c"
    spec = {key: value for key, value in job["spec"].items() if key != "template"}
    assert spec == {"backoffLimit": 0, "activeDeadlineSeconds": 300, "ttlSecondsAfterFinished": 60}
    assert job["spec"]["template"]["spec"]["restartPolicy"] == "Never"


def test_its_pod_is_known_as_the_rollouts_and_never_as_one_of_a_revision() -> None:
    assert made()["spec"]["template"]["metadata"]["labels"] == {
        "team": "risk",
        "app.kubernetes.io/name": "churn",
        "app.kubernetes.io/managed-by": "modelrollout",
        "modelrollout.dev/name": "churn",
    }


def test_it_asks_with_the_image_of_the_operator_whatever_serves() -> None:
    server = server_of(made(image="shop/own-server:3"))
    assert (server["image"], server["args"]) == (IMAGE, ["resolve"])
    assert {name: value for name, value in env_of(made()).items() if value} == {
        "MODEL_URI": "models:/churn@champion",
        "MODEL_REGISTRY": "https://mlflow.shop.svc",
    }


def test_no_service_and_no_config_map_says_what_it_asks() -> None:
    assert pod()["spec"]["enableServiceLinks"] is False
    assert set(reserved.ENV_SET) <= env_of(made()).keys()


def test_it_has_the_credentials_that_the_pods_have() -> None:
    secret = [{"secretRef": {"name": "mlflow"}}]
    ca = {"name": "SSL_CERT_FILE", "value": "/ca/ca.crt"}
    server = server_of(made(envFrom=secret, env=[ca]))
    assert (server["envFrom"], server["env"][-1]) == (secret, ca)


def test_it_runs_under_the_rollouts_account_and_passes_the_restricted_standard() -> None:
    spec = pod(spec={"serviceAccountName": "churn", "imagePullSecrets": [{"name": "pull"}]})["spec"]
    assert (spec["serviceAccountName"], spec["imagePullSecrets"]) == ("churn", [{"name": "pull"}])
    assert spec["automountServiceAccountToken"] is False
    assert spec["securityContext"] == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    assert spec["containers"][0]["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
        "runAsGroup": 65532,
    }


def test_it_takes_along_files_and_leaves_what_only_a_server_needs() -> None:
    server = {
        "name": "server",
        "volumeMounts": [{"name": "ca", "mountPath": "/ca"}, {"name": "model-cache", "mountPath": "/cache"}],
        "lifecycle": {"preStop": {"sleep": {"seconds": 5}}},
        "resources": {"limits": {"nvidia.com/gpu": 1}},
    }
    volumes = [
        {"name": "ca", "configMap": {"name": "ca"}},
        {"name": "model-cache", "persistentVolumeClaim": {"claimName": "models"}},
    ]
    spec = pod(
        spec={
            "containers": [server, {"name": "sidecar", "image": "x"}],
            "initContainers": [{"name": "fetch", "image": "x"}],
            "volumes": volumes,
            "topologySpreadConstraints": [{"topologyKey": "zone"}],
            "nodeSelector": {"disk": "ssd"},
        }
    )["spec"]
    assert [one["name"] for one in spec["containers"]] == ["server"]
    assert (spec["volumes"], spec["nodeSelector"]) == (volumes[:1], {"disk": "ssd"})
    assert spec["containers"][0]["volumeMounts"] == server["volumeMounts"][:1]  # type: ignore[index]
    assert spec["containers"][0]["resources"]["limits"] == {"memory": "256Mi"}
    assert not {"initContainers", "topologySpreadConstraints"} & spec.keys()
    assert "lifecycle" not in spec["containers"][0]


def test_a_template_that_takes_over_the_operators_labels_makes_none() -> None:
    with pytest.raises(ForbiddenTemplate, match="sets the label"):
        pod(metadata={"labels": {"modelrollout.dev/name": "other"}})
