"""Each guard taken out, one at a time, by passing another in: the suite has to find every one of them missing.

A suite that stays green without a guard proves nothing about it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from faults.client import Client
from faults.plan import Plan
from faults.process import Guards
from faults.stories import BAD_IN_BAKE, GOES_OUT, TAKEN_BACK, reference
from faults.trials import trial
from faults.watchman import Rules
from faults.world import Setting

from modelrollout.core.decide import decide
from modelrollout.core.decision import Decision, Route
from modelrollout.core.facts import Rollout, Seen
from modelrollout.kube import trim
from modelrollout.kube.resources import CHILDREN, PODS, Object, Resource
from modelrollout.kube.store import Changed, Store, whole

LATE = Rules(fresh=False)


class Believing(Store):
    """Takes whatever a watch says, also what is older than an own write."""

    def put(self, obj: Object) -> None:
        known = self.get(obj["metadata"].get("namespace", ""), obj["metadata"]["name"])
        if known is not None:
            self.remove(known)
        super().put(obj)

    def forget(self, obj: Object) -> None:
        self.remove(obj)


def believing(changed: Changed) -> Mapping[Resource, Store]:
    return {resource: Believing(changed, trim.pod if resource is PODS else whole) for resource in CHILDREN}


class Overwriting(Client):
    """Writes over whatever is there: no compared version, no `test`."""

    async def replace_status(self, resource: Resource, obj: Object) -> Object:
        known = self.wire.server.get(resource, obj["metadata"]["name"])
        read = {"resourceVersion": known["metadata"]["resourceVersion"]}
        return await super().replace_status(resource, obj | {"metadata": obj["metadata"] | read})

    async def json_patch(self, resource: Resource, namespace: str, name: str, steps: Sequence[Object]) -> Object:
        return await super().json_patch(resource, namespace, name, [step for step in steps if step["op"] != "test"])


def credulous(rollout: Rollout, seen: Seen, now: datetime) -> Decision:
    """Decides as if everything had been watched for an hour, and been good."""
    epoch = decide(rollout, seen, now).watch
    verdict = replace(seen.verdict, requests=10_000)
    believed = replace(seen, epoch=epoch.epoch if epoch else "", watched=timedelta(hours=1), verdict=verdict)
    return decide(rollout, believed, now)


def selector_last(rollout: Rollout, seen: Seen, now: datetime) -> Decision:
    """Moves traffic after everything else."""
    decision = decide(rollout, seen, now)
    return replace(decision, actions=tuple(sorted(decision.actions, key=lambda action: isinstance(action, Route))))


def without_own_write_guard() -> list[str]:
    return trial(TAKEN_BACK, Setting(Plan(lag=9), LATE, Guards(kept=believing)))


def without_compare_and_swap() -> list[str]:
    """Two operators that hear half of everything, late. Which seeds harm follows from the moments of all writes."""
    setting = Setting(rules=Rules(fresh=False, sparing=False), guards=Guards(client=Overwriting), operators=2)
    plans = (Plan(seed=seed, lag=9, miss_share=share) for seed in range(1, 31) for share in (0.5, 0.8))
    return next(filter(None, (trial(GOES_OUT, replace(setting, plan=plan)) for plan in plans)), [])


def without_the_evidence_rule() -> list[str]:
    return trial(GOES_OUT, Setting(guards=Guards(decide=credulous)))


def without_selector_first() -> list[str]:
    return trial(BAD_IN_BAKE, Setting(guards=Guards(decide=selector_last)))


MUTANTS: Mapping[str, tuple[Callable[[], list[str]], str]] = {
    "own-write guard": (without_own_write_guard, "it had seen something old"),
    "compare-and-swap": (without_compare_and_swap, " back to "),
    "evidence rule": (without_the_evidence_rule, "was baked in 0 s"),
    "selector-first order": (without_selector_first, "the Service still selects ready pods"),
}


@pytest.mark.parametrize("guard", MUTANTS)
def test_without_a_guard_the_suite_fails(guard: str) -> None:
    run, breach = MUTANTS[guard]

    assert [text for text in run() if breach in text] != []


@pytest.mark.parametrize("story", [GOES_OUT, TAKEN_BACK, BAD_IN_BAKE], ids=lambda story: story.name)
def test_with_every_guard_the_same_runs_are_clean(story: Any) -> None:
    assert trial(story, Setting(Plan(lag=9), LATE)) == []
    assert trial(story, Setting()) == []
    assert reference(story.name).writes > 0
