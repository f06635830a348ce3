"""kopf: its settings, and what its handlers do."""

import itertools
from typing import Any

from modelrollout.kube.transport import Credentials
from modelrollout.shell.operator import Backoffs, Logins, connection, kopf_settings, plain

ACCESS = Credentials("https://10.0.0.1", "/ca", None, None, "bearer abc", insecure=False)


def test_kopf_writes_nothing_of_its_own_and_never_ends_by_itself() -> None:
    settings = kopf_settings()

    assert (settings.posting.enabled, settings.scanning.disabled, settings.peering.standalone) == (False, True, True)
    assert (
        settings.watching.server_timeout,
        settings.watching.client_timeout,
        settings.watching.connect_timeout,
        settings.watching.inactivity_timeout,
    ) == (120, 135, 5, 1e9)
    assert isinstance(settings.watching.server_timeout, int)


def test_the_waits_between_tries_never_end_grow_and_begin_anew_for_each_call() -> None:
    backoffs = Backoffs()
    first, second = (list(itertools.islice(iter(backoffs), 500)) for _ in range(2))

    for waits in (first, second):
        assert 0.25 <= waits[0] <= 0.75
        assert all(15 <= wait <= 45 for wait in waits[10:])
    assert first != second


def test_an_object_is_copied_without_managed_fields() -> None:
    body = {"metadata": {"name": "churn", "managedFields": [1]}, "spec": {}}

    assert plain(body) == {"metadata": {"name": "churn"}, "spec": {}}
    assert body["metadata"] == {"name": "churn", "managedFields": [1]}


def test_credentials_are_handed_over_as_they_are() -> None:
    found = connection(ACCESS, 1)

    assert (found.server, found.ca_path, found.as_http_headers()) == (
        "https://10.0.0.1",
        "/ca",
        {"Authorization": "bearer abc"},
    )
    assert connection(Credentials("http://x", None, None, None, None, insecure=True), 1).as_http_headers() == {}


async def test_each_login_differs_though_the_token_is_the_same() -> None:
    class Kube:
        async def credentials(self) -> Credentials:
            return ACCESS

    kube: Any = Kube()
    logins = Logins(kube)
    first = await logins.next()

    assert first != connection(ACCESS, 2)
    assert first == connection(ACCESS, 1)
