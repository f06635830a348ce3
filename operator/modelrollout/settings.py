"""How one operator process runs: from the command line, with MODELROLLOUT_... variables behind each option."""

from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, field_validator

from modelrollout.api.spec import ServiceType
from modelrollout.registry.declared import declared

DEFAULT_SERVER_IMAGE = "modelrollout-server:0.1.0"


class ScrapeVia(StrEnum):
    DIRECT = "direct"
    """To each pod's own address: from inside the cluster's network."""
    PROXY = "proxy"
    """Through the API server: from anywhere, at a price."""


class LogFormat(StrEnum):
    JSON = "json"
    TEXT = "text"


class Settings(BaseModel):
    """What an operator process is told at its start."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    namespaces: tuple[str, ...] = ()
    """Namespaces to look after; all where there is none."""
    server_image: Annotated[str, Field(min_length=1)] = DEFAULT_SERVER_IMAGE
    """Serving image for specs that name none. A revision keeps the one it was first seen with."""
    scrape_via: ScrapeVia = ScrapeVia.DIRECT
    """How pods are reached."""
    host: str = "0.0.0.0"  # noqa: S104  # probes and Prometheus come from outside the pod
    """Address that /metrics, /healthz and /readyz are served at."""
    port: Annotated[int, Field(ge=0, le=65535)] = 8085
    """Port of /metrics, /healthz and /readyz; 0 takes any."""
    kubeconfig: str = ""
    """Path of a kubeconfig; where empty, the pod's service account, else KUBECONFIG or ~/.kube/config."""
    context: str = ""
    """Context in the kubeconfig; the current one where empty."""
    lease: str = ""
    """Lease by which replicas take turns, as namespace/name; it also names the installation in its claims. Where it is
    empty this process takes no turns and claims nothing: for one process at a desk."""
    replica: str = ""
    """Name of this replica: its pod's. Made from the host's name where empty."""
    workers: Annotated[int, Field(ge=1, le=256)] = 8
    """Rollouts that are worked on at the same time."""
    writes_per_second: Annotated[float, Field(gt=0)] = 20.0
    """Writes to children that are not urgent; after a burst of five times as many."""

    service_types: Annotated[tuple[str, ...], Field(min_length=1)] = ("ClusterIP",)
    """Types of Services that specs may ask for: ClusterIP, NodePort, LoadBalancer."""
    service_annotations: tuple[str, ...] = ()
    """Annotations that Services may get from specs; prometheus.io/* stands for all of a domain, * for all."""

    registries: tuple[str, ...] = ()
    """Model registries that specs may name, as NAME=URL; the first one is meant where a spec names none."""
    registry_secrets: str = ""
    """Folder with a folder of credentials for each registry, by its name; none are sent where empty."""
    registry_seconds: Annotated[float, Field(ge=1, le=86_400)] = 30.0
    """Seconds between two requests for the same alias."""
    registry_job_seconds: Annotated[float, Field(ge=1, le=86_400)] = 120.0
    """Seconds between two Jobs for the same alias of a namespace's own registry: each answer costs a pod."""

    strata_log: str = ""
    """Folder for logs of strata, which `modelrollout judge` reads; none are written where empty."""

    @field_validator("lease")
    @classmethod
    def _names_a_lease(cls, lease: str) -> str:
        namespace, slash, name = lease.partition("/")
        if lease and not (namespace and slash and name):
            raise ValueError(f'lease is "{lease}"; write namespace/name, for instance modelrollout-system/modelrollout')
        return lease

    @field_validator("service_types")
    @classmethod
    def _are_types(cls, types: tuple[str, ...]) -> tuple[str, ...]:
        known = tuple(ServiceType)
        unknown = next((one for one in types if one not in known), None)
        if unknown is not None:
            raise ValueError(f'"{unknown}" is no type of a Service; write {", ".join(known[:-1])} or {known[-1]}')
        return types

    @field_validator("registries")
    @classmethod
    def _can_be_read(cls, registries: tuple[str, ...]) -> tuple[str, ...]:
        declared(registries)
        return registries

    @property
    def scopes(self) -> tuple[str, ...]:
        """Namespaces to list and watch; the empty one is the whole cluster."""
        return self.namespaces or ("",)
