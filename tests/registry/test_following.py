"""Aliases that are followed: asked once for all who name them, less often while the registry is away."""

import asyncio
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from builders.values import rollout

from modelrollout.api.status import Alias, ModelRolloutStatus
from modelrollout.core.facts import BLOCKED, NOT_FOUND, UNAVAILABLE, AliasSeen, RegistryTrouble
from modelrollout.registered import Registered
from modelrollout.registry.declared import Declared
from modelrollout.registry.following import Following, Found, Listeners, Pace
from modelrollout.registry.jobs import Errand
from modelrollout.registry.known import DeclaredAlias, Followed, Registries

CHAMPION = "models:/churn@champion"
OWN = "https://mlflow.shop.svc"
AWAY = RegistryTrouble(UNAVAILABLE, "away")
GONE = RegistryTrouble(NOT_FOUND, "gone")
STUCK = RegistryTrouble(BLOCKED, "stuck")
SOON = Pace(every=0.001, first_retry=0.001, longest=0.002)


class Script:
    """Registries that give their answers in turn, and the last one for ever."""

    def __init__(self, *answers: Found | RegistryTrouble | Exception) -> None:
        self.answers = list(answers)
        self.asked: list[DeclaredAlias | Errand] = []
        self.news: list[str] = []
        self.counted: Counter[tuple[str, str]] = Counter()
        self.listeners = Listeners(self.news.append, lambda *what: self.counted.update([what]))
        self.start()

    def start(self) -> None:
        declared = [Declared("prod", "https://prod"), Declared("lab", "https://lab")]
        self.by_name: Following[DeclaredAlias] = Following(self._ask, self.listeners, SOON)
        self.own: Following[Errand] = Following(self._ask, self.listeners, SOON)
        self.registries = Registries(declared, Followed(self.by_name, self.own), "modelrollout-server:1")

    def look(self, key: str, uri: object, **model: Any) -> AliasSeen | None:
        """What is known for a rollout that names this address."""
        namespace, _, name = key.partition("/")
        asks = {"model": {"uri": uri, **model}} if isinstance(uri, str) else {}
        written = {"namespace": namespace, "name": name, "model": {"uri": uri, **model}}
        return self.registries.look(rollout(asks, **written))

    async def _ask(self, one: DeclaredAlias | Errand) -> Found | RegistryTrouble:
        self.asked.append(one)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def until(self, seen: AliasSeen, key: str = "shop/churn", **model: Any) -> None:
        async with asyncio.timeout(20):
            while self.look(key, seen.uri, **model) != seen:  # noqa: ASYNC110  # other tasks run
                await asyncio.sleep(0.001)


async def test_an_alias_is_asked_for_and_its_moves_are_told() -> None:
    script = Script(Found("7"), Found("7"), Found("8", "9f"))
    assert script.look("shop/churn", CHAMPION) == AliasSeen(CHAMPION)
    await script.until(AliasSeen(CHAMPION, "8", "9f"))
    script.registries.clear()
    assert script.news == ["shop/churn", "shop/churn"]
    prod = Declared("prod", "https://prod")
    assert script.asked[0] == DeclaredAlias(CHAMPION, prod, Registered("", "churn", alias="champion"))


async def test_one_alias_is_asked_for_once_however_many_rollouts_name_it() -> None:
    script = Script(Found("7"))
    for number in range(100):
        script.look(f"shop/churn-{number}", CHAMPION)
    assert script.by_name.followed == 1
    await script.until(AliasSeen(CHAMPION, "7"), "shop/churn-0")
    assert sorted(script.news) == sorted(f"shop/churn-{number}" for number in range(100))
    for number in range(99):
        script.registries.drop(f"shop/churn-{number}")
    assert script.by_name.followed == 1
    script.registries.drop("shop/churn-99")
    assert script.by_name.followed == 0


@pytest.mark.parametrize("lost", [AWAY, RuntimeError("a fault of ours")], ids=["away", "a fault"])
async def test_a_request_that_was_lost_is_no_news_but_three_in_a_row_are(lost: RegistryTrouble | Exception) -> None:
    script = Script(Found("7"), lost, lost, Found("7"), lost, lost, lost)
    script.look("shop/churn", CHAMPION)
    async with asyncio.timeout(20):
        while len(script.news) < 2:  # noqa: ASYNC110
            await asyncio.sleep(0.001)
    seen = script.look("shop/churn", CHAMPION)
    script.registries.clear()
    assert len(script.asked) >= 7
    assert seen is not None
    assert seen.version == "7"
    assert seen.trouble is not None
    assert seen.trouble.reason == UNAVAILABLE


async def test_that_there_is_no_such_alias_is_told_at_once_and_the_version_is_kept() -> None:
    script = Script(Found("7"), GONE)
    script.look("shop/churn", CHAMPION)
    await script.until(AliasSeen(CHAMPION, "7", trouble=GONE))
    script.registries.clear()
    assert script.counted["prod", "ok"] == 1
    assert script.counted["prod", NOT_FOUND] >= 1


async def test_a_task_that_broke_begins_again_and_what_was_known_stays() -> None:
    script = Script(Found("7"), Found("8"))
    broken = [True]

    def changed(key: str) -> None:
        if broken and broken.pop():
            raise RuntimeError("a fault of ours")
        script.news.append(key)

    script.listeners = Listeners(changed, lambda *_: None)
    script.start()
    script.look("shop/churn", CHAMPION)
    await script.until(AliasSeen(CHAMPION, "8"))
    script.registries.clear()
    assert (script.news, broken) == (["shop/churn"], [])


async def test_the_same_answer_is_told_once() -> None:
    script = Script(Found("7"))
    script.look("shop/churn", CHAMPION)
    async with asyncio.timeout(20):
        while len(script.asked) < 10:  # noqa: ASYNC110
            await asyncio.sleep(0.001)
    script.registries.clear()
    assert script.news == ["shop/churn"]


async def test_a_rollout_that_names_another_alias_is_followed_there() -> None:
    script = Script(Found("7"))
    script.look("shop/churn", CHAMPION)
    script.look("shop/churn", "models://lab/churn@next")
    await script.until(AliasSeen("models://lab/churn@next", "7"))
    assert script.by_name.followed == 1
    assert (script.asked[-1].label, script.asked[-1].uri) == ("lab", "models://lab/churn@next")
    script.registries.clear()


@pytest.mark.parametrize("uri", ["models:/churn/7", "https://m/x.onnx", "models://shop/churn@champion", None, 7])
async def test_nobody_is_asked_for_what_is_no_alias_of_a_declared_registry(uri: object) -> None:
    script = Script(Found("7"))
    assert script.look("shop/churn", uri) is None
    assert script.by_name.followed == 0


async def test_an_alias_of_a_registry_of_ones_own_is_a_jobs_errand_and_no_call() -> None:
    script = Script(Found("7"))
    await script.until(AliasSeen(CHAMPION, "7", registry=OWN), registry=OWN)
    assert (script.own.followed, script.by_name.followed) == (1, 0)
    assert {type(one) for one in script.asked} == {Errand}
    assert script.counted["(own)", "ok"] >= 1
    script.look("shop/churn", CHAMPION)
    assert (script.own.followed, script.by_name.followed) == (0, 1)
    script.look("shop/churn", "models:/churn/7", registry=OWN)
    assert (script.own.followed, script.by_name.followed) == (0, 0)


async def test_an_errand_is_each_rollouts_own_and_another_after_an_edit() -> None:
    script = Script(Found("7"))
    script.look("shop/churn", CHAMPION, registry=OWN)
    script.look("shop/other", CHAMPION, registry=OWN)
    assert script.own.followed == 2
    script.look("shop/churn", CHAMPION, registry=f"{OWN}/second")
    assert script.own.followed == 2
    await script.until(AliasSeen(CHAMPION, "7", registry=f"{OWN}/second"), registry=f"{OWN}/second")
    script.registries.drop("shop/churn")
    script.registries.drop("shop/other")
    assert script.own.followed == 0


async def test_a_job_that_cannot_run_is_told_at_once() -> None:
    script = Script(STUCK)
    await script.until(AliasSeen(CHAMPION, registry=OWN, trouble=STUCK), registry=OWN)
    script.registries.clear()


async def test_no_job_is_sent_for_a_rollout_that_sleeps_and_is_known() -> None:
    script = Script(Found("7"))
    model = {"uri": CHAMPION, "registry": OWN}
    known = ModelRolloutStatus(alias=Alias(uri=CHAMPION, version="7", registry=OWN))
    asleep = rollout({"model": model, "replicas": 0}, model=model)
    script.registries.look(asleep)
    assert script.own.followed == 1
    assert script.registries.look(replace(asleep, status=known)) is None
    assert script.own.followed == 0


async def test_a_template_of_which_no_pod_can_be_made_sends_nobody() -> None:
    script = Script(Found("7"))
    model = {"uri": CHAMPION, "registry": OWN}
    server = {"podTemplate": {"metadata": {"labels": {"modelrollout.dev/name": "other"}}}}
    assert script.registries.look(rollout({"model": model, "server": server}, model=model)) is None
    assert script.own.followed == 0


def test_a_registry_that_is_away_is_asked_less_and_less_often() -> None:
    pace = Pace(every=30, first_retry=2, longest=300)
    waits = [pace.after(failures) for failures in (0, 1, 2, 3, 8, 9, 1000)]
    for wait, about in zip(waits, (30, 2, 4, 8, 256, 300, 300), strict=True):
        assert 0.9 * about <= wait <= 1.1 * about
