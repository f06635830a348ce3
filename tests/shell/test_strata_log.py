"""The log of strata can be judged again, and a folder that cannot be written to disturbs nobody."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from modelrollout.api.spec import Compare, Health
from modelrollout.core.decision import Watch
from modelrollout.judge import Latency, Sample
from modelrollout.judge.comparing import comparing
from modelrollout.judge.replay import replay
from modelrollout.judge.strata import Counted
from modelrollout.ledger import Ledger, Look, Looks, after, caught_up, rules_of, under
from modelrollout.strata_log import StrataLog

HEALTH = Health.model_validate({"compare": {}})
WATCH = Watch(timedelta(seconds=5), candidate="bbbb", stable="aaaa", epoch="bbbb.10.1.judging.f00d", shared=True)
NOW = datetime(2026, 3, 1, tzinfo=UTC)
EDGES = (10.0, 11.0, 12.1, 13.31)


def look(revision: str, requests: int, errors: int) -> Look:
    counts = (requests // 2, requests // 4, requests // 8, requests // 16, 0)
    name = f"churn-{revision}-1"
    return Look(name, revision, Sample(name, f"{name}:1", requests, errors, 0, Latency(EDGES, counts)))


def watched(notes: StrataLog, rounds: int = 6) -> Ledger:
    rules, ledger = rules_of(HEALTH, WATCH), under(Ledger(), WATCH)
    for number in range(rounds):
        looks = Looks(5.0 * number, (look("aaaa", 1600 + 160 * number, number), look("bbbb", 80 * number, 3 * number)))
        ledger = after(ledger, looks, WATCH, rules)
        notes.note("team/churn", WATCH, ledger)
    return ledger


def counts(arm: Counted) -> tuple[object, ...]:
    return arm.requests, arm.errors, arm.refusals, arm.latency, arm.predictions


def test_a_log_that_is_judged_again_says_the_same(tmp_path: Path) -> None:
    ledger = watched(StrataLog(tmp_path / "strata", lambda: NOW))

    lines = (tmp_path / "strata" / "team.churn.bbbb.jsonl").read_text().splitlines()
    found = replay(lines, comparing(Compare()))

    known = ledger.evidence.trial
    assert known is not None
    assert known.slowness is not None
    assert found.trial.slowness is not None
    assert found.trial.errors.gains == pytest.approx(known.errors.gains)
    assert found.trial.slowness.gains == pytest.approx(known.slowness.gains)
    assert counts(found.trial.canary) == counts(known.canary)
    assert len(lines) == 4  # one round waited
    assert sum("before" in line for line in lines) == 1


def test_rounds_that_wait_are_one_line_and_none_is_lost(tmp_path: Path) -> None:
    notes, rules, ledger, waits = StrataLog(tmp_path, lambda: NOW), rules_of(HEALTH, WATCH), under(Ledger(), WATCH), 0
    for number in range(60):
        looks = Looks(5.0 * number, (look("aaaa", 1600 + 160 * number, number // 9), look("bbbb", 80 * number, 0)))
        ledger = after(ledger, looks, WATCH, rules)
        waits += ledger.case.waiting.rounds > 0
        notes.note("team/churn", WATCH, ledger)
    notes.note("team/churn", WATCH, caught_up(ledger))

    lines = (tmp_path / "team.churn.bbbb.jsonl").read_text().splitlines()
    found = replay(lines, comparing(Compare())).trial
    assert (found.canary.requests, found.stable.requests) == (80 * 59, 160 * 59)
    assert waits > 20
    assert len(lines) == 59 - waits + (ledger.case.waiting.rounds > 0)


def test_where_nothing_is_compared_nothing_is_written(tmp_path: Path) -> None:
    StrataLog(tmp_path, lambda: NOW).note("team/churn", WATCH, Ledger())

    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_to_is_said_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("")

    watched(StrataLog(tmp_path / "file" / "strata", lambda: NOW))

    assert len([record for record in caplog.records if "cannot write the log of strata" in record.message]) == 1


def test_a_file_does_not_grow_for_ever(tmp_path: Path) -> None:
    watched(StrataLog(tmp_path, lambda: NOW, largest=10))

    assert len((tmp_path / "team.churn.bbbb.jsonl").read_text().splitlines()) == 1
