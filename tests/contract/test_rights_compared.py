"""How the audit log is compared with the chart's verbs, on lines as the API server writes them."""

import json
from typing import Any

from e2e.rights import Asked, Comparison, asked, compared

ME = "system:serviceaccount:modelrollout-system:modelrollout"


def line(verb: str, resource: str, group: str = "", code: int = 200, **more: Any) -> str:
    target = {"resource": resource, "namespace": "shop", "apiVersion": "v1"} | ({"apiGroup": group} if group else {})
    entry = {
        "kind": "Event",
        "apiVersion": "audit.k8s.io/v1",
        "level": "Metadata",
        "stage": "ResponseComplete",
        "verb": verb,
        "user": {"username": more.get("user", ME), "groups": ["system:serviceaccounts"]},
        "objectRef": target | more.get("target", {}),
        "responseStatus": {"metadata": {}, "code": code},
    }
    return json.dumps(entry)


def test_each_kind_and_verb_is_read_once_with_group_and_subresource() -> None:
    lines = [
        line("list", "pods"),
        line("list", "pods"),
        line("patch", "deployments", "apps"),
        line("update", "modelrollouts", "modelrollout.dev", target={"subresource": "status", "name": "churn"}),
    ]

    assert asked(lines, ME) == Asked(
        frozenset(
            {("pods", "list"), ("deployments.apps", "patch"), ("modelrollouts.modelrollout.dev/status", "update")}
        ),
        frozenset(),
    )


def test_other_users_cut_off_lines_and_requests_for_no_object_do_not_count() -> None:
    nothing = json.dumps({"verb": "get", "requestURI": "/version", "user": {"username": ME}})
    lines = [line("delete", "secrets", user="system:admin"), nothing, '{"verb": "get", "obj', "[]"]

    assert asked(lines, ME) == Asked(frozenset(), frozenset())


def test_an_answer_that_is_no_success_shows_a_right_all_the_same_but_a_refusal_does_not() -> None:
    done = asked([line("get", "services", code=404), line("get", "secrets", code=403)], ME)

    assert done == Asked(frozenset({("services", "get")}), frozenset({("secrets", "get")}))


def test_a_right_that_was_refused_once_and_allowed_later_is_no_missing_one() -> None:
    assert asked([line("list", "pods", code=403), line("list", "pods")], ME).refused == frozenset()


def test_it_says_what_is_too_few_too_many_and_from_elsewhere() -> None:
    granted = {("pods", "list"), ("pods", "watch"), ("services", "get"), ("services", "delete")}
    done = asked([line("list", "pods"), line("create", "events", code=403), line("get", "nodes")], ME)

    assert compared(granted, done, rare={("services", "get")}) == Comparison(
        too_few=frozenset({("events", "create")}),
        too_many=frozenset({("pods", "watch"), ("services", "delete")}),
        from_elsewhere=frozenset({("nodes", "get")}),
    )


def test_what_is_asked_for_and_granted_differs_in_nothing() -> None:
    done = asked([line("list", "pods")], ME)

    assert compared({("pods", "list")}, done) == Comparison(frozenset(), frozenset(), frozenset())
