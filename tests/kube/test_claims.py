"""Whose a namespace is: one installation's, whatever the others think."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kube.apiserver import Direct

from modelrollout.kube.claims import CLAIM, CLUSTER_CLAIM, Claims, refused
from modelrollout.kube.errors import KubeError, NamespaceEnding, Unavailable
from modelrollout.kube.resources import LEASES


@dataclass
class Clock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


BEGUN = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass
class World:
    api: Direct = field(default_factory=Direct)
    clock: Clock = field(default_factory=Clock)

    def install(self, name: str, wrong_by: timedelta = timedelta()) -> Claims:
        return Claims(self.api, name, self.clock, lambda: BEGUN + timedelta(seconds=self.clock.now) + wrong_by)

    def write(self, namespace: str, **spec: Any) -> None:
        """Somebody writes the claim of a namespace, whatever it then says."""
        self.api.server.put(LEASES, {"metadata": {"name": CLAIM, "namespace": namespace}, "spec": spec})

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


async def test_what_a_former_installation_has_left_is_free_at_first_sight() -> None:
    world = World()
    await world.install("ops/mr").other("shop")
    world.clock.now += 661
    assert await world.install("lab/mr").other("shop") == ""


@pytest.mark.parametrize("wrong_by", [timedelta(minutes=-9), timedelta(minutes=7)], ids=["slow", "fast"])
async def test_a_clock_that_is_minutes_wrong_takes_no_claim_that_is_renewed(wrong_by: timedelta) -> None:
    world = World()
    first, second = world.install("ops/mr"), world.install("lab/mr", wrong_by)
    for _ in range(20):
        assert await first.other("shop") == ""
        assert await second.other("shop") == "ops/mr"
        world.clock.now += 201


HOSTILE: list[dict[str, Any]] = [
    {"leaseDurationSeconds": 2**31 - 1},
    {"leaseDurationSeconds": 2**31 - 1, "renewTime": "9999-12-31T23:59:59.999999Z"},
    {"leaseDurationSeconds": -1},
    {"leaseDurationSeconds": 0},
    {"leaseDurationSeconds": True},
    {"leaseDurationSeconds": float("nan")},
    {"leaseDurationSeconds": float("inf")},
    {"leaseDurationSeconds": "soon"},
    {"leaseDurationSeconds": []},
    {"renewTime": "now"},
    {"renewTime": ""},
    {"renewTime": None},
    {"renewTime": 7},
    {"renewTime": "2026-01-01T00:00:00"},
    {"renewTime": "0001-01-01T00:00:00.000000Z"},
    {"renewTime": {"a": []}},
    {"strategy": "OldestEmulationVersion", "preferredHolder": "mallory"},
    {},
]


@pytest.mark.parametrize("said", HOSTILE, ids=str)
async def test_whatever_a_claim_says_it_is_free_ten_minutes_after_its_last_change(said: dict[str, Any]) -> None:
    world = World()
    world.write("shop", holderIdentity="mallory", **said)
    claims = world.install("ops/mr")
    assert await claims.other("shop") in {"mallory", ""}
    world.clock.now += 601
    assert await claims.other("shop") == ""
    lease = world.api.server.get(LEASES, CLAIM, "shop")
    assert lease is not None
    assert lease["spec"].keys() == {"holderIdentity", "leaseDurationSeconds", "renewTime"}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
FIELDS = ("holderIdentity", "leaseDurationSeconds", "renewTime", "acquireTime", "leaseTransitions", "strategy")
SPECS = JSON | st.dictionaries(st.sampled_from(FIELDS), JSON | st.datetimes().map(lambda at: f"{at.isoformat()}Z"))


@settings(max_examples=500)
@given(spec=SPECS)
async def test_no_content_of_a_claim_keeps_it_for_longer_than_its_bounds(spec: Any) -> None:
    world = World()
    world.api.server.put(LEASES, {"metadata": {"name": CLAIM, "namespace": "shop"}, "spec": spec})
    claims = world.install("ops/mr")
    assert "\n" not in await claims.other("shop")
    world.clock.now += 601
    assert await claims.other("shop") == ""


async def test_a_claim_on_one_namespace_says_nothing_of_another() -> None:
    world = World()
    world.write("shop", holderIdentity="mallory", leaseDurationSeconds=2**31 - 1)
    claims = world.install("ops/mr")
    assert [await claims.other(namespace) for namespace in ("shop", "search")] == ["mallory", ""]


async def test_the_rollouts_of_a_foreign_namespace_ask_for_its_claim_together() -> None:
    world = World()
    world.write("shop", holderIdentity="mallory")
    claims = world.install("ops/mr")
    assert {await claims.other("shop") for _ in range(1000)} == {"mallory"}
    assert len(world.api.server.asked) == 1


async def test_a_holder_is_named_without_its_control_characters_and_briefly() -> None:
    world = World()
    world.write("shop", holderIdentity="mallory\n\x1b[31m" + "x" * 10_000)
    named = await world.install("ops/mr").other("shop")
    assert named.startswith("mallory\\n\\x1b[31mx")
    assert len(named) == 120


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
        "one of them, or give each its own watchNamespaces. If ops/mr is gone, this one takes over 10 minutes after it "
        "was last renewed, or at once after: kubectl --namespace shop delete lease modelrollout-claim"
    )
    assert refused("", "ops/mr").startswith("all namespaces are looked after by the installation ops/mr")
