"""What a user writes. Every docstring under a field is the user's documentation: it becomes the CRD's description.

`model` and `server` carry no defaults here: a revision is the hash of what the user wrote there, and a default that
the API server fills in would make an operator upgrade look like a new model.
"""

from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Any

from pydantic import Field

from modelrollout import registered
from modelrollout.api.base import Block
from modelrollout.durations import Duration

Weight = Annotated[int, Field(ge=0, le=100)]
Share = Annotated[float, Field(gt=0, lt=1)]
Milliseconds = Annotated[float, Field(gt=0, le=100_000)]


class Model(Block):
    """The model that should serve."""

    uri: Annotated[str, Field(min_length=1, max_length=2048)]
    """Where the artefact is: https://..., http://..., file:///... (a mounted volume), s3://..., gs://..., or its name
    in a registry: models:/churn/7, or models:/churn@champion, whose moves are followed."""
    registry: Annotated[str | None, Field(max_length=512, pattern=registered.ADDRESS)] = None
    """Address of a registry of your own for models:/... Pods ask it, with credentials from server.envFrom; where it is
    left out, the administrator's is meant."""
    version: Annotated[
        str | None, Field(min_length=1, max_length=63, pattern=r"^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$")
    ] = None
    """The version that people and answers call it by. The revision's hash is used where it is left out."""
    sha256: Annotated[str | None, Field(pattern=r"^[0-9a-f]{64}$")] = None
    """Checksum of the artefact; a pod that downloads anything else does not start."""
    trust: Annotated[list[Annotated[str, Field(max_length=256)]] | None, Field(max_length=64)] = None
    """What you accept for this model beyond what is safe: "pickle" (joblib files too), which runs any code in the file
    when it is loaded, or full names of types in a skops file, which `modelrollout bundle` lists. ONNX files and types
    that are scikit-learn's own need no trust."""
    strict_versions: bool | None = None
    """Refuse a bundle made with other minor versions of its libraries; a warning in the pod's log where left out."""


class Server(Block):
    """The container that serves the model, and the pod around it."""

    image: Annotated[str | None, Field(min_length=1, max_length=512)] = None
    """Serving image; the operator's default where it is left out. An operator upgrade never changes running pods."""
    resources: dict[str, Any] | None = None
    """Requests and limits of the server container, taken as they are written; where left out, 500m and 512Mi are
    requested and 2Gi is the limit."""
    env: list[dict[str, Any]] | None = None
    """Environment variables of the server container. Names that begin with MODEL_ belong to the operator, but for those
    that only tune the server: MODEL_DRAIN_SECONDS, MODEL_LIMITS, MODEL_LOG_LEVEL, MODEL_MAX_BYTES and
    MODEL_REQUEST_TIMEOUT."""
    env_from: list[dict[str, Any]] | None = None
    """ConfigMaps and Secrets whose entries become environment variables; the way to hand over credentials. None of the
    operator's own variables can be set by them."""
    startup_deadline: Duration | None = None
    """How long a pod may take to load the model; 5m where left out."""
    pod_template: dict[str, Any] | None = None
    """A PodTemplateSpec merged strategically over the operator's own. It may not touch the server container's image,
    command, args, ports or probes, nor variables that begin with MODEL_."""


class ServiceType(StrEnum):
    CLUSTER_IP = "ClusterIP"
    NODE_PORT = "NodePort"
    LOAD_BALANCER = "LoadBalancer"


class Service(Block):
    """The Service in front of the model, which has the rollout's name."""

    type: ServiceType = ServiceType.CLUSTER_IP
    """ClusterIP, NodePort or LoadBalancer, of those that the installation allows (the chart's services.types)."""
    port: Annotated[int, Field(ge=1, le=65535)] = 80
    """The Service's port; the pods listen on 8080."""
    annotations: dict[str, str] = Field(default_factory=dict)
    """Annotations for the Service, for instance for a cloud's load balancer, of those that the installation allows (the
    chart's services.annotations)."""


class Autoscaling(Block):
    """A HorizontalPodAutoscaler for this rollout; it scales both arms, since it sets spec.replicas."""

    min_replicas: Annotated[int, Field(ge=1, le=1000)] = 1
    """Fewest replicas."""
    max_replicas: Annotated[int, Field(ge=1, le=1000)]
    """Most replicas."""
    target_cpu_utilization: Annotated[int | None, Field(alias="targetCPUUtilization", ge=1, le=1000)] = None
    """Percent of the requested CPU that a replica should use on average."""
    target_memory_utilization: Annotated[int | None, Field(ge=1, le=1000)] = None
    """Percent of the requested memory that a replica should use on average."""
    behavior: dict[str, Any] | None = None
    """Passed to the autoscaler as it is."""


class Pause(Block):
    """A wait after a step has passed."""

    duration: Duration | None = None
    """How long to wait; until a person resumes or promotes where it is left out."""


class Step(Block):
    """One step of a canary: it waits for ready pods, then for evidence, then for its pause."""

    weight: Annotated[int, Field(ge=1, le=100)]
    """Percent of the requests that the new model should get."""
    pause: Pause | None = None
    """Wait here once the step has passed; {} waits for a person."""
    error_ratio: Annotated[float | None, Field(gt=1, le=16)] = None
    """health.compare.errorRatio of this step alone, for instance looser at a small weight."""


class ConstantTotal(Block):
    """Both arms together keep the size of one: for clusters without room for a second set of pods."""

    surge: Annotated[int, Field(ge=0, le=100)] = 1
    """Pods beyond spec.replicas while both arms serve."""


def default_steps() -> list[Step]:
    return [Step(weight=weight) for weight in (10, 25, 50, 100)]


class Canary(Block):
    """The new model gets a growing share of the requests, by the ratio of pods."""

    steps: Annotated[list[Step], Field(min_length=1, max_length=20)] = Field(default_factory=default_steps)
    """Rising weights; 100 is added as the last step where it is left out."""
    constant_total: ConstantTotal | None = None
    """Keeps the total number of pods constant. A rollback then waits for models to load; without it stable keeps its
    full size through the whole rollout and a rollback waits for nothing."""


class BlueGreen(Block):
    """The new model starts at full size behind a preview Service, then takes all requests at once."""

    preview_samples: Annotated[int | None, Field(ge=0, le=1_000_000)] = None
    """Requests the preview must have answered before the switch; health.minSamples where left out, 0 switches as
    soon as the pods are ready."""
    pause: Pause | None = None
    """Wait before the switch; {} waits for a person."""


class Rolling(Block):
    """Pod by pod: one new pod becomes ready, then one old pod goes."""


class Strategy(Block):
    """Exactly one of canary, blueGreen and rolling."""

    canary: Canary | None = None
    """A growing share of the requests."""
    blue_green: BlueGreen | None = None
    """All requests at once, after a look behind a preview Service."""
    rolling: Rolling | None = None
    """Pod by pod."""


class LimitRule(StrEnum):
    TEST = "test"
    WINDOW = "window"


class Limits(Block):
    """Absolute limits, each judged by a sequential test, so that looking often does not raise false alarms."""

    error_rate: Annotated[float | None, Field(gt=0, lt=1)] = 0.05
    """Errors per request: exceptions, time-outs, non-finite answers, 5xx. Refusals (4xx) are compared with stable."""
    p50_latency_ms: Milliseconds | None = None
    """Median latency in milliseconds."""
    p95_latency_ms: Milliseconds | None = 500
    """95th percentile of latency in milliseconds."""
    p99_latency_ms: Milliseconds | None = None
    """99th percentile of latency in milliseconds."""
    prediction_drift: Annotated[float | None, Field(gt=0, le=100)] = 2.0
    """How far the mean prediction may be from the baseline that the model's artefact carries, in its standard
    deviations; the shape of the predictions is judged, too. A model without a baseline is not judged by it."""
    restarts: Annotated[int, Field(ge=0, le=100)] = 1
    """Restarts of any container of a canary pod in one step that are still tolerated."""
    rule: LimitRule = LimitRule.TEST
    """test, or window: broken when more of the last 200 requests are above a limit than it allows, whatever chance
    does. A healthy model near its limit is then taken back sooner or later."""


class Compare(Block):
    """How the canary is compared with stable, and what it takes to roll back and to pass."""

    false_rollback_rate: Annotated[float, Field(gt=0, lt=0.5)] = 0.01
    """Probability, over a whole rollout, of rolling back a model that is as good as stable and its limits ask."""
    false_promotion_rate: Annotated[float, Field(gt=0, lt=0.5)] = 0.05
    """Probability of passing a step with a model that is worse than errorRatio or latencyRatio allows."""
    tolerated_error_ratio: Annotated[float, Field(ge=1, le=16)] = 1.25
    """A model is rolled back on evidence of more than so many times stable's errors, or refusals."""
    tolerated_latency_ratio: Annotated[float, Field(ge=1, le=16)] = 1.1
    """A model is rolled back on evidence that it takes more than so many times as long as stable."""
    warm_up: Annotated[Duration, Field(le=timedelta(hours=1))] = timedelta(seconds=60)
    """Latency of a younger pod does not speak against its model; up to five times this age more is tolerated."""
    error_ratio: Annotated[float, Field(gt=1, le=16)] = 2.0
    """A model passes when its error rate is shown to be at most so many times stable's."""
    latency_ratio: Annotated[float, Field(ge=1, le=16)] = 1.2
    """A model passes when its latency is shown to be at most so many times stable's, at stable's 95th percentile."""
    negligible_error_rate: Annotated[float, Field(gt=0, lt=0.5)] = 0.005
    """A model whose error rate is shown to be below this passes whatever stable's is: without errors there is no
    ratio."""
    prediction_shape: Share | None = None
    """Rolls back when the shape of the predictions is further from stable's than this, for instance 0.1 (largest
    difference of the shares above an edge), and passes when it is shown to be nearer; only shown where left out."""
    self_test: bool = False
    """Judges stable against itself once a minute while nothing rolls out: status.selfTest says how often it alarms."""


class Health(Block):
    """How pods are watched and what they must keep."""

    interval: Duration = timedelta(seconds=5)
    """Time between two scrapes of a pod that is being judged."""
    min_samples: Annotated[int, Field(ge=1, le=1_000_000)] = 20
    """Requests the canary must have answered in a step before the step can pass. Below it only a total failure is
    judged."""
    limits: Limits = Field(default_factory=Limits)
    """Absolute limits."""
    compare: Compare | None = None
    """Compares the canary with stable all the time and promotes on proof that it is no worse; {} takes the defaults.
    Where left out, limits and refusals are judged, and a step passes with minSamples requests and nothing against
    the canary."""


class OnInconclusive(StrEnum):
    HOLD = "hold"
    ROLL_BACK = "rollBack"
    PROMOTE = "promote"


class Rollback(Block):
    """The way back."""

    cooldown: Duration = timedelta(seconds=120)
    """Least time between two automatic moves of stable."""
    keep_previous: Duration = timedelta(minutes=10)
    """How long the previous model stays warm after a promotion."""
    watch: Duration | None = None
    """How long a promoted model is watched and taken back by itself; left out: for as long as it serves."""
    history_limit: Annotated[int, Field(ge=2, le=50)] = 10
    """Revisions remembered; the newest healthy one below stable is always kept."""


class ModelRolloutSpec(Block):
    """What should serve, and how it gets there."""

    replicas: Annotated[int, Field(ge=0, le=1000)] = 1
    """Pods of the stable model. 0 is asleep."""
    model: Model
    """The model that should serve. A change here (or under server) is a new revision and starts a rollout."""
    server: Server = Field(default_factory=Server)
    """The container that serves the model, and the pod around it."""
    service: Service = Field(default_factory=Service)
    """The Service in front of the model."""
    autoscaling: Autoscaling | None = None
    """A HorizontalPodAutoscaler for this rollout."""
    strategy: Strategy = Field(default_factory=lambda: Strategy(canary=Canary()))
    """How a new model takes over: exactly one of canary, blueGreen and rolling; canary where left out."""
    health: Health = Field(default_factory=Health)
    """How pods are watched and what they must keep."""
    progress_deadline: Duration = timedelta(minutes=10)
    """How long a step's pods may take to become ready before the rollout is taken back."""
    decision_deadline: Duration = timedelta(hours=1)
    """How long a step may wait for evidence before onInconclusive applies; pauses do not count."""
    on_inconclusive: OnInconclusive = OnInconclusive.HOLD
    """What happens at the decision deadline: hold, rollBack or promote."""
    bake: Duration = timedelta(minutes=5)
    """How long the new model is watched at weight 100, with the old one warm, before it is promoted."""
    rollback: Rollback = Field(default_factory=Rollback)
    """The way back."""
    paused: bool = False
    """Holds the rollout where it is. Rollbacks still happen."""
