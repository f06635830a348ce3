"""When a rehearsal is over."""

import pytest

from modelrollout.api.spec import ModelRolloutSpec
from modelrollout.api.status import ModelRolloutStatus
from modelrollout.core.facts import Rollout
from modelrollout.rehearsal import PLOTS, Rehearsal, rehearse
from modelrollout.rehearsal.play import is_endless
from modelrollout.simulation.world import Entry

MODEL = {"uri": "https://models.example/churn.skops", "version": "2.1.0"}


def rollout(**spec: object) -> Rollout:
    written = {"replicas": 2, "model": MODEL, "health": {"interval": "1s"}, "bake": "5s"} | spec
    return Rollout(
        "default", "churn", "uid", 1, ModelRolloutSpec.model_validate(written), ModelRolloutStatus(), model=MODEL
    )


@pytest.fixture(scope="module")
def healthy() -> Rehearsal:
    return rehearse(rollout(), PLOTS["healthy"], 20)


def test_it_ends_soon_after_the_promotion(healthy: Rehearsal) -> None:
    promoted = max(entry.at for entry in healthy.run.world.entries if entry.text.startswith("Promoted"))

    assert promoted + 15 <= healthy.seconds <= promoted + 20


def test_requests_count_from_when_the_new_model_was_asked_for(healthy: Rehearsal) -> None:
    load = healthy.run.world.cluster.load

    assert load.unserved > 0, "nobody served before the first model was ready"
    assert healthy.requests.unserved == 0
    assert healthy.requests.sent == 20 * (healthy.seconds - healthy.began + 1)


def test_a_good_rollout_is_not_endless_and_one_that_repeats_itself_is(healthy: Rehearsal) -> None:
    assert not is_endless(healthy)

    again = rehearse(rollout(), PLOTS["healthy"], 20)
    again.run.world.entries.extend([Entry(99, "note", "StepRepeated: and again")] * 100)
    assert is_endless(again)


def test_a_long_bake_is_waited_for() -> None:
    played = rehearse(rollout(bake="10m"), PLOTS["healthy"], 20)

    assert played.seconds - played.began > 600
    assert played.run.world.resource.status.stable is not None
    assert played.run.world.resource.status.stable.version == "2.1.0"


def test_an_invalid_rollout_cannot_be_rehearsed() -> None:
    broken = Rollout("default", "churn", "uid", 1, None, ModelRolloutStatus(), invalid="spec.replicas is -1")

    with pytest.raises(ValueError, match=r"churn cannot be rehearsed: spec\.replicas is -1"):
        rehearse(broken, PLOTS["healthy"], 20)


@pytest.mark.parametrize("plot", PLOTS.values(), ids=lambda plot: plot.name)
def test_no_plot_says_more_than_a_line(plot: object) -> None:
    said = str(getattr(plot, "says", ""))

    assert 0 < len(said) <= 70
    assert not said.endswith(".")
