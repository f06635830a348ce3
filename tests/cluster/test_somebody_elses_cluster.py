"""A machine that belongs to another Kubernetes is left alone, and the refusal says why."""

from collections.abc import Mapping

import pytest

from localcluster.conflicts import Neighbours, find_conflicts


def neighbours(
    programs: Mapping[int, str] | None = None,
    ports: Mapping[int, str] | None = None,
    tables: tuple[str, ...] = (),
    links: tuple[str, ...] = ("lo", "eth0"),
    routes: tuple[tuple[str, str], ...] = (("default", "eth0"), ("192.0.2.0/24", "eth0")),
) -> Neighbours:
    return Neighbours(programs or {}, ports or {}, frozenset(tables), frozenset(links), routes)


@pytest.mark.parametrize(
    ("seen", "sentence"),
    [
        (neighbours(programs={812: "kubelet"}), "kubelet runs as process 812"),
        (neighbours(ports={6443: "k3s (process 9)"}), "port 6443 is taken by k3s (process 9)"),
        (neighbours(tables=("ip kube-proxy",)), "nftables has a table `ip kube-proxy`"),
        (neighbours(links=("lo", "cni0")), "there is a network interface cni0"),
        (
            neighbours(routes=(("10.244.1.0/24", "cni7"),)),
            "the route 10.244.1.0/24 by cni7 overlaps 10.244.0.0/16",
        ),
        (neighbours(routes=(("10.99.0.1", "wg0"),)), "the route 10.99.0.1 by wg0 overlaps 10.99.0.1/32"),
    ],
    ids=["kubelet", "port", "kube-proxy's table", "bridge", "route of pods", "route of the API server"],
)
def test_what_is_in_the_way_is_named(seen: Neighbours, sentence: str) -> None:
    assert find_conflicts(seen) == (sentence,)


def test_an_ordinary_machine_has_no_conflict() -> None:
    assert find_conflicts(neighbours(tables=("ip nat", "inet firewall"))) == ()


def test_our_own_guards_are_no_conflict() -> None:
    routes = (("10.96.0.0/16", "mrbr0"), ("10.244.0.0/16", ""), ("10.244.0.0/16", "mrcni0"))
    assert find_conflicts(neighbours(links=("lo", "mrbr0", "mrcni0"), routes=routes)) == ()
