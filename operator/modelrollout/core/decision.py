"""What will be done: the frozen result of `decide`.

The order of actions is part of the decision. An action names a value to reach, never a step to take, so that doing
it twice is doing it once. The status is committed before the first action (see docs/architecture.md).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from modelrollout.api.status import ModelRolloutStatus
from modelrollout.core.facts import RevisionSource
from modelrollout.judge.samples import Baseline


@dataclass(frozen=True, slots=True)
class Route:
    """Put the Service's selector on a set of pods.

    `expected` is the selector that was seen: where it is given the write is a compare-and-swap, since the move is
    risky. A move to stable has none: it is unconditional.
    """

    selector: Mapping[str, str]
    expected: Mapping[str, str] | None = None

    def __str__(self) -> str:
        return f"route to {_short(self.selector)}"


@dataclass(frozen=True, slots=True)
class Preview:
    """Make the preview Service select one revision; None removes it."""

    selector: Mapping[str, str] | None

    def __str__(self) -> str:
        return "remove the preview" if self.selector is None else f"preview {_short(self.selector)}"


@dataclass(frozen=True, slots=True)
class Remember:
    """Keep a revision's source in a ControllerRevision."""

    source: RevisionSource

    def __str__(self) -> str:
        return f"remember {self.source.revision}"


@dataclass(frozen=True, slots=True)
class Create:
    """Make a revision's Deployment with this many pods; its pod template is never written again while it has pods."""

    source: RevisionSource
    replicas: int

    def __str__(self) -> str:
        return f"create {self.source.revision} with {self.replicas}"


@dataclass(frozen=True, slots=True)
class Scale:
    """Set the size of a revision. `expected` is the size that was seen, where the move is risky (downwards)."""

    revision: str
    replicas: int
    expected: int | None = None

    def __str__(self) -> str:
        return f"scale {self.revision} to {self.replicas}"


@dataclass(frozen=True, slots=True)
class Regroup:
    """Rewrite the group keys of a revision that has no pods, before it starts again."""

    source: RevisionSource

    def __str__(self) -> str:
        return f"regroup {self.source.revision} against {self.source.against}"


@dataclass(frozen=True, slots=True)
class Mend:
    """Put the image and the variables of a revision's server back to what they were started with."""

    revision: str

    def __str__(self) -> str:
        return f"mend {self.revision}"


@dataclass(frozen=True, slots=True)
class Restart:
    """Restart a revision's pods in place, one after the other."""

    revision: str
    mark: str
    """Identifies the restart, so that it happens once."""

    def __str__(self) -> str:
        return f"restart {self.revision}"


@dataclass(frozen=True, slots=True)
class ReplacePod:
    """End one very pod; its Deployment makes another one."""

    pod: str
    uid: str

    def __str__(self) -> str:
        return f"replace {self.pod}"


@dataclass(frozen=True, slots=True)
class Forget:
    """Remove a revision's Deployment, and its ControllerRevision when `entirely`."""

    revision: str
    entirely: bool = False

    def __str__(self) -> str:
        return f"forget {self.revision}"


@dataclass(frozen=True, slots=True)
class Adopt:
    """Own an object again that carries our record."""

    kind: str
    name: str

    def __str__(self) -> str:
        return f"adopt {self.kind} {self.name}"


@dataclass(frozen=True, slots=True)
class Prove:
    """Write down on a revision's own objects since when it is stable, for the day on which the status is lost."""

    revision: str
    since: datetime

    def __str__(self) -> str:
        return f"prove {self.revision}"


@dataclass(frozen=True, slots=True)
class Protect:
    """Make the PodDisruptionBudget select one revision; None removes it."""

    selector: Mapping[str, str] | None

    def __str__(self) -> str:
        return "remove the disruption budget" if self.selector is None else f"protect {_short(self.selector)}"


@dataclass(frozen=True, slots=True)
class EnsureService:
    """Create the Service, or repair its ports, type, labels and annotations; never its selector."""

    selector: Mapping[str, str]
    """Only for its creation."""
    edited: bool = False
    """Whether it was seen edited, which this decision tells; an edit that comes later waits for the next decision."""

    def __str__(self) -> str:
        return f"ensure the service on {_short(self.selector)}"


@dataclass(frozen=True, slots=True)
class EnsureAutoscaler:
    """Make the HorizontalPodAutoscaler as the spec says, or remove it where the spec has none."""

    shrinks: bool = True
    """Whether it may ask for fewer pods: not while traffic moves, since it averages over pods that had none."""

    def __str__(self) -> str:
        return "ensure the autoscaler"


Action = (
    Route
    | Preview
    | Remember
    | Create
    | Scale
    | Regroup
    | Mend
    | Restart
    | ReplacePod
    | Forget
    | Adopt
    | Prove
    | Protect
    | EnsureService
    | EnsureAutoscaler
)


@dataclass(frozen=True, slots=True)
class Note:
    """One Event and log line, on a transition."""

    reason: str
    message: str
    warning: bool = False


@dataclass(frozen=True, slots=True)
class Watch:
    """What the scraper should do for this rollout until the next decision."""

    interval: timedelta
    candidate: str = ""
    stable: str = ""
    outside: tuple[str, ...] = ()
    """Revisions whose pods are scraped only to see that they get no more requests."""
    epoch: str = ""
    """Evidence of another epoch is thrown away."""
    share: float = 1.0
    """Part of the rollout's false-rollback probability that this epoch may spend, 0 to 1."""
    counts: bool = True
    """Whether time watched leads towards promotion; not while the rollout is paused."""
    shared: bool = False
    """Whether requests are spread over both arms by chance, so that one can be compared with the other."""
    margins: tuple[float, ...] = ()
    """Error ratios that count as no worse: this step's, then those of all steps; the health block's where empty."""
    baseline: Baseline | None = None
    """What stable predicted until it was promoted, where that is known."""


@dataclass(frozen=True, slots=True)
class Decision:
    """Everything the operator will do for one rollout now."""

    status: ModelRolloutStatus
    actions: tuple[Action, ...] = ()
    notes: tuple[Note, ...] = ()
    urgent: bool = False
    """Whether traffic has to move to stable even if the status cannot be written."""
    watch: Watch | None = None
    again: timedelta | None = None
    """When to decide again although nothing was seen to change; None waits for a change."""

    def __str__(self) -> str:
        return f"{self.status.phase}: {', '.join(map(str, self.actions)) or 'nothing to do'}"


def _short(selector: Mapping[str, str]) -> str:
    return ",".join(f"{key.rsplit('/', 1)[-1]}={value}" for key, value in sorted(selector.items()))
