"""The rules that the API server evaluates as CEL (`api.rules`), once more in Python, for a place without a server.

Only those that the models and the builders do not check anyway. A test applies the table of bad specs to both.
"""

import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from urllib.parse import urlsplit

from modelrollout import durations, names, registered
from modelrollout.api import reserved
from modelrollout.api.rules import TYPE_NAME
from modelrollout.api.spec import ModelRolloutSpec
from modelrollout.core.facts import Rollout

_SCHEMES = ("http", "https", "file", "s3", "gs")


def broken_rule(rollout: Rollout) -> str:
    """The first rule that a parsed rollout breaks, as a sentence; empty when it keeps them all."""
    if rollout.spec is None:
        return rollout.invalid
    spec = rollout.spec
    found = (_name(rollout.name), *(check(spec) for check in _CHECKS))
    return next((sentence for sentence in found if sentence), "")


def _name(name: str) -> str:
    if len(name) > names.MAX_NAME_LENGTH:
        return (
            f'the name "{name}" has {len(name)} characters; choose one of at most {names.MAX_NAME_LENGTH}, since '
            "Deployments and Services are named after it"
        )
    if re.fullmatch(r"[a-z]([-a-z0-9]*[a-z0-9])?", name):
        return ""
    return f'the name "{name}" cannot name a Service; choose lower-case letters, digits and "-", with a letter first'


def _uri(spec: ModelRolloutSpec) -> str:
    uri = spec.model.uri
    if registered.parsed(uri) is not None:
        return ""
    scheme, _, rest = uri.partition("://")
    if scheme not in _SCHEMES or not rest:
        return (
            f'spec.model.uri: "{uri}" is no address of a model; write https://..., http://..., file:///..., s3://..., '
            "gs://..., models:/NAME/VERSION or models:/NAME@ALIAS"
        )
    if "@" in urlsplit(uri).netloc:
        return (
            "spec.model.uri: the address holds a user or a password; take them out and hand them over by server.envFrom"
        )
    return ""


def _registry(spec: ModelRolloutSpec) -> str:
    model, found = spec.model, registered.parsed(spec.model.uri)
    if model.registry is None or (found is not None and not found.registry):
        return ""
    return "spec.model.registry goes with uri models:/NAME/VERSION or models:/NAME@ALIAS; leave one of the two out"


def _trust(spec: ModelRolloutSpec) -> str:
    if all(one == "pickle" or re.fullmatch(TYPE_NAME, one) for one in spec.model.trust or ()):
        return ""
    return (
        'spec.model.trust takes "pickle" (joblib files are pickles too), or the full name of a type in a skops file, '
        "such as mypackage.steps.Cleaner"
    )


def _renamed(spec: ModelRolloutSpec) -> str:
    pod = (spec.server.pod_template or {}).get("spec") or {}
    old = next((name for name in reserved.RENAMED_POD_FIELDS if name in pod), "")
    return f"spec.server.podTemplate sets {old}; write {reserved.RENAMED_POD_FIELDS[old]}" if old else ""


def _strategy(spec: ModelRolloutSpec) -> str:
    strategy = spec.strategy
    given = [one for one in (strategy.canary, strategy.blue_green, strategy.rolling) if one is not None]
    if len(given) == 1:
        return ""
    return (
        "spec.strategy: write exactly one of canary, blueGreen and rolling under strategy, or leave strategy out for "
        "canary"
    )


def _steps(spec: ModelRolloutSpec) -> str:
    canary = spec.strategy.canary
    weights = [step.weight for step in canary.steps] if canary is not None else []
    if weights == sorted(set(weights)):
        return ""
    return (
        "spec.strategy.canary.steps: weights must rise from step to step; write for instance [10, 25, 50, 100] "
        f"instead of {weights}"
    )


def _least_times(spec: ModelRolloutSpec) -> str:
    least = (
        ("progressDeadline", spec.progress_deadline, timedelta(seconds=1)),
        ("decisionDeadline", spec.decision_deadline, timedelta(seconds=1)),
        ("health.interval", spec.health.interval, timedelta(milliseconds=100)),
    )
    return next(_too_short(least), "")


def _too_short(least: tuple[tuple[str, timedelta, timedelta], ...]) -> Iterator[str]:
    for field, given, shortest in least:
        if given < shortest:
            yield f"spec.{field} is {durations.show(given)}; write at least {durations.show(shortest)}"


def _startup(spec: ModelRolloutSpec) -> str:
    startup = spec.server.startup_deadline
    if startup is None or startup <= spec.progress_deadline:
        return ""
    return (
        f"spec.progressDeadline {durations.show(spec.progress_deadline)} is shorter than server.startupDeadline "
        f"{durations.show(startup)}, so a slow model would be taken back while it loads; raise progressDeadline"
    )


def _autoscaling(spec: ModelRolloutSpec) -> str:
    asked = spec.autoscaling
    if asked is None:
        return ""
    if asked.min_replicas > asked.max_replicas:
        return (
            f"spec.autoscaling: minReplicas {asked.min_replicas} is more than maxReplicas {asked.max_replicas}; write "
            "the smaller number as minReplicas"
        )
    if asked.target_cpu_utilization is None and asked.target_memory_utilization is None:
        return "spec.autoscaling has no target; write targetCPUUtilization, targetMemoryUtilization or both"
    return ""


_CHECKS: tuple[Callable[[ModelRolloutSpec], str], ...] = (
    _uri,
    _registry,
    _trust,
    _renamed,
    _strategy,
    _steps,
    _least_times,
    _startup,
    _autoscaling,
)
