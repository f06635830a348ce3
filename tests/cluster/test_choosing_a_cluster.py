"""Which cluster is used, and what the user is told where none can run."""

from dataclasses import replace
from pathlib import Path

import pytest

from localcluster.choice import Choice, Driver, asked_for, choose, chosen_before, refuse_where_nothing_runs
from localcluster.images import repository_in
from localcluster.places import Places
from localcluster.requirements import Machine, parse_capabilities, what_is_missing
from localcluster.saying import ClusterError

ALL_CAPABILITIES = (1 << 41) - 1
ABLE = Machine(
    system="Linux",
    machine="x86_64",
    is_root=True,
    capabilities=ALL_CAPABILITIES,
    has_cgroups=True,
    has_bridge_filter=True,
    has_apt=True,
    state_filesystem="ext2/ext3",
    free_gibibytes=40.0,
)


@pytest.mark.parametrize("asked", ["current", "kind", "self-built"])
def test_the_variable_cluster_says_which(asked: str) -> None:
    assert asked_for({"CLUSTER": asked}) == Choice(Driver(asked), f"CLUSTER={asked} says so")


def test_the_current_context_is_never_taken_unasked() -> None:
    assert asked_for({"KUBECONFIG": "/somewhere"}) is None


def test_an_unknown_wish_is_refused_with_the_ones_that_exist() -> None:
    with pytest.raises(ClusterError, match=r"CLUSTER=minikube is unknown; write one of current, kind, self-built"):
        asked_for({"CLUSTER": "minikube"})


def places_after_up_of(driver: str, folder: Path) -> Places:
    where = Places(folder, folder, folder)
    where.choice.write_text(driver)
    return where


def test_the_cluster_that_is_up_is_chosen_again(tmp_path: Path) -> None:
    assert choose({}, places_after_up_of("kind", tmp_path)) == Choice(Driver.KIND, "as it was chosen before")


def test_a_second_cluster_beside_the_first_is_refused(tmp_path: Path) -> None:
    expected = (
        "CLUSTER=current says so, but a cluster of kind self-built is in use: take it away with `make cluster-down`"
    )
    with pytest.raises(ClusterError, match=expected):
        choose({"CLUSTER": "current"}, places_after_up_of("self-built", tmp_path))


def test_the_users_own_cluster_does_not_stick(tmp_path: Path) -> None:
    assert chosen_before(places_after_up_of("current", tmp_path), None) is None


def test_where_nothing_can_run_the_message_says_what_is_missing_and_what_still_works() -> None:
    with pytest.raises(ClusterError) as refusal:
        refuse_where_nothing_runs(("the self-built cluster needs root: run the command with sudo",))
    assert str(refusal.value) == (
        "no cluster can run here. No Docker engine works that could run kind, and:\n"
        "  - the self-built cluster needs root: run the command with sudo\n"
        "With CLUSTER=current your own cluster is used. "
        "Without a cluster these still work: `make check` (lint, types, fast tests, the simulation)."
    )


@pytest.mark.parametrize(
    ("machine", "sentence"),
    [
        (replace(ABLE, system="Darwin"), "the self-built cluster needs Linux; this is Darwin"),
        (replace(ABLE, is_root=False), "the self-built cluster needs root: run the command with sudo"),
        (replace(ABLE, machine="riscv64"), "programs are built for x86_64 and aarch64, not riscv64"),
        (
            replace(ABLE, capabilities=ALL_CAPABILITIES & ~(1 << 21)),
            "this container lacks CAP_SYS_ADMIN: start it privileged",
        ),
        (replace(ABLE, has_cgroups=False), "/sys/fs/cgroup is not there or not writable"),
        (replace(ABLE, has_bridge_filter=False), "the kernel module br_netfilter is not loaded and cannot be"),
        (replace(ABLE, has_apt=False), "there is no apt-get; the cluster's programs come from Debian's packages"),
        (
            replace(ABLE, state_filesystem="overlayfs"),
            "containers need a real disk: set XDG_STATE_HOME to a folder that is no overlay",
        ),
        (replace(ABLE, free_gibibytes=2.25), "2.2 GiB of disk are free; 8 are needed"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_each_thing_that_is_missing_has_its_sentence(machine: Machine, sentence: str) -> None:
    assert what_is_missing(machine) == (sentence,)


def test_a_machine_without_the_right_to_raise_resource_limits_is_enough() -> None:
    assert what_is_missing(replace(ABLE, capabilities=ALL_CAPABILITIES & ~(1 << 24))) == ()


def test_capabilities_are_read_from_the_effective_set() -> None:
    assert parse_capabilities("CapPrm:\t0000000000000000\nCapEff:\t000001fffeffffff\n") == 0x1FFFEFFFFFF
    assert parse_capabilities("nothing of the kind") == 0


@pytest.mark.parametrize("driver", ["kind", "self-built"])
def test_images_that_are_loaded_into_a_cluster_are_found_in_it(driver: str, tmp_path: Path) -> None:
    registry = {"IMAGE_REPO": "registry.invalid/ml"}
    assert repository_in(places_after_up_of(driver, tmp_path), registry) == "localhost"
