"""The door to the API server: what each answer becomes, over real HTTP."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from aiohttp import web
from kube.apiserver import ApiServer, Asked, connected, refuse, serving
from kube.objects import child

from modelrollout.kube import errors
from modelrollout.kube.client import Kube
from modelrollout.kube.resources import DEPLOYMENTS, MODEL_ROLLOUTS, PODS, SERVICES
from modelrollout.kube.transport import Call, Transport, plain

REFUSALS = [
    (400, "BadRequest", errors.Invalid),
    (401, "Unauthorized", errors.Forbidden),
    (403, "Forbidden", errors.Forbidden),
    (404, "NotFound", errors.NotFound),
    (409, "Conflict", errors.Conflict),
    (409, "AlreadyExists", errors.AlreadyExists),
    (410, "Expired", errors.Gone),
    (413, "RequestEntityTooLarge", errors.Invalid),
    (422, "Invalid", errors.Invalid),
    (500, "InternalError", errors.Unavailable),
    (503, "ServiceUnavailable", errors.Unavailable),
    (504, "Timeout", errors.Unavailable),
    (302, "Found", errors.Unavailable),
]


def always(response: web.StreamResponse) -> Any:
    async def script(_: Asked) -> web.StreamResponse:
        return response

    return script


async def caught(api: ApiServer, work: Any) -> errors.KubeError:
    async with connected(api) as kube:
        with pytest.raises(errors.KubeError) as found:
            await work(kube)
    return found.value


@pytest.mark.parametrize(("code", "reason", "kind"), REFUSALS, ids=[f"{one[0]}-{one[1]}" for one in REFUSALS])
async def test_a_refusal_becomes_the_error_that_says_whether_to_ask_again(code: int, reason: str, kind: type) -> None:
    async with serving(ApiServer(script=always(refuse(code, reason, "the reason why")))) as api:
        error = await caught(api, lambda kube: kube.get(SERVICES, "default", "churn"))

    assert type(error) is kind
    assert str(error) == f"GET /api/v1/namespaces/default/services/churn: {code} the reason why"


RETRIES: list[tuple[dict[str, str], str, float]] = [
    ({"Retry-After": "7"}, "by header", 7),
    ({"Retry-After": "soon"}, "garbage is a second", 1),
    ({"Retry-After": "86400"}, "never longer than a minute", 60),
    ({}, "not said is a second", 1),
]


@pytest.mark.parametrize(("headers", "seconds"), [(one[0], one[2]) for one in RETRIES], ids=[one[1] for one in RETRIES])
async def test_too_many_requests_says_how_long_to_wait(headers: dict[str, str], seconds: float) -> None:
    async with serving(ApiServer(script=always(refuse(429, "TooManyRequests", headers=headers)))) as api:
        error = await caught(api, lambda kube: kube.get(SERVICES, "default", "churn"))

    assert isinstance(error, errors.TooManyRequests)
    assert error.retry_after == timedelta(seconds=seconds)


@pytest.mark.parametrize("body", [b"", b"<html>proxy error</html>", b"[1, 2]", b'{"cut": '], ids=repr)
async def test_an_answer_that_makes_no_sense_is_no_answer(body: bytes) -> None:
    async with serving(ApiServer(script=always(web.Response(body=body)))) as api:
        error = await caught(api, lambda kube: kube.get(SERVICES, "default", "churn"))

    assert type(error) is errors.Unavailable


async def test_nobody_at_the_address_is_unavailable_and_the_message_names_it() -> None:
    kube = Kube(Transport(plain("http://127.0.0.1:1")))
    with pytest.raises(errors.Unavailable, match=r"the API server at http://127\.0\.0\.1:1 cannot be reached"):
        await kube.get(SERVICES, "default", "churn")
    await kube.close()


async def test_a_server_that_does_not_answer_is_given_up_in_time() -> None:
    async def hang(_: Asked) -> web.StreamResponse:
        await asyncio.sleep(60)
        raise AssertionError("never")

    async with serving(ApiServer(script=hang)) as api:
        wire = Transport(plain(api.url))
        with pytest.raises(errors.Unavailable, match="did not answer in time"):
            await wire.call(Call("GET", "/api/v1/pods", timeout=0.05))
        await wire.close()


async def test_an_answer_without_end_is_cut_at_the_limit() -> None:
    async with serving(ApiServer(script=always(web.Response(body=b"x" * 10_000)))) as api:
        wire = Transport(plain(api.url))
        with pytest.raises(errors.Unavailable, match="longer than 999 bytes"):
            await wire.call(Call("GET", "/api/v1/pods", limit=999))
        await wire.close()


async def test_a_list_is_read_page_by_page_and_its_items_get_their_kind() -> None:
    pages = [
        {"metadata": {"resourceVersion": "9", "continue": "more"}, "items": [child("a")]},
        {"metadata": {"resourceVersion": "9"}, "items": [child("b")]},
    ]
    asked: list[dict[str, str]] = []

    async def script(one: Asked) -> web.StreamResponse:
        asked.append(one.query)
        return web.json_response(pages[len(asked) - 1])

    async with serving(ApiServer(script=script)) as api, connected(api) as kube:
        page = await kube.list(PODS, "default", "a=b")

    assert [(item["kind"], item["metadata"]["name"]) for item in page.items] == [("Pod", "a"), ("Pod", "b")]
    assert page.version == "9"
    assert asked == [
        {"limit": "500", "labelSelector": "a=b"},
        {"limit": "500", "labelSelector": "a=b", "continue": "more"},
    ]


@pytest.mark.parametrize("item", [{}, {"metadata": None}, 7], ids=repr)
async def test_a_list_with_an_item_without_a_name_is_no_answer(item: object) -> None:
    body = {"metadata": {"resourceVersion": "9"}, "items": [item]}
    async with serving(ApiServer(script=always(web.json_response(body)))) as api:
        error = await caught(api, lambda kube: kube.list(PODS))

    assert type(error) is errors.Unavailable


async def watched(api: ApiServer, silence: timedelta = timedelta(seconds=5)) -> list[Any]:
    kube = Kube(Transport(plain(api.url)), silence=silence)
    found: list[Any] = []
    try:
        async for event in kube.watch(PODS, "default", "", "1000"):
            found.append((event.type, event.object["metadata"]))  # noqa: PERF401  # an error may end it
    except errors.KubeError as error:
        found.append(type(error))
    finally:
        await kube.close()
    return found


def lines(*pieces: bytes) -> Any:
    async def script(one: Asked) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(one.request)
        for piece in pieces:
            await response.write(piece)
        return response

    return script


EVENT = b'{"type": "ADDED", "object": {"metadata": {"name": "a", "resourceVersion": "7", "managedFields": [1]}}}\n'
SEEN = ("ADDED", {"name": "a", "resourceVersion": "7"})
GONE = b'{"type": "ERROR", "object": {"kind": "Status", "code": 410, "reason": "Expired"}}\n'
STREAMS: list[tuple[str, tuple[bytes, ...], list[Any]]] = [
    ("ends at once", (), []),
    ("one event in two pieces", (EVENT[:30], EVENT[30:]), [SEEN]),
    ("two events in one piece", (EVENT + EVENT,), [SEEN, SEEN]),
    ("cut off in mid-event", (EVENT, EVENT[:40]), [SEEN]),
    ("gone by event", (EVENT, GONE), [SEEN, errors.Gone]),
    ("another error", (b'{"type": "ERROR", "object": {"code": 500}}\n',), [errors.Unavailable]),
    ("an error without a code", (b'{"type": "ERROR", "object": {}}\n',), [errors.Unavailable]),
    ("garbage", (EVENT, b"<html>\n"), [SEEN, errors.Unavailable]),
    ("no object", (b'{"type": "ADDED", "object": null}\n',), [errors.Unavailable]),
    ("no version", (b'{"type": "ADDED", "object": {"metadata": {"name": "a"}}}\n',), [errors.Unavailable]),
    ("no name", (b'{"type": "ADDED", "object": {"metadata": {"resourceVersion": "7"}}}\n',), [errors.Unavailable]),
]


@pytest.mark.parametrize(("pieces", "found"), [one[1:] for one in STREAMS], ids=[one[0] for one in STREAMS])
async def test_a_watch_gives_whole_events_until_it_ends_or_breaks(pieces: tuple[bytes, ...], found: list[Any]) -> None:
    async with serving(ApiServer(script=lines(*pieces))) as api:
        assert await watched(api) == found


async def test_a_watch_that_is_too_old_by_status_is_gone() -> None:
    async with serving(ApiServer(script=always(refuse(410, "Expired")))) as api:
        assert await watched(api) == [errors.Gone]


async def test_a_watch_that_falls_silent_is_unavailable() -> None:
    async def script(one: Asked) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(one.request)
        await response.write(EVENT)
        await asyncio.sleep(60)
        return response

    async with serving(ApiServer(script=script)) as api:
        assert await watched(api, timedelta(milliseconds=50)) == [SEEN, errors.Unavailable]


async def test_a_json_patch_whose_test_fails_is_a_conflict_and_changes_nothing() -> None:
    async with serving() as api, connected(api) as kube:
        api.put(DEPLOYMENTS, {"metadata": {"name": "churn-a"}, "spec": {"replicas": 3}})
        steps = [
            {"op": "test", "path": "/spec/replicas", "value": 4},
            {"op": "replace", "path": "/spec/replicas", "value": 1},
        ]
        with pytest.raises(errors.Conflict):
            await kube.json_patch(DEPLOYMENTS, "default", "churn-a", steps)
        found = await kube.get(DEPLOYMENTS, "default", "churn-a")

    assert found["spec"] == {"replicas": 3}


async def test_a_status_is_only_written_over_the_version_it_was_decided_from() -> None:
    async with serving() as api, connected(api) as kube:
        old = api.put(MODEL_ROLLOUTS, {"metadata": {"name": "churn"}, "spec": {"replicas": 1}})
        old = {**old, "metadata": dict(old["metadata"])}
        api.put(MODEL_ROLLOUTS, {"metadata": {"name": "churn"}, "spec": {"replicas": 2}})
        with pytest.raises(errors.Conflict):
            await kube.replace_status(MODEL_ROLLOUTS, old | {"status": {"phase": "Stable"}})
        new = await kube.get(MODEL_ROLLOUTS, "default", "churn")
        written = await kube.replace_status(MODEL_ROLLOUTS, new | {"spec": {}, "status": {"phase": "Stable"}})

    assert (written["spec"], written["status"]) == ({"replicas": 2}, {"phase": "Stable"})


async def test_deployments_are_created_with_strict_field_validation() -> None:
    queries: list[dict[str, str]] = []

    async def script(one: Asked) -> web.StreamResponse | None:
        queries.append(one.query)
        return None

    async with serving(ApiServer(script=script)) as api, connected(api) as kube:
        await kube.create(DEPLOYMENTS, "default", {"metadata": {"name": "churn-a"}})

    assert queries == [{"fieldManager": "modelrollout", "fieldValidation": "Strict"}]


async def test_an_object_that_is_gone_needs_no_deletion_and_another_of_its_name_is_left_alone() -> None:
    async with serving() as api, connected(api) as kube:
        await kube.delete(DEPLOYMENTS, "default", "churn-a", "uid-old")
        api.put(DEPLOYMENTS, {"metadata": {"name": "churn-a", "uid": "uid-new"}})
        with pytest.raises(errors.Conflict):
            await kube.delete(DEPLOYMENTS, "default", "churn-a", "uid-old")

        assert api.get(DEPLOYMENTS, "churn-a") is not None


async def test_every_answer_is_counted_by_verb_kind_and_code() -> None:
    counted: list[tuple[str, str, int]] = []
    async with serving() as api:
        kube = Kube(Transport(plain(api.url)), lambda *answer: counted.append(answer))
        await kube.create(SERVICES, "default", {"metadata": {"name": "churn"}})
        with pytest.raises(errors.AlreadyExists):
            await kube.create(SERVICES, "default", {"metadata": {"name": "churn"}})
        await kube.close()

    assert counted == [("create", "services", 200), ("create", "services", 409)]


async def test_a_namespace_that_is_being_deleted_is_told_from_a_missing_right() -> None:
    details = {"causes": [{"reason": "NamespaceTerminating"}]}
    status = {"code": 403, "reason": "Forbidden", "message": "unable to create new content", "details": details}
    async with serving(ApiServer(script=always(web.json_response(status, status=403)))) as api:
        error = await caught(api, lambda kube: kube.create(SERVICES, "default", {"metadata": {"name": "churn"}}))

    assert type(error) is errors.NamespaceEnding
