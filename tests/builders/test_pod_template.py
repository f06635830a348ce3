"""The user's pod template over ours: what is merged, what is replaced, what is refused."""

from typing import Any

import pytest
from builders.values import rollout, server_of, source

from modelrollout.builders.deployment import pod_template
from modelrollout.builders.pod_template import ForbiddenTemplate, merge


def merged(template: dict[str, Any], **server: Any) -> dict[str, Any]:
    return pod_template(rollout(), source(server=server | {"podTemplate": template}))


def test_a_sidecar_comes_after_the_server() -> None:
    made = merged({"spec": {"containers": [{"name": "proxy", "image": "proxy:1"}]}})

    assert [one["name"] for one in made["spec"]["containers"]] == ["server", "proxy"]


def test_the_server_is_merged_field_by_field() -> None:
    made = server_of(merged({"spec": {"containers": [{"name": "server", "securityContext": {"runAsUser": 7}}]}}))

    assert made["securityContext"]["runAsUser"] == 7
    assert made["securityContext"]["readOnlyRootFilesystem"] is True
    assert made["image"] == "modelserver:1"


def test_a_mount_is_added_beside_ours() -> None:
    mount = {"name": "models", "mountPath": "/models", "readOnly": True}
    made = server_of(merged({"spec": {"containers": [{"name": "server", "volumeMounts": [mount]}]}}))

    assert made["volumeMounts"] == [{"name": "tmp", "mountPath": "/tmp"}, mount]  # noqa: S108


def test_a_volume_of_our_name_takes_the_place_of_ours_whole() -> None:
    mine = {"name": "tmp", "ephemeral": {"volumeClaimTemplate": {"spec": {}}}}

    assert merged({"spec": {"volumes": [mine]}})["spec"]["volumes"] == [mine]


def test_a_variable_takes_the_place_of_one_of_the_same_name() -> None:
    mine = {"name": "LEVEL", "valueFrom": {"configMapKeyRef": {"name": "c", "key": "k"}}}
    made = merged(
        {"spec": {"containers": [{"name": "server", "env": [mine]}]}}, env=[{"name": "LEVEL", "value": "info"}]
    )

    assert [one for one in server_of(made)["env"] if one["name"] == "LEVEL"] == [mine]


def test_tolerations_and_node_selectors_are_taken_as_they_are() -> None:
    spec = {"tolerations": [{"key": "gpu", "operator": "Exists"}], "nodeSelector": {"disk": "ssd"}}

    made = merged({"spec": spec})["spec"]

    assert {key: made[key] for key in spec} == spec


def test_labels_and_annotations_are_added_to_the_pods() -> None:
    made = merged({"metadata": {"labels": {"team": "growth"}, "annotations": {"sidecar.istio.io/inject": "false"}}})

    assert made["metadata"]["labels"]["team"] == "growth"
    assert made["metadata"]["labels"]["modelrollout.dev/name"] == "churn"
    assert made["metadata"]["annotations"] == {"sidecar.istio.io/inject": "false"}


def test_merging_changes_neither_side() -> None:
    ours = {"spec": {"volumes": [{"name": "tmp"}], "securityContext": {"runAsNonRoot": True}}}
    theirs = {"spec": {"volumes": [{"name": "models"}], "securityContext": {"runAsUser": 7}}}

    made = merge(ours, theirs)

    assert made["spec"] == {
        "volumes": [{"name": "tmp"}, {"name": "models"}],
        "securityContext": {"runAsNonRoot": True, "runAsUser": 7},
    }
    assert ours == {"spec": {"volumes": [{"name": "tmp"}], "securityContext": {"runAsNonRoot": True}}}
    assert theirs == {"spec": {"volumes": [{"name": "models"}], "securityContext": {"runAsUser": 7}}}


@pytest.mark.parametrize(
    ("template", "sentence"),
    [
        pytest.param(
            {"spec": {"containers": [{"name": "server", "image": "mine"}]}},
            'spec.server.podTemplate sets image of container "server"; write spec.server.image',
            id="image",
        ),
        pytest.param(
            {"spec": {"containers": [{"name": "server", "livenessProbe": {}}]}},
            'spec.server.podTemplate sets livenessProbe of container "server"; leave it out: the operator\'s own probe '
            "asks the health port",
            id="probe",
        ),
        pytest.param(
            {"spec": {"containers": [{"name": "server", "env": [{"name": "MODEL_URI", "value": "x"}]}]}},
            'spec.server.podTemplate (container "server") sets the variable MODEL_URI; choose another name: MODEL_*, '
            "POD_NAME and POD_UID are set by the operator",
            id="variable",
        ),
        pytest.param(
            {"spec": {"restartPolicy": "Never"}},
            "spec.server.podTemplate sets restartPolicy; leave it out: servers are always restarted",
            id="restart policy",
        ),
        pytest.param(
            {"metadata": {"labels": {"group.modelrollout.dev/1b2c3d4e": "true"}}},
            "spec.server.podTemplate sets the label group.modelrollout.dev/1b2c3d4e; choose other keys: "
            "app.kubernetes.io/name, /version, /managed-by and modelrollout.dev/* are the operator's",
            id="label",
        ),
        pytest.param(
            {"spec": {"initContainers": [{"name": "server"}]}},
            'spec.server.podTemplate calls an init container "server", as the serving one is called; rename it',
            id="init container",
        ),
        pytest.param(
            {"spec": {"volumes": [{"emptyDir": {}}]}},
            "spec.server.podTemplate has no name in volumes[0]; write one, lists are merged by it",
            id="no name",
        ),
    ],
)
def test_what_belongs_to_the_operator_is_refused_with_the_remedy(template: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ForbiddenTemplate) as refusal:
        merged(template)

    assert str(refusal.value) == sentence
