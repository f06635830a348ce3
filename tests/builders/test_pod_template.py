"""The user's pod template over ours: what is merged, what is replaced, what is refused."""

from typing import Any

import pytest
from builders.values import rollout, server_of, source
from hypothesis import given
from hypothesis import strategies as st

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


def test_our_group_is_the_containers_and_gives_way_to_the_users_for_the_whole_pod() -> None:
    """A pod with a group and without a user is refused by the runtime; of a container the user comes from the image."""
    own = merged({"spec": {"securityContext": {"runAsUser": 7, "runAsGroup": 0}}})
    plain = merged({})

    assert server_of(plain)["securityContext"]["runAsGroup"] == 65532
    assert not {"runAsUser", "runAsGroup"} & plain["spec"]["securityContext"].keys()
    assert "runAsGroup" not in server_of(own)["securityContext"]
    assert own["spec"]["securityContext"]["runAsGroup"] == 0


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


@pytest.mark.parametrize(
    "accounts",
    [{"serviceAccount": "shop"}, {"serviceAccount": "old", "serviceAccountName": "shop"}],
    ids=["the old name alone", "both"],
)
def test_the_old_name_of_the_account_is_read_as_the_new_one(accounts: dict[str, str]) -> None:
    made = merged({"spec": accounts | {"automountServiceAccountToken": True, "shareProcessNamespace": False}})["spec"]

    assert "serviceAccount" not in made
    assert (made["serviceAccountName"], made["automountServiceAccountToken"]) == ("shop", True)
    assert made["shareProcessNamespace"] is False


ZONES = {"topologyKey": "topology.kubernetes.io/zone", "maxSkew": 1}
KEPT = {
    "a port for TCP and for UDP": (
        "ports",
        [{"containerPort": 53}, {"containerPort": 53, "protocol": "UDP"}],
    ),
    "a wish and a demand about zones": (
        "topologySpreadConstraints",
        [
            ZONES | {"whenUnsatisfiable": "ScheduleAnyway"},
            ZONES | {"whenUnsatisfiable": "DoNotSchedule", "maxSkew": 2},
        ],
    ),
    "two lines for one address": ("hostAliases", [{"ip": "192.0.2.1", "hostnames": [one]} for one in ("a", "b")]),
    "a variable twice, of which the last counts": ("env", [{"name": "A", "value": one} for one in ("1", "$(A)2")]),
}


@pytest.mark.parametrize(("field", "entries"), KEPT.values(), ids=KEPT)
def test_two_entries_that_share_a_key_or_a_part_of_it_are_both_kept(field: str, entries: list[dict[str, Any]]) -> None:
    part = {field: entries}
    in_a_sidecar = {"containers": [{"name": "dns"} | part]}
    template = {"spec": in_a_sidecar if field in {"ports", "env"} else part}
    made = merged(template)["spec"]

    assert (made["containers"][-1] if field in {"ports", "env"} else made)[field] == entries


LISTS: dict[str, dict[str, list[str]]] = {
    "volumes": {"name": ["a", "b"]},
    "ports": {"containerPort": ["80", "81"], "protocol": ["TCP", "UDP", ""]},
    "topologySpreadConstraints": {"topologyKey": ["zone", "host"], "whenUnsatisfiable": ["DoNotSchedule", ""]},
    "volumeMounts": {"mountPath": ["/a", "/b"]},
}


@st.composite
def two_lists(draw: st.DrawFn) -> tuple[str, list[dict[str, str]], list[dict[str, str]]]:
    """A field with its entries on both sides; each entry has a number of its own, and "" is a part left out."""
    field = draw(st.sampled_from(sorted(LISTS)))
    entry = st.tuples(*(st.sampled_from(values) for values in LISTS[field].values()))
    sides = draw(st.tuples(st.lists(entry, max_size=4), st.lists(entry, max_size=4)))
    return field, *(
        [
            {key: value for key, value in zip(LISTS[field], one, strict=True) if value} | {"number": f"{side}{at}"}
            for at, one in enumerate(entries)
        ]
        for side, entries in zip(("ours", "theirs"), sides, strict=True)
    )  # type: ignore[return-value]  # two sides


@given(two_lists())
def test_all_of_theirs_and_those_of_ours_whose_key_is_in_none_of_theirs(
    lists: tuple[str, list[dict[str, str]], list[dict[str, str]]],
) -> None:
    field, ours, theirs = lists

    def key(one: dict[str, str]) -> dict[str, str]:
        usual = {"protocol": "TCP"} if field == "ports" else {}
        return usual | {name: value for name, value in one.items() if name in LISTS[field]}

    ours = [one for at, one in enumerate(ours) if key(one) not in [key(other) for other in ours[:at]]]
    made = merge({"spec": {field: ours}}, {"spec": {field: theirs}})["spec"][field]

    untouched = [one for one in ours if key(one) not in [key(other) for other in theirs]]
    assert sorted(one["number"] for one in made) == sorted(one["number"] for one in (*untouched, *theirs))
    assert [one for one in made if one in untouched] == untouched
    for one in theirs:
        same = [other for other in theirs if key(other) == key(one)]
        assert [other for other in made if key(other) == key(one)] == same


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
            "POD_NAME and POD_UID are set by the operator, and of MODEL_* only MODEL_DRAIN_SECONDS, MODEL_LIMITS, "
            "MODEL_LOG_LEVEL, MODEL_MAX_BYTES, MODEL_REQUEST_TIMEOUT may be set here",
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
            {"spec": {"containers": [{"name": "server"}, {"name": "server", "image": "mine"}]}},
            'spec.server.podTemplate has two containers called "server"; rename one',
            id="a second server",
        ),
        pytest.param(
            {"spec": {"initContainers": [{"name": "fetch"}, {"name": "warm"}, {"name": "fetch"}]}},
            'spec.server.podTemplate has two initContainers called "fetch"; rename one',
            id="init containers of one name",
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
