"""The reflector against a scripted source, in virtual time, and once against a server over HTTP."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from typing import Any

from kube.apiserver import connected, serving
from kube.objects import child
from shell.virtual import run

from modelrollout import names
from modelrollout.kube.client import Page, WatchEvent
from modelrollout.kube.errors import Gone, KubeError, Unavailable
from modelrollout.kube.reflector import Reflector, Scope
from modelrollout.kube.resources import PODS, Resource
from modelrollout.kube.store import Store

KEY = "default/churn"
Step = WatchEvent | KubeError | float
"""Of a watch: an event, an error that ends it, or seconds to wait."""


class Script:
    """Lists and watches that were written down beforehand; the last one of each goes on for ever."""

    def __init__(self, lists: list[Page | KubeError], watches: list[list[Step]]) -> None:
        self.lists, self.watches = lists, watches
        self.log: list[tuple[float, str]] = []
        self.rests: list[tuple[float, float]] = []

    async def list(self, resource: Resource, namespace: str, selector: str) -> Page:
        self._note(f"list {resource.plural} {namespace} {selector}".strip())
        answer = self.lists.pop(0) if len(self.lists) > 1 else self.lists[0]
        if isinstance(answer, KubeError):
            raise answer
        return answer

    async def watch(self, resource: Resource, namespace: str, selector: str, version: str) -> AsyncIterator[WatchEvent]:
        assert (resource, namespace, selector) == (PODS, "default", "x=y")
        self._note(f"watch {version}")
        for step in self.watches.pop(0) if len(self.watches) > 1 else self.watches[0]:
            if isinstance(step, KubeError):
                raise step
            if isinstance(step, float):
                await asyncio.sleep(step)
                continue
            yield step

    async def rest(self, seconds: float) -> None:
        self.rests.append((asyncio.get_running_loop().time() - 1000, seconds))
        await asyncio.sleep(seconds)

    def times(self, what: str) -> tuple[float, ...]:
        return tuple(at for at, said in self.log if said.startswith(what))

    def _note(self, what: str) -> None:
        self.log.append((asyncio.get_running_loop().time() - 1000, what))


def page(*found: Any, version: int = 5) -> Page:
    return Page(list(found), str(version))


def added(name: str, version: int) -> WatchEvent:
    return WatchEvent("ADDED", child(name, version=version))


def bookmark(version: int) -> WatchEvent:
    return WatchEvent("BOOKMARK", {"metadata": {"resourceVersion": str(version)}})


def play(script: Script, seconds: float) -> tuple[Reflector, Store, list[str]]:
    """Reflect for a while; gives what is known then and who was told."""

    async def whole() -> tuple[Reflector, Store, list[str]]:
        changed: list[str] = []
        store = Store(changed.append)
        clock: Callable[[], float] = asyncio.get_running_loop().time
        reflector = Reflector(script, Scope(PODS, "default", "x=y"), store, clock)
        task = asyncio.create_task(reflector.run())
        await asyncio.sleep(seconds)
        assert not task.done()
        task.cancel()
        return reflector, store, changed

    return run(whole())


def known(store: Store) -> list[str]:
    return [obj["metadata"]["name"] for obj in store.of(KEY)]


def test_it_lists_then_watches_from_there_and_goes_on_where_the_stream_ended() -> None:
    script = Script([page(child("a"))], [[added("b", 6), 100.0], [added("c", 7), 1000.0]])
    reflector, store, changed = play(script, 200)

    assert known(store) == ["a", "b", "c"]
    assert changed == [KEY] * 3
    assert script.log == [(0.0, "list pods default x=y"), (0.0, "watch 5"), (100.0, "watch 6")]
    assert (reflector.lists, reflector.synced.is_set(), reflector.age) == (1, True, 100.0)


def test_a_bookmark_moves_the_version_and_changes_nothing() -> None:
    script = Script([page()], [[bookmark(77), 2.0], [1000.0]])
    _, store, changed = play(script, 5)

    assert script.log[-1] == (2.0, "watch 77")
    assert (known(store), changed) == ([], [])


def test_what_vanished_while_the_watch_was_too_old_is_gone_after_the_next_list() -> None:
    script = Script(
        [page(child("a", version=4), child("b", version=4)), page(child("b", version=4), version=9)],
        [[added("c", 6), Gone("too old")], [1000.0]],
    )
    reflector, store, changed = play(script, 10)

    assert known(store) == ["b"]
    assert changed == [KEY] * 5  # a, b, c came; a and c went
    assert reflector.lists == 2


def test_a_watch_that_ends_at_once_again_and_again_is_taken_up_ever_less_often() -> None:
    script = Script([page()], [[]])
    play(script, 60)

    assert script.times("watch") == (0, 1, 5, 17, 29, 41, 53)
    assert len(script.times("list")) == 1


def test_a_watch_that_was_good_and_is_then_too_old_is_listed_again_at_once() -> None:
    script = Script([page()], [[60.0, Gone("too old")], [1000.0]])
    play(script, 100)

    assert script.times("list") == (0, 60)


def test_a_watch_that_is_ended_before_its_time_waits_for_its_turn() -> None:
    script = Script([page()], [[5.0], [30.0], [1000.0]])
    play(script, 100)

    assert script.rests == [(5.0, 0.0)]
    assert script.times("watch") == (0, 5, 35)


def test_a_server_that_is_always_too_old_is_asked_ever_less_often() -> None:
    script = Script([page()], [[Gone("too old")]])
    play(script, 600)

    assert 20 <= len(script.times("list")) <= 90


def test_an_unreachable_server_is_asked_ever_less_often_up_to_four_times_a_minute() -> None:
    script = Script([Unavailable("down")], [[]])
    reflector, _, _ = play(script, 3600)

    asked = script.times("list")
    waits = [later - sooner for sooner, later in itertools.pairwise(asked)]
    assert waits[0] <= 0.75
    assert max(waits) <= 18
    assert 160 <= len(asked) <= 500
    assert (reflector.synced.is_set(), reflector.age) == (False, 3600.0)


def test_garbage_and_silence_end_the_stream_and_lead_to_a_list_that_waits_longer_each_time() -> None:
    script = Script([page()], [[Unavailable("garbage")]])
    play(script, 600)

    assert 20 <= len(script.times("list")) <= 60


def test_after_a_long_good_time_the_first_failure_waits_only_shortly_again() -> None:
    lists: list[Page | KubeError] = [*[Unavailable("down")] * 8, page()]
    script = Script(lists, [[500.0, Unavailable("reset")], [5000.0]])
    play(script, 1500)

    watches = script.times("watch")
    assert watches[1] - watches[0] - 500 <= 0.75


async def test_over_http_it_follows_a_real_stream_with_its_selector() -> None:
    async with serving() as api, connected(api) as kube:
        store = Store(lambda _: None)
        api.put(PODS, {"metadata": {"name": "foreign", "labels": {names.NAME_LABEL: "churn"}}})
        api.put(PODS, child("a", metadata={"resourceVersion": ""}))
        task = asyncio.create_task(Reflector(kube, Scope(PODS, "", names.owned_selector()), store).run())
        async with asyncio.timeout(5):
            while not api.watchers(PODS):  # noqa: ASYNC110  # polls another program
                await asyncio.sleep(0.005)
            api.put(PODS, child("b"))
            api.remove(PODS, "a")
            while known(store) != ["b"]:  # noqa: ASYNC110
                await asyncio.sleep(0.005)
        task.cancel()

    assert api.asked == ["list pods", "watch pods"]
