"""The chart's table of permissions against the calls that the code makes: no verb too few, none too many."""

from pathlib import Path
from typing import Any

import yaml
from contract.calls import used, used_to_lead

from modelrollout.kube.claims import CLAIM, CLUSTER_CLAIM

TABLE: dict[str, list[dict[str, Any]]] = yaml.safe_load(
    (Path(__file__).parents[2] / "charts" / "modelrollout" / "files" / "rbac.yaml").read_text()
)


def granted(rows: list[dict[str, Any]]) -> set[tuple[str, str]]:
    return {
        (_named(resource, group), verb)
        for row in rows
        for group in row["apiGroups"]
        for resource in row["resources"]
        for verb in row["verbs"]
    }


def _named(resource: str, group: str) -> str:
    kind, slash, sub = resource.partition("/")
    return f"{kind}.{group}{slash}{sub}" if group else resource


def test_it_grants_what_the_code_uses_and_nothing_else() -> None:
    assert granted(TABLE["always"]) == used()


def test_taking_turns_is_granted_in_the_release_s_namespace_alone() -> None:
    assert granted(TABLE["leader"]) == used_to_lead()


def test_of_the_leases_everywhere_only_our_claims_can_be_read_or_changed() -> None:
    rows = [row for row in TABLE["always"] if row["resources"] == ["leases"]]

    assert [(row["verbs"], row.get("resourceNames")) for row in rows] == [
        (["create"], None),
        (["get", "update"], [CLAIM, CLUSTER_CLAIM]),
    ]


def test_the_proxy_is_granted_only_where_it_is_used() -> None:
    assert granted(TABLE["proxy"]) == {("pods/proxy", "get")}


def test_it_grants_no_secrets_no_logs_and_no_write_on_rollouts_but_their_status() -> None:
    everything = granted(TABLE["always"]) | granted(TABLE["proxy"])

    assert not {kind for kind, _ in everything} & {"secrets", "pods/log", "pods/exec", "nodes", "namespaces"}
    assert {verb for kind, verb in everything if kind == "modelrollouts.modelrollout.dev"} == {"get", "list", "watch"}
    assert not any("*" in pair for pair in everything)
