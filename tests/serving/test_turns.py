"""What arrives in one turn of the loop goes through the model together, and nobody pays for a neighbour."""

import asyncio

import httpx
from serving.apps import FakeModel, Served, fake, served, sums

from modelserver.models import Rows, Scores


async def together(server: Served, *rows: list[float]) -> list[httpx.Response]:
    return list(await asyncio.gather(*(server.predict({"features": row}) for row in rows)))


async def test_requests_of_one_turn_are_one_call_of_the_model() -> None:
    calls: list[int] = []

    def counting(rows: Rows) -> Scores:
        calls.append(len(rows))
        return sums(rows)

    answers = await together(served(fake(counting)), *([float(i), 0, 0] for i in range(5)))

    assert [answer.json()["prediction"] for answer in answers] == [0, 1, 2, 3, 4]
    assert calls == [5]


async def test_a_row_that_the_model_fails_on_is_alone_to_blame() -> None:
    def picky(rows: Rows) -> Scores:
        if (rows[:, 0] < 0).any():
            raise ValueError("negative")
        return sums(rows)

    server = served(fake(picky))

    answers = await together(server, [1, 0, 0], [-1, 0, 0], [2, 0, 0])

    assert [answer.status_code for answer in answers] == [200, 500, 200]
    counters = server.state.traffic.snapshot()
    assert (counters.requests, counters.errors, counters.prediction_count) == (3, 1, 2)


async def test_an_answer_that_is_not_finite_is_the_error_of_its_row_alone() -> None:
    def hole(rows: Rows) -> Scores:
        return Scores([float("nan") if row[0] == 2 else float(row[0]) for row in rows])

    answers = await together(served(fake(hole)), [1, 0, 0], [2, 0, 0], [3, 0, 0])

    assert [answer.status_code for answer in answers] == [200, 500, 200]


async def test_batches_of_one_turn_are_divided_between_requests_and_keep_their_rows() -> None:
    calls: list[int] = []

    def counting(rows: Rows) -> Scores:
        calls.append(len(rows))
        return sums(rows)

    server = served(fake(counting))

    answers = await asyncio.gather(*(server.batch(*[[float(i), 0, 0]] * 100) for i in range(3)))

    assert calls == [200, 100]
    assert [{row["prediction"] for row in answer.json()["predictions"]} for answer in answers] == [{0}, {1}, {2}]


async def test_a_request_that_nobody_waits_for_any_more_hurts_no_other() -> None:
    server = served(fake())
    leaving = asyncio.create_task(server.predict({"features": [1, 2, 3]}))
    staying = asyncio.create_task(server.predict({"features": [4, 5, 6]}))
    while not server.state.traffic.waiting()[0]:  # noqa: ASYNC110 - the next turn of the loop is what is waited for
        await asyncio.sleep(0)
    leaving.cancel()

    assert (await staying).json()["prediction"] == 15


async def test_a_model_for_one_row_at_a_time_is_asked_so() -> None:
    calls: list[int] = []

    def counting(rows: Rows) -> Scores:
        calls.append(len(rows))
        return sums(rows)

    artifact = fake(counting)
    assert isinstance(artifact.model, FakeModel)
    artifact.model.rows_at_once = 1

    answers = await together(served(artifact), [1, 0, 0], [2, 0, 0])

    assert ([answer.json()["prediction"] for answer in answers], calls) == ([1, 2], [1, 1])
