"""Whatever an author writes under any field: it is refused by a sentence, or its pods are still the operator's own.

Two searches: specs that the definition's schema lets pass, every field of it, and blocks of any shape, as an object may
hold that was stored before there was a schema.
"""

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from modelrollout import names
from modelrollout.api import reserved
from modelrollout.builders.autoscaler import autoscaler
from modelrollout.builders.deployment import deployment
from modelrollout.builders.resolver import resolver
from modelrollout.builders.service import preview_service, service
from modelrollout.core.facts import Exposure, RevisionSource, Rollout
from modelrollout.rollouts import Rollouts, key_of

CRD = yaml.safe_load((Path(__file__).parents[2] / "crds" / "modelrollouts.yaml").read_text())
SPEC = CRD["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
IMAGE = "serving:1"
MOST_FIELDS = 4

WORDS = st.sampled_from(
    [
        "server", "tmp", "model-cache", "a", "b", "", "0", "1", "-1", "2Gi", "1e400", "500m", "30s", "5m", "$(POD_UID)",
        "/venv", "/model", "pickle", "models:/churn@champion", "https://models.example.com/m.onnx",
        "https://mlflow.example.net", *reserved.ENV_SET, *reserved.ENV_NAMES, "LD_PRELOAD", "PYTHONPATH",
        "ClusterIP", "NodePort", "LoadBalancer", *reserved.LABELS, "modelrollout.dev/revision", "team", "\x1b[2J",
        "group.modelrollout.dev/0badcafe", "x.modelrollout.dev/y", "external-dns.alpha.kubernetes.io/hostname",
        "prometheus.io/scrape", "payments", "default",
    ]
)  # fmt: skip
NUMBERS = st.sampled_from([0, 1, 2, 8080, 8081, 65532, -1, 2**31, 2**63, 10**400])


@st.composite
def allowed(draw: st.DrawFn, schema: dict[str, Any]) -> Any:
    """A value that a structural schema lets pass, with few of its fields."""
    if choices := schema.get("enum"):
        return draw(st.sampled_from(choices))
    if schema.get("x-kubernetes-int-or-string"):
        return draw(NUMBERS | WORDS)
    kind = schema.get("type")
    if kind == "array":
        return draw(st.lists(allowed(schema["items"]), max_size=3))
    if kind == "object" and "properties" in schema:
        optional = sorted(schema["properties"].keys() - set(schema.get("required", ())))
        chosen = draw(st.lists(st.sampled_from(optional), unique=True, max_size=MOST_FIELDS)) if optional else []
        return {key: draw(allowed(schema["properties"][key])) for key in (*schema.get("required", ()), *chosen)}
    if kind == "object":
        inner = schema.get("additionalProperties")
        return draw(st.dictionaries(WORDS, allowed(inner) if isinstance(inner, dict) else WORDS, max_size=3))
    if kind == "boolean":
        return draw(st.booleans())
    if kind in {"integer", "number"}:
        return draw(st.integers(int(schema.get("minimum", -1)), int(schema.get("maximum", 2**31))))
    return draw(WORDS)


JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.floats() | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=5,
)
POD_FIELDS = SPEC["properties"]["server"]["properties"]["podTemplate"]["properties"]["spec"]["properties"]
SERVER_FIELDS = POD_FIELDS["containers"]["items"]["properties"]
ANY_SERVERS = st.fixed_dictionaries(
    {},
    optional={
        "env": JSON,
        "envFrom": JSON,
        "image": JSON,
        "resources": JSON,
        "startupDeadline": JSON,
        "podTemplate": JSON
        | st.fixed_dictionaries(
            {},
            optional={
                "metadata": JSON | st.fixed_dictionaries({"labels": JSON}),
                "spec": st.dictionaries(st.sampled_from(sorted(POD_FIELDS)), JSON, max_size=3)
                | st.dictionaries(st.sampled_from(sorted(SERVER_FIELDS)), JSON, max_size=3).map(
                    lambda fields: {"containers": [{"name": "server", **fields}]}
                ),
            },
        ),
    },
)


def read(spec: Any) -> Rollout:
    """A rollout as the operator takes it from an event; what its author wrote never raises there."""
    meta = {"namespace": "shop", "name": "churn", "uid": "4d1c", "generation": 1, "resourceVersion": "1"}
    raw = {"apiVersion": names.API_VERSION, "kind": names.KIND, "metadata": meta, "spec": spec}
    held = Rollouts(Exposure(("ClusterIP",), ("prometheus.io/*",)))
    held.put(raw)
    found = held.get(key_of(raw))
    assert found is not None
    return found.rollout


def source(of: Rollout) -> RevisionSource:
    image = str(of.server.get("image") or IMAGE)
    return RevisionSource("7f3a9c21", "2.1.0", "0123", image, of.model, of.server, "1b2c3d4e")


def assert_ours(found: Rollout) -> None:
    """Refused by a sentence, or with pods and Services that are as open as ours and no more."""
    if found.invalid or found.spec is None:
        assert found.invalid
        assert found.invalid.isprintable()
        return
    wanted = source(found)
    made = deployment(found, wanted, 1)
    template = made["spec"]["template"]
    plain = deployment(read({"model": dict(found.model)}), source(read({"model": dict(found.model)})), 1)
    assert made["spec"]["selector"] == plain["spec"]["selector"]
    ours = plain["spec"]["template"]["metadata"]["labels"]
    assert {
        key: value for key, value in template["metadata"]["labels"].items() if reserved.is_reserved_label(key)
    } == ours
    _assert_server(template["spec"], plain["spec"]["template"]["spec"], wanted.image)
    job = resolver(found, IMAGE)["spec"]["template"]["spec"]
    assert [one["image"] for one in job["containers"]] == [IMAGE]
    assert (job["restartPolicy"], job["containers"][0]["args"]) == ("Never", ["resolve"])
    for one in (service(found, {}), preview_service(found, {})):
        assert one["spec"]["type"] == "ClusterIP"
        assert not [key for key in one["metadata"]["annotations"] if key.startswith("external-dns")]
    if found.spec.autoscaling is not None:
        autoscaler(found)


def _assert_server(pod: dict[str, Any], plain: dict[str, Any], image: str) -> None:
    servers = [one for one in pod["containers"] if one["name"] == names.SERVER_CONTAINER]
    ((server,), (own,)) = servers, plain["containers"]
    assert server["image"] == image
    assert not {"command", "args"} & server.keys()
    for field in ("ports", "readinessProbe", "livenessProbe"):
        assert server[field] == own[field]
    variables = [one["name"] for one in server["env"]]
    assert len(variables) == len(set(variables))
    tuning = {*reserved.ENV_SETTABLE, "MODEL_CACHE_DIR", "MODEL_LATENCY_EDGES_MS"}
    said = {one["name"]: one for one in server["env"]}
    assert all(said[one["name"]] == one for one in own["env"] if one["name"] not in tuning)
    assert {*reserved.ENV_SET, *reserved.ENV_NAMES} <= said.keys()
    assert not {"restartPolicy", "activeDeadlineSeconds", "ephemeralContainers", "serviceAccount"} & pod.keys()


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(spec=allowed(SPEC))
def test_whatever_the_schema_lets_pass_is_refused_by_a_sentence_or_served_by_our_pods(spec: Any) -> None:
    assert_ours(read(spec))


@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
@given(server=ANY_SERVERS)
def test_a_server_block_of_any_shape_is_refused_by_a_sentence_or_can_be_built(server: Any) -> None:
    found = read({"model": {"uri": "https://models.example.com/m.onnx"}, "server": server})
    if found.invalid:
        assert found.invalid.isprintable()
        return
    deployment(found, source(found), 1)
    resolver(found, IMAGE)


@pytest.mark.parametrize("env", [[{}], ["a"], [{"name": None}], [{"name": ["a"]}], {"a": 1}, 5], ids=str)
def test_a_list_of_variables_that_is_none_is_a_sentence(env: Any) -> None:
    found = read({"model": {"uri": "https://models.example.com/m.onnx"}, "server": {"env": env}})
    assert found.invalid.startswith("spec.server")
