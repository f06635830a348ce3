"""What a user's pod template may not touch, and what to write instead.

One table, read twice: the CRD's CEL rules refuse it at the API server, and `builders.pod_template` refuses it again for
objects that were stored before a rule existed.
"""

from modelrollout import names

ENV_PREFIX = "MODEL_"
ENV_NAMES = ("POD_NAME", "POD_UID")
"""Variables of the server container that the operator sets besides those with the prefix."""

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

ENV_REMEDY = "choose another name: MODEL_*, POD_NAME and POD_UID are set by the operator"

LABELS = (names.APP_NAME_LABEL, names.APP_VERSION_LABEL, names.APP_MANAGED_BY_LABEL)
"""Labels that the operator sets on pods besides those under its own domain."""

LABEL_DOMAIN = names.GROUP
LABEL_REMEDY = (
    "choose other keys: app.kubernetes.io/name, /version, /managed-by and modelrollout.dev/* are the operator's"
)


def is_reserved_env(name: str) -> bool:
    return name.startswith(ENV_PREFIX) or name in ENV_NAMES


def is_reserved_label(key: str) -> bool:
    domain = key.partition("/")[0]
    return key in LABELS or domain == LABEL_DOMAIN or domain.endswith(f".{LABEL_DOMAIN}")
