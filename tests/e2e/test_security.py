"""Whose rights count, restricted pods, and a second installation, at a real API server."""

import json
from collections.abc import AsyncIterator

import pytest
from e2e.specs import spec

from localcluster.cli import CHECKOUT
from modelrollout import names
from stage.kube import Cluster, until
from stage.operator import CHART, NAMESPACE, RELEASE, install_operator
from stage.programs import Programs
from stage.rollout import Rollout

POLICIES = CHECKOUT / "examples" / "policies"
RESTRICTED = "pod-security.kubernetes.io/enforce"
OTHER = "t-second-installation"

pytestmark = [pytest.mark.cluster, pytest.mark.alone, pytest.mark.long]


async def test_pods_of_a_rollout_pass_the_restricted_standard(cluster: Cluster, churn: Rollout) -> None:
    await cluster.merge(f"/api/v1/namespaces/{churn.namespace}", {"metadata": {"labels": {RESTRICTED: "restricted"}}})
    await churn.apply(spec())
    await churn.until_condition("Ready")


async def test_the_operator_s_pods_pass_the_restricted_standard(prepared: Programs) -> None:
    """The API server warns of pods that a label would have refused."""
    said = await prepared.try_kubectl(
        "label", "--dry-run=server", "--overwrite", "namespace", NAMESPACE, f"{RESTRICTED}=restricted"
    )
    assert (said.code, said.err) == (0, "")


@pytest.fixture
async def policy(prepared: Programs) -> AsyncIterator[None]:
    """The policy that asks for the author's rights, while a test runs."""
    file = POLICIES / "only-who-may-create-deployments.yaml"
    await prepared.kubectl("apply", "--filename", str(file))
    yield
    await prepared.kubectl("delete", "--filename", str(file))


async def ada_may(tools: Programs, namespace: str, *rules: dict[str, list[str]]) -> None:
    """Give a person exactly these rights."""
    meta = {"name": "ada", "namespace": namespace}
    group = "rbac.authorization.k8s.io"
    role = {"apiVersion": f"{group}/v1", "kind": "Role", "metadata": meta, "rules": list(rules)}
    binding = {
        "apiVersion": f"{group}/v1",
        "kind": "RoleBinding",
        "metadata": meta,
        "roleRef": {"apiGroup": group, "kind": "Role", "name": "ada"},
        "subjects": [{"apiGroup": group, "kind": "User", "name": "ada"}],
    }
    for obj in (role, binding):
        await tools.kubectl("apply", "--filename=-", stdin=json.dumps(obj))


async def said_to_ada(tools: Programs, namespace: str, **server: object) -> str:
    """What the API server answers when ada creates a rollout (or would: nothing is kept)."""
    obj = {
        "apiVersion": names.API_VERSION,
        "kind": names.KIND,
        "metadata": {"name": "churn", "namespace": namespace},
        "spec": {"model": {"uri": "https://models.example.com/m.onnx"}, "server": server},
    }
    words = ("create", "--as=ada", "--dry-run=server", "--filename=-")
    ran = await tools.try_kubectl(*words, stdin=json.dumps(obj))
    return ran.err if ran.code else "created"


@pytest.mark.usefixtures("policy")
async def test_a_rollout_gives_its_author_no_right_to_pods_or_accounts(prepared: Programs, namespace: str) -> None:
    rollouts = {"apiGroups": [names.GROUP], "resources": [names.PLURAL], "verbs": ["create"]}
    deployments = {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["create"]}
    await ada_may(prepared, namespace, rollouts)

    async def refused() -> bool:
        return "may not create Deployments" in await said_to_ada(prepared, namespace)

    await until(refused, "the policy is in force", 30)
    await ada_may(prepared, namespace, rollouts, deployments)
    assert await said_to_ada(prepared, namespace) == "created"
    named = {"podTemplate": {"spec": {"serviceAccountName": "payments"}}}
    assert "may not impersonate the service account payments" in await said_to_ada(prepared, namespace, **named)


async def test_a_second_installation_is_refused_by_name_and_changes_nothing(prepared: Programs, churn: Rollout) -> None:
    await install_operator(prepared)
    await churn.apply(spec())
    before = await churn.until_condition("Ready")
    await prepared.helm(
        "upgrade", "--install", "other", str(CHART), f"--namespace={OTHER}", "--create-namespace",
        "--set=crds.install=false,rbac.aggregate=false,replicas=1",
        "--set=image.repository=localhost/modelrollout-operator,image.tag=dev",
    )  # fmt: skip
    try:

        async def named() -> bool:
            ran = await prepared.try_kubectl(f"--namespace={OTHER}", "logs", "deployment/other-modelrollout")
            return f"looked after by the installation {NAMESPACE}/{RELEASE}" in ran.out

        await until(named, "the second installation names the first", 120)
        ready = await prepared.kubectl(
            f"--namespace={OTHER}", "get", "deployment/other-modelrollout", "--output=jsonpath={.status.readyReplicas}"
        )
        assert ready in {"", "0"}
        assert (await churn.get())["status"] == before["status"]
    finally:
        await prepared.helm("uninstall", "other", f"--namespace={OTHER}", "--wait")
        await prepared.kubectl("delete", "namespace", OTHER, "--wait=false")
