"""The example policies as a real API server evaluates them, each bound to a namespace of the test's own."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest
import yaml
from e2e.people import ada_may, ada_says

from localcluster.cli import CHECKOUT
from modelrollout import names
from stage.kube import ApiError, Cluster, Object, path_of, until
from stage.programs import Programs
from stage.rollout import Rollout

POLICIES = CHECKOUT / "examples" / "policies"
KINDS = "/apis/admissionregistration.k8s.io/v1"
PLURALS = {
    "ValidatingAdmissionPolicy": "validatingadmissionpolicies",
    "ValidatingAdmissionPolicyBinding": "validatingadmissionpolicybindings",
}

pytestmark = pytest.mark.cluster


@asynccontextmanager
async def in_force(cluster: Cluster, file: str, namespace: str) -> AsyncIterator[None]:
    """One of the example policies, in this namespace alone and under a name of its own."""
    made: list[str] = []
    try:
        for obj in yaml.safe_load_all((POLICIES / f"{file}.yaml").read_text()):
            name = f"{file}-{namespace}"
            obj["metadata"]["name"] = name
            if "Binding" in obj["kind"]:
                here = {"matchLabels": {"kubernetes.io/metadata.name": namespace}}
                obj["spec"] |= {"policyName": name, "matchResources": {"namespaceSelector": here}}
            place = f"{KINDS}/{PLURALS[obj['kind']]}"
            await cluster.post(place, obj)
            made.append(f"{place}/{name}")
        yield
    finally:
        for path in made:
            await cluster.delete(path)


def merged(plain: Mapping[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    """`change` merged into `plain`; None takes a field away."""
    result = dict(plain)
    for key, value in change.items():
        nested = isinstance(value, Mapping) and isinstance(result.get(key), Mapping)
        result[key] = merged(result[key], value) if nested else value
    return {key: value for key, value in result.items() if value is not None}


def rollout(namespace: str, name: str, spec: Object) -> Object:
    meta = {"name": name, "namespace": namespace}
    return {"apiVersion": names.API_VERSION, "kind": names.KIND, "metadata": meta, "spec": spec}


KNOWN: Object = {"model": {"uri": "https://models.example.com/churn/m.onnx", "sha256": "0" * 64}}
KEY = {"valueFrom": {"secretKeyRef": {"name": "store", "key": "id"}}}
LITERAL = {"value": "http://elsewhere.example.net"}


def env(name: str, value: Mapping[str, Any]) -> Object:
    return {"server": {"env": [{"name": name, **value}]}}


def pod(**spec: Any) -> Object:
    return {"server": {"podTemplate": {"spec": spec}}}


def server(**fields: Any) -> Object:
    return pod(containers=[{"name": "server", **fields}])


FROM_KNOWN_PLACES: dict[str, Object] = {
    "by https": {},
    "from the bucket": {"model": {"uri": "s3://models/churn/v1.onnx"}},
    "with credentials from a Secret": env("AWS_SECRET_ACCESS_KEY", KEY),
    "with a region": env("AWS_REGION", {"value": "eu-central-1"}),
    "with resources": {"server": {"resources": {"requests": {"cpu": 1}}, "startupDeadline": "1m"}},
    "with an empty list of formats": {"model": {"trust": []}},
}
FROM_ELSEWHERE: dict[str, tuple[Object, str]] = {
    "another host": ({"model": {"uri": "https://elsewhere.example.net/m.onnx"}}, "spec.model.uri"),
    "a host that begins alike": ({"model": {"uri": "https://models.example.com.evil.example/m"}}, "spec.model.uri"),
    "out of the folder": ({"model": {"uri": "s3://models/../other/m.onnx"}}, "spec.model.uri"),
    "out of it, in hexadecimal": ({"model": {"uri": "s3://models/%2e%2e/other/m.onnx"}}, "spec.model.uri"),
    "a query": ({"model": {"uri": "https://models.example.com/go?to=elsewhere"}}, "spec.model.uri"),
    "a second line": ({"model": {"uri": "https://models.example.com/a\nb"}}, "failed expression: "),
    "a mounted file": ({"model": {"uri": "file:///models/m.onnx"}}, "spec.model.uri"),
    "a registry": ({"model": {"uri": "models:/churn/7"}}, "spec.model.uri"),
    "a registry of one's own": (
        {"model": {"uri": "models:/churn/7", "registry": "https://mlflow.example.net"}}, "spec.model.",
    ),
    "no checksum": ({"model": {"sha256": None}}, "spec.model.sha256"),
    "a pickle": ({"model": {"trust": ["pickle"]}}, "spec.model.trust"),
    "an image": ({"server": {"image": "mine:1"}}, "spec.server.image"),
    "an endpoint": (env("AWS_ENDPOINT_URL", LITERAL), "spec.server.env"),
    "an endpoint of S3": (env("AWS_ENDPOINT_URL_S3", LITERAL), "spec.server.env"),
    "an endpoint of Google's": (env("GS_ENDPOINT_URL", LITERAL), "spec.server.env"),
    "a proxy": (env("https_proxy", LITERAL), "spec.server.env"),
    "a proxy for all": (env("ALL_PROXY", LITERAL), "spec.server.env"),
    "a certificate": (env("SSL_CERT_FILE", {"value": "/files/ca.crt"}), "spec.server.env"),
    "modules": (env("PYTHONPATH", {"value": "/files"}), "spec.server.env"),
    "a library": (env("LD_PRELOAD", {"value": "/files/x.so"}), "spec.server.env"),
    "programs": (env("PATH", {"value": "/files"}), "spec.server.env"),
    "a larger bound": (env("MODEL_MAX_BYTES", {"value": "1"}), "spec.server.env"),
    "credentials in plain sight": (env("AWS_SECRET_ACCESS_KEY", LITERAL), "spec.server.env"),
    "a region out of a Secret": (env("AWS_REGION", KEY), "spec.server.env"),
    "credentials out of a ConfigMap": (
        env("AWS_ACCESS_KEY_ID", {"valueFrom": {"configMapKeyRef": {"name": "c", "key": "k"}}}), "spec.server.env",
    ),
    "a ConfigMap of variables": ({"server": {"envFrom": [{"configMapRef": {"name": "c"}}]}}, "spec.server.envFrom"),
    "an empty list of them": ({"server": {"envFrom": []}}, "spec.server.envFrom"),
    "a volume": (server(volumeMounts=[{"name": "tmp", "mountPath": "/venv"}]), "spec.server.podTemplate"),
    "variables of the template": (server(env=[{"name": "https_proxy", **LITERAL}]), "spec.server.podTemplate"),
    "a container beside it": (pod(containers=[{"name": "beside", "image": "x"}]), "spec.server.podTemplate"),
    "a container before it": (pod(initContainers=[{"name": "before", "image": "x"}]), "spec.server.podTemplate"),
    "another resolver": (pod(dnsConfig={"nameservers": ["192.0.2.1"]}), "spec.server.podTemplate"),
    "names of hosts": (
        pod(hostAliases=[{"ip": "192.0.2.1", "hostnames": ["models.example.com"]}]), "spec.server.podTemplate",
    ),
    "annotations of the pod": (
        {"server": {"podTemplate": {"metadata": {"annotations": {"sidecar.istio.io/inject": "true"}}}}},
        "spec.server.podTemplate",
    ),
    "an empty template": ({"server": {"podTemplate": {}}}, "spec.server.podTemplate"),
}  # fmt: skip


async def answer(cluster: Cluster, namespace: str, change: Object) -> str:
    """What the API server says to a spec; nothing is kept."""
    try:
        await cluster.apply(rollout(namespace, "churn", merged(KNOWN, change)), namespace, dry_run=True)
    except ApiError as error:
        return str(error.said)
    return ""


async def test_models_come_from_known_places_alone(cluster: Cluster, namespace: str) -> None:
    async def refused() -> bool:
        return bool(await answer(cluster, namespace, {"model": {"sha256": None}}))

    async with in_force(cluster, "models-from-known-places", namespace):
        await until(refused, "the policy is in force", 30)
        good = [await answer(cluster, namespace, one) for one in FROM_KNOWN_PLACES.values()]
        bad = [await answer(cluster, namespace, one) for one, _ in FROM_ELSEWHERE.values()]

    assert dict(zip(FROM_KNOWN_PLACES, good, strict=True)) == dict.fromkeys(FROM_KNOWN_PLACES, "")
    known = {name: field for name, (_, field) in FROM_ELSEWHERE.items()}
    passed = {name: said for (name, field), said in zip(known.items(), bad, strict=True) if f" {field}" not in said}
    assert passed == {}


def may(group: str, *resources: str, verbs: tuple[str, ...] = ("create",)) -> dict[str, list[str]]:
    return {"apiGroups": [group], "resources": list(resources), "verbs": list(verbs)}


ROLLOUTS = may(names.GROUP, names.PLURAL, verbs=("create", "get", "patch"))
CHILDREN = (may("apps", "deployments"), may("", "services"), may("policy", "poddisruptionbudgets"))
SCALED = {"autoscaling": {"maxReplicas": 2, "targetCPUUtilization": 80}}
REGISTERED = {"model": {"uri": "models:/churn/7", "registry": "https://mlflow.example.net"}}

BEYOND_ADAS_RIGHTS: dict[str, tuple[Object, str]] = {
    "an account": (pod(serviceAccountName="payments"), "may not impersonate the service account payments"),
    "an account by its old name": (pod(serviceAccount="payments"), "write serviceAccountName"),
    "one of each": (
        pod(serviceAccountName="default", serviceAccount="payments"), "write serviceAccountName",
    ),
    "an autoscaler": (SCALED, "may not create HorizontalPodAutoscalers"),
    "a registry, which a Job asks": (REGISTERED, "may not create Jobs"),
}  # fmt: skip


async def test_a_rollout_makes_nothing_that_its_author_may_not_make(
    prepared: Programs, cluster: Cluster, namespace: str
) -> None:
    async def says(change: Object, *words: str) -> str:
        return await ada_says(prepared, rollout(namespace, "churn", merged(KNOWN, change)), *words)

    async def told(sentence: str) -> None:
        async def look() -> bool:
            return sentence in await says({})

        await until(look, f"ada is told: {sentence or 'yes'}", 30)

    async with in_force(cluster, "only-who-may-create-deployments", namespace):
        for count, missing in enumerate(("Deployments", "Services", "PodDisruptionBudgets")):
            await ada_may(prepared, namespace, ROLLOUTS, *CHILDREN[:count])
            await told(f"ada may not create {missing}")
        await ada_may(prepared, namespace, ROLLOUTS, *CHILDREN)
        await told("created")
        said = await asyncio.gather(*(says(change) for change, _ in BEYOND_ADAS_RIGHTS.values()))
        default = await says(pod(serviceAccountName="default"))

    sentences = [sentence for _, sentence in BEYOND_ADAS_RIGHTS.values()]
    known = zip(BEYOND_ADAS_RIGHTS, said, sentences, strict=True)
    assert {name: words for name, words, sentence in known if sentence not in words} == {}
    assert default == "created"


async def test_a_policy_keeps_nobody_from_deleting_in_the_foreground(cluster: Cluster, namespace: str) -> None:
    """The garbage collector ends such a deletion by an update, and may create no Deployments; nor has an author to
    mend first what was written before the policy.
    """
    elsewhere = Rollout(cluster, namespace, "churn")
    await elsewhere.apply({"replicas": 0, "model": {"uri": "https://elsewhere.example.net/m.onnx"}})

    async def refused() -> bool:
        try:
            await cluster.apply(rollout(namespace, "other", {"model": {"uri": "file:///m"}}), namespace, dry_run=True)
        except ApiError:
            return True
        return False

    async with (
        in_force(cluster, "models-from-known-places", namespace),
        in_force(cluster, "only-who-may-create-deployments", namespace),
    ):
        await until(refused, "a policy is in force", 30)
        await cluster.delete(elsewhere.path, {"propagationPolicy": "Foreground"})

        async def gone() -> bool:
            return await cluster.find(elsewhere.path) is None

        await until(gone, "the rollout is gone", 60)


async def test_a_deletion_is_no_way_around_a_policy(prepared: Programs, cluster: Cluster, namespace: str) -> None:
    """Held by a finalizer, an object that is being deleted can still be changed."""
    held = Rollout(cluster, namespace, "churn")
    await held.apply({"replicas": 0, **KNOWN}, {"finalizers": ["example.com/held"]})
    await held.delete()
    try:
        async with in_force(cluster, "models-from-known-places", namespace):

            async def refused() -> bool:
                patch = json.dumps({"spec": {"model": {"uri": "file:///m"}}})
                words = ("patch", names.PLURAL, "churn", f"--namespace={namespace}", "--type=merge", f"--patch={patch}")
                return "spec.model.uri" in (await prepared.try_kubectl(*words, "--dry-run=server")).err

            await until(refused, "the policy is in force", 30)
    finally:
        await cluster.merge(
            path_of(names.API_VERSION, names.KIND, namespace, "churn"), {"metadata": {"finalizers": []}}
        )
