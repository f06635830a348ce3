"""The operator in the simulated world: the real core, judge and ledger, and nothing else that remembers.

One turn is observe, decide, commit, act, in the order of the real one. A kill loses the ledger; what comes back goes on
from the checkpoint in the status.
"""

from dataclasses import dataclass
from datetime import timedelta
from math import ceil

from modelrollout import names, registered
from modelrollout.core.decide import decide
from modelrollout.core.decision import Decision, Route, Watch
from modelrollout.core.facts import UNAVAILABLE, AliasSeen, Foreign, Orphan, PodSeen, RegistryTrouble, Seen, ServiceSeen
from modelrollout.ledger import Ledger, Look, Looks, after, caught_up, ends_early, judged, resumed, rules_of, under
from modelrollout.simulation.cluster import SERVICE, TAMPERED
from modelrollout.simulation.pods import Pod, State
from modelrollout.simulation.resource import Stale, Unwritten
from modelrollout.simulation.world import BEGINNING, Killed, World

TURNS = 4
"""Turns in one second at most: each write is seen, and leads to the next turn."""


@dataclass(frozen=True, slots=True)
class Looked:
    """The last look that led to no write: the next one waits for a change, or for its time."""

    version: int
    seen: Seen
    until: int | None

    def is_still_so(self, world: World, seen: Seen) -> bool:
        in_time = self.until is None or world.now < self.until
        return in_time and self.version == world.resource.version and self.seen == seen


@dataclass(slots=True)
class Driver:
    """One process of the operator, started again `restart` seconds after each kill."""

    world: World
    restart: int = 3
    down_until: int = 0
    ledger: Ledger | None = None
    watch: Watch | None = None
    due: float = 0.0
    looked: Looked | None = None

    def step(self) -> None:
        """One second of the operator's work."""
        if self.world.now < self.down_until or self.world.resource.parsed is None:
            return
        self._scrape()
        try:
            for _ in range(TURNS):
                if not self._turn():
                    return
        except Killed:
            self.kill(self.restart)

    def kill(self, seconds: int) -> None:
        """Lose everything that is not in the status, and come back after so many seconds."""
        self.ledger, self.watch, self.due, self.looked = None, None, 0.0, None
        self.down_until = self.world.now + seconds

    def _turn(self) -> bool:
        """Observe, decide, commit, act; gives whether anything was written."""
        world = self.world
        rollout, version, seen = world.resource.read(), world.resource.version, self.see()
        if self.looked is not None and self.looked.is_still_so(world, seen):
            return False
        decision = decide(rollout, seen, world.time)
        if ends_early(self._ledger(), decision.watch):
            self.ledger = caught_up(self._ledger())
            decision = decide(rollout, self.see(), world.time)
        before = world.writes
        try:
            if decision.status != rollout.status:
                world.commit(decision.status, version)
            for note in decision.notes:
                world.note(note)
            for action in decision.actions:
                world.carry_out(action)
        except Stale:
            return True
        except Unwritten:
            return decision.urgent and self._retreat(decision)
        self.watch = decision.watch
        self.ledger = under(self._ledger(), decision.watch)
        again = None if decision.again is None else world.now + max(1, ceil(decision.again.total_seconds()))
        wrote = world.writes > before
        self.looked = None if wrote else Looked(version, seen, again)
        return wrote

    def _retreat(self, decision: Decision) -> bool:
        """Only move traffic to stable, whatever became of the status."""
        safe = (one for one in decision.actions if isinstance(one, Route) and one.expected is None)
        return any(self.world.carry_out(one) for one in safe)

    def _ledger(self) -> Ledger:
        return self.ledger if self.ledger is not None else resumed(self.world.resource.status)

    def _scrape(self) -> None:
        if self.watch is None or self.world.now < self.due:
            return
        self.due = self.world.now + max(1.0, self.watch.interval.total_seconds())
        watched = {self.watch.candidate, self.watch.stable, *self.watch.outside}
        pods = [pod for pod in self.world.cluster.pods if pod.revision in watched and _is_asked(pod)]
        looks = Looks(float(self.world.now), tuple(self._look(pod) for pod in pods))
        spec = self.world.resource.parsed
        if spec is None:
            return
        asked = rules_of(spec.health, self.watch)
        self.ledger = judged(after(self._ledger(), looks, self.watch, asked), asked)

    def _look(self, pod: Pod) -> Look:
        answers = pod.answers and pod.version not in self.world.cluster.blind
        return Look(pod.uid, pod.revision, pod.sample() if answers else None, "" if answers else "no answer within 3 s")

    def see(self) -> Seen:
        """What the real operator would see of this world."""
        world, ledger = self.world, self._ledger()
        cluster = world.cluster
        return Seen(
            default_image=world.default_image,
            deployments=cluster.deployments_seen(),
            pods=tuple(self._pod(pod, ledger) for pod in cluster.pods if not pod.ending),
            service=self._service(cluster.service, names.service(cluster.rollout)),
            preview=self._service(cluster.preview, names.preview_service(cluster.rollout)),
            sources=tuple(cluster.sources),
            proven=dict(cluster.proven),
            orphans=tuple(Orphan(*one) for one in sorted(cluster.orphans)),
            taken=tuple(
                Foreign(*one, f"{one[0]} {one[1]} belongs to somebody else") for one in sorted(cluster.foreign)
            ),
            verdict=ledger.verdict,
            epoch=ledger.epoch,
            watched=ledger.watched,
            traffic=ledger.traffic,
            packed=ledger.kept.packed,
            compared=ledger.kept.compared,
            report=ledger.kept.report,
            predicted=ledger.predicted,
            tested=ledger.steady.tested,
            registries=self._registries(),
            alias=self._alias(),
        )

    def _service(self, selector: names.Labels | None, name: str) -> ServiceSeen | None:
        if selector is None:
            return None
        cluster = self.world.cluster
        drifted = TAMPERED if SERVICE in cluster.tampered and name == names.service(cluster.rollout) else ""
        return ServiceSeen(selector, owned=("Service", name) not in cluster.foreign, drifted=drifted)

    def _registries(self) -> dict[str, str]:
        """Whichever registry the spec names, somebody has declared it."""
        model = registered.parsed(self._uri())
        return {model.registry or "registry": "https://registry.example.com"} if model is not None else {}

    def _alias(self) -> AliasSeen | None:
        uri, cluster = self._uri(), self.world.cluster
        own = registered.own(self.world.resource.written.get("model", {}))
        model = registered.parsed(uri)
        if model is None or not model.alias:
            return None
        if cluster.registry_away:
            return AliasSeen(uri, registry=own, trouble=RegistryTrouble(UNAVAILABLE, "the registry does not answer"))
        return AliasSeen(uri, cluster.aliases.get(uri, "1"), registry=own)

    def _uri(self) -> str:
        return str(self.world.resource.written.get("model", {}).get("uri", ""))

    def _pod(self, pod: Pod, ledger: Ledger) -> PodSeen:
        scrapes = ledger.scrapes(pod.uid)
        return PodSeen(
            name=pod.name,
            uid=pod.uid,
            revision=pod.revision,
            ready=pod.ready,
            ready_since=BEGINNING + timedelta(seconds=pod.since) if pod.ready else None,
            restarts=pod.restarts + pod.sidecar_restarts,
            started=_is_asked(pod),
            trouble=pod.trouble,
            words=pod.words,
            failed_scrapes=scrapes.failed,
            scraped=scrapes.answered,
            unanswered=scrapes.reason,
            heard=scrapes.heard,
            waits=scrapes.waits,
            node=pod.node,
            peak_bytes=scrapes.peak_bytes,
        )


def _is_asked(pod: Pod) -> bool:
    """Whether the server has started, so that it has to answer."""
    return pod.state in {State.RUNNING, State.STUCK, State.HANGING} and not pod.ending
