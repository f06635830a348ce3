"""What the operator remembers and shows. All that a restart needs is here and in the children, nothing in memory."""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, Field, PlainSerializer, WithJsonSchema

from modelrollout.api.base import Block
from modelrollout.durations import Duration


def _show_time(value: datetime) -> str:
    return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


Time = Annotated[
    datetime,
    AfterValidator(lambda value: value.replace(microsecond=0)),
    PlainSerializer(_show_time, return_type=str),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]


class Phase(StrEnum):
    """One word for people; machines read the conditions."""

    PENDING = "Pending"
    PROGRESSING = "Progressing"
    PAUSED = "Paused"
    HOLDING = "Holding"
    BAKING = "Baking"
    PROMOTING = "Promoting"
    STABLE = "Stable"
    ROLLING_BACK = "RollingBack"
    ROLLED_BACK = "RolledBack"
    GOING_BACK = "GoingBack"
    ASLEEP = "Asleep"
    INVALID = "Invalid"


class Revision(Block):
    """A model together with the image it was first seen with."""

    revision: str
    """Hash that names the revision's Deployment and pods."""
    version: str
    """The model's version as people call it."""
    spec_hash: str
    """Hash of what the user wrote under model and server."""
    image: str
    """Serving image that was resolved when this spec was first seen."""


class Alias(Block):
    """What the spec's alias stands for."""

    uri: str
    """The alias, as the spec names it."""
    version: str
    """The version that it named when its registry last answered."""
    sha256: str = ""
    """The registry's checksum of that version, where it has one."""
    registry: str = ""
    """The registry's address, where the spec names one of its own."""


class Stage(StrEnum):
    STARTING = "Starting"
    JUDGING = "Judging"
    PAUSED = "Paused"
    BAKING = "Baking"
    DRAINING = "Draining"
    WAITING = "Waiting"


class Routing(StrEnum):
    """Who the Service is meant to select while there is a candidate."""

    STABLE = "Stable"
    SHARED = "Shared"
    CANDIDATE = "Candidate"


class Replaced(Block):
    """A candidate's pod that was replaced, since it alone failed."""

    pod: str
    """Its name."""
    uid: str
    """Its uid."""
    message: str
    """Its numbers beside those of the others."""


class Candidate(Block):
    """The revision that is on its way."""

    revision: str
    """Its hash."""
    version: str
    """Its model's version."""
    step: int = 0
    """Index of the present step in the strategy's plan, from 0."""
    weight: int = 0
    """Weight asked for by the present step."""
    stage: Stage = Stage.STARTING
    """What the step is waiting for."""
    since: Time
    """When the stage began."""
    step_since: Time
    """When the step began."""
    routing: Routing = Routing.STABLE
    """Who the Service is meant to select."""
    routed: bool = False
    """Whether the Service was seen to select so; found on stable alone after that, it is not widened again without a
    new pass of the step."""
    restarts: dict[str, int] = Field(default_factory=dict)
    """Container restarts per pod uid when the step began, for pods that had any."""
    forced: bool = False
    """Whether a person asked for promotion without waiting for evidence, pauses and bake."""
    asked: bool = False
    """Whether a person was asked to let it go on from this weight; to edit the steps is no answer."""
    strategy: str = ""
    """The strategy it was started under."""
    round: int = 1
    """Counts new starts of the step's evidence, for instance after an edit of the limits."""
    replaced: Replaced | None = None
    """Its pod that was replaced, once."""


class Previous(Block):
    """The revision that served before stable and is kept warm."""

    revision: str
    """Its hash."""
    version: str
    """Its model's version."""
    until: Time
    """When it goes to 0 pods."""


class Retreat(Block):
    """A move of stable, one step back along the chain, that waits for pods."""

    revision: str
    """Where it goes."""
    version: str
    """That model's version."""
    since: Time
    """When it was decided."""
    reason: str
    """Why, in one word."""
    message: str
    """Why, in a sentence."""


class Fault(Block):
    """Why stable went back, until the revision moved to has been healthy for one window."""

    metric: str
    """The limit that was broken."""
    left: str
    """The revision that was left, with its numbers, as a sentence."""
    round: int = 1
    """Counts the windows that were not healthy."""
    not_in_model: bool = False
    """Whether the revision moved to broke a limit, too: the fault is not the model's."""
    message: str = ""
    """Both revisions' numbers."""


class Hold(Block):
    """Why nothing moves forward now."""

    reason: str
    """In one word."""
    message: str
    """In a sentence."""
    since: Time
    """Since when, for this reason."""


class Outcome(StrEnum):
    PROMOTED = "Promoted"
    """Served as stable and is healthy as far as is known."""
    UNHEALTHY = "Unhealthy"
    """Served as stable and went bad, or was marked by a person."""
    REJECTED = "Rejected"
    """Went bad as a candidate."""
    ABORTED = "Aborted"
    """Taken back by a person."""
    SUPERSEDED = "Superseded"
    """Replaced by a newer spec before it was promoted."""


class HistoryEntry(Block):
    """One revision that was tried, newest last."""

    revision: str
    """Its hash."""
    version: str
    """Its model's version."""
    outcome: Outcome
    """What became of it."""
    reason: str = ""
    """Why, in one word."""
    message: str = ""
    """Why, in a sentence, with the numbers."""
    time: Time
    """When the outcome was known."""
    promoted: Time | None = None
    """When it last became stable."""


class CommandOutcome(StrEnum):
    DONE = "Done"
    REFUSED = "Refused"


class LastCommand(Block):
    """The last command that a person gave, carried out once whatever crashes."""

    id: str
    """The id the person chose."""
    verb: str
    """What was asked."""
    revision: str
    """Which revision it was meant for."""
    outcome: CommandOutcome
    """Done or Refused."""
    message: str
    """What was done, or why not."""
    time: Time
    """When."""


class Weights(Block):
    """The candidate's share of the requests, three ways."""

    asked: int = 0
    """Percent that the step asks for."""
    pods: int = 0
    """Percent that the pods behind the Service make."""
    served: float | None = None
    """Percent of this step's requests of the last minute that candidate pods really answered; absent without any."""


class Checkpoint(Block):
    """Progress that only grows; written at most every 30 s while a rollout is judged."""

    epoch: str
    """The step (or watch) it belongs to; progress of another epoch is worthless."""
    watched: Duration
    """Time watched by the monotonic clock."""
    time: Time
    """When it was written."""
    evidence: Annotated[str, Field(max_length=4096)] = ""
    """The judge's packed evidence."""
    shown: Time | None = None
    """When the numbers around it were written again without it."""
    comparison: Annotated[str, Field(max_length=8192)] = ""
    """What the whole rollout has shown beside stable, packed."""


class Measured(Block):
    """One metric of the candidate beside stable's."""

    metric: str
    """errors, refusals or latency."""
    verdict: str
    """rollBack, pass or undecided."""
    log_e: float
    """Natural logarithm of the evidence that the candidate is worse."""
    p: float
    """The smallest false-alarm probability at which it would have been rolled back so far."""
    log_e_noninferior: float
    """Natural logarithm of the evidence that it is no worse than the margin allows."""
    ratio: float | None = None
    """The candidate's rate in multiples of stable's; absent without any error."""
    low: float | None = None
    """Lower end of the ratio's interval; absent where nothing bounds it."""
    high: float | None = None
    """Upper end of the ratio's interval; absent where nothing bounds it."""


class Percentile(Block):
    """One percentile of latency since the rollout began."""

    name: str
    """p50, p95 or p99."""
    ms: float
    """Milliseconds, within about 5 %."""
    low: float
    """Lower end of its interval."""
    high: float
    """Upper end of its interval."""


class Drift(Block):
    """The candidate's predictions against the baseline that its artefact carries."""

    verdict: str
    """drifted, clear or undecided."""
    deviations: float
    """Distance of the mean, in the baseline's standard deviations."""
    distance: float | None = None
    """Largest difference of the shares above an edge; absent where the baseline has no edges."""


class Judged(Block):
    """The judge's numbers since the rollout began; refreshed every 10 s at most."""

    requests: int
    """Requests that the candidate has answered since the rollout began."""
    expected_requests: int | None = None
    """Candidate requests still expected until it passes; absent where that cannot be said."""
    expected_seconds: int | None = None
    """The same as time, at the present traffic."""
    abstains: str = ""
    """Why nothing is compared now; empty when it is."""
    baseline: str = ""
    """Why the model's baseline cannot be judged by; empty when it can, or when there is none."""
    metrics: list[Measured] = Field(default_factory=list)
    """Each metric beside stable's."""
    candidate_latency: list[Percentile] = Field(default_factory=list)
    """The candidate's latency."""
    stable_latency: list[Percentile] = Field(default_factory=list)
    """Stable's latency over the same time."""
    drift: Drift | None = None
    """The candidate's predictions."""
    shape: float | None = None
    """Distance of their shape from stable's; absent where the two are counted on different edges."""


class VersionNumbers(Block):
    """What the pods of one version have done in the last minute."""

    revision: str
    """Its hash."""
    version: str
    """Its name for people."""
    pods: int
    """Pods whose counters were read."""
    requests: int
    """Requests they answered."""
    errors: int
    """Those that the model failed."""
    refusals: int
    """Those that were refused as the client's fault."""
    success_percent: float | None = None
    """Share without the model's errors; absent without requests."""
    mean_ms: float | None = None
    """Mean latency in milliseconds, within about 5 %; absent without requests, as the percentiles are."""
    p50_ms: float | None = None
    """Median."""
    p95_ms: float | None = None
    """95th percentile."""
    p99_ms: float | None = None
    """99th percentile."""
    cpu_cores: float | None = None
    """Processor cores that all its pods use together; absent where the server does not tell."""
    memory_bytes: int | None = None
    """Memory of the pod that uses most; absent where the server does not tell."""


class LastMinute(Block):
    """What each version did in the minute before `time`."""

    time: Time
    """When it was written. It is written again after 30 s while a model rolls out, after 5 min while nothing moves."""
    versions: list[VersionNumbers] = Field(default_factory=list)
    """Those that have pods, stable first."""


class Frozen(Block):
    """What a revision predicted until it was promoted."""

    revision: str
    """Its hash."""
    count: int
    """Predictions."""
    mean: float
    """Their mean."""
    deviation: float
    """Their standard deviation."""


class SelfTest(Block):
    """Stable judged against itself while nothing rolled out; written about once an hour."""

    trials: int
    """Trials of an hour; a few at a time share their requests."""
    alarms: int
    """Trials that would have rolled back: all of them false."""
    requests: int
    """Requests of stable in them."""
    errors_dispersion: float
    """How bursty errors are; evidence is divided by it. 1 is not at all."""
    latency_dispersion: float
    """How bursty slow answers are."""


class ConditionStatus(StrEnum):
    TRUE = "True"
    FALSE = "False"
    UNKNOWN = "Unknown"


class Condition(Block):
    """A fact in the form that kstatus, Helm, Argo CD and Flux understand."""

    type: str
    """Ready, Available, Reconciling, Stalled, or a finding."""
    status: ConditionStatus
    """True, False or Unknown."""
    reason: str
    """Why, in one word."""
    message: str
    """Why, in a sentence."""
    observed_generation: int
    """The generation it speaks of."""
    last_transition_time: Time
    """When status last changed."""


class ModelRolloutStatus(Block):
    """What the operator remembers and shows."""

    observed_generation: int = -1
    """The generation that the rest speaks of; -1 before the operator has seen the object."""
    phase: Phase = Phase.PENDING
    """One word for people."""
    message: str = ""
    """One sentence for people."""
    alias: Alias | None = None
    """What the spec's alias stands for."""
    current: Revision | None = None
    """The revision that the spec asks for."""
    stable: Revision | None = None
    """The revision that serves."""
    stable_since: Time | None = None
    """When it became stable."""
    watched_until: Time | None = None
    """When stable stops being watched; absent where it is watched for as long as it serves."""
    candidate: Candidate | None = None
    """The revision that is on its way."""
    previous: Previous | None = None
    """The revision kept warm."""
    retreat: Retreat | None = None
    """A way back that waits for pods."""
    fault: Fault | None = None
    """Why stable went back, until the revision moved to has been healthy for one window."""
    hold: Hold | None = None
    """Why nothing moves forward now."""
    paused: bool = False
    """Whether a person's command paused the rollout."""
    cooldown_until: Time | None = None
    """Before this time stable does not move by itself."""
    history: list[HistoryEntry] = Field(default_factory=list)
    """Revisions that were tried, newest last."""
    size: int = 0
    """Pods that stable should have now; in a rollout it only grows."""
    smaller_from: Time | None = None
    """When a smaller size may be applied: one that was asked for before traffic moved was measured on other pods."""
    replicas: int = 0
    """Pods behind the Service, for the scale subresource."""
    selector: str = ""
    """Selects the pods behind the Service, for the scale subresource."""
    step: str = ""
    """The present step, as "2/4"."""
    weights: Weights | None = None
    """The candidate's share of the requests."""
    verdict: str = ""
    """What the judge says now, in a few words."""
    judge: Judged | None = None
    """The judge's numbers while a candidate is compared with stable."""
    last_minute: LastMinute | None = None
    """Requests, latency, processor time and memory of each version, whatever is compared."""
    baseline: Frozen | None = None
    """The baseline of a candidate whose artefact carries none: what stable predicted until it was promoted."""
    self_test: SelfTest | None = None
    """How often the judge takes stable for worse than itself, where health.compare.selfTest asks for that."""
    checkpoint: Checkpoint | None = None
    """Progress that a restart goes on from."""
    last_command: LastCommand | None = None
    """The last command that a person gave."""
    conditions: list[Condition] = Field(default_factory=list)
    """Facts for machines."""
