"""The store: never older than our own last write, and equal to a list when one comes."""

from kube.objects import child, labels

from modelrollout.kube.store import Listing, Store
from modelrollout.kube.trim import pod

KEY = "default/churn"


def fresh() -> tuple[Store, list[str]]:
    changed: list[str] = []
    return Store(changed.append), changed


def versions(store: Store) -> dict[str, str]:
    return {obj["metadata"]["name"]: obj["metadata"]["resourceVersion"] for obj in store.of(KEY)}


def test_an_event_older_than_what_we_wrote_is_dropped() -> None:
    store, changed = fresh()
    store.put(child(version=10))
    store.put(child(version=9))

    assert versions(store) == {"one": "10"}
    assert changed == [KEY]


def test_versions_are_compared_as_numbers_and_what_is_no_number_is_taken_as_it_comes() -> None:
    store, _ = fresh()
    store.put(child(version=9))
    store.put(child(version=10))
    assert versions(store) == {"one": "10"}

    store.put(child(metadata={"resourceVersion": "abc"}))
    assert versions(store) == {"one": "abc"}


def test_the_echo_of_our_own_write_is_no_change() -> None:
    store, changed = fresh()
    store.put(child(version=10))
    store.put(child(version=10))

    assert changed == [KEY]


def test_what_we_deleted_stays_gone_until_the_watch_says_so_and_another_of_its_name_may_come() -> None:
    store, _ = fresh()
    store.put(child(version=1))
    store.forget(child(version=1))
    store.put(child(version=2))
    assert versions(store) == {}

    store.remove(child(version=3))
    store.put(child(version=4, uid="uid-another"))
    assert versions(store) == {"one": "4"}


def test_a_late_deletion_of_an_object_does_not_remove_its_successor() -> None:
    store, _ = fresh()
    store.put(child(version=4, uid="uid-new"))
    store.remove(child(version=3, uid="uid-old"))

    assert versions(store) == {"one": "4"}


def test_a_list_removes_what_it_lacks_and_says_so() -> None:
    store, changed = fresh()
    for name in ("a", "b"):
        store.put(child(name, version=1))
    changed.clear()
    store.replace(Listing("default", [child("b", version=1)], "5"))

    assert versions(store) == {"b": "1"}
    assert changed == [KEY]


def test_a_list_from_before_our_own_write_takes_nothing_back() -> None:
    store, _ = fresh()
    store.put(child("created", version=8))
    store.put(child("changed", version=9))
    store.replace(Listing("", [child("changed", version=3)], "5"))

    assert versions(store) == {"changed": "9", "created": "8"}


def test_a_list_of_one_namespace_leaves_the_others_alone() -> None:
    store, _ = fresh()
    store.put(child("a", version=1))
    store.replace(Listing("elsewhere", [], "5"))

    assert versions(store) == {"a": "1"}


def test_an_object_that_is_labelled_anew_moves_to_its_new_rollout_and_both_hear_of_it() -> None:
    store, changed = fresh()
    store.put(child(version=1))
    store.put(child(version=2, metadata={"labels": labels() | {"modelrollout.dev/name": "fraud"}}))

    assert (store.of(KEY), len(store.of("default/fraud"))) == ((), 1)
    assert changed == [KEY, KEY, "default/fraud"]


def test_a_pod_is_kept_without_what_nobody_reads() -> None:
    full = child("p", spec={"nodeName": "n", "containers": [{"name": "server", "env": [1]}, {"name": "mesh"}]})
    full["metadata"]["annotations"] = {"big": "x" * 1000}

    assert pod(full) == {
        "metadata": {key: value for key, value in full["metadata"].items() if key != "annotations"},
        "spec": {"nodeName": "n", "containers": [{"name": "server"}]},
        "status": {},
    }
