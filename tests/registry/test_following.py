"""Aliases that are followed: asked once for all who name them, less often while the registry is away."""

import asyncio
from collections import Counter

import pytest

from modelrollout.core.facts import NOT_FOUND, UNAVAILABLE, AliasSeen, RegistryTrouble
from modelrollout.registered import Registered
from modelrollout.registry.declared import Declared
from modelrollout.registry.following import Following, Found, Pace

CHAMPION = "models:/churn@champion"
AWAY = RegistryTrouble(UNAVAILABLE, "away")
GONE = RegistryTrouble(NOT_FOUND, "gone")
SOON = Pace(every=0.001, first_retry=0.001, longest=0.002)


class Script:
    """A registry that gives its answers in turn, and the last one for ever."""

    def __init__(self, *answers: Found | RegistryTrouble | Exception) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, Registered]] = []
        self.news: list[str] = []
        self.counted: Counter[tuple[str, str]] = Counter()
        self.following = Following(
            [Declared("prod", "https://prod"), Declared("lab", "https://lab")],
            self._ask,
            self.news.append,
            lambda *what: self.counted.update([what]),
            SOON,
        )

    async def _ask(self, one: Declared, model: Registered) -> Found | RegistryTrouble:
        self.asked.append((one.name, model))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def until(self, seen: AliasSeen, key: str = "shop/churn") -> None:
        async with asyncio.timeout(20):
            while self.following.look(key, seen.uri) != seen:  # noqa: ASYNC110  # other tasks run
                await asyncio.sleep(0.001)


async def test_an_alias_is_asked_for_and_its_moves_are_told() -> None:
    script = Script(Found("7"), Found("7"), Found("8", "9f"))
    assert script.following.look("shop/churn", CHAMPION) == AliasSeen(CHAMPION)
    await script.until(AliasSeen(CHAMPION, "8", "9f"))
    script.following.clear()
    assert script.news == ["shop/churn", "shop/churn"]
    assert script.asked[0] == ("prod", Registered("", "churn", alias="champion"))


async def test_one_alias_is_asked_for_once_however_many_rollouts_name_it() -> None:
    script = Script(Found("7"))
    for number in range(100):
        script.following.look(f"shop/churn-{number}", CHAMPION)
    assert script.following.followed == 1
    await script.until(AliasSeen(CHAMPION, "7"), "shop/churn-0")
    assert sorted(script.news) == sorted(f"shop/churn-{number}" for number in range(100))
    for number in range(99):
        script.following.drop(f"shop/churn-{number}")
    assert script.following.followed == 1
    script.following.drop("shop/churn-99")
    assert script.following.followed == 0


@pytest.mark.parametrize("lost", [AWAY, RuntimeError("a fault of ours")], ids=["away", "a fault"])
async def test_a_request_that_was_lost_is_no_news_but_three_in_a_row_are(lost: RegistryTrouble | Exception) -> None:
    script = Script(Found("7"), lost, lost, Found("7"), lost, lost, lost)
    script.following.look("shop/churn", CHAMPION)
    async with asyncio.timeout(20):
        while len(script.news) < 2:  # noqa: ASYNC110
            await asyncio.sleep(0.001)
    seen = script.following.look("shop/churn", CHAMPION)
    script.following.clear()
    assert len(script.asked) >= 7
    assert seen is not None
    assert seen.version == "7"
    assert seen.trouble is not None
    assert seen.trouble.reason == UNAVAILABLE


async def test_that_there_is_no_such_alias_is_told_at_once_and_the_version_is_kept() -> None:
    script = Script(Found("7"), GONE)
    script.following.look("shop/churn", CHAMPION)
    await script.until(AliasSeen(CHAMPION, "7", trouble=GONE))
    script.following.clear()
    assert script.counted["prod", "ok"] == 1
    assert script.counted["prod", NOT_FOUND] >= 1


async def test_a_task_that_broke_begins_again_and_what_was_known_stays() -> None:
    script = Script(Found("7"), Found("8"))
    tell, broken = script.news.append, [True]

    def changed(key: str) -> None:
        if broken and broken.pop():
            raise RuntimeError("a fault of ours")
        tell(key)

    script.following = Following([Declared("prod", "https://prod")], script._ask, changed, lambda *_: None, SOON)
    script.following.look("shop/churn", CHAMPION)
    await script.until(AliasSeen(CHAMPION, "8"))
    script.following.clear()
    assert (script.news, broken) == (["shop/churn"], [])


async def test_the_same_answer_is_told_once() -> None:
    script = Script(Found("7"))
    script.following.look("shop/churn", CHAMPION)
    async with asyncio.timeout(20):
        while len(script.asked) < 10:  # noqa: ASYNC110
            await asyncio.sleep(0.001)
    script.following.clear()
    assert script.news == ["shop/churn"]


async def test_a_rollout_that_names_another_alias_is_followed_there() -> None:
    script = Script(Found("7"))
    script.following.look("shop/churn", CHAMPION)
    script.following.look("shop/churn", "models://lab/churn@next")
    await script.until(AliasSeen("models://lab/churn@next", "7"))
    assert script.following.followed == 1
    assert script.asked[-1] == ("lab", Registered("lab", "churn", alias="next"))
    script.following.clear()


@pytest.mark.parametrize("uri", ["models:/churn/7", "https://m/x.onnx", "models://shop/churn@champion", None, 7])
async def test_nobody_is_asked_for_what_is_no_alias_of_a_declared_registry(uri: object) -> None:
    script = Script(Found("7"))
    assert script.following.look("shop/churn", uri) is None
    assert script.following.followed == 0


def test_a_registry_that_is_away_is_asked_less_and_less_often() -> None:
    pace = Pace(every=30, first_retry=2, longest=300)
    waits = [pace.after(failures) for failures in (0, 1, 2, 3, 8, 9, 1000)]
    for wait, about in zip(waits, (30, 2, 4, 8, 256, 300, 300), strict=True):
        assert 0.9 * about <= wait <= 1.1 * about
