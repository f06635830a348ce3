"""Requests to registries on loopback that behave in every way a bad one can."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from modelrollout.core.facts import NOT_FOUND, REFUSED, UNAVAILABLE, RegistryTrouble
from modelrollout.registered import Registered
from modelrollout.registry.declared import BadRegistry, Declared, declared
from modelrollout.registry.following import Found
from modelrollout.registry.http import BODY_LIMIT, HttpRegistries

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]
MODEL = Registered("", "churn & co", alias="champion")
CHECKSUM = "0a" * 32


def version(**fields: Any) -> dict[str, Any]:
    """What MLflow answers, as far as it matters."""
    return {"model_version": {"name": MODEL.model, "version": "7", "status": "READY", **fields}}


@asynccontextmanager
async def registry(answer: Answer, folder: Path | None = None) -> AsyncIterator[Declared]:
    app = web.Application()
    app.router.add_get("/base/api/2.0/mlflow/registered-models/alias", answer)
    app.router.add_get("/elsewhere", _says(version()))
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1, handler_cancellation=True)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield Declared("prod", f"http://127.0.0.1:{runner.addresses[0][1]}/base", folder)
    finally:
        await runner.cleanup()


async def asked(one: Declared, seconds: float = 2.0) -> Found | RegistryTrouble:
    door = HttpRegistries(seconds)
    try:
        return await door.ask(one, MODEL)
    finally:
        await door.close()


def _says(body: Any, status: int = 200) -> Answer:
    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(status=status, text=body if isinstance(body, str) else json.dumps(body))

    return answer


async def test_an_answer_gives_the_version_and_its_checksum() -> None:
    queries: list[dict[str, str]] = []

    async def answer(request: web.Request) -> web.StreamResponse:
        queries.append(dict(request.query))
        return web.json_response(version(tags=[{"key": "stage", "value": "x"}, {"key": "sha256", "value": CHECKSUM}]))

    async with registry(answer) as one:
        assert await asked(one) == Found("7", CHECKSUM)
    assert queries == [{"name": "churn & co", "alias": "champion"}]


@pytest.mark.parametrize("tag", [{"key": "sha256", "value": "no checksum"}, {"key": "sha256"}, "sha256", None])
async def test_a_tag_that_is_no_checksum_is_none(tag: Any) -> None:
    async with registry(_says(version(tags=[tag]))) as one:
        assert await asked(one) == Found("7")


UNUSABLE: dict[str, Any] = {
    "another model": version(name="other"),
    "no number": version(version="latest"),
    "a number that is no text": version(version=7),
    "no version": {},
    "a list": [],
    "no JSON": "<html>",
    "deep JSON": "[" * 100_000,
}


@pytest.mark.parametrize("body", UNUSABLE.values(), ids=UNUSABLE)
async def test_an_answer_that_cannot_be_used_is_no_answer(body: Any) -> None:
    async with registry(_says(body)) as one:
        trouble = await asked(one)
    assert trouble == RegistryTrouble(
        UNAVAILABLE, 'the registry "prod" answers something that is no version of the model'
    )


@pytest.mark.parametrize("code", ["RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"])
async def test_only_the_registrys_own_words_say_that_there_is_no_such_alias(code: str) -> None:
    async with registry(_says({"error_code": code}, 404)) as one:
        assert await asked(one) == RegistryTrouble(
            NOT_FOUND, 'the registry "prod" has no alias "champion" of a model "churn & co"'
        )
    async with registry(_says("<html>nginx", 404)) as one:
        assert await asked(one) == RegistryTrouble(UNAVAILABLE, 'the registry "prod" answers 404')


@pytest.mark.parametrize("status", [401, 403])
async def test_a_refusal_leads_to_the_secret(status: int) -> None:
    async with registry(_says("no", status)) as one:
        trouble = await asked(one)
    message = f'the registry "prod" refuses the operator ({status}); look at the Secret it was declared with'
    assert trouble == RegistryTrouble(REFUSED, message)


async def test_a_redirect_is_not_followed() -> None:
    async def answer(_: web.Request) -> web.StreamResponse:
        raise web.HTTPFound("/elsewhere")

    async with registry(answer) as one:
        assert await asked(one) == RegistryTrouble(UNAVAILABLE, 'the registry "prod" answers 302')


async def test_an_endless_answer_is_cut_off() -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b" " * BODY_LIMIT)

    async with registry(answer) as one:
        trouble = await asked(one, 20)
    assert trouble == RegistryTrouble(
        UNAVAILABLE, 'the registry "prod" answers something that is no version of the model'
    )


async def test_a_registry_that_hangs_is_given_up() -> None:
    async def answer(_: web.Request) -> web.StreamResponse:
        await asyncio.sleep(60)
        return web.Response()

    async with registry(answer) as one:
        trouble = await asked(one, 0.2)
    assert trouble == RegistryTrouble(UNAVAILABLE, 'the registry "prod" does not answer within 0.2 s')


async def test_a_registry_that_is_not_there_says_so_in_the_same_words_each_time() -> None:
    async with registry(_says("")) as one:
        pass
    assert await asked(one) == RegistryTrouble(UNAVAILABLE, 'the registry "prod" cannot be reached: Connection refused')


async def test_credentials_are_read_anew_for_each_request(tmp_path: Path) -> None:
    sent: list[str | None] = []

    async def answer(request: web.Request) -> web.StreamResponse:
        sent.append(request.headers.get("Authorization"))
        return web.json_response(version())

    async with registry(answer, tmp_path) as one:
        await asked(one)
        (tmp_path / "username").write_text("reader\n")
        (tmp_path / "password").write_text("open sesame\n")
        await asked(one)
        (tmp_path / "token").write_text("t0ken")
        await asked(one)
    assert sent == [None, "Basic cmVhZGVyOm9wZW4gc2VzYW1l", "Bearer t0ken"]


def test_registries_are_declared_by_name_each_with_its_own_folder() -> None:
    assert declared(["prod=https://mlflow/", "lab=http://lab:5000/mlflow"], "/secrets") == (
        Declared("prod", "https://mlflow", Path("/secrets/prod")),
        Declared("lab", "http://lab:5000/mlflow", Path("/secrets/lab")),
    )


CANNOT = "cannot be read; write NAME=https://HOST, with a lower-case name"
WRONG = {
    "prod": f'the registry "prod" {CANNOT}',
    "Prod=https://m": f'the registry "Prod=https://m" {CANNOT}',
    "prod=file:///etc": f'the registry "prod=file:///etc" {CANNOT}',
    "prod=https://me:secret@m": (
        'the address of the registry "prod" holds more than host and path; put credentials into its Secret'
    ),
}


@pytest.mark.parametrize(("option", "sentence"), WRONG.items(), ids=WRONG)
def test_a_declaration_that_cannot_be_read_is_refused(option: str, sentence: str) -> None:
    with pytest.raises(BadRegistry) as error:
        declared([option])
    assert str(error.value) == sentence


def test_two_registries_of_one_name_are_refused() -> None:
    with pytest.raises(BadRegistry, match='the registry "a" is declared twice'):
        declared(["a=https://x", "a=https://y"])
