"""Plays a NetworkPolicy on the self-built cluster, whose network enforces none: the same rules, as a firewall's.

Only what the chart's policy uses: ports, and peers by the labels of pods in any namespace. What a node sends to its own
pods, such as probes, passes a policy anyway.
"""

import asyncio
import os
from asyncio import CancelledError
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

from e2e.network import nft

from stage.kube import ApiError, Cluster, Object

ALL_PODS = "/api/v1/pods"
LOOK_SECONDS = 0.2
HOOKS = ("forward", "input")
"""To other pods, and to the node, where the API server is."""


@asynccontextmanager
async def enforced(cluster: Cluster, policy: Object, pod: Object) -> AsyncIterator[None]:
    """Let a pod send and get what the policy says and nothing else, while the block runs."""
    table = f"e2e_{os.urandom(3).hex()}"
    await nft("\n".join(firewall(table, policy["spec"], pod)))
    following = asyncio.create_task(_follow(cluster, table, policy["spec"]))
    try:
        yield
        assert not following.done(), following.exception()
    finally:
        following.cancel()
        with suppress(CancelledError):
            await following
        await nft(f"delete table ip {table}")


def firewall(table: str, spec: Mapping[str, Any], pod: Object) -> Iterator[str]:
    """The policy as commands of nft; peers are sets that are filled as pods come and go."""
    own = pod["status"]["podIP"]
    yield f"add table ip {table}"
    for number, rule in enumerate(spec["egress"]):
        if rule.get("to"):
            yield f"add set ip {table} {_peers(number)} {{ type ipv4_addr; }}"
    for hook in HOOKS:
        yield f"add chain ip {table} {hook} {{ type filter hook {hook} priority -10; }}"
        for passes in ("ct state established,related", *_out(spec, own), *_in(spec, own, pod)):
            yield f"add rule ip {table} {hook} {passes} accept"
        yield f"add rule ip {table} {hook} ip saddr {own} drop"
        yield f"add rule ip {table} {hook} ip daddr {own} drop"


def _out(spec: Mapping[str, Any], own: str) -> Iterator[str]:
    for number, rule in enumerate(spec["egress"]):
        peers = f" ip daddr @{_peers(number)}" if rule.get("to") else ""
        for port in rule["ports"]:
            yield f"ip saddr {own}{peers} {port.get('protocol', 'TCP').lower()} dport {port['port']}"


def _in(spec: Mapping[str, Any], own: str, pod: Object) -> Iterator[str]:
    (container,) = pod["spec"]["containers"]
    named = {port["name"]: port["containerPort"] for port in container["ports"]}
    for rule in spec["ingress"]:
        for port in rule["ports"]:
            yield f"ip daddr {own} tcp dport {named.get(port['port'], port['port'])}"


def _peers(number: int) -> str:
    return f"peers_{number}"


async def _follow(cluster: Cluster, table: str, spec: Mapping[str, Any]) -> None:
    """Add the pods that a rule means, as a plugin of the network would."""
    known: set[tuple[int, str]] = set()
    while True:
        with suppress(ApiError):
            for number, rule in enumerate(spec["egress"]):
                for labels in _meant(rule.get("to", ())):
                    for pod in await cluster.list(ALL_PODS, labels):
                        address = (pod.get("status") or {}).get("podIP")
                        if address and (number, address) not in known:
                            await nft(f"add element ip {table} {_peers(number)} {{ {address} }}")
                            known.add((number, address))
        await asyncio.sleep(LOOK_SECONDS)


def _meant(peers: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Label selectors of the pods that are meant, in all namespaces."""
    for peer in peers:
        assert peer["namespaceSelector"] == {}, peer
        yield ",".join(f"{key}={value}" for key, value in peer["podSelector"]["matchLabels"].items())
