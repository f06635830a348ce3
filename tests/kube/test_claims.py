"""Whose a namespace is: one installation's, whatever the others think."""

from dataclasses import dataclass, field

import pytest
from kube.apiserver import Direct

from modelrollout.kube.claims import CLAIM, CLUSTER_CLAIM, Claims, refused
from modelrollout.kube.errors import KubeError, NamespaceEnding, Unavailable
from modelrollout.kube.resources import LEASES


@dataclass
class Clock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


@dataclass
class World:
    api: Direct = field(default_factory=Direct)
    clock: Clock = field(default_factory=Clock)

    def install(self, name: str) -> Claims:
        return Claims(self.api, name, self.clock)

    def holder(self, namespace: str, name: str = CLAIM) -> str:
        lease = self.api.server.get(LEASES, name, namespace)
        return str(lease["spec"]["holderIdentity"]) if lease else ""


async def test_the_first_installation_has_the_namespace_and_the_second_is_told_by_name() -> None:
    world = World()
    assert await world.install("ops/mr").other("shop") == ""
    assert await world.install("lab/mr").other("shop") == "ops/mr"
    assert world.holder("shop") == "ops/mr"


async def test_replicas_of_one_installation_share_its_claim() -> None:
    world = World()
    assert [await world.install("ops/mr").other("shop") for _ in range(3)] == ["", "", ""]


async def test_the_whole_cluster_is_claimed_once() -> None:
    world = World()
    assert await world.install("ops/mr").other("") == ""
    assert await world.install("lab/mr").other("") == "ops/mr"
    assert world.holder("kube-system", CLUSTER_CLAIM) == "ops/mr"


async def test_a_claim_is_looked_at_and_renewed_every_few_minutes_only() -> None:
    world = World()
    claims = world.install("ops/mr")
    for _ in range(400):
        await claims.other("shop")
        world.clock.now += 1
    assert world.api.server.asked == [
        "get leases modelrollout-claim",
        "create leases",
        "get leases modelrollout-claim",
        "update leases modelrollout-claim",
    ]


async def test_a_claim_that_is_renewed_stays_however_long_somebody_waits() -> None:
    world = World()
    first, second = world.install("ops/mr"), world.install("lab/mr")
    for _ in range(100):
        assert await first.other("shop") == ""
        assert await second.other("shop") == "ops/mr"
        world.clock.now += 100
    assert world.holder("shop") == "ops/mr"


async def test_a_claim_that_nobody_renews_is_free_after_ten_minutes() -> None:
    world = World()
    await world.install("ops/mr").other("shop")
    second = world.install("lab/mr")
    assert await second.other("shop") == "ops/mr"
    world.clock.now += 599
    assert await second.other("shop") == "ops/mr"
    world.clock.now += 2
    assert await second.other("shop") == ""
    assert world.holder("shop") == "lab/mr"


async def test_a_claim_that_was_taken_from_us_is_noticed() -> None:
    world = World()
    first = world.install("ops/mr")
    await first.other("shop")
    world.api.server.remove(LEASES, CLAIM, "shop")
    await world.install("lab/mr").other("shop")
    world.clock.now += 201
    assert await first.other("shop") == "lab/mr"


async def test_a_claim_is_believed_while_the_api_server_is_away() -> None:
    world = World()
    claims = world.install("ops/mr")
    await claims.other("shop")
    world.api.faults["get leases"] = [Unavailable("down"), Unavailable("down")]
    world.clock.now += 599
    assert await claims.other("shop") == ""
    world.clock.now += 2
    with pytest.raises(KubeError):
        await claims.other("shop")


async def test_a_namespace_that_is_ending_needs_no_claim() -> None:
    world = World()
    world.api.faults["create leases"] = [NamespaceEnding("ending")]
    assert await world.install("ops/mr").other("shop") == ""


async def test_a_process_at_a_desk_claims_nothing() -> None:
    world = World()
    assert await world.install("").other("shop") == ""
    assert world.api.server.asked == []


def test_the_sentence_names_the_other_one_and_the_remedy() -> None:
    assert refused("shop", "ops/mr") == (
        "namespace shop is looked after by the installation ops/mr, so this one leaves its rollouts alone; uninstall "
        "one of them, or give each its own watchNamespaces. If ops/mr is gone: "
        "kubectl --namespace shop delete lease modelrollout-claim"
    )
    assert refused("", "ops/mr").startswith("all namespaces are looked after by the installation ops/mr")
