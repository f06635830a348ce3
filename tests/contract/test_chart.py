"""What the chart's templates make of values: the whole set of objects, and the promises that an admin reads for.

Marked `cluster` because helm comes with the cluster's programs; nothing is installed.
"""

import asyncio
from importlib.metadata import version
from typing import Any

import pytest
import yaml
from contract.test_rbac import TABLE

from localcluster.cli import CHECKOUT
from modelrollout.api import crd
from stage.programs import Failed, Programs, programs

pytestmark = pytest.mark.cluster

Object = dict[str, Any]
CHART = str(CHECKOUT / "charts" / "modelrollout")


@pytest.fixture(scope="module")
def helm() -> Programs:
    return programs()


def rendered(helm: Programs, *values: str) -> list[Object]:
    given = [word for value in values for word in ("--set", value)]
    text = asyncio.run(helm.helm("template", "mr", CHART, "--namespace=ops", "--kube-version=1.36.0", *given))
    return [one for one in yaml.safe_load_all(text) if one]


def kinds(objects: list[Object]) -> list[tuple[str, str]]:
    return sorted((one["kind"], one["metadata"]["name"]) for one in objects)


def only(objects: list[Object], kind: str) -> Object:
    (found,) = [one for one in objects if one["kind"] == kind]
    return found


def args_of(objects: list[Object]) -> list[str]:
    args: list[str] = only(objects, "Deployment")["spec"]["template"]["spec"]["containers"][0]["args"]
    return args


def test_lint_has_nothing_to_say(helm: Programs) -> None:
    said = asyncio.run(helm.helm("lint", "--strict", CHART))

    assert "0 chart(s) failed" in said


def test_the_defaults_make_these_objects(helm: Programs) -> None:
    assert kinds(rendered(helm)) == [
        ("ClusterRole", "mr-modelrollout"),
        ("ClusterRole", "mr-modelrollout-edit"),
        ("ClusterRole", "mr-modelrollout-view"),
        ("ClusterRoleBinding", "mr-modelrollout"),
        ("CustomResourceDefinition", "modelrollouts.modelrollout.dev"),
        ("Deployment", "mr-modelrollout"),
        ("PodDisruptionBudget", "mr-modelrollout"),
        ("Role", "mr-modelrollout-leader"),
        ("RoleBinding", "mr-modelrollout-leader"),
        ("Service", "mr-modelrollout-metrics"),
        ("ServiceAccount", "mr-modelrollout"),
        ("ValidatingAdmissionPolicy", "mr-modelrollout-crd"),
        ("ValidatingAdmissionPolicyBinding", "mr-modelrollout-crd"),
    ]


def test_the_definition_is_the_generated_one_and_stays(helm: Programs) -> None:
    made = only(rendered(helm), "CustomResourceDefinition")

    assert made["spec"] == crd.definition()["spec"]
    assert made["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}


@pytest.mark.parametrize("value", ["crds.install=false", "crds.guard=false"])
def test_the_definition_and_its_guard_can_be_left_to_somebody_else(helm: Programs, value: str) -> None:
    found = {kind for kind, _ in kinds(rendered(helm, value))}

    assert ("CustomResourceDefinition" in found) == (value != "crds.install=false")
    assert not [kind for kind in found if kind.startswith("ValidatingAdmission")]


def test_all_namespaces_need_one_cluster_role(helm: Programs) -> None:
    objects = rendered(helm)
    role = next(one for one in objects if kinds([one]) == [("ClusterRole", "mr-modelrollout")])

    assert role["rules"] == TABLE["always"]
    assert not any(arg.startswith("--namespace") for arg in args_of(objects))


def test_named_namespaces_need_no_cluster_role_of_the_operator(helm: Programs) -> None:
    objects = rendered(helm, "watchNamespaces={shop,search}")
    roles = [one for one in objects if one["kind"] == "Role" and not one["metadata"]["name"].endswith("-leader")]

    assert {one["metadata"]["namespace"]: one["rules"] for one in roles} == {
        "shop": TABLE["always"],
        "search": TABLE["always"],
    }
    assert ("ClusterRole", "mr-modelrollout") not in kinds(objects)
    assert [arg for arg in args_of(objects) if arg.startswith("--namespace")] == [
        "--namespace=shop",
        "--namespace=search",
    ]


def test_those_who_may_edit_a_namespace_may_edit_its_rollouts_but_no_status(helm: Programs) -> None:
    roles = [one for one in rendered(helm) if one["kind"] == "ClusterRole" and "aggregate-to" in str(one["metadata"])]
    granted = {
        (name.rpartition("-")[2], resource, verb)
        for role in roles
        for name in role["metadata"]["labels"]
        if "aggregate-to" in name
        for rule in role["rules"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }

    assert {resource.partition("/")[0] for _, resource, _ in granted} == {"modelrollouts"}
    assert {to for to, _, verb in granted if verb in {"create", "update", "patch", "delete"}} == {"edit", "admin"}
    assert {verb for _, resource, verb in granted if resource == "modelrollouts/status"} == {"get"}


def test_the_proxy_is_allowed_where_it_is_used(helm: Programs) -> None:
    objects = rendered(helm, "scrape.via=proxy")
    role = next(one for one in objects if kinds([one]) == [("ClusterRole", "mr-modelrollout")])

    assert role["rules"] == TABLE["always"] + TABLE["proxy"]
    assert "--scrape=proxy" in args_of(objects)


def test_the_operator_meets_the_restricted_standard(helm: Programs) -> None:
    pod = only(rendered(helm), "Deployment")["spec"]["template"]["spec"]
    (container,) = pod["containers"]

    assert pod["securityContext"] == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "runAsGroup": 65532,
        "capabilities": {"drop": ["ALL"]},
    }


def test_two_replicas_on_two_nodes_where_there_are_two_and_never_less_than_asked_for(helm: Programs) -> None:
    spec = only(rendered(helm), "Deployment")["spec"]
    (term,) = spec["template"]["spec"]["affinity"]["podAntiAffinity"]["preferredDuringSchedulingIgnoredDuringExecution"]

    assert spec["replicas"] == 2
    assert spec["strategy"] == {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
    assert term["podAffinityTerm"] == {
        "topologyKey": "kubernetes.io/hostname",
        "labelSelector": {"matchLabels": spec["selector"]["matchLabels"]},
    }
    assert only(rendered(helm), "PodDisruptionBudget")["spec"]["maxUnavailable"] == 1


def test_replicas_take_turns_by_a_lease_that_no_other_release_has(helm: Programs) -> None:
    objects = rendered(helm)
    role = next(one for one in objects if kinds([one]) == [("Role", "mr-modelrollout-leader")])

    assert "--lease=ops/mr-modelrollout" in args_of(objects)
    assert role["metadata"]["namespace"] == "ops"
    assert [(rule["resources"], rule["verbs"], rule.get("resourceNames")) for rule in role["rules"]] == [
        (["leases"], ["get", "update"], ["mr-modelrollout"]),
        (["leases"], ["create"], None),
        (["pods"], ["get"], None),
    ]


def test_an_affinity_of_ones_own_replaces_the_default(helm: Programs) -> None:
    objects = rendered(helm, "affinity.nodeAffinity.x=y")

    assert only(objects, "Deployment")["spec"]["template"]["spec"]["affinity"] == {"nodeAffinity": {"x": "y"}}


def test_an_install_for_some_namespaces_can_do_without_anything_of_the_whole_cluster(helm: Programs) -> None:
    objects = rendered(helm, "watchNamespaces={shop}", "rbac.aggregate=false", "crds.install=false")

    assert {kind for kind, _ in kinds(objects)} == {
        "Deployment", "PodDisruptionBudget", "Role", "RoleBinding", "Service", "ServiceAccount",
    }  # fmt: skip


def test_every_object_is_one_that_the_api_server_would_take(helm: Programs) -> None:
    """A dry run knows every field; unknown ones are errors."""
    text = asyncio.run(
        helm.helm("template", "mr", CHART, "--namespace=default", "--set=networkPolicy.enabled=true,crds.install=false")
    )

    said = asyncio.run(helm.kubectl("apply", "--dry-run=server", "--validate=strict", "--filename=-", stdin=text))

    assert "networkpolicy.networking.k8s.io/mr-modelrollout" in said


def test_registries_are_declared_with_their_secrets_as_files(helm: Programs) -> None:
    values = ("registries[0].name=prod", "registries[0].url=https://mlflow", "registries[0].secret=mlflow-reader")
    more = ("registries[1].name=lab", "registries[1].url=http://lab:5000")
    objects = rendered(helm, *values, *more, "networkPolicy.enabled=true")
    pod = only(objects, "Deployment")["spec"]["template"]["spec"]

    assert [arg for arg in args_of(objects) if "registr" in arg] == [
        "--registry=prod=https://mlflow",
        "--registry=lab=http://lab:5000",
        "--registry-secrets=/etc/modelrollout/registries",
    ]
    assert pod["containers"][0]["volumeMounts"][1:] == [
        {"name": "registry-prod", "mountPath": "/etc/modelrollout/registries/prod", "readOnly": True}
    ]
    assert pod["volumes"][1:] == [
        {"name": "registry-prod", "secret": {"secretName": "mlflow-reader", "optional": True}}
    ]
    ports = [port["port"] for rule in only(objects, "NetworkPolicy")["spec"]["egress"] for port in rule["ports"]]
    assert ports == [53, 53, 443, 6443, 443, 8081]


def test_services_are_not_open_to_the_outside_unless_a_value_says_so(helm: Programs) -> None:
    given = [arg for arg in args_of(rendered(helm)) if arg.startswith("--service-")]
    more = ("services.types={ClusterIP,LoadBalancer}", "services.annotations={*}")
    wider = [arg for arg in args_of(rendered(helm, *more)) if arg.startswith("--service-")]

    assert given == ["--service-type=ClusterIP", "--service-annotation=prometheus.io/*"]
    assert wider == ["--service-type=ClusterIP", "--service-type=LoadBalancer", "--service-annotation=*"]


def test_images_can_be_pinned_by_their_content(helm: Programs) -> None:
    digest = f"sha256:{'ab' * 32}"
    objects = rendered(helm, f"image.digest={digest}", f"server.image=registry.example.com/server:1@{digest}")
    (container,) = only(objects, "Deployment")["spec"]["template"]["spec"]["containers"]

    assert container["image"] == f"modelrollout-operator:{version('modelrollout')}@{digest}"
    assert f"--server-image=registry.example.com/server:1@{digest}" in args_of(objects)


def test_a_network_policy_on_request(helm: Programs) -> None:
    policy = only(rendered(helm, "networkPolicy.enabled=true"), "NetworkPolicy")

    ports = [port["port"] for rule in policy["spec"]["egress"] for port in rule["ports"]]
    assert ports == [53, 53, 443, 6443, 8081]


def test_a_value_that_nobody_knows_is_refused(helm: Programs) -> None:
    with pytest.raises(Failed, match="watchNamespace"):
        rendered(helm, "watchNamespace=shop")
