"""The Deployment of a revision: the whole of it once, then what depends on what the user wrote."""

from typing import Any

import pytest
from builders.values import MODEL, env_of, rollout, server_of, source

from modelrollout import names
from modelrollout.builders.deployment import deployment, group_keys, groups, regrouped, restart_mark, restarted
from modelrollout.builders.record import record_text

LABELS = {
    "app.kubernetes.io/name": "churn",
    "app.kubernetes.io/version": "2.1.0",
    "app.kubernetes.io/managed-by": "modelrollout",
    "modelrollout.dev/name": "churn",
    "modelrollout.dev/revision": "7f3a9c21",
}
GROUPS = {"group.modelrollout.dev/7f3a9c21": "true", "group.modelrollout.dev/1b2c3d4e": "true"}


def probe(path: str, period: int, timeout: int, failures: int) -> dict[str, Any]:
    get = {"path": path, "port": "health"}
    return {"httpGet": get, "periodSeconds": period, "timeoutSeconds": timeout, "failureThreshold": failures}


def test_a_revision_without_wishes_becomes_this_deployment() -> None:
    made = deployment(rollout(), source(), 4)

    template = made["spec"].pop("template")
    pod = template.pop("spec")
    container = pod.pop("containers")[0]
    assert made == {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": "churn-7f3a9c21",
            "namespace": "shop",
            "labels": LABELS,
            "annotations": {"modelrollout.dev/record": record_text(source())},
            "ownerReferences": [
                {
                    "apiVersion": "modelrollout.dev/v1alpha1",
                    "kind": "ModelRollout",
                    "name": "churn",
                    "uid": "4d1c",
                    "controller": True,
                    "blockOwnerDeletion": False,
                }
            ],
        },
        "spec": {
            "replicas": 4,
            "selector": {"matchLabels": {"modelrollout.dev/name": "churn", "modelrollout.dev/revision": "7f3a9c21"}},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
            "minReadySeconds": 0,
            "revisionHistoryLimit": 1,
            "progressDeadlineSeconds": 2147483647,
        },
    }
    assert template == {"metadata": {"labels": LABELS | GROUPS}}
    assert pod == {
        "volumes": [{"name": "tmp", "emptyDir": {}}],
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        "terminationGracePeriodSeconds": 40,
    }
    assert container == {
        "name": "server",
        "image": "modelserver:1",
        "imagePullPolicy": "IfNotPresent",
        "env": [
            {"name": "MODEL_CACHE_DIR", "value": ""},
            {"name": "MODEL_HEALTH_PORT", "value": "8081"},
            {"name": "MODEL_HOST", "value": ""},
            {"name": "MODEL_LATENCY_EDGES_MS", "value": "500"},
            {"name": "MODEL_NAME", "value": "churn"},
            {"name": "MODEL_PATH", "value": ""},
            {"name": "MODEL_PORT", "value": "8080"},
            {"name": "MODEL_REGISTRY", "value": ""},
            {"name": "MODEL_REVISION", "value": "7f3a9c21"},
            {"name": "MODEL_SHA256", "value": ""},
            {"name": "MODEL_STRICT_VERSIONS", "value": ""},
            {"name": "MODEL_TERMINATION_LOG", "value": ""},
            {"name": "MODEL_TRUST", "value": ""},
            {"name": "MODEL_URI", "value": "https://models.example/churn/2.1.0/model.skops"},
            {"name": "MODEL_VERSION", "value": "2.1.0"},
            {"name": "MODEL_DRAIN_SECONDS", "value": ""},
            {"name": "MODEL_LIMITS", "value": ""},
            {"name": "MODEL_LOG_LEVEL", "value": ""},
            {"name": "MODEL_MAX_BYTES", "value": ""},
            {"name": "MODEL_REQUEST_TIMEOUT", "value": ""},
            {"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
            {"name": "POD_UID", "valueFrom": {"fieldRef": {"fieldPath": "metadata.uid"}}},
        ],
        "ports": [
            {"name": "http", "containerPort": 8080, "protocol": "TCP"},
            {"name": "health", "containerPort": 8081, "protocol": "TCP"},
        ],
        "resources": {"requests": {"cpu": "500m", "memory": "512Mi"}, "limits": {"memory": "2Gi"}},
        "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],  # noqa: S108
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
            "runAsGroup": 65532,
        },
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "startupProbe": probe("/ready", 1, 1, 300),
        "readinessProbe": probe("/ready", 1, 1, 3),
        "livenessProbe": probe("/health", 10, 5, 3),
    }


def test_the_same_inputs_make_the_same_deployment() -> None:
    assert deployment(rollout(), source(), 4) == deployment(rollout(), source(), 4)


def test_checksum_trust_and_strictness_reach_the_server() -> None:
    model = MODEL | {"sha256": "ab" * 32, "trust": ["pickle"], "strictVersions": True}

    variables = env_of(deployment(rollout(), source(model=model), 1))

    assert (variables["MODEL_SHA256"], variables["MODEL_TRUST"]) == ("ab" * 32, "pickle")
    assert variables["MODEL_STRICT_VERSIONS"] == "true"


def test_every_latency_limit_is_an_exact_edge_in_ascending_order() -> None:
    limits = {"p99LatencyMs": 900, "p95LatencyMs": 250.5, "p50LatencyMs": 250.5}

    variables = env_of(deployment(rollout({"health": {"limits": limits}}), source(), 1))

    assert variables["MODEL_LATENCY_EDGES_MS"] == "250.5,900"


def test_a_revision_can_be_built_again_while_the_spec_cannot_be_read() -> None:
    made = deployment(rollout(spec=None, invalid="no"), source(), 1)

    assert env_of(made)["MODEL_LATENCY_EDGES_MS"] == ""


def test_what_the_user_wrote_under_server_replaces_the_defaults() -> None:
    server = {
        "resources": {"limits": {"memory": "4Gi"}},
        "env": [{"name": "LOG_LEVEL", "value": "debug"}],
        "envFrom": [{"secretRef": {"name": "s3-3f2a"}}],
        "startupDeadline": "90s",
    }

    container = server_of(deployment(rollout(), source(server=server), 1))

    assert container["resources"] == {"limits": {"memory": "4Gi"}}
    assert container["env"][-1] == {"name": "LOG_LEVEL", "value": "debug"}
    assert container["envFrom"] == [{"secretRef": {"name": "s3-3f2a"}}]
    assert container["startupProbe"]["failureThreshold"] == 90


def test_a_first_revision_carries_one_group_key() -> None:
    assert group_keys(source(against="7f3a9c21")) == {"group.modelrollout.dev/7f3a9c21": "true"}


def test_groups_are_read_back_from_the_deployment() -> None:
    assert groups(deployment(rollout(), source(), 1)) == {"7f3a9c21", "1b2c3d4e"}


def test_regrouping_takes_the_old_keys_away_and_keeps_its_own() -> None:
    patch = regrouped(source(against="99999999"), {"7f3a9c21", "1b2c3d4e"})

    assert patch["spec"]["template"]["metadata"]["labels"] == {
        "group.modelrollout.dev/1b2c3d4e": None,
        "group.modelrollout.dev/7f3a9c21": "true",
        "group.modelrollout.dev/99999999": "true",
    }
    assert patch["metadata"]["annotations"][names.RECORD_ANNOTATION] == record_text(source(against="99999999"))


def test_a_restart_is_a_mark_on_the_pod_template_that_can_be_read_back() -> None:
    made = deployment(rollout(), source(), 1)
    assert restart_mark(made) == ""

    made["spec"]["template"]["metadata"] |= restarted("a1")["spec"]["template"]["metadata"]

    assert restart_mark(made) == "a1"


@pytest.mark.parametrize("name", ["churn", "c" * names.MAX_NAME_LENGTH])
def test_every_name_fits(name: str) -> None:
    assert len(deployment(rollout(name=name), source(), 1)["metadata"]["name"]) <= 63


def test_a_model_of_a_registry_comes_with_the_registrys_address() -> None:
    made = deployment(rollout(), source(registry="https://mlflow.example.com"), 1)
    assert env_of(made)["MODEL_REGISTRY"] == "https://mlflow.example.com"
    assert env_of(deployment(rollout(), source(), 1))["MODEL_REGISTRY"] == ""


def test_a_volume_called_model_cache_is_where_artefacts_are_kept() -> None:
    mounts = [{"name": "other", "mountPath": "/x"}, {"name": "model-cache", "mountPath": "/var/cache/models"}]
    volumes = [
        {"name": "model-cache", "persistentVolumeClaim": {"claimName": "models"}},
        {"name": "other", "emptyDir": {}},
    ]
    template = {"spec": {"containers": [{"name": "server", "volumeMounts": mounts}], "volumes": volumes}}
    made = deployment(rollout(), source(server={"podTemplate": template}), 1)
    assert env_of(made)["MODEL_CACHE_DIR"] == "/var/cache/models"
    assert env_of(deployment(rollout(), source(), 1))["MODEL_CACHE_DIR"] == ""


def test_a_variable_that_tunes_the_server_takes_the_place_of_ours() -> None:
    tuned = {"name": "MODEL_MAX_BYTES", "value": "9000000000"}
    made = deployment(rollout(), source(server={"env": [tuned]}), 1)
    assert [one for one in server_of(made)["env"] if one["name"] == "MODEL_MAX_BYTES"] == [tuned]


@pytest.mark.parametrize(
    ("uri", "written"),
    [
        ("https://models.example.com/$(DB_PASSWORD)", "https://models.example.com/$$(DB_PASSWORD)"),
        ("file:///models/$$(X)$", "file:///models/$$$$(X)$$"),
    ],
)
def test_an_address_is_what_it_says_and_no_other_variables_value(uri: str, written: str) -> None:
    assert env_of(deployment(rollout(), source(model=MODEL | {"uri": uri}), 1))["MODEL_URI"] == written


def test_pods_get_an_accounts_token_where_their_template_asks_for_one_alone() -> None:
    asking = {"podTemplate": {"spec": {"automountServiceAccountToken": True, "serviceAccountName": "payments"}}}
    naming = {"podTemplate": {"spec": {"serviceAccountName": "payments"}}}

    for server, mounted in (({}, False), (naming, False), (asking, True)):
        made = deployment(rollout(), source(server=server), 1)
        assert made["spec"]["template"]["spec"]["automountServiceAccountToken"] is mounted
