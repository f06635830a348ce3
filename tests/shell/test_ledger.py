"""The ledger: what is counted, and what a restart or another epoch keeps of it."""

from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

from modelrollout.api.spec import Health
from modelrollout.api.status import Checkpoint, ModelRolloutStatus, SelfTest
from modelrollout.core.decision import Watch
from modelrollout.core.facts import Traffic
from modelrollout.judge import NOTHING_SEEN, Baseline, Origins, Sample, fresh, pack
from modelrollout.judge.eprocesses import Stratum
from modelrollout.judge.keeping import pack_trial
from modelrollout.ledger import (
    AT_FIRST,
    KEPT_EVERY,
    LATER_EVERY,
    NOBODY_OUTSIDE,
    Ledger,
    Look,
    Looks,
    Scrapes,
    after,
    judged,
    resumed,
    rules_of,
    under,
)

WATCH = Watch(timedelta(seconds=5), candidate="bbbb", stable="aaaa", epoch="bbbb.0")
DRAINING = Watch(timedelta(seconds=5), candidate="bbbb", stable="aaaa", outside=("aaaa",), epoch="bbbb.0")
NOW = datetime(2026, 3, 1, tzinfo=UTC)


def look(revision: str, requests: int, errors: int = 0, *, pod: str = "") -> Look:
    name = pod or f"churn-{revision}-1"
    return Look(f"uid-{name}", revision, Sample(name, f"{name}:1", requests, errors, 0))


def silent(revision: str) -> Look:
    return Look(f"uid-churn-{revision}-1", revision, None, "no answer within 3 s")


def unsent(revision: str) -> Look:
    return Look(f"uid-churn-{revision}-1", revision, None, "too many", sent=False)


def restarted(**kept: Any) -> Ledger:
    """The ledger of an operator that begins with this checkpoint in the status."""
    return resumed(ModelRolloutStatus(checkpoint=Checkpoint(time=NOW, **kept)))


def rounds(*looks: tuple[Look, ...], watch: Watch = WATCH, ledger: Ledger | None = None, every: float = 5.0) -> Ledger:
    """The ledger after rounds that are 5 s apart."""
    found = under(ledger or Ledger(), watch)
    begun = 100.0 if ledger is None or ledger.at is None else ledger.at + every
    for index, pods in enumerate(looks):
        found = after(found, Looks(begun + every * index, pods), watch, rules_of(Health(), watch))
    return found


def test_the_first_round_is_an_origin_and_counts_nothing() -> None:
    ledger = rounds((look("aaaa", 1000), look("bbbb", 500, 400)))

    nothing = Traffic(outside_quiet=NOBODY_OUTSIDE)
    assert (ledger.traffic, ledger.watched, ledger.verdict.requests) == (nothing, timedelta(0), 0)


def test_later_rounds_count_what_was_answered_in_between() -> None:
    ledger = rounds(
        (look("aaaa", 1000), look("bbbb", 500)),
        (look("aaaa", 1030), look("bbbb", 510)),
        (look("aaaa", 1060), look("bbbb", 520)),
    )

    assert (ledger.traffic.candidate, ledger.traffic.stable) == (20, 60)
    assert (ledger.verdict.requests, ledger.verdict.candidate) == (20, None)
    assert ledger.watched == timedelta(seconds=10)


def test_the_shares_that_are_shown_are_those_of_the_last_minute() -> None:
    """All of them with stable for a minute, as on connections that are kept, then none."""
    with_stable = [(look("aaaa", 40 * number), look("bbbb", 0)) for number in range(13)]
    alone = [(look("aaaa", 480), look("bbbb", 40 * number)) for number in range(1, 13)]
    shares = [rounds(*with_stable, *alone[:so_far]).traffic.lately for so_far in (0, 6, 12)]

    assert shares == [(0, 480), (240, 240), (480, 0)]


def test_what_a_pod_cannot_have_counted_is_not_told_of_it_either() -> None:
    """It is a failed scrape to the judge; in the status its number would stand without a word."""
    honest = rounds((look("v1", 0),), (look("v1", 10),), (look("v1", 20),), every=20.0)
    (told,) = honest.recent
    assert told.requests == 20

    lied = rounds((look("v1", 0),), (look("v1", 10),), (look("v1", 2**39),), every=20.0)
    assert [one.requests for one in lied.recent] == []


def test_a_new_epoch_shows_none_of_the_old_ones_shares() -> None:
    before = rounds((look("aaaa", 0), look("bbbb", 0)), (look("aaaa", 90), look("bbbb", 10)))
    later = replace(WATCH, epoch="bbbb.1")

    assert rounds((look("aaaa", 90), look("bbbb", 30)), watch=later, ledger=before).traffic.lately == (20, 0)


def test_a_candidate_that_fails_everything_is_found() -> None:
    ledger = rounds((look("aaaa", 0), look("bbbb", 0)), (look("aaaa", 30), look("bbbb", 30, 30)))

    assert ledger.verdict.candidate is not None
    assert ledger.verdict.candidate.metric == "errorRate"


def test_a_counter_that_starts_anew_counts_nothing_backwards() -> None:
    ledger = rounds((look("bbbb", 500),), (look("bbbb", 3),), (look("bbbb", 13),))

    assert ledger.traffic.candidate == 10


def test_time_is_watched_only_while_a_pod_answers_and_a_late_round_counts_little() -> None:
    answered = rounds((look("aaaa", 1),), (look("aaaa", 2),))
    blind = rounds((silent("aaaa"),), ledger=answered)
    late = rounds((look("aaaa", 3),), ledger=blind, every=3600)

    assert [one.watched.total_seconds() for one in (answered, blind, late)] == [5, 5, 13]


def test_failed_scrapes_are_counted_in_a_row_and_unsent_ones_not_at_all() -> None:
    ledger = rounds((silent("bbbb"),), (silent("bbbb"),), (unsent("bbbb"),))
    assert ledger.scrapes("uid-churn-bbbb-1") == Scrapes(failed=2, reason="no answer within 3 s")

    ledger = rounds((look("bbbb", 1),), ledger=ledger)
    assert ledger.scrapes("uid-churn-bbbb-1") == Scrapes(failed=0, answered=True)
    assert ledger.scrapes("uid-of-nobody") == Scrapes()


def test_time_in_a_pause_is_not_counted_and_its_evidence_is() -> None:
    ledger = rounds((look("bbbb", 1),), (look("bbbb", 11),), watch=replace(WATCH, counts=False))
    assert (ledger.watched, ledger.verdict.requests) == (timedelta(0), 10)


def test_the_oldest_request_under_way_is_known_until_the_next_scrape() -> None:
    waiting = replace(look("bbbb", 1), sample=Sample("churn-bbbb-1", "churn-bbbb-1:1", 1, 1, 0, oldest_inflight_s=12.5))
    ledger = rounds((waiting,))
    assert ledger.scrapes("uid-churn-bbbb-1") == Scrapes(answered=True, waits=timedelta(seconds=12.5))

    ledger = rounds((look("bbbb", 2, 1),), ledger=ledger)
    assert ledger.scrapes("uid-churn-bbbb-1") == Scrapes(answered=True)


def test_the_most_memory_that_was_seen_outlives_the_process_and_the_epoch() -> None:
    def using(mebibytes: int) -> tuple[Look, ...]:
        sample = Sample("churn-bbbb-1", "churn-bbbb-1:1", 1, 0, 0, memory_bytes=mebibytes * 2**20)
        return (replace(look("bbbb", 1), sample=sample),)

    ledger = rounds(using(300), using(498), using(100), (silent("bbbb"),), ())
    assert ledger.scrapes("uid-churn-bbbb-1").peak_bytes == 498 * 2**20
    assert under(ledger, replace(WATCH, epoch="next")).scrapes("uid-churn-bbbb-1").peak_bytes == 498 * 2**20


def test_a_pod_that_is_gone_leaves_nothing_behind() -> None:
    ledger = rounds((silent("bbbb"), look("aaaa", 1)), (look("aaaa", 2),))

    assert set(ledger.pods) == {"uid-churn-aaaa-1"}


def test_it_is_quiet_outside_for_as_long_as_no_pod_there_counts_a_request() -> None:
    before = rounds((look("aaaa", 100), look("bbbb", 0)), watch=WATCH)
    busy = rounds((look("aaaa", 120),), (look("aaaa", 127),), watch=DRAINING, ledger=before)
    assert (busy.traffic.outside_quiet, busy.traffic.outside_last) == (timedelta(0), 7)

    quiet = rounds((look("aaaa", 127),), (look("aaaa", 127),), watch=DRAINING, ledger=busy)
    assert (quiet.traffic.outside_quiet, quiet.traffic.outside_last) == (timedelta(seconds=10), 7)


def test_a_pod_outside_that_does_not_answer_is_not_called_quiet() -> None:
    quiet = rounds((look("aaaa", 5),), (look("aaaa", 5),), (look("aaaa", 5),), watch=DRAINING)
    assert quiet.traffic.outside_quiet == timedelta(seconds=10)

    assert rounds((silent("aaaa"),), watch=DRAINING, ledger=quiet).traffic.outside_quiet == timedelta(0)


def test_nobody_outside_is_quiet() -> None:
    ledger = rounds((look("bbbb", 5),), watch=DRAINING)

    assert ledger.traffic.outside_quiet == NOBODY_OUTSIDE


def test_another_epoch_begins_with_nothing_but_the_origins() -> None:
    ledger = rounds((look("aaaa", 0), look("bbbb", 0)), (look("aaaa", 30), look("bbbb", 30, 30)))
    other = under(ledger, Watch(WATCH.interval, "bbbb", "aaaa", epoch="bbbb.1"))

    assert (other.epoch, other.verdict, other.watched, other.traffic) == (
        "bbbb.1",
        NOTHING_SEEN,
        timedelta(0),
        Traffic(),
    )
    assert (other.case.origins, other.at) == (ledger.case.origins, None)
    assert under(ledger, WATCH) is ledger


def test_what_is_not_watched_has_no_ledger() -> None:
    assert under(rounds((look("aaaa", 0),)), None) == Ledger()


def test_a_restart_goes_on_from_the_checkpoint_with_no_origin() -> None:
    ledger = rounds((look("aaaa", 0), look("bbbb", 0)), (look("aaaa", 300), look("bbbb", 40, 1)), every=30)
    kept: dict[str, Any] = {"epoch": ledger.epoch, "watched": ledger.watched, "evidence": ledger.kept.packed}
    again = judged(restarted(**kept), rules_of(Health(), WATCH))

    assert (again.epoch, again.watched, again.verdict.requests) == ("bbbb.0", timedelta(seconds=8), 40)
    assert rounds((look("aaaa", 400), look("bbbb", 90)), ledger=again).verdict.requests == 40


def test_a_checkpoint_that_cannot_be_read_is_no_evidence() -> None:
    again = restarted(epoch="e", watched=timedelta(seconds=9), evidence="!!!")

    assert (again.evidence, again.watched) == (fresh(), timedelta(seconds=9))
    assert resumed(ModelRolloutStatus()) == Ledger()


def test_an_epoch_spends_its_share_of_alpha() -> None:
    whole, part = (rules_of(Health(), Watch(WATCH.interval, share=share)) for share in (1.0, 0.125))

    assert part.alpha == whole.alpha / 8


def test_evidence_is_packed_every_30_seconds() -> None:
    first = rounds((look("bbbb", 0),), (look("bbbb", 10),))
    second = rounds(*[(look("bbbb", 20 + 10 * number),) for number in range(5)], ledger=first)
    third = rounds(*[(look("bbbb", 70 + 10 * number),) for number in range(6)], ledger=second)

    assert first.kept.packed == pack(rounds((look("bbbb", 0),)).evidence)
    assert first.kept.packed != pack(first.evidence)
    assert second.kept.packed == pack(second.evidence)
    assert second.kept.at == 130.0
    assert (third.at, third.kept.at) == (160.0, 160.0)


def test_evidence_of_an_epoch_that_has_gone_on_is_packed_once_a_minute() -> None:
    ledger, moments = rounds((look("bbbb", 0),)), set[float]()
    for number in range(1, 110):
        ledger = rounds((look("bbbb", 10 * number),), ledger=ledger)
        moments.add(ledger.kept.at or 0.0)
    pauses = [later - before for before, later in pairwise(sorted(moments))]

    assert ledger.watched > AT_FIRST
    assert pauses == sorted(pauses)
    assert (pauses[0], pauses[-1]) == (KEPT_EVERY, LATER_EVERY)


COMPARED = Health.model_validate({"compare": {}})
STEP = Watch(timedelta(seconds=5), candidate="bbbb", stable="aaaa", epoch="bbbb.10.1.judging.f00d", shared=True)


def test_a_comparison_goes_on_in_the_next_step_and_ends_with_the_candidate_or_its_terms() -> None:
    rules, ledger = rules_of(COMPARED, STEP), under(Ledger(), STEP)
    for number in range(3):
        seen = (look("aaaa", 900 * number), look("bbbb", 100 * number, number))
        ledger = after(ledger, Looks(5.0 * number, seen), STEP, rules)

    same, next_step, other, edited = (
        under(ledger, replace(STEP, epoch=epoch)).evidence.trial
        for epoch in (
            "bbbb.10.1.paused.f00d",
            "bbbb.50.1.judging.f00d",
            "cccc.10.1.judging.f00d",
            "bbbb.10.2.judging.beef",
        )
    )

    assert ledger.evidence.trial is not None
    assert same is ledger.evidence.trial
    assert pack_trial(next_step) == pack_trial(ledger.evidence.trial.restarted())
    assert (other, edited) == (None, None)


def test_a_comparison_survives_a_restart() -> None:
    rules, ledger = rules_of(COMPARED, STEP), under(Ledger(), STEP)
    for number in range(3):
        seen = (look("aaaa", 900 * number), look("bbbb", 100 * number, number))
        ledger = after(ledger, Looks(30.0 * number, seen), STEP, rules)
    kept: dict[str, Any] = {"epoch": ledger.epoch, "watched": ledger.watched, "comparison": ledger.kept.compared}

    again = restarted(**kept)

    assert again.evidence.trial is not None
    assert again.evidence.trial.errors.hits == Stratum(2, 0, 200, 1800)
    first = after(again, Looks(95.0, (look("aaaa", 5000), look("bbbb", 5000, 99))), STEP, rules)
    assert first.evidence.trial is not None
    assert first.evidence.trial.errors.hits == Stratum(2, 0, 200, 1800)


def test_a_baseline_that_has_come_is_reported_at_once() -> None:
    asked = rules_of(Health.model_validate({"compare": {}}), WATCH)
    ledger = under(Ledger(), WATCH)
    for index, own in enumerate((None, None, Baseline(900, 0.5, 0.0))):
        one = replace(look("bbbb", 10 * index), sample=Sample("p", "p:1", 10 * index, 0, 0, baseline=own))
        ledger = after(ledger, Looks(100.0 + index, (one,)), WATCH, asked)

    assert ledger.kept.report is not None
    assert ledger.kept.report.unusable_baseline.startswith("the model's baseline has no spread")


def test_margins_of_the_steps_reach_the_judge() -> None:
    rules = rules_of(COMPARED, replace(STEP, margins=(4.0, 4.0, 2.0), shared=False))

    assert rules.compare is not None
    assert (rules.compare.margin, rules.compare.margins, rules.compare.shared) == (4.0, (2.0, 4.0), False)
    assert rules_of(COMPARED, replace(STEP, candidate="")).compare is None


AT_REST = Watch(timedelta(seconds=60), stable="aaaa", epoch="aaaa.watch.0")
SAID = {"trials": 8, "alarms": 1, "requests": 900, "errors_dispersion": 1.5, "latency_dispersion": 1.0}


def test_stable_is_judged_against_itself_while_nothing_rolls_out() -> None:
    rules = rules_of(Health.model_validate({"compare": {"selfTest": True}}), AT_REST)
    ledger = under(resumed(ModelRolloutStatus(self_test=SelfTest(**SAID))), AT_REST)
    assert asdict(ledger.steady.tested) == SAID

    for minute in range(61):
        pods = tuple(look("aaaa", 20 * minute, pod=f"churn-aaaa-{number}") for number in range(3))
        ledger = after(ledger, Looks(60.0 * minute, pods), AT_REST, rules)

    assert asdict(ledger.steady.tested) == SAID | {"trials": 11, "requests": 4500, "errors_dispersion": 1.0}


def test_a_rollout_ends_what_was_under_way_and_keeps_what_was_said() -> None:
    rules = rules_of(Health.model_validate({"compare": {"selfTest": True}}), AT_REST)
    ledger = under(resumed(ModelRolloutStatus(self_test=SelfTest(**SAID))), AT_REST)
    for minute in range(3):
        pods = tuple(look("aaaa", 20 * minute, pod=f"churn-aaaa-{number}") for number in range(3))
        ledger = after(ledger, Looks(60.0 * minute, pods), AT_REST, rules)
    assert ledger.steady.looks == 2

    for watch in (WATCH, None):
        begun = under(ledger, watch)
        assert (begun.steady.looks, begun.steady.origins, asdict(begun.steady.tested)) == (0, Origins(), SAID)
