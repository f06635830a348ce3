"""Our reading of kstatus' rules, on objects that leave no doubt."""

from typing import Any

import pytest
from e2e.kstatus import Status, compute


def resource(*conditions: tuple[str, str], generation: int = 2, observed: int | None = 2, **metadata: str) -> Any:
    status: dict[str, Any] = {"conditions": [{"type": type_, "status": value} for type_, value in conditions]}
    if observed is not None:
        status["observedGeneration"] = observed
    return {"metadata": {"generation": generation, **metadata}, "status": status}


@pytest.mark.parametrize(
    ("obj", "says"),
    [
        pytest.param({"metadata": {"generation": 1}}, Status.CURRENT, id="no status at all reads as done"),
        pytest.param(resource(observed=-1), Status.IN_PROGRESS, id="the default status of our kind"),
        pytest.param(resource(("Ready", "True"), observed=1), Status.IN_PROGRESS, id="an older generation was seen"),
        pytest.param(resource(("Ready", "True")), Status.CURRENT, id="ready"),
        pytest.param(resource(("Ready", "False")), Status.IN_PROGRESS, id="not ready"),
        pytest.param(resource(("Ready", "Unknown")), Status.IN_PROGRESS, id="ready unknown"),
        pytest.param(resource(("Reconciling", "True"), ("Stalled", "True")), Status.IN_PROGRESS, id="the first speaks"),
        pytest.param(resource(("Ready", "False"), ("Stalled", "True")), Status.FAILED, id="stalled"),
        pytest.param(resource(("Reconciling", "False"), ("Stalled", "False")), Status.CURRENT, id="both false"),
        pytest.param(resource(("Stalled", "True"), deletionTimestamp="now"), Status.TERMINATING, id="being deleted"),
        pytest.param(resource(("Ready", "True"), observed=None), Status.CURRENT, id="no observed generation"),
    ],
)
def test_kstatus_concludes(obj: Any, says: Status) -> None:
    assert compute(obj) is says
