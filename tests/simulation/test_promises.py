"""Promises about time, pods and requests that a final state does not show."""

import pytest
from simulation.stories import STORIES
from simulation.telling import SPEC, V1, V2, Story, at, moment, rolled_out, spec, turns_bad

from modelrollout.api.status import Stage
from modelrollout.core.facts import PodTrouble
from modelrollout.simulation import Behaviour, Run, Scenario, Until, run
from modelrollout.simulation.happenings import Command, Edit, Kill
from modelrollout.simulation.run import begin


def story(name: str) -> Story:
    return next(one for one in STORIES if one.scenario.name == name)


def noted(played: Run, reason: str) -> list[int]:
    """When Events of a reason were made."""
    return [entry.at for entry in played.world.entries if entry.kind == "note" and entry.text.startswith(f"{reason}:")]


def writes(played: Run, beginning: str) -> list[str]:
    return [entry.text for entry in played.world.entries if entry.kind == "write" and entry.text.startswith(beginning)]


@pytest.mark.parametrize("second", range(1, 20, 3))
def test_timed_pause_across_a_kill_lasts_its_time_and_at_most_one_checkpoint_more(second: int) -> None:
    pause = {"weight": 25, "pause": {"duration": "20s"}}
    scenario = Scenario(
        "pause",
        spec(strategy={"canary": {"steps": [pause, {"weight": 50}]}}),
        (rolled_out(V2), moment(Kill(2), at(25, Stage.PAUSED), second)),
    )

    played = run(scenario)

    begun, over = noted(played, "StepPaused")[0], noted(played, "StepPassed")[0]
    checkpoint, away = 30, 4
    assert 20 <= over - begun <= 20 + checkpoint + away


def test_a_bake_that_is_paused_goes_on_where_it_was() -> None:
    played = run(story("paused in the bake").scenario)

    begun, held, resumed, over = (noted(played, one)[-1] for one in ("Baking", "Paused", "Resumed", "Promoted"))
    assert (held - begun) + (over - resumed) >= 8
    assert over - resumed < 8


def test_a_model_that_cannot_load_never_gets_a_request() -> None:
    played = run(story("cannot load").scenario)

    rejected = [entry.revision for entry in played.world.resource.status.history if entry.outcome == "Rejected"]
    assert [played.world.cluster.load.by_revision.get(revision, 0) for revision in rejected] == [0]


def test_rejection_carries_the_last_words_of_the_container() -> None:
    played = run(story("cannot load").scenario)

    assert "feature mismatch: expected 5 columns, model has 6" in played.world.resource.status.message


def test_traffic_leaves_a_bad_candidate_within_two_seconds_of_enough_bad_answers() -> None:
    played = begin(story("rolled back in a step").scenario)
    while not any(entry.kind == "happening" and "turns bad" in entry.text for entry in played.world.entries):
        played.tick()
    bad_from = played.world.now
    while not writes(played, "route to name=churn,revision="):
        played.tick()

    assert played.world.now - bad_from <= 2


def test_selector_goes_to_stable_before_the_candidate_is_scaled_down() -> None:
    played = run(story("rolled back in a step").scenario)

    texts = [entry.text for entry in played.world.entries if entry.kind == "write"]
    routed = len(texts) - 1 - texts[::-1].index("route to name=churn,revision=88fbd083")
    assert texts.index("scale b0c10ce3 to 0") > routed


@pytest.mark.parametrize("name", ["promoted", "blue-green promoted", "rolling promoted", "constant total promoted"])
def test_a_good_rollout_fails_no_request(name: str) -> None:
    played = run(story(name).scenario)

    before_the_first_pod = played.scenario.rate * 6
    assert (played.world.cluster.load.failed, played.world.cluster.load.unserved) == (0, before_the_first_pod)


def test_traffic_leaves_a_bad_candidate_although_the_status_cannot_be_written() -> None:
    played = run(story("rolled back although the status cannot be written").scenario)

    texts = [(entry.at, entry.text) for entry in played.world.entries]
    bad_from = next(at for at, text in texts if text == "2.0.0 turns bad")
    back = next(at for at, text in texts if text == "route to name=churn,revision=88fbd083" and at > bad_from)
    written = next(at for at, text in texts if text == "the API server takes writes of the status")
    assert back - bad_from <= 2
    assert back < written <= noted(played, "RolledBack")[0]


@pytest.mark.parametrize(("linger", "waits"), [(0, 2), (30, 22), (300, 90)])
def test_promotion_waits_for_clients_that_linger_but_not_for_ever(linger: int, waits: int) -> None:
    played = run(Scenario("lingering", SPEC, (rolled_out(V2),), linger=linger))

    baked = next(entry.at for entry in played.world.entries if entry.text == "Promoting")
    assert noted(played, "Promoted")[1] - baked in range(waits - 1, waits + 2)


def test_git_revert_to_the_warm_model_starts_no_pod_and_takes_a_second() -> None:
    played = run(story("git revert to the warm model").scenario)

    asked = next(entry.at for entry in played.world.entries if entry.text == f"the spec asks for {V1}")
    assert noted(played, "Switched")[0] - asked <= 1
    assert played.world.cluster.made == 8


def test_halving_in_a_step_removes_no_stable_pod_until_the_end() -> None:
    played = begin(story("scaled down in mid-step").scenario)
    sizes = set()
    while not noted(played, "Promoted")[1:]:
        played.tick()
        stable = played.world.resource.status.stable
        if stable is not None and stable.version == V1 and noted(played, "Promoted"):
            sizes.add(played.world.cluster.deployments[stable.revision].replicas)

    assert sizes == {4}


def test_doubling_in_a_step_acts_at_once_on_both_arms() -> None:
    played = begin(story("scaled up in mid-step").scenario)
    while not any(entry.text == "replicas: 8" for entry in played.world.entries):
        played.tick()
    played.tick()

    assert [one.replicas for one in played.world.cluster.deployments.values()] == [8, 8]


def test_everything_fails_after_promotion_makes_one_move_and_one_mark() -> None:
    played = run(story("everything fails after promotion, then a real fault").scenario)

    until = noted(played, "HealthyAgain")[0]
    moves = [at for at in (*noted(played, "WentBack"), *noted(played, "GoingBack")) if at < until]
    marks = [at for at in noted(played, "Unhealthy") if at < until]
    assert (len(moves), len(marks), len(noted(played, "FaultNotInModel"))) == (1, 1, 1)


def test_cooldown_delays_the_second_automatic_move_only() -> None:
    played = run(story("down the whole chain").scenario)

    first = noted(played, "Unhealthy")[0]
    assert noted(played, "WentBack")[0] == first
    assert noted(played, "GoingBack")[0] >= first + 20


def test_a_candidate_is_taken_back_during_a_cooldown() -> None:
    scenario = Scenario(
        "rollback in a cooldown",
        spec(rollback={"cooldown": "10m"}),
        (
            *story("way back to a warm model").scenario.moments,
            moment(
                Edit({"model": {"version": "3.0.0"}}, "the spec asks for 3.0.0"),
                Until(stable=V1, reason="ErrorRate"),
                2,
            ),
        ),
        models={"3.0.0": Behaviour(errors=1.0)},
    )

    played = run(scenario)

    assert len(noted(played, "RolledBack")) == 1
    assert played.world.resource.status.cooldown_until is not None


def test_commands_are_carried_out_once_although_the_operator_is_killed_right_after() -> None:
    scenario = Scenario(
        "abort and kill",
        SPEC,
        (
            rolled_out(V2),
            moment(Command("abort", V2, "x1"), at(50), 1),
            moment(Kill(3), at(50), 0),
        ),
    )

    played = run(scenario)

    last = played.world.resource.status.last_command
    assert last is not None
    assert (last.id, last.outcome, len(noted(played, "CommandDone"))) == ("x1", "Done", 1)


def test_a_pause_longer_than_every_deadline_is_no_reason_to_go_back() -> None:
    played = run(story("paused by the spec across a kill").scenario)

    assert noted(played, "RolledBack") == []
    assert noted(played, "Inconclusive") == []


def test_no_traffic_never_promotes() -> None:
    played = run(Scenario("no traffic", SPEC, (rolled_out(V2),), rate=0, quiet=200))

    stable = played.world.resource.status.stable
    assert stable is not None
    assert stable.version == V1


def test_status_stays_small_with_a_full_history_of_long_messages() -> None:
    words = "feature mismatch: " + "x" * 280
    versions = [f"{number}.0.0" for number in range(2, 60)]
    broken = Behaviour(fails_to_load=PodTrouble.FEATURE_MISMATCH, words=words, load=1)
    moments = [rolled_out(versions[0])]
    for version in versions[1:]:
        edit = Edit({"model": {"version": version}}, f"the spec asks for {version}")
        moments.append(moment(edit, Until(reason="FeatureMismatch"), 1))
    scenario = Scenario(
        "fifty bad ones",
        spec(replicas=1, rollback={"historyLimit": 50}),
        tuple(moments),
        models=dict.fromkeys(versions, broken),
        longest=2000,
        quiet=10,
    )

    played = run(scenario)

    assert len(played.world.resource.status.history) == 50
    assert played.broken == []
    assert played.world.resource.largest < 32 * 1024


def test_late_fault_is_found_although_a_long_healthy_stretch_went_before() -> None:
    played = run(
        Scenario(
            "late", spec(bake="200s"), (rolled_out(V2), moment(turns_bad(V2), at(100, Stage.BAKING), 190)), longest=600
        )
    )

    assert len(noted(played, "RolledBack")) == 1
