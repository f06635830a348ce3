"""The container that serves the model: its variables, ports, probes and the limits of what it may do."""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any

from modelrollout import durations, names
from modelrollout.api import reserved
from modelrollout.api.spec import Limits
from modelrollout.core.facts import RevisionSource, Rollout

STARTUP_DEADLINE = timedelta(minutes=5)
RESOURCES = {"requests": {"cpu": "500m", "memory": "512Mi"}, "limits": {"memory": "2Gi"}}
"""Where the user writes none. No CPU limit: throttling a server only makes its latencies longer."""
CONFINED = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "readOnlyRootFilesystem": True,
}
"""What a container of ours may not do."""
_GROUP = 65532

_SERVING = "http"
_HEALTH = "health"


def server_container(rollout: Rollout, source: RevisionSource) -> dict[str, Any]:
    """The container `server` as it is before the user's pod template is merged over it."""
    server = source.server
    container = {
        "name": names.SERVER_CONTAINER,
        "image": source.image,
        "imagePullPolicy": "IfNotPresent",
        "env": environment(_model_env(rollout, source), server.get("env") or ()),
        "ports": [
            {"name": _SERVING, "containerPort": names.SERVING_PORT, "protocol": "TCP"},
            {"name": _HEALTH, "containerPort": names.HEALTH_PORT, "protocol": "TCP"},
        ],
        "resources": server.get("resources") or RESOURCES,
        "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],  # noqa: S108  # a volume of the pod's own
        "securityContext": confined(server),
        "terminationMessagePolicy": "FallbackToLogsOnError",
        **_probes(server.get("startupDeadline")),
    }
    env_from = server.get("envFrom")
    return container | {"envFrom": list(env_from)} if env_from else container


def confined(server: Mapping[str, Any]) -> dict[str, Any]:
    """What a container of ours may do, and its group, unless the user's pod template has one for all containers.

    Kubernetes takes only the user from an image, so without this its processes are in group 0. It stands at the
    container, whose user the kubelet knows from the image: runtimes refuse a pod that has a group and no user.
    """
    template = (server.get("podTemplate") or {}).get("spec") or {}
    theirs = (template.get("securityContext") or {}).get("runAsGroup")
    return CONFINED if theirs is not None else CONFINED | {"runAsGroup": _GROUP}


def _probes(startup_deadline: str | None) -> dict[str, Any]:
    deadline = durations.parse(startup_deadline) if startup_deadline else STARTUP_DEADLINE
    return {
        "startupProbe": _probe("/ready", period=1, timeout=1, failures=max(1, round(deadline.total_seconds()))),
        "readinessProbe": _probe("/ready", period=1, timeout=1, failures=3),
        "livenessProbe": _probe("/health", period=10, timeout=5, failures=3),
    }


def _probe(path: str, *, period: int, timeout: int, failures: int) -> dict[str, Any]:
    return {
        "httpGet": {"path": path, "port": _HEALTH},
        "periodSeconds": period,
        "timeoutSeconds": timeout,
        "failureThreshold": failures,
    }


def environment(ours: Mapping[str, str], theirs: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The variables of a container of ours: every one that belongs to the operator, then the user's.

    One that has no value is set all the same: else an `envFrom`, or a Service called `model`, could set it.
    """
    named = {**dict.fromkeys(reserved.ENV_SET, ""), **ours}
    variables = [{"name": name, "value": _literal(value)} for name, value in named.items()]
    return list({one["name"]: dict(one) for one in (*variables, *_pod_env(), *theirs)}.values())


def _literal(value: str) -> str:
    """Kubernetes puts another variable's value in the place of $(NAME); two dollars are one."""
    return value.replace("$", "$$")


def _model_env(rollout: Rollout, source: RevisionSource) -> dict[str, str]:
    model = source.model
    return {
        "MODEL_URI": str(model.get("uri") or ""),
        "MODEL_NAME": rollout.name,
        "MODEL_VERSION": source.version,
        "MODEL_REVISION": source.revision,
        "MODEL_SHA256": str(model.get("sha256") or ""),
        "MODEL_REGISTRY": source.registry,
        "MODEL_CACHE_DIR": _cache(source.server),
        "MODEL_TRUST": ",".join(model.get("trust") or ()),
        "MODEL_STRICT_VERSIONS": "true" if model.get("strictVersions") else "",
        "MODEL_LATENCY_EDGES_MS": _edges(rollout.spec.health.limits if rollout.spec else None),
        "MODEL_PORT": str(names.SERVING_PORT),
        "MODEL_HEALTH_PORT": str(names.HEALTH_PORT),
    }


def _cache(server: Mapping[str, Any]) -> str:
    """Where the user's pod template mounts the volume that pods of a node share; empty where it mounts none."""
    spec = (server.get("podTemplate") or {}).get("spec") or {}
    ours = (one for one in spec.get("containers") or () if one.get("name") == names.SERVER_CONTAINER)
    mounts = (mount for one in ours for mount in one.get("volumeMounts") or ())
    return next((str(one.get("mountPath", "")) for one in mounts if one.get("name") == names.CACHE_VOLUME), "")


def _pod_env() -> list[dict[str, Any]]:
    fields = {"POD_NAME": "metadata.name", "POD_UID": "metadata.uid"}
    return [{"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}} for name, path in fields.items()]


def _edges(limits: Limits | None) -> str:
    """Bucket edges, in milliseconds, at which the server counts exactly what a latency limit asks: "200,500"."""
    if limits is None:
        return ""
    asked = (limits.p50_latency_ms, limits.p95_latency_ms, limits.p99_latency_ms)
    return ",".join(_number(edge) for edge in _ascending(edge for edge in asked if edge is not None))


def _ascending(edges: Iterable[float]) -> list[float]:
    return sorted({float(edge) for edge in edges})


def _number(value: float) -> str:
    return str(int(value)) if value.is_integer() else repr(value)
