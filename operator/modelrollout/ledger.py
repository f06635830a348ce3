"""What was counted for one rollout since its present epoch began: evidence, time watched, traffic, failed scrapes.

The scraper makes `Looks`, `after` adds them to a `Ledger`, `observe` reads it. It is the only memory beside the
stores, and a restart may lose it: `resumed` goes on from the checkpoint in the status, and everything that was not
checkpointed is counted again, later. So a restart can make a promotion late, never early. Time is an argument.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from operator import gt

from modelrollout.api.spec import Health
from modelrollout.api.status import ModelRolloutStatus, SelfTest
from modelrollout.core.decision import Watch
from modelrollout.core.epochs import is_new_step, is_onward
from modelrollout.core.facts import Traffic
from modelrollout.judge import (
    NO_PREDICTIONS,
    Baseline,
    Case,
    Evidence,
    Mark,
    Predictions,
    Recent,
    Report,
    Round,
    Rules,
    Sample,
    SelfTested,
    Steady,
    Verdict,
    at_step,
    fresh,
    marked,
    onward,
    pack,
    pack_trial,
    recent,
    report,
    rules,
    unpack,
    unpack_trial,
)

LATE = 3.0
"""Seconds. A round that comes later than its interval by more counts only so much: nobody watched in between."""
PEAKS_KEPT = 50
"""Pods whose memory is remembered after they stopped answering: they may have been killed for it."""
KEPT_EVERY, LATER_EVERY = 30.0, 60.0
"""Seconds after which evidence is packed and reported again, at first and in an epoch that has gone on.

What comes in between may be lost in a restart, and is counted later: at most the last minute of two and more.
"""
AT_FIRST = timedelta(minutes=2)
FASTEST, BURST = 1_000_000, 3.0
"""Requests a second that no server answers, and seconds by which two scrapes may be further apart than their rounds."""
LATELY = 60.0
"""Seconds of which the shares of the traffic are shown."""
NOBODY_OUTSIDE = timedelta(hours=1)
"""How quiet it is outside the selector when no pod is there."""


@dataclass(frozen=True, slots=True)
class Scrapes:
    """How a pod answered lately."""

    failed: int = 0
    """Scrapes in a row without a usable answer."""
    answered: bool = False
    """Whether the last one got a usable answer."""
    waits: timedelta = timedelta(0)
    """Age of the oldest request under way, as the last one told."""
    peak_bytes: int = 0
    """Most memory that any scrape of the pod has seen; 0 where none was told."""
    reason: str = ""
    """Why the last one got no usable answer."""
    heard: bool = False
    """Whether it got another answer instead of none."""


NOT_SCRAPED = Scrapes()
ANSWERED = Scrapes(answered=True)


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a scrape gave no sample."""

    reason: str
    heard: bool = False
    """Whether something answered, though nothing that can be used."""


@dataclass(frozen=True, slots=True)
class Look:
    """One pod at one round."""

    uid: str
    revision: str
    sample: Sample | None
    """None for a scrape that failed; `reason` then says how."""
    reason: str = ""
    sent: bool = True
    """A scrape that was never sent is no data about the pod."""
    heard: bool = False
    """Whether something answered, though nothing that can be used."""


@dataclass(frozen=True, slots=True)
class Looks:
    """One round: all pods of a rollout, scraped together."""

    at: float
    """Seconds of the monotonic clock."""
    pods: tuple[Look, ...] = ()

    def samples(self, revision: str) -> tuple[Sample, ...]:
        return tuple([look.sample for look in self.pods if look.sample is not None and look.revision == revision])


@dataclass(frozen=True, slots=True)
class Quiet:
    """Since when pods of the `outside` revisions have counted no request."""

    outside: tuple[str, ...] = ()
    since: float | None = None
    last: int = 0
    """Requests that they counted in the last round that had any."""


@dataclass(frozen=True, slots=True)
class Counted:
    """What one round added."""

    at: float
    candidate: int
    stable: int


@dataclass(frozen=True, slots=True)
class Kept:
    """What is told of the evidence, a little old: to make it costs more than to judge."""

    packed: str = ""
    """The evidence as text for the status; empty where no candidate is watched."""
    compared: str = ""
    """The comparison as text for the status; empty where nothing is compared."""
    report: Report | None = None
    """The judge's numbers for people."""
    at: float | None = None
    """When these were made; None where it has to be soon."""


@dataclass(frozen=True, slots=True)
class Ledger:
    """Everything counted in one epoch."""

    epoch: str = ""
    case: Case = field(default_factory=Case)
    watched: timedelta = timedelta(0)
    traffic: Traffic = field(default_factory=Traffic)
    samples: Mapping[str, Sample] = field(default_factory=dict)
    """By the pod's uid: what it said at the last round, also where that contradicted what it had said before."""
    pods: Mapping[str, Scrapes] = field(default_factory=dict)
    """By the pod's uid."""
    peaks: Mapping[str, int] = field(default_factory=dict)
    """Most bytes of memory seen, by the pod's uid; the pod that was asked last comes last."""
    quiet: Quiet = Quiet()
    at: float | None = None
    """When the last round of this epoch was."""
    latest: tuple[Counted, ...] = ()
    """Its rounds of the last minute."""
    marks: tuple[Mark, ...] = ()
    """A few rounds of the last minute, whatever the epoch."""
    recent: tuple[Recent, ...] = ()
    """What each revision has done in that minute."""
    kept: Kept = Kept()
    steady: Steady = field(default_factory=Steady)
    """Stable judged against itself while nothing rolls out."""

    @property
    def evidence(self) -> Evidence:
        return self.case.evidence

    @property
    def verdict(self) -> Verdict:
        return self.case.verdict

    @property
    def predicted(self) -> Predictions:
        trial = self.evidence.trial
        return trial.predictions if trial is not None else NO_PREDICTIONS

    def scrapes(self, uid: str) -> Scrapes:
        known = self.pods.get(uid, NOT_SCRAPED)
        return replace(known, peak_bytes=self.peaks.get(uid, 0))


def resumed(status: ModelRolloutStatus) -> Ledger:
    """The ledger after a restart: what the status kept, and no origin."""
    checkpoint, steady = status.checkpoint, Steady(_tested(status.self_test))
    if checkpoint is None:
        return Ledger(steady=steady)
    return Ledger(
        steady=steady,
        epoch=checkpoint.epoch,
        case=Case(replace(unpack(checkpoint.evidence), trial=unpack_trial(checkpoint.comparison))),
        watched=checkpoint.watched,
        kept=Kept(checkpoint.evidence, checkpoint.comparison),
    )


def _tested(kept: SelfTest | None) -> SelfTested:
    return SelfTested(**dict(kept)) if kept is not None else SelfTested()


def rules_of(health: Health, watch: Watch) -> Rules:
    """The judge's rules for one epoch; `share` is the part of the rollout's alpha that it may spend."""
    asked = rules(health, max(1, round(1 / watch.share)) if watch.share > 0 else 1)
    asked = replace(asked, frozen=watch.baseline)
    if asked.compare is None or not watch.candidate:
        return replace(asked, compare=None, alone=not watch.candidate)
    return replace(asked, compare=at_step(asked.compare, watch.margins, shared=watch.shared))


def under(ledger: Ledger, watch: Watch | None) -> Ledger:
    """The ledger for what is watched from now on: another epoch begins with nothing but the origins.

    What waits belongs to the epoch that ends.
    """
    if watch is None:
        return Ledger(steady=ledger.steady.anew())
    if watch.epoch == ledger.epoch:
        return ledger
    ledger = caught_up(ledger)
    return Ledger(
        epoch=watch.epoch,
        case=Case(_onward(ledger, watch.epoch), origins=ledger.case.origins),
        samples=ledger.samples,
        pods=ledger.pods,
        peaks=ledger.peaks,
        marks=ledger.marks,
        recent=ledger.recent,
        kept=Kept(compared=ledger.kept.compared if is_onward(ledger.epoch, watch.epoch) else ""),
        steady=ledger.steady.anew(),
    )


def _onward(ledger: Ledger, epoch: str) -> Evidence:
    """The evidence that a new epoch begins with: what the rollout has shown beside stable, and nothing else."""
    if not is_onward(ledger.epoch, epoch):
        return fresh()
    return onward(ledger.evidence, is_new_step=is_new_step(ledger.epoch, epoch))


def judged(ledger: Ledger, asked: Rules) -> Ledger:
    """The ledger with the verdict that its evidence gives under these rules."""
    known = ledger.case.under(asked)
    return ledger if known is ledger.case else replace(ledger, case=known)


def caught_up(ledger: Ledger) -> Ledger:
    """The ledger with what waits judged, by the rules that it waited under."""
    known = ledger.case.caught_up()
    return ledger if known is ledger.case else replace(ledger, case=known)


def ends_early(ledger: Ledger, watch: Watch | None) -> bool:
    """Whether the epoch would end while rounds of it wait."""
    return ledger.case.waiting.rounds > 0 and (watch is None or watch.epoch != ledger.epoch)


def goes_on(ledger: Ledger, watch: Watch | None, asked: Rules | None) -> bool:
    """Whether what waits may go on waiting: it is the same epoch, judged by the same rules."""
    return watch is not None and watch.epoch == ledger.epoch and asked == ledger.case.asked


def after(ledger: Ledger, looks: Looks, watch: Watch, asked: Rules) -> Ledger:
    """The ledger after one round. A pod that contradicts what it said before is a failed scrape."""
    samples = {look.uid: look.sample for look in looks.pods if look.sample is not None}
    looks = _consistent(ledger, looks)
    pods, counted = _scraped(ledger, looks)
    quiet = _quiet(ledger.quiet, looks, watch, counted)
    latest = _latest(ledger.latest, Counted(looks.at, counted.get(watch.candidate, 0), counted.get(watch.stable, 0)))
    # Of a pod that contradicts itself nothing is told: its number would stand in the status without a word.
    believed = {look.uid: look.sample for look in looks.pods if look.sample is not None}
    marks = marked(ledger.marks, looks.at, believed)
    seen = Round(looks.samples(watch.candidate), looks.samples(watch.stable))
    known = Ledger(  # all fields by name: `replace` would take longer than to judge most rounds
        epoch=ledger.epoch,
        case=ledger.case.plus(seen, looks.at, asked),
        watched=ledger.watched + _elapsed(ledger, looks, watch) if counted else ledger.watched,
        traffic=_traffic(ledger.traffic, latest, quiet, looks),
        samples=samples,
        pods=pods,
        peaks=_peaks(ledger.peaks, looks),
        quiet=quiet,
        at=looks.at,
        latest=latest,
        marks=marks,
        recent=ledger.recent if marks is ledger.marks else recent(marks, {one.uid: one.revision for one in looks.pods}),
        kept=ledger.kept,
        steady=ledger.steady,
    )
    if not watch.candidate:
        return _steadily(known, looks, watch, asked)
    # Whether a baseline that has come can be judged by is worth a report at once.
    is_due = _baseline(known) != _baseline(ledger) or _is_due(known)
    return replace(known, kept=_kept(known, asked)) if is_due else known


def _steadily(ledger: Ledger, looks: Looks, watch: Watch, asked: Rules) -> Ledger:
    """With stable judged against itself, where that is asked for."""
    if asked.steady is None:
        return ledger
    return replace(ledger, steady=ledger.steady.plus(looks.samples(watch.stable), looks.at, asked.steady))


def _baseline(ledger: Ledger) -> Baseline | None:
    return ledger.evidence.trial.baseline if ledger.evidence.trial is not None else None


def _is_due(ledger: Ledger) -> bool:
    """Whether what is kept has become old, and some round was judged since it was new."""
    last, every = ledger.kept.at, KEPT_EVERY if ledger.watched < AT_FIRST else LATER_EVERY
    return last is None or ((ledger.at or 0.0) - last >= every and ledger.case.waiting.last.at > last)


def _kept(ledger: Ledger, asked: Rules) -> Kept:
    evidence = ledger.evidence
    return Kept(pack(evidence), pack_trial(evidence.trial), report(evidence, asked), ledger.at)


def _consistent(ledger: Ledger, looks: Looks) -> Looks:
    """One round, without what cannot be true after the round before."""
    seconds = BURST + (looks.at - ledger.at if ledger.at is not None else 0.0)
    pods = [_believed(look, ledger.samples.get(look.uid), seconds) for look in looks.pods]
    return looks if all(new is old for new, old in zip(pods, looks.pods, strict=True)) else Looks(looks.at, tuple(pods))


def _believed(look: Look, before: Sample | None, seconds: float) -> Look:
    if look.sample is None or before is None or before.instance != look.sample.instance:
        return look
    why = _contradicts(before, look.sample, seconds)
    return replace(look, sample=None, reason=f"contradicts itself: {why}", heard=True) if why else look


def _contradicts(before: Sample, now: Sample, seconds: float) -> str:
    """What one process cannot have counted so many seconds later; empty where it can have."""
    for what, new, old in (
        ("requests", now.requests, before.requests),
        ("errors", now.errors, before.errors),
        ("refusals", now.refusals, before.refusals),
    ):
        if new < old:
            return f"{what} fell from {old} to {new} in the same process"
    later, earlier = now.latency.counts, before.latency.counts
    if later != earlier and len(later) == len(earlier) and any(map(gt, earlier, later)):
        return "latency.counts fell in the same process"
    more = now.requests - before.requests
    if more > FASTEST * max(BURST, seconds):
        return f"requests rose by {more} in {seconds - BURST:.0f} s"
    return ""


def _scraped(ledger: Ledger, looks: Looks) -> tuple[dict[str, Scrapes], dict[str, int]]:
    """How each pod answered, and by revision the requests since the last round.

    A process that was not in that one counts nothing yet.
    """
    pods, counted = dict[str, Scrapes](), dict[str, int]()
    for look in looks.pods:
        uid, sample = look.uid, look.sample
        pods[uid] = _scrapes(ledger.pods.get(uid, NOT_SCRAPED), look)
        if sample is None:
            continue
        before = ledger.samples.get(uid)
        more = sample.requests - before.requests if before is not None and before.instance == sample.instance else 0
        counted[look.revision] = counted.get(look.revision, 0) + max(0, more)
    return pods, counted


def _scrapes(before: Scrapes, look: Look) -> Scrapes:
    if not look.sent:
        return before
    if look.sample is None:
        return Scrapes(failed=before.failed + 1, reason=look.reason, heard=look.heard)
    waits = look.sample.oldest_inflight_s
    return Scrapes(answered=True, waits=timedelta(seconds=waits)) if waits else ANSWERED


def _peaks(before: Mapping[str, int], looks: Looks) -> Mapping[str, int]:
    peaks = dict(before)
    for look in looks.pods:
        if look.sample is not None and look.sample.memory_bytes:
            peaks[look.uid] = max(peaks.pop(look.uid, 0), look.sample.memory_bytes)
    return dict(list(peaks.items())[-PEAKS_KEPT:])


def _elapsed(ledger: Ledger, looks: Looks, watch: Watch) -> timedelta:
    """Time watched since the last round: none in the first, none in a pause."""
    if ledger.at is None or not watch.counts:
        return timedelta(0)
    return timedelta(seconds=max(0.0, min(looks.at - ledger.at, watch.interval.total_seconds() + LATE)))


def _quiet(before: Quiet, looks: Looks, watch: Watch, counted: Mapping[str, int]) -> Quiet:
    """A pod outside that did not answer may have counted a request, so the quiet begins anew."""
    requests = sum([counted.get(revision, 0) for revision in watch.outside])
    silent = watch.outside and any(look.sample is None for look in looks.pods if look.revision in watch.outside)
    if before.outside != watch.outside or before.since is None or requests or silent:
        return Quiet(watch.outside, looks.at, requests or (before.last if before.outside == watch.outside else 0))
    return before


def _latest(before: tuple[Counted, ...], new: Counted) -> tuple[Counted, ...]:
    return (*[one for one in before if one.at > new.at - LATELY], new)


def _traffic(before: Traffic, latest: tuple[Counted, ...], quiet: Quiet, looks: Looks) -> Traffic:
    return Traffic(
        candidate=before.candidate + latest[-1].candidate,
        stable=before.stable + latest[-1].stable,
        lately=(sum([one.candidate for one in latest]), sum([one.stable for one in latest])),
        outside_quiet=_lasting(quiet, looks),
        outside_last=quiet.last,
    )


def _lasting(quiet: Quiet, looks: Looks) -> timedelta:
    """For how long it has been quiet outside."""
    if not quiet.outside or not any(look.revision in quiet.outside for look in looks.pods):
        return NOBODY_OUTSIDE
    return timedelta(seconds=0.0 if quiet.since is None else looks.at - quiet.since)
