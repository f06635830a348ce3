"""A cut of `make soak-cluster`: random rollouts under random faults, for five minutes."""

import pytest
from soak.run import played

from stage.programs import Programs

pytestmark = [pytest.mark.cluster, pytest.mark.alone, pytest.mark.long, pytest.mark.timeout(1800)]


async def test_five_minutes_of_random_rollouts_under_random_faults_lose_nothing(prepared: Programs) -> None:
    soak, wrong = await played(prepared, 300, seed=5)
    print("\n".join(soak.lines()))  # noqa: T201
    assert wrong == []
    assert soak.notes.endings.total() >= 6
    assert soak.notes.faults.total() >= 6
