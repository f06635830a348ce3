"""The lines before an API server that fails, in virtual time."""

import asyncio
from datetime import timedelta

import pytest
from shell.virtual import run

from modelrollout.kube.client import SILENCE, WATCH_SECONDS
from modelrollout.kube.outage import ALL_AGAIN_SECONDS, SHORT_REST_SECONDS, SOON_AFTER_SECONDS, Line, Outage
from modelrollout.kube.reflector import FIRST_WAIT_SECONDS


async def passed(line: Line, seconds: float) -> int:
    """How many of a hundred callers get through within so many seconds."""
    tasks = [asyncio.create_task(line.turn()) for _ in range(100)]
    await asyncio.sleep(seconds)
    done = sum(task.done() for task in tasks)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return done


def failing(times: int, code: int = 503) -> Outage:
    outage = Outage()
    for _ in range(times):
        outage.answered(code)
    return outage


def test_everybody_passes_while_it_answers_or_has_failed_but_twice() -> None:
    async def story() -> None:
        assert await passed(failing(0).line, 0.1) == 100
        assert await passed(failing(2).line, 0.1) == 100

    run(story())


@pytest.mark.parametrize("code", [0, 401, 403, 429, 500, 503])
def test_after_three_failures_in_a_row_one_passes_each_second(code: int) -> None:
    async def story() -> None:
        assert 58 <= await passed(failing(3, code).line, 60) <= 61

    run(story())


@pytest.mark.parametrize("code", [200, 404, 409, 410, 422])
def test_an_answer_is_an_answer_though_it_says_no(code: int) -> None:
    async def story() -> None:
        outage = failing(3)
        outage.answered(code)
        assert await passed(outage.line, 0.1) == 100

    run(story())


def test_rollbacks_have_a_line_of_their_own_and_both_together_stay_below_two_a_second() -> None:
    async def story() -> None:
        outage = failing(3)
        both = await asyncio.gather(passed(outage.line, 50), passed(outage.urgent, 50))
        assert both[1] >= 39
        assert sum(both) <= 100

    run(story())


def test_the_first_answer_opens_the_lines_and_wakes_those_who_rest() -> None:
    async def story() -> float:
        outage = failing(3)
        loop = asyncio.get_running_loop()
        loop.call_later(7, outage.answered, 200)
        begun = loop.time()
        await asyncio.gather(outage.rest(30), *(outage.line.turn() for _ in range(100)))
        return loop.time() - begun

    assert run(story()) == pytest.approx(7)


@pytest.mark.parametrize(("since", "rested"), [(15, SHORT_REST_SECONDS), (25, 12)])
def test_a_call_that_an_outage_caught_is_asked_again_soon(since: float, rested: float) -> None:
    async def story() -> float:
        outage = failing(3)
        outage.answered(200)
        await asyncio.sleep(since)
        outage.answered(0)
        begun = asyncio.get_running_loop().time()
        await outage.rest(12)
        return asyncio.get_running_loop().time() - begun

    assert run(story()) == pytest.approx(rested)


def begun_again(outage: Outage, callers: int) -> list[float]:
    """When each of many that broke at the same moment begins again, in seconds since then."""

    async def story() -> list[float]:
        loop = asyncio.get_running_loop()
        begun, moments = loop.time(), []

        async def one() -> None:
            await outage.rest(0)
            moments.append(loop.time() - begun)

        await asyncio.gather(*(one() for _ in range(callers)))
        return moments

    return run(story())


def test_what_breaks_together_begins_again_one_after_the_other_and_the_first_at_once() -> None:
    assert begun_again(Outage(), 7) == pytest.approx([0, 1.25, 2.5, 3.75, 5, 6.25, 7.5])


def test_many_watches_have_all_begun_again_within_ten_seconds() -> None:
    outage = Outage()
    outage.watches |= {("pods", f"team-{number}") for number in range(300)}

    moments = begun_again(outage, 300)

    assert (moments[0], 9 < moments[-1] <= 10) == (0, True)


def test_a_silence_is_found_out_and_the_last_watch_begins_again_within_half_a_minute() -> None:
    longest_first_wait = timedelta(seconds=max(1.5 * FIRST_WAIT_SECONDS, SHORT_REST_SECONDS))

    assert SILENCE + longest_first_wait + timedelta(seconds=ALL_AGAIN_SECONDS) < timedelta(seconds=30)
    assert timedelta(seconds=WATCH_SECONDS) < SILENCE < timedelta(seconds=SOON_AFTER_SECONDS)


def test_a_server_that_asks_to_be_left_alone_is_left_alone_at_once_and_so_long() -> None:
    async def story() -> None:
        outage = Outage()
        outage.answered(429, timedelta(seconds=20))
        assert await passed(outage.line, 19) == 0
        assert await passed(outage.line, 2) >= 1

    run(story())
