"""What only the operator can see in a spec, before anything is built from it.

The CRD's schema refuses what one field can show. What needs two places of the spec, or the merged pod template, is
found here and becomes the condition that says what to write instead.
"""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from modelrollout import names
from modelrollout.api.spec import Service
from modelrollout.builders import quantities
from modelrollout.builders.container import RESOURCES
from modelrollout.builders.deployment import pod_template
from modelrollout.builders.pod_template import ForbiddenTemplate, forbidden_env
from modelrollout.builders.record import record_text
from modelrollout.core.facts import RevisionSource, Rollout

MAX_RECORD_BYTES = 200_000
"""Kubernetes allows 262144 bytes for all annotations of an object together."""
_UNREADABLE = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
"""What a value of a wrong type ends in. The API server's schema lets none pass, but an object may have been stored
before there was one, and a single rollout must not keep the operator from reading the others."""


def problems(rollout: Rollout) -> str:
    """The first thing that keeps a spec from being built, as a sentence with the remedy; empty when it can be."""
    if rollout.spec is None:
        return rollout.invalid or "the spec cannot be read"
    checks = (_env, _quantities, _template, _mounts, _service, _autoscaling, _size)
    try:
        return next((found for found in (check(rollout) for check in checks) if found), "")
    except _UNREADABLE as error:
        found = f"{error!r:.120}"
        return f"spec.server has a shape that makes no pod ({found}); see kubectl explain modelrollout.spec.server"


def _env(rollout: Rollout) -> str:
    env = rollout.server.get("env") or ()
    taken = forbidden_env("spec.server.env", env)
    if taken:
        return taken
    both = next((one["name"] for one in env if "value" in one and "valueFrom" in one), "")
    return f"spec.server.env gives {both} both a value and a valueFrom; keep one of them" if both else ""


def _quantities(rollout: Rollout) -> str:
    resources = rollout.server.get("resources") or {}
    try:
        requests, limits = ({key: quantities.number(one) for key, one in (resources.get(side) or {}).items()}
                            for side in ("requests", "limits"))  # fmt: skip
    except ValueError as error:
        return f"spec.server.resources: {error}"
    return next(_too_much(resources, requests, limits), "")


def _too_much(
    resources: Mapping[str, Any], requests: Mapping[str, Decimal], limits: Mapping[str, Decimal]
) -> Iterator[str]:
    for name, request in requests.items():
        if name in limits and request > limits[name]:
            asked, limit = resources["requests"][name], resources["limits"][name]
            yield f"spec.server.resources requests {asked} {name}, more than its limit of {limit}; raise the limit"


def _template(rollout: Rollout) -> str:
    try:
        pod_template(rollout, _source(rollout))
    except ForbiddenTemplate as error:
        return str(error)
    return ""


def _mounts(rollout: Rollout) -> str:
    spec = pod_template(rollout, _source(rollout))["spec"]
    volumes = {one["name"] for one in spec["volumes"]}
    for container in (*spec["containers"], *spec.get("initContainers", ())):
        for mount in container.get("volumeMounts") or ():
            if mount.get("name") not in volumes:
                return (
                    f'container "{container["name"]}" mounts the volume "{mount.get("name")}", but no volume has that '
                    "name; add it under spec.server.podTemplate.spec.volumes"
                )
    return ""


def _service(rollout: Rollout) -> str:
    asked = rollout.spec.service if rollout.spec else Service()
    allowed = rollout.exposure
    if asked.type not in allowed.types:
        return (
            f"spec.service.type is {asked.type.value}, and this installation allows {' and '.join(allowed.types)}; "
            f"write {allowed.types[0]}, or have an administrator add {asked.type.value} to the chart's services.types"
        )
    refused = next((key for key in sorted(asked.annotations) if not allowed.allows(key)), "")
    if not refused:
        return ""
    known = " and ".join(allowed.annotations) or "none"
    return (
        f"spec.service.annotations sets {refused}, and this installation allows {known}; leave it out, or have an "
        "administrator add it to the chart's services.annotations"
    )


def _autoscaling(rollout: Rollout) -> str:
    asked = rollout.spec.autoscaling if rollout.spec else None
    if asked is None:
        return ""
    server = pod_template(rollout, _source(rollout))["spec"]["containers"][0]
    resources = server.get("resources") or {}
    known = {*(resources.get("requests") or ()), *(resources.get("limits") or ())}
    targets = {"cpu": asked.target_cpu_utilization, "memory": asked.target_memory_utilization}
    missing = next((name for name, target in targets.items() if target is not None and name not in known), "")
    if not missing:
        return ""
    return (
        f"spec.autoscaling has a target for {missing}, in percent of what the server requests, but "
        f"spec.server.resources requests no {missing}; write for instance requests: "
        f"{{{missing}: {RESOURCES['requests'][missing]}}}"
    )


def _size(rollout: Rollout) -> str:
    size = len(record_text(_source(rollout)).encode())
    if size <= MAX_RECORD_BYTES:
        return ""
    return f"spec.model and spec.server have {size} bytes of at most {MAX_RECORD_BYTES}; move data to a ConfigMap"


def _source(rollout: Rollout) -> RevisionSource:
    """A stand-in for the revision: the checks do not depend on what it is called."""
    return RevisionSource(
        revision="0" * 8,
        version="0",
        spec_hash="0",
        image=str(rollout.server.get("image") or names.SERVER_CONTAINER),
        model=rollout.model,
        server=rollout.server,
        against="0" * 8,
    )
