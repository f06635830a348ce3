"""Two operators at once, deletion in every phase, a wall clock that jumps, a node that is lost."""

from datetime import timedelta
from itertools import pairwise

import pytest
from faults.phases import ALL, go_to
from faults.plan import Plan
from faults.stories import GOES_OUT, STORIES, TAKEN_BACK, V1, V2, Story, asking, reference, served_by
from faults.trials import case, closed, differences
from faults.watchman import Rules
from faults.world import ROLLOUT, Setting, World

from modelrollout.api.status import Phase
from modelrollout.kube.resources import MODEL_ROLLOUTS

TWO = Rules(fresh=False, sparing=False)
"""Two that know nothing of each other may both write the same."""
DISTURBED = Rules(steady=False)
SERVING = ("selector", "deployments", "phase", "stable", "candidate", "conditions")


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.name)
@pytest.mark.parametrize("lag", [0, 4, 9])
def test_two_operators_without_a_lease(story: Story, lag: int) -> None:
    plan = Plan(lag + 1, lag=lag)
    plan.count("second operator at work")

    assert case(story, plan, rules=TWO, operators=2)() == []


def test_two_operators_both_write() -> None:
    with GOES_OUT.world(Setting(rules=TWO, operators=2)) as world:
        GOES_OUT.play(world)
        assert {write.by for write in world.history} == {"operator-1", "operator-2"}


@pytest.mark.parametrize("finalizer", ["", "foregroundDeletion"])
@pytest.mark.parametrize("phase", ALL)
def test_deleted_in_any_phase_it_leaves_nothing_and_can_come_again(phase: str, finalizer: str) -> None:
    with GOES_OUT.world() as world:
        go_to(world, phase)
        world.plan.count("rollout deleted")
        remove(world, finalizer)
        world.advance(15)
        before = len(world.history)
        left = [key for key in world.server.etcd.objects if key[0] != MODEL_ROLLOUTS.plural]
        world.advance(15)
        silent = len(world.history) == before
        world.ask(asking(V1))
        world.until(lambda: served_by(world, V1))
        world.settle()

        assert (closed(world), left, silent) == ([], [], True)


def remove(world: World, finalizer: str) -> None:
    """Delete the rollout; with a finalizer it stays, marked, until its children are gone."""
    if finalizer:
        world.server.merge(MODEL_ROLLOUTS, ROLLOUT, {"metadata": {"finalizers": [finalizer]}}, "somebody")
    world.server.delete(MODEL_ROLLOUTS, ROLLOUT, "somebody")
    if finalizer:
        world.advance(3)
        world.server.merge(MODEL_ROLLOUTS, ROLLOUT, {"metadata": {"finalizers": None}}, "garbage collector")


@pytest.mark.parametrize("hours", [-1, 1])
@pytest.mark.parametrize("phase", ALL)
def test_a_clock_that_jumps_by_an_hour_and_back_promotes_nothing_unseen(phase: str, hours: int) -> None:
    with GOES_OUT.world(Setting(rules=DISTURBED)) as world:
        go_to(world, phase)
        world.plan.count("clock jumped by an hour")
        world.skew = timedelta(hours=hours)
        world.advance(4)
        world.plan.count("clock jumped by an hour")
        world.skew = timedelta(0)
        world.ask(asking(V2))
        world.until(lambda: ended(world))
        world.settle(limit=5000)

        assert closed(world) == []


def ended(world: World) -> bool:
    """The new model serves, or was taken back: an hour is longer than every deadline, so both are right."""
    return served_by(world, V2) or world.status.phase is Phase.ROLLED_BACK


@pytest.mark.parametrize("hours", [-1, 1])
def test_a_bad_model_is_taken_back_whatever_the_clock_does(hours: int) -> None:
    with TAKEN_BACK.world() as world:
        go_to(world, "judging")
        world.plan.count("clock jumped by an hour")
        world.skew = timedelta(hours=hours)
        world.until(lambda: world.status.phase is Phase.ROLLED_BACK)
        world.settle()

        assert closed(world, differences(world, serving(TAKEN_BACK))) == []


@pytest.mark.parametrize("node", ["node-1", "node-2"])
@pytest.mark.parametrize("phase", ALL)
def test_a_node_that_is_lost_takes_no_rollout_with_it(phase: str, node: str) -> None:
    with GOES_OUT.world(Setting(rules=DISTURBED)) as world:
        go_to(world, phase)
        world.plan.count("node lost")
        world.kubelet.lose(node)
        world.advance(20)
        world.ask(asking(V2))
        world.until(lambda: served_by(world, V2))
        world.kubelet.find(node)
        world.settle()

        assert closed(world, differences(world, serving(GOES_OUT))) == []


def serving(story: Story) -> dict[str, object]:
    """What serves at the end of a story, however it came to it."""
    return {key: reference(story.name).final[key] for key in SERVING}


def test_the_history_of_writes_has_ascending_versions() -> None:
    with GOES_OUT.world() as world:
        GOES_OUT.play(world)
        assert all(one.version <= other.version for one, other in pairwise(world.history))
