"""The keyed queue, in virtual time."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from datetime import timedelta

from shell.virtual import run

from modelrollout.kube.errors import Unavailable
from modelrollout.shell.queue import Queue, UrgentFailure


class Log:
    """Runs of keys: when each began, and whether two of one key were ever under way together."""

    def __init__(self, seconds: float = 1.0) -> None:
        self.seconds = seconds
        self.begun: list[tuple[float, str]] = []
        self.overlaps: list[str] = []
        self.again: dict[str, timedelta] = {}
        self.errors: dict[str, list[Exception]] = {}
        self._now: set[str] = set()

    @property
    def keys(self) -> list[str]:
        return [key for _, key in self.begun]

    def times(self, key: str) -> list[float]:
        return [at for at, one in self.begun if one == key]

    async def run(self, key: str) -> timedelta | None:
        if key in self._now:
            self.overlaps.append(key)
        self._now.add(key)
        self.begun.append((asyncio.get_running_loop().time() - 1000, key))
        await asyncio.sleep(self.seconds)
        self._now.discard(key)
        if self.errors.get(key):
            raise self.errors[key].pop(0)
        return self.again.get(key)


def play(log: Log, script: Callable[[Queue], Awaitable[None]], workers: int = 1) -> Log:
    """Run workers beside a script, until the script has ended."""

    async def whole() -> None:
        queue = Queue(log.run)
        tasks = [asyncio.create_task(queue.work()) for _ in range(workers)]
        await script(queue)
        for task in tasks:
            task.cancel()

    run(whole())
    return log


def test_a_key_added_many_times_runs_once_and_once_more_when_it_was_added_while_it_ran() -> None:
    async def script(queue: Queue) -> None:
        for _ in range(1000):
            for key in "abc":
                queue.add(key)
            await asyncio.sleep(0)
        await asyncio.sleep(20)

    log = play(Log(), script, workers=4)

    assert sorted(log.keys) == ["a", "a", "b", "b", "c", "c"]
    assert log.overlaps == []


def test_an_urgent_key_overtakes_the_line_even_when_it_was_waiting_in_it() -> None:
    async def script(queue: Queue) -> None:
        for key in "abcd":
            queue.add(key)
        await asyncio.sleep(0.5)
        queue.add_urgent("d")
        queue.add_urgent("e")
        await asyncio.sleep(20)

    assert play(Log(), script).keys == ["a", "d", "e", "b", "c"]


def test_a_key_that_fails_waits_longer_each_time_and_anew_after_a_success() -> None:
    log = Log(seconds=0)
    log.errors["a"] = [Unavailable("down")] * 4

    async def script(queue: Queue) -> None:
        queue.add("a")
        await asyncio.sleep(30)
        log.errors["a"] = [Unavailable("down")]
        queue.add("a")
        await asyncio.sleep(30)

    times = play(log, script).times("a")

    waits = [later - sooner for sooner, later in itertools.pairwise(times)]
    assert [0.25 * 2**index <= waits[index] <= 0.5 * 2**index for index in range(4)] == [True] * 4
    assert len(times) == 7
    assert 0.25 <= waits[-1] <= 0.5


def test_an_urgent_failure_is_tried_again_within_two_seconds_however_often_it_failed() -> None:
    log = Log(seconds=0)
    log.errors["a"] = [UrgentFailure("no")] * 12

    async def script(queue: Queue) -> None:
        queue.add_urgent("a")
        await asyncio.sleep(60)

    times = play(log, script).times("a")

    assert len(times) == 13
    assert max(later - sooner for sooner, later in itertools.pairwise(times)) <= 2.0


def test_reminders_do_not_shorten_the_wait_after_a_failure_and_an_event_does() -> None:
    log = Log(seconds=0)
    log.errors["a"] = [Unavailable("no")] * 5

    async def script(queue: Queue) -> None:
        queue.remind("a")
        for _ in range(40):
            await asyncio.sleep(0.1)
            queue.remind("a")
        queue.add("a")
        await asyncio.sleep(0.01)

    times = play(log, script).times("a")

    waits = [later - sooner for sooner, later in itertools.pairwise(times[:-1])]
    assert [0.25 * 2**index <= wait <= 0.5 * 2**index for index, wait in enumerate(waits)] == [True] * len(waits)
    assert times[-1] >= 4.0


def test_a_bug_in_one_rollout_does_not_stop_the_others() -> None:
    log = Log()
    log.errors["bad"] = [ZeroDivisionError("bug")] * 9

    async def script(queue: Queue) -> None:
        queue.add("bad")
        queue.add("good")
        await asyncio.sleep(3)

    assert play(log, script).keys[:2] == ["bad", "good"]


def test_a_run_that_hangs_is_ended_after_a_minute_and_tried_again() -> None:
    async def script(queue: Queue) -> None:
        queue.add("a")
        await asyncio.sleep(62)

    assert len(play(Log(seconds=3600), script).times("a")) == 2


def test_requeued_keys_run_later_never_earlier_and_the_earliest_wish_wins() -> None:
    async def script(queue: Queue) -> None:
        queue.add_after("a", timedelta(seconds=10))
        queue.add_after("a", timedelta(seconds=5))
        queue.add_after("a", timedelta(seconds=60))
        await asyncio.sleep(100)

    assert play(Log(), script).times("a") == [5.0]


def test_a_run_that_asks_to_run_again_does_until_the_key_is_forgotten() -> None:
    log = Log(seconds=0)
    log.again["a"] = timedelta(seconds=10)

    async def script(queue: Queue) -> None:
        queue.add("a")
        await asyncio.sleep(35)
        queue.forget("a")
        await asyncio.sleep(100)

    times = play(log, script).times("a")

    assert len(times) == 4
    assert all(10 <= later - sooner <= 11 for sooner, later in itertools.pairwise(times))


def test_a_pause_holds_the_line_and_lets_a_rollback_through() -> None:
    async def script(queue: Queue) -> None:
        queue.pause(timedelta(seconds=30))
        queue.add("a")
        await asyncio.sleep(5)
        queue.add_urgent("b")
        await asyncio.sleep(60)

    assert play(Log(), script).begun == [(5.0, "b"), (30.0, "a")]


def test_depth_and_age_are_those_of_the_keys_that_wait() -> None:
    seen: list[tuple[int, float]] = []

    async def script(queue: Queue) -> None:
        for key in "abc":
            queue.add(key)
        await asyncio.sleep(0.5)
        seen.append((queue.depth, queue.oldest))
        await asyncio.sleep(20)
        seen.append((queue.depth, queue.oldest))

    play(Log(), script)

    assert seen == [(2, 0.5), (0, 0.0)]


def test_twenty_thousand_keys_each_run_once() -> None:
    async def script(queue: Queue) -> None:
        for index in range(20_000):
            queue.add(str(index))
        await asyncio.sleep(3000)

    log = play(Log(), script, workers=8)

    assert len(log.keys) == len(set(log.keys)) == 20_000


def test_a_worker_is_kept_free_for_urgent_keys() -> None:
    log = Log(seconds=50)

    async def script(queue: Queue) -> None:
        spare = asyncio.create_task(queue.work_on_urgent())
        for key in "abc":
            queue.add(key)
        await asyncio.sleep(1)
        queue.add_urgent("d")
        await asyncio.sleep(160)
        spare.cancel()

    play(log, script)

    assert log.begun == [(0.0, "a"), (1.0, "d"), (50.0, "b"), (100.0, "c")]
