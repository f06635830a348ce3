"""Whose fault it is: what was seen at a candidate's pods, turned into a rejection, a hold, or nothing.

A flat list of checks, each named for the fact it finds, in the order in which they speak. Only a failed load, a
crash, a limit or evidence rejects a revision; what the cluster did to a pod is waited for and blamed on nobody.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta

from modelrollout import names
from modelrollout.api.status import Candidate, ModelRolloutStatus, Routing, Stage
from modelrollout.core.epochs import of_candidate
from modelrollout.core.facts import CONTAINER_FAULTS, PodSeen, PodTrouble
from modelrollout.core.foreign import foreign_deployment
from modelrollout.core.turn import Turn
from modelrollout.core.words import mebibytes, seconds, times
from modelrollout.judge.verdicts import NOTHING_SEEN, Verdict
from modelrollout.judge.verdicts import Finding as Broken

UNANSWERED_SCRAPES = 3
REQUEST_TIMEOUT = timedelta(seconds=10)
"""What the serving image gives a request. With an older one under way it is stuck, since it predicts in one thread."""
REPLACES = frozenset({Stage.STARTING, Stage.JUDGING, Stage.PAUSED})
"""Stages in which requests may be shared with stable, so that a pod can be replaced without a move of traffic."""
COMPARED = frozenset({"errorRatio", "latencyRatio"})
"""What is found by comparison with stable."""

REMEDIES = {
    PodTrouble.OOM_KILLED: "raise server.resources.limits.memory or make the model smaller",
    PodTrouble.MODEL_NOT_FOUND: "check model.uri",
    PodTrouble.CHECKSUM_MISMATCH: "check model.sha256 against the artefact",
    PodTrouble.FEATURE_MISMATCH: "export the model with the columns it was fitted on",
    PodTrouble.MISSING_DEPENDENCY: "use a serving image that has it",
    PodTrouble.PORT_IN_USE: "free ports 8080 and 8081 in the pod template",
    PodTrouble.KILLED_BY_LIVENESS: "its /health did not answer for 30 s: look for a request that never ends",
    PodTrouble.PROBE_FAILING: "look at the answers of /ready",
    PodTrouble.CRASHED: "read the pod's log",
    PodTrouble.CANNOT_PULL: "check the image and its pull secret",
    PodTrouble.MISSING_CONFIG: "create the ConfigMap or Secret that it names",
    PodTrouble.UNSCHEDULABLE: "make room or lower the requests",
    PodTrouble.SCHEDULING_GATED: "remove the gate, or look at the controller that should",
    PodTrouble.NOT_MOUNTED: "kubectl describe pod says what is missing",
    PodTrouble.INITIALIZING: "read that container's log",
    PodTrouble.SIDECAR_NOT_READY: "read that container's log",
    PodTrouble.READINESS_GATE: "look at the controller that sets this condition",
    PodTrouble.NODE_LOST: "nothing: the pod is being replaced",
}


@dataclass(frozen=True, slots=True)
class Rejection:
    """The revision is bad."""

    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Standstill:
    """Nothing may move forward, and nobody is to blame yet."""

    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class SickPod:
    """One pod of several is bad, and not the revision."""

    pod: PodSeen
    message: str


Finding = Rejection | Standstill | SickPod | None


@dataclass(frozen=True, slots=True)
class Arms:
    """The pods of both arms in one turn, and the verdict where it belongs to the present epoch."""

    turn: Turn
    candidate: Candidate
    candidate_pods: tuple[PodSeen, ...]
    stable_pods: tuple[PodSeen, ...]
    verdict: Verdict


def find(turn: Turn, status: ModelRolloutStatus, candidate: Candidate) -> Finding:
    """The first fact that speaks against going on."""
    stable = status.stable.revision if status.stable is not None else ""
    judged = turn.seen.epoch == of_candidate(turn, candidate)
    arms = Arms(
        turn,
        candidate,
        turn.seen.pods_of(candidate.revision),
        turn.seen.pods_of(stable),
        turn.seen.verdict if judged else NOTHING_SEEN,
    )
    return next((finding for check in CHECKS if (finding := check(arms)) is not None), None)


def keeps_crashing(arms: Arms) -> Finding:
    """More restarts of one container in a step than are tolerated: it cannot load, or it crashes under traffic."""
    limit = arms.turn.spec.health.limits.restarts
    for pod in arms.candidate_pods:
        count = pod.restarts - arms.candidate.restarts.get(pod.uid, 0)
        if pod.trouble not in CONTAINER_FAULTS or count <= limit:
            continue
        if _stable_crashes_alike(arms):
            return Standstill("StableUnhealthy", f"stable's containers fail like {pod.name}'s: {said(pod)}")
        return Rejection(str(pod.trouble), f"{pod.name} restarted {times(count)} (limit {limit}): {said(pod)}")
    return None


def _stable_crashes_alike(arms: Arms) -> bool:
    """All of stable's pods are down and one keeps crashing, too: what they share is broken."""
    limit = arms.turn.spec.health.limits.restarts
    down = [pod for pod in arms.stable_pods if pod.trouble in CONTAINER_FAULTS and not pod.ready]
    return bool(down) and len(down) == len(arms.stable_pods) and any(pod.restarts > limit for pod in down)


def does_not_answer(arms: Arms) -> Finding:
    """Scrapes that fail while others' are answered speak against the pod; when all fail, against the network."""
    pods = (*arms.stable_pods, *arms.candidate_pods)
    silent = [pod for pod in arms.candidate_pods if _is_silent(pod)]
    if not silent:
        return None
    pod = next((pod for pod in silent if not _shares_its_silence(pod, arms)), None)
    if pod is None:
        pod = silent[0]
        message = f"neither {pod.name} nor stable's pods on its node {pod.node} answer{because(pod)}"
        return Standstill("ScrapeFailing", message)
    if any(one.scraped for one in pods):
        return Rejection(
            "Unresponsive",
            f"{pod.name} gave no usable answer to {pod.failed_scrapes} scrapes in a row while other pods answered"
            f"{because(pod)}",
        )
    if any(one.heard for one in pods):
        heard = next(one for one in pods if one.heard)
        return Standstill("ScrapeFailing", f"no pod of either arm gives a usable answer: {no_answer(heard)}")
    return Standstill(
        "ScrapeBlocked",
        f"no pod of either arm answers on port {names.HEALTH_PORT}{because(pod)}; allow the operator to reach port "
        f"{names.HEALTH_PORT} of pods labelled {names.NAME_LABEL}={arms.turn.rollout.name}",
    )


def is_stuck(arms: Arms) -> Finding:
    """Its health port answers and its serving loop does not: nothing more is counted, so no limit would ever fire."""
    stuck = waiting_too_long(arms.candidate_pods)
    if stuck is None:
        return None
    alike = waiting_too_long(arms.stable_pods)
    if alike is not None:
        return Standstill("StableUnhealthy", f"both arms are stuck: {waits(stuck)}; {waits(alike)}")
    beside = ", while stable's pods answer" if arms.stable_pods else ""
    return Rejection("Unresponsive", f"{waits(stuck)}{beside}")


def waiting_too_long(pods: tuple[PodSeen, ...]) -> PodSeen | None:
    """The first pod whose server has had one request under way for longer than a request may take."""
    return next((pod for pod in pods if pod.scraped and pod.waits > REQUEST_TIMEOUT), None)


def waits(pod: PodSeen) -> str:
    return (
        f"{pod.name} has not finished a request in {pod.waits.total_seconds():.1f} s "
        f"(limit {seconds(REQUEST_TIMEOUT)}), and those behind it wait"
    )


def because(pod: PodSeen) -> str:
    """Why its last scrape failed, as the end of a sentence."""
    return f": {pod.unanswered}" if pod.unanswered else ""


def no_answer(pod: PodSeen) -> str:
    """A pod whose scrapes fail, for people."""
    if not pod.heard:
        return f"{pod.name} does not answer on port {names.HEALTH_PORT}{because(pod)}"
    return f"{pod.name} gives no usable answer on port {names.HEALTH_PORT}{because(pod)}"


def unheard(pods: Iterable[PodSeen]) -> PodSeen | None:
    """The first pod that should answer scrapes and has not for a while."""
    return next((pod for pod in pods if pod.ready and _is_silent(pod)), None)


def _is_silent(pod: PodSeen) -> bool:
    lost = pod.trouble is PodTrouble.NODE_LOST
    return pod.started and not lost and pod.failed_scrapes >= UNANSWERED_SCRAPES


def _shares_its_silence(pod: PodSeen, arms: Arms) -> bool:
    """Stable's pods on its node are silent, too, and others are not: the node is to blame, not the model."""
    beside = [one for one in arms.stable_pods if pod.node and one.node == pod.node and one.started]
    elsewhere = any(one.scraped for one in (*arms.stable_pods, *arms.candidate_pods) if one.node != pod.node)
    return bool(beside) and elsewhere and not any(one.scraped for one in beside)


def breaks_a_limit(arms: Arms) -> Finding:
    bad, stable = arms.verdict.candidate, arms.verdict.stable
    if bad is None:
        return None
    if stable is not None and stable.metric == bad.metric:
        message = f"both break {bad.metric}: the candidate {bad.message}; stable {stable.message}"
        return Standstill("StableUnhealthy", message)
    sick = _sick_pod(arms, bad)
    if sick is not None:
        return sick
    before = arms.candidate.replaced
    again = f"; {before.pod} was replaced before" if before is not None else ""
    return Rejection(bad.metric[0].upper() + bad.metric[1:], f"{bad.message}{_chance(bad)}{again}")


def _sick_pod(arms: Arms, bad: Broken) -> SickPod | None:
    """The pod that all evidence is on, where another one of the candidate serves and enough pods are left without it.

    Once in a rollout: where it comes back the model is to blame, or nobody can tell.
    """
    candidate, suspect = arms.candidate, bad.suspect
    if suspect is None or candidate.replaced is not None or candidate.forced or candidate.stage not in REPLACES:
        return None
    pod = next((one for one in arms.candidate_pods if one.name == suspect.pod), None)
    others = sum(one.ready for one in arms.candidate_pods if one is not pod)
    serving = others + sum(one.ready for one in arms.stable_pods)
    if pod is None or not others or serving < arms.turn.rollout.status.size or arms.turn.unfollowed:
        return None
    return SickPod(pod, suspect.message)


def _chance(bad: Broken) -> str:
    """How often a model as good as stable would look as bad, where the two were compared."""
    return f"; p = {math.exp(-bad.log_e):.2g}" if bad.metric in COMPARED else ""


def is_not_seen_now(arms: Arms) -> Finding:
    """A ready candidate pod without an answer to its last scrape: wait, since no evidence never promotes."""
    if arms.candidate.routing is Routing.STABLE or arms.candidate.forced:
        return None
    blind = [pod for pod in arms.candidate_pods if pod.ready and pod.failed_scrapes > 0]
    if not blind:
        return None
    return Standstill("ScrapeFailing", f"{blind[0].name} gave no usable answer to its last scrape{because(blind[0])}")


Check = Callable[[Arms], Finding]
CHECKS: tuple[Check, ...] = (keeps_crashing, breaks_a_limit, is_stuck, does_not_answer, is_not_seen_now)


def said(pod: PodSeen) -> str:
    """What is wrong with a pod, its last words, and what to do: for people."""
    trouble = pod.trouble
    if trouble is None:
        return pod.words
    peak = f"highest seen {mebibytes(pod.peak_bytes)}" if trouble is PodTrouble.OOM_KILLED and pod.peak_bytes else ""
    words = ", ".join(part for part in (pod.words, peak) if part)
    return f"{trouble}{f' ({words})' if words else ''}; {REMEDIES[trouble]}"


def refusal(words: str) -> str:
    """A write that the API server refuses, for people."""
    return f"the API server refuses what the operator writes, correct what it names: {words}"


def world_trouble(turn: Turn, revision: str) -> str:
    """What the cluster or the configuration around a revision lacks, as a sentence; empty when nothing."""
    deployment = turn.seen.deployment(revision)
    if deployment is not None and deployment.trouble:
        return f"{deployment.name} cannot make pods: {deployment.trouble}"
    foreign = foreign_deployment(turn, revision)
    if foreign is not None:
        return foreign.message
    if deployment is None and turn.seen.refused:
        return refusal(turn.seen.refused)
    for pod in turn.seen.pods_of(revision):
        if pod.trouble is not None and pod.trouble not in CONTAINER_FAULTS and not pod.ready:
            return f"{pod.name}: {said(pod)}"
    return ""


def any_trouble(turn: Turn, revision: str) -> str:
    """The first thing that keeps a pod of a revision from serving, as a sentence."""
    world = world_trouble(turn, revision)
    if world:
        return world
    troubled = [pod for pod in turn.seen.pods_of(revision) if pod.trouble is not None and not pod.ready]
    return f"{troubled[0].name}: {said(troubled[0])}" if troubled else ""
