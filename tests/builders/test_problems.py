"""What only the operator can see in a spec, said in one sentence."""

from typing import Any

import pytest
from builders.values import rollout

from modelrollout.builders.problems import MAX_RECORD_BYTES, problems
from modelrollout.core.facts import Exposure


def test_a_plain_spec_has_none() -> None:
    assert problems(rollout()) == ""


def test_a_rich_spec_has_none() -> None:
    template = {
        "spec": {
            "volumes": [{"name": "models", "persistentVolumeClaim": {"claimName": "models"}}],
            "containers": [{"name": "server", "volumeMounts": [{"name": "models", "mountPath": "/models"}]}],
        }
    }
    server = {"resources": {"requests": {"cpu": 2, "memory": "1Gi"}, "limits": {"memory": "1.5Gi"}}}

    made = rollout({"server": server | {"podTemplate": template}, "autoscaling": _autoscaling("targetCPUUtilization")})

    assert problems(made) == ""


def test_a_spec_that_cannot_be_read_says_why() -> None:
    assert problems(rollout(spec=None, invalid="spec.bake: no")) == "spec.bake: no"


def _autoscaling(target: str) -> dict[str, Any]:
    return {"maxReplicas": 3, target: 70}


@pytest.mark.parametrize(
    ("spec", "sentence"),
    [
        pytest.param(
            {"server": {"resources": {"requests": {"memory": "lots"}}}},
            'spec.server.resources: "lots" is not a quantity; write for instance 500m, 2 or 1.5Gi',
            id="not a quantity",
        ),
        pytest.param(
            {"server": {"resources": {"requests": {"memory": "3Gi"}, "limits": {"memory": "2048Mi"}}}},
            "spec.server.resources requests 3Gi memory, more than its limit of 2048Mi; raise the limit",
            id="more than its limit",
        ),
        pytest.param(
            {"server": {"env": [{"name": "MODEL_URI", "value": "x"}]}},
            "spec.server.env sets the variable MODEL_URI; choose another name: MODEL_*, POD_NAME and POD_UID are set "
            "by the operator, and of MODEL_* only MODEL_DRAIN_SECONDS, MODEL_LIMITS, MODEL_LOG_LEVEL, MODEL_MAX_BYTES, "
            "MODEL_REQUEST_TIMEOUT may be set here",
            id="the operator's variable",
        ),
        pytest.param(
            {"server": {"env": [{"name": "A", "value": "x", "valueFrom": {}}]}},
            "spec.server.env gives A both a value and a valueFrom; keep one of them",
            id="two values",
        ),
        pytest.param(
            {"server": {"podTemplate": {"spec": {"restartPolicy": "Never"}}}},
            "spec.server.podTemplate sets restartPolicy; leave it out: servers are always restarted",
            id="forbidden",
        ),
        pytest.param(
            {
                "server": {
                    "podTemplate": {
                        "spec": {
                            "containers": [
                                {"name": "server", "volumeMounts": [{"name": "models", "mountPath": "/models"}]}
                            ]
                        }
                    }
                }
            },
            'container "server" mounts the volume "models", but no volume has that name; add it under '
            "spec.server.podTemplate.spec.volumes",
            id="no such volume",
        ),
        pytest.param(
            {
                "server": {"resources": {"limits": {"memory": "4Gi"}}},
                "autoscaling": _autoscaling("targetCPUUtilization"),
            },
            "spec.autoscaling has a target for cpu, in percent of what the server requests, but spec.server.resources "
            "requests no cpu; write for instance requests: {cpu: 500m}",
            id="percent of nothing",
        ),
    ],
)
def test_each_is_one_sentence_with_the_remedy(spec: dict[str, Any], sentence: str) -> None:
    assert problems(rollout(spec)) == sentence


def test_a_spec_that_no_annotation_holds_is_refused() -> None:
    long = [{"name": "A", "value": "x" * MAX_RECORD_BYTES}]

    assert problems(rollout({"server": {"env": long}})).endswith("move data to a ConfigMap")


CLOSED = Exposure(("ClusterIP",), ("prometheus.io/*",))


@pytest.mark.parametrize(
    ("service", "sentence"),
    [
        pytest.param(
            {"type": "NodePort"},
            "spec.service.type is NodePort, and this installation allows ClusterIP; write ClusterIP, or have an "
            "administrator add NodePort to the chart's services.types",
            id="type",
        ),
        pytest.param(
            {"annotations": {"external-dns.alpha.kubernetes.io/hostname": "x", "prometheus.io/scrape": "true"}},
            "spec.service.annotations sets external-dns.alpha.kubernetes.io/hostname, and this installation allows "
            "prometheus.io/*; leave it out, or have an administrator add it to the chart's services.annotations",
            id="annotation",
        ),
        pytest.param({"type": "ClusterIP", "annotations": {"prometheus.io/scrape": "true"}}, "", id="allowed"),
    ],
)
def test_a_service_is_no_more_open_than_the_installation_allows(service: dict[str, Any], sentence: str) -> None:
    assert problems(rollout({"service": service}, exposure=CLOSED)) == sentence
    assert problems(rollout({"service": service})) == ""
