"""Who else wrote an object last is kept of managedFields, and never sent back."""

from typing import Any

import pytest

from modelrollout.kube.managers import keep_last_writer, last_writer, without_managers


def entry(manager: str, time: str, fields: str = "f:spec", **more: Any) -> dict[str, Any]:
    return {"manager": manager, "time": time, "fieldsType": "FieldsV1", "fieldsV1": {fields: {}}, **more}


OURS = entry("modelrollout", "2026-03-01T00:00:09Z")
CASES: list[tuple[str, Any, str]] = [
    ("nobody else", [OURS], ""),
    ("none", None, ""),
    (
        "the last of two",
        [entry("kubectl-edit", "2026-03-01T00:00:02Z"), entry("vpa", "2026-03-01T00:00:01Z")],
        "kubectl-edit",
    ),
    ("before ours", [entry("kubectl-patch", "2026-03-01T00:00:01Z"), OURS], "kubectl-patch"),
    ("status alone", [entry("kube-controller-manager", "2026-03-01T00:00:01Z", subresource="status")], ""),
    ("labels alone", [entry("kubectl-label", "2026-03-01T00:00:01Z", "f:metadata")], ""),
    ("words that steer a terminal", [entry("a\x1b[31m", "2026-03-01T00:00:01Z")], "a\\x1b[31m"),
    ("garbage", [1, {"manager": "x"}, {"manager": "y", "fieldsV1": 3}, entry("z", "") | {"time": None}], "z"),
]


@pytest.mark.parametrize(("managed", "who"), [one[1:] for one in CASES], ids=[one[0] for one in CASES])
def test_who_else_wrote_the_spec_last(managed: Any, who: str) -> None:
    obj: dict[str, Any] = {"metadata": {"name": "churn", "managedFields": managed}, "spec": {}}
    keep_last_writer(obj["metadata"])
    assert last_writer(obj) == who
    assert "fieldsV1" not in str(obj)
    assert without_managers(obj) == {"metadata": {"name": "churn"}, "spec": {}}
