"""What others may do in a namespace: Services, ConfigMaps, Leases, authors without the right to create Services."""

import base64
import pickle
from typing import Any

import pytest
from e2e.people import ada_may, ada_says
from e2e.specs import SERVER, spec

from modelrollout import names
from modelrollout.api import reserved
from modelrollout.kube.claims import CLAIM
from stage.kube import Cluster, Object, until
from stage.operator import NAMESPACE, RELEASE, operator_with
from stage.programs import Programs
from stage.rollout import Rollout, conditions_of

pytestmark = pytest.mark.cluster


def service(name: str) -> Object:
    ports = [{"name": "http", "port": 80}]
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": {"ports": ports}}


async def test_services_called_as_our_variables_break_no_pod(cluster: Cluster, churn: Rollout) -> None:
    """Even where a pod template asks for the variables that Kubernetes makes of Services, such as MODEL_PORT."""
    for name in ("model", "model-health", "model-host", "pod"):
        await cluster.create(service(name), churn.namespace)
    linked = SERVER | {"podTemplate": {"spec": {"enableServiceLinks": True}}}
    await churn.apply(spec(replicas=1))
    await churn.until_condition("Ready")
    beside = Rollout(cluster, churn.namespace, "linked")
    await beside.apply(spec(replicas=1, server=linked))
    await beside.until_condition("Ready")


SAID = "the pickle ran"


class Speaks:
    """A pickle that leaves its own last words when it is loaded."""

    def __reduce__(self) -> tuple[Any, ...]:
        code = f"import os; open('/dev/termination-log', 'w').write({SAID!r}); os._exit(3)"
        return exec, (code,)


def of_a_pickle(**model: Any) -> Object:
    """A spec of a pickle in a ConfigMap, with all our variables in another one."""
    pod = {
        "volumes": [{"name": "model", "configMap": {"name": "model"}}],
        "containers": [{"name": "server", "volumeMounts": [{"name": "model", "mountPath": "/model"}]}],
    }
    server = SERVER | {"envFrom": [{"configMapRef": {"name": "ours"}}], "podTemplate": {"spec": pod}}
    return spec({"uri": "file:///model/m.pkl", **model}, replicas=1, server=server)


async def last_words(churn: Rollout) -> str:
    def ended(pods: list[Object]) -> str:
        statuses = [one for pod in pods for one in pod.get("status", {}).get("containerStatuses", ())]
        states = [
            state["terminated"]
            for one in statuses
            for state in (one["state"], one["lastState"])
            if "terminated" in state
        ]
        return next((str(state.get("message", "")) for state in states), "")

    return ended(await churn.until_pods("its server has ended", ended))


async def test_no_variable_of_ours_comes_from_a_config_map_and_no_pickle_runs_by_one(
    cluster: Cluster, churn: Rollout
) -> None:
    """The same pickle runs where the spec trusts it, so the refusal is no accident."""
    untrue = dict.fromkeys((*reserved.ENV_SET, *reserved.ENV_NAMES), "pickle")
    ours: Object = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "ours"}, "data": untrue}
    file = base64.b64encode(pickle.dumps(Speaks())).decode()
    model = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "model"}, "binaryData": {"m.pkl": file}}
    for obj in (ours, model):
        await cluster.create(obj, churn.namespace)
    trusting = Rollout(cluster, churn.namespace, "trusting")
    await churn.apply(of_a_pickle())
    await trusting.apply(of_a_pickle(trust=["pickle"]))

    assert "m.pkl is a pickle, which runs any code in it when loaded" in await last_words(churn)
    assert await last_words(trusting) == SAID


EXPOSING = {"external-dns.alpha.kubernetes.io/hostname": "shop.example.com"}
EXPORTING = {"mirror.linkerd.io/exported": "true"}


async def test_an_author_without_the_right_to_services_opens_none_to_the_outside(
    prepared: Programs, cluster: Cluster, churn: Rollout
) -> None:
    """By the chart's defaults, with no policy: not by type, by annotation, or by what Services take over."""
    await ada_may(
        prepared, churn.namespace, {"apiGroups": [names.GROUP], "resources": [names.PLURAL], "verbs": ["create"]}
    )

    async def authors(name: str, service: Object) -> Rollout:
        meta = {"name": name, "namespace": churn.namespace, "annotations": EXPOSING, "labels": EXPORTING}
        asked = spec(replicas=1, service=service)
        obj = {"apiVersion": names.API_VERSION, "kind": names.KIND, "metadata": meta, "spec": asked}

        async def made() -> bool:
            return "created" in await ada_says(prepared, obj, "--validate=true")

        await until(made, f"ada has made {name}", 30)
        return Rollout(cluster, churn.namespace, name)

    outside = await authors("outside", {"type": "NodePort", "annotations": EXPOSING})
    named = await authors("named", {"annotations": EXPOSING})
    plain = await authors("plain", {})

    for one, sentence in ((outside, "spec.service.type is NodePort"), (named, "sets external-dns")):
        said = await one.until("it is refused", lambda obj: "this installation allows" in str(conditions_of(obj)))
        assert sentence in str(conditions_of(said))
    await plain.until_condition("Ready")
    found = await plain.service()
    assert found is not None
    assert found["spec"]["type"] == "ClusterIP"
    assert (await outside.service(), await named.service()) == (None, None)
    assert not {*EXPOSING, *EXPORTING} & {*found["metadata"]["annotations"], *found["metadata"]["labels"]}


def claim(holder: str) -> Object:
    """As nobody honest would write it: held for 68 years, and renewed in the year 9999."""
    forever = {"leaseDurationSeconds": 2**31 - 1, "renewTime": "9999-01-01T00:00:00.000000Z"}
    meta = {"name": CLAIM}
    lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": meta}
    return lease | {"spec": {"holderIdentity": holder, **forever}}


@pytest.mark.alone
async def test_a_foreign_claim_stops_an_operator_of_several_namespaces_in_that_one_alone(
    prepared: Programs, cluster: Cluster, churn: Rollout, beside: Rollout
) -> None:
    """It is ready all the while (helm waits for that), works in the other one, and names whose this one is."""
    await cluster.create(claim("mallory/mr"), beside.namespace)
    asleep = spec(replicas=0)
    async with operator_with(prepared, f"watchNamespaces={{{churn.namespace},{beside.namespace}}}"):
        await churn.apply(asleep)
        await beside.apply(asleep)
        await churn.until("it was taken up", conditions_of)

        async def named() -> bool:
            ran = await prepared.try_kubectl("logs", f"--namespace={NAMESPACE}", f"deployment/{RELEASE}")
            return f"namespace {beside.namespace} is looked after by the installation mallory/mr" in ran.out + ran.err

        await until(named, "the log names the holder", 60)
        assert "conditions" not in await beside.status()
