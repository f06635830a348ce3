"""The case against a candidate: what was judged in one epoch, and the rounds that wait. Each comes in by `plus`."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Self

from modelrollout.judge.differences import Origins
from modelrollout.judge.evidence import Evidence, fresh, observe
from modelrollout.judge.findings import verdict
from modelrollout.judge.limits import Rules
from modelrollout.judge.samples import Round
from modelrollout.judge.strata import Stratified
from modelrollout.judge.verdicts import NOTHING_SEEN, Verdict
from modelrollout.judge.waiting import Waiting, begun, matters, may_wait, stands_out


@dataclass(frozen=True, slots=True)
class Case:
    """The case against a candidate in one epoch: the evidence, what it says, and what waits."""

    evidence: Evidence = field(default_factory=fresh)
    verdict: Verdict = NOTHING_SEEN
    asked: Rules | None = None
    """The rules that the verdict was given under."""
    origins: Origins = field(default_factory=Origins)
    """Counters of the last round that was judged."""
    waiting: Waiting = field(default_factory=Waiting)
    """Rounds since then."""
    added: tuple[Stratified, ...] = ()
    """What the last round brought to the comparison: nothing where it waits."""

    def plus(self, seen: Round, at: float, asked: Rules) -> Self:
        """With one more round, at so many seconds of the monotonic clock."""
        waiting, held = self.waiting, self.waiting.together
        since = waiting.since(seen) if self.asked is asked or self.asked == asked else None
        if since is not None:
            waits = not waiting.is_due(at) and may_wait(self.evidence, self.verdict, since, asked)
            if waits and not matters(self.evidence, waiting, since, asked):
                return type(self)(self.evidence, self.verdict, asked, self.origins, waiting.plus(seen, at, since))
            # What fails now is not to be buried under the rounds before it: then they are judged one by one.
            held = waiting.held if waits or stands_out(waiting, since, asked) else ()
        known = self._with(held)
        found = known.heard(seen, at, asked)
        return found if known is self else replace(found, added=known.added + found.added)

    def under(self, asked: Rules) -> Self:
        """With the verdict that the evidence gives under these rules."""
        if self.asked == asked:
            return self
        known = self.caught_up()
        return replace(known, verdict=verdict(known.evidence, asked), asked=asked)

    def caught_up(self) -> Self:
        """With what waits judged, by the rules that it waited under."""
        return self._with(self.waiting.together)

    def _with(self, held: Iterable[Round]) -> Self:
        """With these of the rounds that wait; each takes those before it along."""
        known, added = self, tuple[Stratified, ...]()
        if self.asked is None:
            return self
        for one in held:
            known = known.heard(one, self.waiting.at, self.asked)
            added += known.added
        return known if known is self else replace(known, added=added)

    def heard(self, seen: Round, at: float, asked: Rules) -> Self:
        """With a round, and all that waited before it, judged as one stratum."""
        evidence, origins = observe(self.evidence, self.origins, seen, asked, at)
        before, trial = self.evidence.trial, evidence.trial
        return type(self)(
            evidence=evidence,
            verdict=verdict(evidence, asked),
            asked=asked,
            origins=origins,
            waiting=begun(seen, at, evidence, asked),
            added=(trial.last,) if trial is not None and trial is not before and trial.last is not None else (),
        )
