"""What a user's pod template may not touch, and what to write instead.

One table, read twice: the CRD's CEL rules refuse it at the API server, and `builders.pod_template` refuses it again for
objects that were stored before a rule existed.
"""

from modelrollout import names

ENV_PREFIX = "MODEL_"
ENV_NAMES = ("POD_NAME", "POD_UID")
"""Variables of the server container that the operator sets besides those with the prefix."""
ENV_SETTABLE = ("MODEL_DRAIN_SECONDS", "MODEL_LIMITS", "MODEL_LOG_LEVEL", "MODEL_MAX_BYTES", "MODEL_REQUEST_TIMEOUT")
"""Variables with the prefix that only tune the server: `server.env` may set them."""
ENV_SET = (
    "MODEL_CACHE_DIR",
    "MODEL_HEALTH_PORT",
    "MODEL_HOST",
    "MODEL_LATENCY_EDGES_MS",
    "MODEL_NAME",
    "MODEL_PATH",
    "MODEL_PORT",
    "MODEL_REGISTRY",
    "MODEL_REVISION",
    "MODEL_SHA256",
    "MODEL_STRICT_VERSIONS",
    "MODEL_TERMINATION_LOG",
    "MODEL_TRUST",
    "MODEL_URI",
    "MODEL_VERSION",
    *ENV_SETTABLE,
)
"""All variables with the prefix that the serving image reads. Each is set in each pod, empty where there is nothing to
say: what stands under `env` counts before `envFrom` and before the variables that Kubernetes makes of Services."""

_PROBE = "leave it out: the operator's own probe asks the health port"

SERVER_FIELDS = {
    "image": "write spec.server.image",
    "command": "build it into the image of spec.server.image",
    "args": "build them into the image of spec.server.image",
    "ports": "leave them out: pods serve on 8080 and report on 8081; clients use spec.service.port",
    "startupProbe": "write spec.server.startupDeadline for a model that loads slowly",
    "readinessProbe": _PROBE,
    "livenessProbe": _PROBE,
}
"""Fields of the container "server", each with what to write instead."""

POD_FIELDS = {
    "restartPolicy": "leave it out: servers are always restarted",
    "activeDeadlineSeconds": "leave it out: a server has no end",
    "ephemeralContainers": "leave it out: use kubectl debug on a running pod",
}
"""Fields of the pod, each with what to write instead."""

RENAMED_POD_FIELDS = {"serviceAccount": "serviceAccountName"}
"""Old names, each with the one that counts: refused in what is written, and read as the new one in what is stored."""

ENV_REMEDY = (
    "choose another name: MODEL_*, POD_NAME and POD_UID are set by the operator, and of MODEL_* only "
    f"{', '.join(ENV_SETTABLE)} may be set here"
)

LABELS = (names.APP_NAME_LABEL, names.APP_VERSION_LABEL, names.APP_MANAGED_BY_LABEL)
"""Labels that the operator sets on pods besides those under its own domain."""

LABEL_DOMAIN = names.GROUP
LABEL_REMEDY = (
    "choose other keys: app.kubernetes.io/name, /version, /managed-by and modelrollout.dev/* are the operator's"
)


def is_reserved_env(name: str) -> bool:
    return (name.startswith(ENV_PREFIX) and name not in ENV_SETTABLE) or name in ENV_NAMES


def is_reserved_label(key: str) -> bool:
    domain = key.partition("/")[0]
    return key in LABELS or domain == LABEL_DOMAIN or domain.endswith(f".{LABEL_DOMAIN}")
