"""Settings, read once from the environment that the operator gives the container."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Self

from pydantic import AfterValidator, AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from modelserver.failures import Cause, StartError

KIB, MIB, GIB = 1024, 1024**2, 1024**3


def _commas(value: object) -> object:
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


def _bare_digest(value: str) -> str:
    return value.removeprefix("sha256:").lower()


def _pairs(value: object) -> object:
    if not isinstance(value, str):
        return value
    parts = (part.partition("=") for part in value.split(",") if part.strip())
    return {name.strip(): text.strip() for name, _, text in parts}


CommaList, PairList = BeforeValidator(_commas), BeforeValidator(_pairs)
Digest = Annotated[str, AfterValidator(_bare_digest), Field(pattern=r"^(sha256:)?[0-9a-fA-F]{64}$")]


class Bounds(BaseModel):
    """What one client, and all of them together, may take; the defaults are far above what clients of a model need."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    body_bytes: int | None = Field(None, ge=KIB)
    """Largest body of a request; by the model's width where left out (`limits`)."""
    answer_bytes: int = Field(16 * MIB, ge=KIB)
    """Largest answer; a request for more rows than fit is refused."""
    head_bytes: int = Field(64 * KIB, ge=KIB)
    """Request line and headers of one request."""
    head_lines: int = Field(200, ge=10)
    """Headers of one request."""
    connections: int = Field(4096, ge=1)
    """Of the serving port; beyond, the oldest one that waits for nothing makes room."""
    pipelined: int = Field(64, ge=1)
    """Requests on one connection that wait for the answers before theirs."""
    held_bytes: int = Field(64 * MIB, ge=MIB)
    """Requests that are half received and answers that are not taken, of all connections together."""
    head_seconds: float = Field(20.0, gt=0)
    """For the head of a request, from its first byte on."""
    body_seconds: float = Field(60.0, gt=0)
    """For a whole request, from its first byte on."""
    idle_seconds: float = Field(120.0, gt=0)
    """Without a request; longer than clients keep idle connections: the side that gives up first should be theirs."""
    answer_seconds: float = Field(60.0, gt=0)
    """For a client to take its answer."""


class Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    uri: str = Field(validation_alias=AliasChoices("MODEL_URI", "MODEL_PATH"))
    """Where the model or bundle is: a path, file://, http://, https://, s3://, gs://, or models:/NAME/VERSION."""
    name: str = Field("model", validation_alias="MODEL_NAME")
    version: str = Field("0", validation_alias="MODEL_VERSION")
    revision: str = Field("local", validation_alias="MODEL_REVISION")
    """The rollout's hash of this revision; part of every prediction_id."""
    sha256: Digest | None = Field(None, validation_alias="MODEL_SHA256")
    trust: Annotated[tuple[str, ...], CommaList] = Field((), validation_alias="MODEL_TRUST")
    """Trusted beyond the default: "pickle" for joblib and pickle files, or names of types in a skops file."""
    strict_versions: bool = Field(False, validation_alias="MODEL_STRICT_VERSIONS")
    """Refuse a bundle that was made with other minor versions of the libraries; a warning where this is false."""
    latency_edges_ms: Annotated[tuple[Annotated[float, Field(gt=0)], ...], CommaList] = Field(
        (), validation_alias="MODEL_LATENCY_EDGES_MS"
    )
    """Latencies in milliseconds that have to be exact bucket edges, such as the rollout's limits."""
    pod_uid: str = Field("", validation_alias="POD_UID")
    pod_name: str = Field("", validation_alias="POD_NAME")
    host: str = Field("", validation_alias="MODEL_HOST")
    """Address to listen on; empty means every address, IPv4 and IPv6."""
    port: int = Field(8080, ge=0, le=65535, validation_alias="MODEL_PORT")
    health_port: int = Field(8081, ge=0, le=65535, validation_alias="MODEL_HEALTH_PORT")
    request_timeout_s: float = Field(10.0, gt=0, validation_alias="MODEL_REQUEST_TIMEOUT")
    """Seconds after which a request counts as an error, answered or not."""
    drain_s: float = Field(5.0, ge=0, validation_alias="MODEL_DRAIN_SECONDS")
    """Seconds from SIGTERM on in which requests are still accepted, so that endpoints have time to move; up to four
    times as many while new clients are still sent here."""
    max_bytes: int = Field(4 * GIB, gt=0, validation_alias="MODEL_MAX_BYTES")
    """Largest artifact that is loaded, in bytes."""
    cache_dir: Path | None = Field(None, validation_alias="MODEL_CACHE_DIR")
    """A folder that pods share: what is pinned by MODEL_SHA256 is downloaded into it once. None where left out."""
    request_log_share: float = Field(0.0, ge=0, le=1, validation_alias="REQUEST_LOG_SHARE")
    """Share of the predict requests that are logged, one JSON line each."""
    request_log_features: Annotated[tuple[str, ...], CommaList] = Field((), validation_alias="REQUEST_LOG_FEATURES")
    """Columns whose values are logged with them, or "*" for all; no value is logged where it is left out."""
    log_level: str = Field("INFO", pattern="^(DEBUG|INFO|WARNING|ERROR)$", validation_alias="MODEL_LOG_LEVEL")

    bounds: Annotated[Bounds, PairList] = Field(Bounds(), validation_alias="MODEL_LIMITS")
    """What a client may take: name=value, with commas."""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """Read the settings; a variable that is set but empty counts as absent.

        Raises:
            StartError: naming the first variable that is missing or cannot be read.
        """
        try:
            return cls.model_validate({name: value for name, value in environment.items() if value != ""})
        except ValidationError as error:
            raise StartError(Cause.BAD_SETTING, _first_problem(error)) from None


def _first_problem(error: ValidationError) -> str:
    problem = error.errors(include_url=False)[0]
    variable = problem["loc"][0]
    if problem["type"] == "missing":
        return f"{variable} is not set; it has to name the model, for instance MODEL_URI=/models/model.onnx"
    part = f": {problem['loc'][1]}" if len(problem["loc"]) > 1 and isinstance(problem["loc"][1], str) else ""
    return f'{variable}{part} is "{problem["input"]}": {problem["msg"]}'
