"""kopf: its settings, and what its handlers do."""

from modelrollout.shell.operator import kopf_settings, plain


def test_kopf_writes_nothing_of_its_own_and_never_ends_by_itself() -> None:
    settings = kopf_settings()

    assert (settings.posting.enabled, settings.scanning.disabled, settings.peering.standalone) == (False, True, True)
    assert (settings.watching.reconnect_backoff, settings.watching.inactivity_timeout) == (1, 1e9)


def test_an_object_is_copied_without_managed_fields() -> None:
    body = {"metadata": {"name": "churn", "managedFields": [1]}, "spec": {}}

    assert plain(body) == {"metadata": {"name": "churn"}, "spec": {}}
    assert body["metadata"] == {"name": "churn", "managedFields": [1]}
