"""Every object name, label key and annotation key, in one place.

Two rollouts may have revisions of the same hash, so a selector always starts with the rollout's name. A rollout's
name has at most 45 characters, so that every name made from it stays below Kubernetes' limit of 63.
"""

GROUP = "modelrollout.dev"
VERSION = "v1alpha1"
KIND = "ModelRollout"
PLURAL = "modelrollouts"
API_VERSION = f"{GROUP}/{VERSION}"

MANAGER = "modelrollout"
MAX_NAME_LENGTH = 45

NAME_LABEL = f"{GROUP}/name"
REVISION_LABEL = f"{GROUP}/revision"
GROUP_LABEL_PREFIX = f"group.{GROUP}/"
GROUP_LABEL_VALUE = "true"

COMMAND_ANNOTATION = f"{GROUP}/command"
APPLIED_ANNOTATION = f"{GROUP}/applied"
PASSED_ON_ANNOTATION = f"{GROUP}/passed-on"
RECORD_ANNOTATION = f"{GROUP}/record"
RESTARTED_ANNOTATION = f"{GROUP}/restarted-at"
STABLE_SINCE_ANNOTATION = f"{GROUP}/stable-since"
"""When a revision became stable last: who was, where the status is lost."""

APP_NAME_LABEL = "app.kubernetes.io/name"
APP_VERSION_LABEL = "app.kubernetes.io/version"
APP_MANAGED_BY_LABEL = "app.kubernetes.io/managed-by"

SERVER_CONTAINER = "server"
CACHE_VOLUME = "model-cache"
"""A volume of the user's pod template: mounted into the server, it keeps artefacts for all pods of its node."""
SERVING_PORT = 8080
HEALTH_PORT = 8081

Labels = dict[str, str]


def deployment(rollout: str, revision: str) -> str:
    """Name of the Deployment (and of the ControllerRevision) of one revision."""
    return f"{rollout}-{revision}"


def service(rollout: str) -> str:
    return rollout


def preview_service(rollout: str) -> str:
    return f"{rollout}-preview"


def disruption_budget(rollout: str) -> str:
    return rollout


def autoscaler(rollout: str) -> str:
    return rollout


def resolver(rollout: str) -> str:
    """Name of the Job that asks a registry of the rollout's own namespace."""
    return f"{rollout}-alias"


def group_label(revision: str) -> str:
    return f"{GROUP_LABEL_PREFIX}{revision}"


def owned_selector() -> str:
    """Label selector, as text, of everything this operator ever made: what its reflectors list."""
    return f"{APP_MANAGED_BY_LABEL}={MANAGER}"


def revision_selector(rollout: str, revision: str) -> Labels:
    """Selects the pods of one revision of one rollout."""
    return {NAME_LABEL: rollout, REVISION_LABEL: revision}


def shared_selector(rollout: str, stable: str) -> Labels:
    """Selects stable's pods and those of the candidate that was started against it, and no others."""
    return {NAME_LABEL: rollout, group_label(stable): GROUP_LABEL_VALUE}


def selector_text(selector: Labels) -> str:
    return ",".join(f"{key}={value}" for key, value in sorted(selector.items()))
