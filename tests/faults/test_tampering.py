"""Children scaled, edited, relabelled, orphaned and deleted by somebody else, in every phase."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from faults.hands import HANDS, ORPHANS
from faults.phases import ALL, PHASES, go_to
from faults.stories import GOES_OUT, V1, V2, asking, reference, served_by
from faults.trials import closed, differences
from faults.watchman import Rules
from faults.world import Setting

from modelrollout.api.status import Phase

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
def test_an_orphan_is_left_alone_until_a_person_deletes_it(what: str, phase: str) -> None:
    orphan, delete = ORPHANS[what]
    with GOES_OUT.world(Setting(rules=DISTURBED)) as world:
        go_to(world, phase)
        world.plan.count("child orphaned")
        orphan(world)
        world.advance(10)
        told = world.status.phase is Phase.INVALID or "somebody else" in str(world.status.to_json())
        delete(world)
        world.ask(asking(V2))
        world.until(lambda: served_by(world, V2))
        world.settle()

        assert (closed(world), told or "canary" in what) == ([], True)
