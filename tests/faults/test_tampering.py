"""Children scaled, edited, relabelled, orphaned and deleted by somebody else, in every phase."""

import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from faults.hands import HANDS, ORPHANS
from faults.phases import ALL, PHASES, go_to
from faults.stories import GOES_OUT, V1, V2, asking, reference, served_by
from faults.trials import closed, differences
from faults.watchman import Rules
from faults.world import Setting, World

from modelrollout.kube.encoding import encoded
from modelrollout.kube.resources import (
    CONTROLLER_REVISIONS,
    DEPLOYMENTS,
    DISRUPTION_BUDGETS,
    MODEL_ROLLOUTS,
    SERVICES,
)

Thinned = Callable[[Sequence[Any], int], Sequence[Any]]
DISTURBED = Rules(steady=False, sparing=False)
LASTING = frozenset({"history", "previous", "remembered"})
"""What a rollout may keep of having been disturbed: how it was taken, not what serves."""


@pytest.mark.parametrize("index", range(len(HANDS)), ids=list(HANDS))
def test_what_somebody_changes_is_put_right(index: int, thinned: Thinned) -> None:
    cases = [(phase, list(HANDS)[index]) for phase in ALL]
    turned = cases[index % 3 :] + cases[: index % 3]
    wrong = {phase: tampered(phase, hand) for phase, hand in thinned(turned, 3)}

    assert {phase: found for phase, found in wrong.items() if found} == {}


def tampered(phase: str, hand: str) -> list[str]:
    expected = {key: one for key, one in reference(GOES_OUT.name).final.items() if key not in LASTING}
    with GOES_OUT.world(Setting(rules=DISTURBED)) as world:
        try:
            go_to(world, phase)
            world.plan.count("child tampered with")
            HANDS[hand](world)
            world.advance(3)
            world.until(lambda: phase != "beginning" or served_by(world, V1))
            world.ask(asking(V2))
            world.until(lambda: served_by(world, V2))
            world.settle()
        except AssertionError as error:
            return closed(world, [str(error)])
        return closed(world, differences(world, expected))


@pytest.mark.parametrize("phase", ["settled", *PHASES])
@pytest.mark.parametrize("what", ORPHANS)
def test_an_orphan_is_adopted(what: str, phase: str) -> None:
    with GOES_OUT.world(Setting(rules=DISTURBED)) as world:
        go_to(world, phase)
        world.plan.count("child orphaned")
        ORPHANS[what](world)
        world.advance(3)
        assert ownerless(world) == []
        world.ask(asking(V2))
        world.until(lambda: served_by(world, V2))
        world.settle()

        assert closed(world) == []


@pytest.mark.parametrize("phase", ALL)
def test_deleted_with_its_orphans_kept_and_made_again_it_goes_on_from_stable(phase: str) -> None:
    """Whatever was under way: what was stable serves on, and a candidate has to prove itself again."""
    with GOES_OUT.world(Setting(rules=DISTURBED)) as world:
        go_to(world, phase)
        world.plan.count("resource made again among its orphans")
        stable = world.status.stable
        world.server.orphan(MODEL_ROLLOUTS, "churn", "somebody")
        world.until(lambda: world.server.find(MODEL_ROLLOUTS, "churn") is None, 20)
        pods = {pod.uid for pod in world.cluster.pods}
        world.ask(asking(V1 if phase in {"beginning", "settled"} else V2))
        world.until(lambda: world.status.stable is not None)
        if stable is not None:
            assert world.status.stable == stable
        world.until(lambda: ownerless(world) == [])
        world.ask(asking(V2))
        world.until(lambda: served_by(world, V2))
        world.settle()

        assert closed(world) == []
        assert phase == "beginning" or pods & {pod.uid for pod in world.cluster.pods}


@pytest.mark.parametrize("encode", [encoded, lambda one: json.dumps(one).encode()], ids=["as Go", "with spaces"])
def test_only_what_is_sent_as_the_api_server_encodes_it_can_be_orphaned(encode: Callable[[object], bytes]) -> None:
    with GOES_OUT.world(Setting(rules=DISTURBED)) as world:
        world.server.encode = encode
        go_to(world, "settled")
        world.server.orphan(MODEL_ROLLOUTS, "churn", "somebody")
        world.advance(20)

        assert (world.server.find(MODEL_ROLLOUTS, "churn") is None) == (encode is encoded)


def ownerless(world: World) -> list[str]:
    every = (DEPLOYMENTS, SERVICES, CONTROLLER_REVISIONS, DISRUPTION_BUDGETS)
    found = (obj for resource in every for obj in world.server.etcd.all(resource.plural))
    return [str(obj["metadata"]["name"]) for obj in found if not obj["metadata"].get("ownerReferences")]
