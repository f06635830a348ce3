"""Ready pods behind the Service: through evictions, drains, autoscalers and smaller sizes, in every strategy."""

import re
from collections.abc import Iterator, Mapping
from itertools import product
from typing import Any

import pytest
from simulation.telling import GOES_OUT, SETTLED, SPEC, V1, V2, at, moment, rolled_out, served_by, spec, strategy
from simulation.telling import turns_bad as turning_bad

from modelrollout.api.status import ModelRolloutStatus, Stage
from modelrollout.core.facts import Rollout
from modelrollout.rehearsal import PLOTS, Rehearsal, rehearse
from modelrollout.salvage import read_spec
from modelrollout.simulation import Moment, Run, Scenario, Until, run
from modelrollout.simulation.happenings import AskToEvict, Command, Demand, Drain, Edit
from modelrollout.simulation.run import begin
from modelrollout.simulation.scenario import Happening

STEPS = [{"weight": 25}, {"weight": 50}]
STRATEGIES: Mapping[str, dict[str, Any]] = {
    "canary": {"canary": {"steps": STEPS}},
    "blue-green": strategy(blueGreen={}),
    "rolling": strategy(rolling={}),
} | {f"surge {n}": {"canary": {"steps": STEPS, "constantTotal": {"surge": n}}} for n in range(4)}
STAGES = (Stage.STARTING, Stage.JUDGING, Stage.BAKING)
WHEN = [
    *product(STRATEGIES, STAGES),
    # The other ways have no pods of the old model left to wait for, so that they are not in it for a second.
    ("canary", Stage.DRAINING),
    ("blue-green", Stage.DRAINING),
]
SIZES = (1, 2, 3, 7, 20)

each_strategy = pytest.mark.parametrize("way", STRATEGIES)


def rehearsed(plot: str, way: str, size: int) -> Rehearsal:
    written: dict[str, Any] = {
        "replicas": size,
        "model": {"uri": "https://models.example/churn.skops", "version": V2},
        "strategy": STRATEGIES[way],
        "health": {"interval": "1s", "minSamples": 20},
        "bake": "3s",
        "progressDeadline": "150s",
        "decisionDeadline": "30s",
        "rollback": {"cooldown": "20s"},
    }
    parsed, invalid = read_spec(written)
    assert not invalid
    return rehearse(
        Rollout("default", "churn", "uid", 1, parsed, ModelRolloutStatus(), model=written["model"]), PLOTS[plot], 20
    )


GRID = list(product(STRATEGIES, PLOTS))
"""Strategies with plots; `make test` plays each at one size, so that each of both meets every size."""
DIAGONAL = [(way, plot, SIZES[(place // len(PLOTS) + place) % len(SIZES)]) for place, (way, plot) in enumerate(GRID)]


@pytest.mark.parametrize(("way", "plot", "size"), DIAGONAL)
def test_no_promise_is_broken(way: str, plot: str, size: int) -> None:
    assert rehearsed(plot, way, size).run.broken == []


@pytest.mark.long
@pytest.mark.parametrize(("way", "plot"), GRID)
def test_no_promise_is_broken_at_any_size(way: str, plot: str) -> None:
    broken = {size: played.run.broken for size in SIZES if (played := rehearsed(plot, way, size)).run.broken}

    assert broken == {}


def disrupted(way: str, size: int, what: Happening, stage: Stage) -> Scenario:
    """A rollout with a disruption that begins in the first stage of this name."""
    return Scenario(
        f"{way}, {size} pods, {what} while {stage}",
        spec(replicas=size, strategy=STRATEGIES[way]),
        (*GOES_OUT, Moment(what, Until(stage=stage, candidate=V2))),
        linger=5,
        longest=600,
    )


def unserved(played: Run) -> int:
    """Requests that found no pod since the first model served."""
    return played.world.cluster.load.unserved - played.scenario.rate * 6


@pytest.mark.parametrize("what", [AskToEvict(), Drain()], ids=["evictions", "drain"])
@pytest.mark.parametrize(("way", "stage"), WHEN, ids=str)
def test_evictions_in_any_stage_lose_no_request(way: str, stage: Stage, what: Happening) -> None:
    lost = {}
    for size in (3, 4, 7):
        played = run(disrupted(way, size, what, stage))
        status = played.world.resource.status
        assert played.waiting == []
        assert status.stable is not None
        assert status.stable.version == V2
        if unserved(played) or played.broken or played.world.cluster.to_evict:
            lost[size] = (unserved(played), played.broken, played.world.cluster.to_evict)

    assert lost == {}


@each_strategy
def test_evictions_on_the_way_back_lose_no_request(way: str) -> None:
    bad = (moment(turning_bad(V2), served_by(V2), 2), Moment(AskToEvict(), Until(stable=V1)))
    played = run(Scenario("way back", spec(replicas=4, strategy=STRATEGIES[way]), (*GOES_OUT, *bad), longest=600))

    assert (unserved(played), played.broken, played.waiting, played.world.cluster.to_evict) == (0, [], [], 0)


def ready_behind(played: Run) -> int:
    return len(played.world.cluster.endpoints)


LOAD, PER_POD = 60, 10.0


def scaled(way: str, *moments: Moment, **more: Any) -> Scenario:
    """A rollout under an autoscaler that keeps to its number at once, in both directions."""
    return Scenario(
        f"{way}, scaled",
        spec(replicas=6, strategy=STRATEGIES[way], bake=more.pop("bake", "90s"), decisionDeadline="10m"),
        moments,
        rate=LOAD,
        scaled_to=PER_POD,
        steady=False,
        longest=1500,
        quiet=120,
        **more,
    )


def least_of(scenario: Scenario, settled_after: int) -> tuple[Run, int]:
    """The fewest pods behind the Service since the autoscaler has settled."""
    played, least = begin(scenario), 1000
    while not played.is_over():
        played.tick()
        if played.world.now > settled_after:
            least = min(least, ready_behind(played))
    return played, least


def endings() -> Iterator[tuple[str, tuple[Moment, ...], str]]:
    yield "promoted", (), V2
    yield "promoted at once", (Moment(Command("promote-all", V2), Until(stage=Stage.JUDGING, candidate=V2)),), V2
    yield "rolled back by a person", (Moment(Command("rollback", V2), served_by(V2), 90),), V1
    yield "taken back in the bake", (moment(turning_bad(V2), at(100, Stage.BAKING), 60),), V1


ENDINGS = {name: (moments, stable) for name, moments, stable in endings()}


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("way", ["canary", "blue-green", "rolling", "surge 1"])
def test_an_autoscaler_never_takes_pods_that_the_load_asks_for(way: str, ending: str) -> None:
    moments, stable = ENDINGS[ending]

    played, least = least_of(scaled(way, rolled_out(V2, 60), *moments), 30)

    status = played.world.resource.status
    assert played.waiting == []
    assert status.stable is not None
    assert status.stable.version == stable
    half = ending == "taken back in the bake" and way in {"rolling", "surge 1"}  # docs/decisions/0008
    assert least >= (LOAD / PER_POD / 2 if half else LOAD / PER_POD)


@pytest.mark.parametrize("way", ["canary", "blue-green", "rolling", "surge 1"])
def test_an_autoscaler_follows_a_load_that_changes_in_a_rollout(way: str) -> None:
    more, less = Moment(Demand(120), Until(stage=Stage.BAKING, candidate=V2), 5), Moment(Demand(30), SETTLED, 60)

    played = run(scaled(way, rolled_out(V2, 60), more, less))

    assert played.waiting == []
    assert played.world.cluster.load.unserved == LOAD * 6
    assert played.world.resource.status.size == 3


def test_a_smaller_size_in_the_apply_of_a_new_model_waits_until_that_model_serves() -> None:
    change = Edit({"replicas": 1, "model": {"version": V2}}, "the spec asks for 2.0.0 and for 1 pod")
    played, least = least_of(Scenario("both at once", SPEC, (moment(change, SETTLED, 2),), steady=False, quiet=90), 15)

    end = next(entry.at for entry in reversed(played.world.entries) if re.fullmatch(r"scale \w+ to 1", entry.text))
    promoted = [entry.at for entry in played.world.entries if entry.text.startswith("Promoted: 2.0.0")]
    assert least == 1
    assert end >= promoted[0] + 60


def test_the_floor_of_the_autoscaler_holds_when_an_old_manifest_is_applied_again() -> None:
    floor = {"autoscaling": {"minReplicas": 3, "maxReplicas": 9, "targetCPUUtilization": 70}}
    again = Edit({"replicas": 1}, "somebody applies replicas: 1 again")

    _, least = least_of(Scenario("floor", spec(**floor), (moment(again, SETTLED, 5),), steady=False), 15)

    assert least == 3


def test_the_budget_is_over_the_pods_behind_the_service_in_every_second() -> None:
    for way, size in product(STRATEGIES, (3, 5)):
        played = begin(Scenario(way, spec(replicas=size, strategy=STRATEGIES[way]), GOES_OUT))
        while not played.is_over():
            played.tick()
            cluster = played.world.cluster
            if played.world.resource.status.stable is not None and len(cluster.selected(cluster.service)) > 1:
                assert cluster.budget == cluster.service, f"{way} at {played.world.now} s"
