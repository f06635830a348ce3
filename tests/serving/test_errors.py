"""A model that fails, takes too long or answers nonsense is an error; the pod says so and lives on."""

from serving.apps import Clock, fake, served

from modelserver.models import Rows, Scores


class BrokenModelError(Exception):
    pass


def broken(rows: Rows) -> Scores:
    if rows[0, 0] > 0:
        raise BrokenModelError("index 7 is out of bounds")
    return Scores([0.0] * len(rows))


async def test_a_model_that_raises_is_a_500_that_names_the_exception() -> None:
    server = served(fake(broken))

    answer = await server.predict({"features": [1, 2, 3]})

    assert (answer.status_code, answer.json()) == (
        500,
        {"error": "BrokenModelError", "detail": "the model failed: index 7 is out of bounds"},
    )


async def test_after_a_failure_the_next_request_is_answered_and_both_count() -> None:
    server = served(fake(broken))

    await server.predict({"features": [1, 2, 3]})
    answer = await server.predict({"features": [-1, 2, 3]})

    counters = server.state.traffic.snapshot()
    assert (answer.status_code, counters.requests, counters.errors, counters.refusals) == (200, 2, 1, 0)


async def test_an_answer_that_is_not_finite_is_an_error() -> None:
    server = served(fake(lambda rows: Scores([float("nan")] * len(rows))))

    answer = await server.predict({"features": [1, 2, 3]})

    assert (answer.status_code, answer.json()["error"]) == (500, "NotFiniteError")
    assert server.state.traffic.snapshot().errors == 1


async def test_a_probability_that_is_not_finite_is_an_error() -> None:
    server = served(fake(lambda rows: Scores([1] * len(rows), [[0.5, float("inf")]] * len(rows))))

    assert (await server.predict({"features": [1, 2, 3]})).status_code == 500


async def test_an_answer_that_comes_after_the_time_limit_is_an_error() -> None:
    clock = Clock()

    def slow(rows: Rows) -> Scores:
        clock.go_on(10.5)
        return Scores([0.0] * len(rows))

    server = served(fake(slow), clock)

    answer = await server.predict({"features": [1, 2, 3]})

    assert (answer.status_code, answer.json()) == (
        504,
        {"error": "Timeout", "detail": "the request took 10.5 s, the limit is 10 s"},
    )
    assert server.state.traffic.snapshot().errors == 1


async def test_a_model_without_an_answer_is_an_error() -> None:
    answer = await served(fake(lambda _: Scores([]))).predict({"features": [1, 2, 3]})

    assert (answer.status_code, answer.json()["error"]) == (500, "MissingAnswersError")
