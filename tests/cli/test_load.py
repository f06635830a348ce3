"""`modelrollout load`, against servers on the loopback address that answer by a script."""

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from cli.commands import run
from traffic.loopback import Asked, Exchange, Script, answer, server

GOOD = b'{"model_version": "2.1.0", "prediction_id": "7f3a9c21-1-1"}'


async def good(exchange: Exchange) -> None:
    await exchange.answer(body=GOOD)


async def broken(exchange: Exchange) -> None:
    await exchange.answer(500, b"division by zero")


async def resets(exchange: Exchange) -> None:
    exchange.reset()


@contextmanager
def serving(script: Script = answer) -> Iterator[tuple[str, Asked]]:
    """A server in a thread of its own, since the command runs a loop of its own."""
    ready, end = threading.Event(), threading.Event()
    found: list[tuple[str, Asked]] = []

    async def serve() -> None:
        async with server(script) as (target, asked):
            found.append((f"http://{target.host}:{target.port}", asked))
            ready.set()
            await asyncio.to_thread(end.wait)

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    ready.wait()
    try:
        yield found[0]
    finally:
        end.set()
        thread.join()


def load(url: str, *words: str, rows: str = "") -> tuple[int, dict[str, object]]:
    source = ("--rows", "-") if rows else ("--features", "[1.0]")
    sent = ("--rps", "200", "--seconds", "0.1", "--timeout", "60", *source)
    found = run("load", "--url", url, *sent, "-o", "json", *words, stdin=rows)
    return found.exit_code, json.loads(found.stdout)


def test_every_request_is_counted_by_what_became_of_it() -> None:
    with serving(good) as (url, asked):
        code, result = load(url)

    assert code == 0
    assert (result["requests"], result["outcomes"], result["versions"]) == (20, {"answered": 20}, {"2.1.0": 20})
    assert sum(asked.bodies.values()) == 20


@pytest.mark.parametrize(
    ("script", "outcome", "example"),
    [(broken, "failed", "20 x failed: 500 division by zero"), (resets, "reset", "20 x reset: ")],
)
def test_failures_are_told_apart_and_miss(script: Script, outcome: str, example: str) -> None:
    with serving(script) as (url, _):
        code, result = load(url, "--max-error-rate", "0.01")

    assert (code, result["outcomes"]) == (1, {outcome: 20})
    assert str(result["examples"]).startswith(f"['{example}")
    assert "20 of 20 requests were not answered, 100 % (objective 1 %)" in str(result["missed"])


def test_nobody_there_is_a_miss_even_without_objectives() -> None:
    code, result = load("http://127.0.0.1:1")

    assert (code, result["outcomes"], result["missed"]) == (1, {"no connection": 20}, ["nothing was answered"])


def test_a_server_that_is_gone_ends_the_load_with_a_sentence_and_its_own_exit_code() -> None:
    words = ("--rps", "200", "--seconds", "60", "--features", "[1.0]", "--gone-after", "0.1", "-o", "json")
    found = run("load", "--url", "http://127.0.0.1:1", *words)

    assert found.exit_code == 3
    assert json.loads(found.stdout)["requests"] < 12_000
    assert found.stderr.startswith("error: 127.0.0.1:1 has taken no connection for 0 s (")
    assert found.stderr.endswith("; no more requests are sent\n")


def test_an_objective_on_latency_is_kept_or_missed() -> None:
    with serving(good) as (url, _):
        kept, missed = load(url, "--max-p95-ms", "60000"), load(url, "--max-p95-ms", "0.0001")

    assert (kept[0], missed[0]) == (0, 1)
    assert "(objective 0.0001 ms)" in str(missed[1]["missed"])


def test_fresh_and_kept_connections_are_asked_for() -> None:
    with serving(good) as (url, fresh):
        load(url, "--fresh-share", "1")
    with serving(good) as (url, kept):
        load(url, "--fresh-share", "0", "--kept", "1")

    assert (fresh.connections, kept.connections) == (20, 1)


@pytest.mark.parametrize(
    "rows",
    [
        '{"features": [1.0]}\n\n{"features": {"age": 3}}\n',
        '[{"features": [1.0]},\n {"features": {"age": 3}, "label": 1}]',
    ],
    ids=["lines", "list"],
)
def test_rows_are_sent_in_turn(rows: str) -> None:
    with serving(good) as (url, asked):
        load(url, rows=rows)

    assert dict(asked.bodies) == {b'{"features": [1.0]}': 10, b'{"features": {"age": 3}}': 10}


def test_the_report_names_outcomes_versions_and_the_verdict() -> None:
    with serving(good) as (url, _):
        words = ("--rps", "200", "--seconds", "0.1", "--features", "[1.0]", "--max-error-rate", "0.5")
        shown = run("load", "--url", url, *words, columns=80).stdout

    assert f"{url}: 20 requests at 200.0/s" in shown
    assert "answered: 20 by 2.1.0" in shown
    assert shown.endswith("kept all objectives\n")
    assert max(map(len, shown.splitlines())) <= 80


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("https://127.0.0.1", "https://127.0.0.1 asks for TLS, which this client does not speak"),
        ("127.0.0.1:80", '"127.0.0.1:80" is no address of a server; write for instance http://127.0.0.1:8080'),
        ("http://127.0.0.1:99999", '"127.0.0.1:99999" has no port between 1 and 65535'),
        ("http://no.such.host.invalid", "no.such.host.invalid has no IPv4 address: "),
    ],
)
def test_an_address_that_cannot_be_is_refused(url: str, said: str) -> None:
    found = run("load", "--url", url, "--rps", "5", "--features", "[1.0]")

    assert found.exit_code == 2
    assert found.stderr.startswith(f"error: {said}")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "give --features '[1.0, 2.0]' or --rows FILE, so that there is something to ask about"),
        (("--features", "[1", "--rows", "x"), "give --features '[1.0, 2.0]' or --rows FILE"),
        (("--features", "[1"), "--features is not JSON: "),
        (("--features", "3"), "--features: features are a list of numbers or an object of numbers by name"),
        (("--features", "[]"), "--features: features are a list of numbers or an object of numbers by name"),
        (("--rows", "nowhere.jsonl"), "nowhere.jsonl cannot be read: no such file or directory"),
    ],
)
def test_rows_that_cannot_be_are_refused(words: tuple[str, ...], said: str) -> None:
    found = run("load", "--url", "http://127.0.0.1:1", "--rps", "5", *words)

    assert found.exit_code == 2
    assert found.stderr.startswith(f"error: {said}")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("\n \n", "holds no rows; write a line such as"),
        ('{"features": [1]}\n{"feature": [1]}', "line 2: a row is an object with features"),
        ("[1, 2]", "row 1: a row is an object with features"),
        ('[{"features": []}]', "row 1: features are a list of numbers or an object of numbers by name, and not empty"),
        ('{"features": [1]', "line 1 is not JSON: "),
    ],
)
def test_a_bad_line_of_a_file_is_named(text: str, said: str, tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_text(text)
    found = run("load", "--url", "http://127.0.0.1:1", "--rps", "5", "--rows", str(file))

    assert found.exit_code == 2
    assert said in found.stderr
