"""Scrapes of servers on loopback that behave in every way a bad pod can."""

import asyncio
import gzip
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import web
from kube.apiserver import ApiServer, Asked, connected, refuse, serving
from scrape.healths import TARGET, health

from modelrollout.judge import Sample
from modelrollout.ledger import Failure
from modelrollout.scrape.http import DirectScraper
from modelrollout.scrape.proxy import ProxyScraper
from modelrollout.scrape.target import Target

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]
BODY = json.dumps(health()).encode()


@asynccontextmanager
async def server(answer: Answer) -> AsyncIterator[Target]:
    app = web.Application()
    app.router.add_get("/health", answer)
    app.router.add_get("/elsewhere", _well)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1, handler_cancellation=True)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield replace(TARGET, port=runner.addresses[0][1])
    finally:
        await runner.cleanup()


async def scraped(target: Target, seconds: float = 1.0) -> Sample | Failure:
    door = DirectScraper()
    try:
        return await door.scrape(target, seconds)
    finally:
        await door.close()


async def _well(_: web.Request) -> web.StreamResponse:
    return web.Response(body=BODY)


async def _hangs(_: web.Request) -> web.StreamResponse:
    await asyncio.sleep(60)
    return web.Response(body=BODY)


async def _hangs_half_way(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    await response.write(BODY[:50])
    await asyncio.sleep(60)
    return response


async def _never_ends(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    while True:
        await response.write(b" " * 65536)


async def _is_huge(_: web.Request) -> web.StreamResponse:
    return web.Response(body=BODY + b" " * 10_000_000)


async def _redirects(_: web.Request) -> web.StreamResponse:
    raise web.HTTPFound("/elsewhere")


async def _is_stuck(_: web.Request) -> web.StreamResponse:
    return web.Response(status=503, body=BODY)


async def _is_garbage(_: web.Request) -> web.StreamResponse:
    return web.Response(body=b"\x00\xff" * 500)


async def _is_packed(_: web.Request) -> web.StreamResponse:
    return web.Response(body=gzip.compress(BODY), headers={"Content-Encoding": "gzip"})


async def _is_another(_: web.Request) -> web.StreamResponse:
    return web.json_response(health(pod_uid="uid-other"))


async def _hangs_up(request: web.Request) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.close()
    return web.Response()


BAD: list[tuple[Answer, str]] = [
    (_hangs, "no answer within 0.2 s"),
    (_hangs_half_way, "no answer within 0.2 s"),
    (_is_huge, "more than 98304 bytes"),
    (_redirects, "status 302"),
    (_is_stuck, "status 503"),
    (_is_garbage, "no JSON"),
    (_is_packed, "no JSON"),
    (_is_another, "the answer is from another pod (uid uid-other)"),
    (_hangs_up, "cannot be reached"),
]


async def test_a_pod_that_answers_well_is_a_sample() -> None:
    async with server(_well) as target:
        found = await scraped(target)

    assert isinstance(found, Sample)
    assert (found.requests, found.pod) == (10, "churn-a-1")


@pytest.mark.parametrize(("answer", "why"), BAD, ids=[one[0].__name__.strip("_") for one in BAD])
async def test_a_pod_that_does_not_is_a_failed_scrape_with_a_reason(answer: Answer, why: str) -> None:
    async with server(answer) as target:
        found = await scraped(target, 0.2 if "hangs" in answer.__name__ else 5.0)

    assert isinstance(found, Failure)
    assert found.reason.startswith(why)


async def test_a_pod_gets_no_credentials_and_no_cookies_and_no_proxy_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even where variables name a proxy, and where the answer before set a cookie."""
    asked: list[dict[str, str]] = []

    async def answer(request: web.Request) -> web.StreamResponse:
        asked.append({name.lower(): value for name, value in request.headers.items()})
        return web.Response(body=BODY, headers={"Set-Cookie": "who=1"})

    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    async with server(answer) as target:
        door = DirectScraper()
        for _ in range(2):
            assert isinstance(await door.scrape(target, 1.0), Sample)
        await door.close()

    assert [one.keys() for one in asked] == [{"host", "accept", "accept-encoding", "user-agent"}] * 2
    assert {one["accept-encoding"] for one in asked} == {"identity"}


async def test_an_answer_without_end_is_cut_long_before_its_time_is_over() -> None:
    async with server(_never_ends) as target:
        assert await scraped(target, 60) == Failure("more than 98304 bytes", heard=True)


async def test_nobody_at_the_address_is_a_failed_scrape() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        found = await scraped(replace(TARGET, port=taken.getsockname()[1]))

    assert found == Failure("cannot be reached: Connection refused")


async def test_an_address_that_is_none_is_a_failed_scrape() -> None:
    found = await scraped(replace(TARGET, address="not an address"))
    assert isinstance(found, Failure)
    assert found.reason.startswith("cannot be reached: ")
    assert not found.heard


async def test_one_connection_serves_many_scrapes() -> None:
    connections: set[Any] = set()

    async def answer(request: web.Request) -> web.StreamResponse:
        connections.add(request.transport)
        return await _well(request)

    async with server(answer) as target:
        door = DirectScraper()
        for _ in range(5):
            assert isinstance(await door.scrape(target, 1.0), Sample)
        await door.close()

    assert len(connections) == 1


async def _proxied(script: Callable[[Asked], Awaitable[web.StreamResponse | None]], seconds: float = 1.0) -> Any:
    async with serving(ApiServer(script=script)) as api, connected(api) as kube:
        return await ProxyScraper(kube).scrape(TARGET, seconds), api.asked


async def test_through_the_api_server_the_pods_own_path_is_asked_for() -> None:
    paths: list[str] = []

    async def script(asked: Asked) -> web.StreamResponse:
        paths.append(asked.request.path)
        return web.Response(body=BODY)

    found, _ = await _proxied(script)

    assert isinstance(found, Sample)
    assert paths == ["/api/v1/namespaces/default/pods/churn-a-1:8081/proxy/health"]


async def test_through_the_api_server_the_same_limits_hold() -> None:
    async def refused(_: Asked) -> web.StreamResponse:
        return refuse(503, "ServiceUnavailable", "no endpoints")

    async def moved(_: Asked) -> web.StreamResponse:
        return web.Response(status=302, headers={"Location": "http://127.0.0.1:1/"})

    async def huge(_: Asked) -> web.StreamResponse:
        return web.Response(body=BODY + b" " * 2_000_000)

    async def hangs(_: Asked) -> web.StreamResponse:
        await asyncio.sleep(60)
        raise AssertionError("never")

    assert (await _proxied(refused))[0] == Failure("status 503", heard=True)
    assert (await _proxied(moved))[0] == Failure("status 302", heard=True)
    assert "longer than 98304 bytes" in (await _proxied(huge))[0].reason
    assert (await _proxied(hangs, 0.1))[0] == Failure("no answer within 0.1 s")
