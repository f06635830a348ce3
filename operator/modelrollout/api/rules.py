"""The rules that a schema cannot say, as CEL, each with a sentence that says what to write instead.

Paths are those of the resource; `[]` stands for the items of a list. The API server evaluates the rules on every
write, so a spec that cannot be is refused before anybody acts on it.
"""

from dataclasses import dataclass
from typing import Any

from modelrollout import durations, names, registered
from modelrollout.api import reserved

_DURATION = r"^([0-9]{1,6}h)?([0-9]{1,6}m)?([0-9]{1,6}s)?([0-9]{1,6}ms)?$"
"""Bounded digits: no more than 114 years."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One CEL rule with its sentence: `message` as it stands, or `says`, a CEL expression that can name the value."""

    rule: str
    says: str = ""
    message: str = ""

    def to_json(self) -> dict[str, Any]:
        sentence = {"messageExpression": self.says} if self.says else {"message": self.message}
        return {"rule": self.rule} | sentence


DURATION = Rule(
    f"self != '' && self.matches('{_DURATION}')",
    "'\"' + self + '\" is not a duration; write for instance 30s, 5m or 1h30m'",
)

PATTERNS = {
    durations.PATTERN: DURATION,
    r"^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$": Rule(
        "self.matches('^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$')",
        '\'"\' + self + \'" is no version; write letters, digits, ".", "_" and "-", with a letter or digit at both '
        "ends'",
    ),
    r"^[0-9a-f]{64}$": Rule(
        "self.matches('^[0-9a-f]{64}$')",
        message="sha256 has 64 lower-case hexadecimal digits; write what sha256sum prints for the file",
    ),
    registered.ADDRESS: Rule(
        f"self.matches('{registered.ADDRESS}')",
        "'\"' + self + '\" is no address of a registry; write https://HOST, and hand its credentials over by "
        "server.envFrom'",
    ),
}
"""Patterns of the models, each as a rule that speaks in sentences instead of regular expressions."""

_NAME = (
    Rule(
        f"size(self.metadata.name) <= {names.MAX_NAME_LENGTH}",
        f'\'the name "%s" has %d characters; choose one of at most {names.MAX_NAME_LENGTH}, since Deployments and '
        "Services are named after it'.format([self.metadata.name, size(self.metadata.name)])",
    ),
    Rule(
        "self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')",
        '\'the name "\' + self.metadata.name + \'" cannot name a Service; choose lower-case letters, digits and "-", '
        "with a letter first'",
    ),
)

_URI = (
    Rule(
        f"self.matches('^(https?|file|s3|gs)://.+') || self.matches('{registered.PATTERN}')",
        "'\"' + self + '\" is no address of a model; write https://..., http://..., file:///..., s3://..., gs://..., "
        "models:/NAME/VERSION or models:/NAME@ALIAS'",
    ),
    Rule(
        "!self.matches('^[a-z0-9]+://[^/]*@')",
        message="the address holds a user or a password; take them out and hand them over by server.envFrom",
    ),
)

_REGISTRY = Rule(
    "!has(self.registry) || (self.uri.startsWith('models:/') && !self.uri.startsWith('models://'))",
    message="model.registry goes with uri models:/NAME/VERSION or models:/NAME@ALIAS; leave one of the two out",
)

TYPE_NAME = r"[A-Za-z_][A-Za-z0-9_]*([.][A-Za-z_][A-Za-z0-9_]*)+"
"""Full name of a type in a skops file."""

_TRUST = Rule(
    f"self.all(one, one == 'pickle' || one.matches('^{TYPE_NAME}$'))",
    message='trust takes "pickle" (joblib files are pickles too), or the full name of a type in a skops file, such as '
    "mypackage.steps.Cleaner",
)


QUANTITY = Rule(
    "isQuantity(string(self))", "'\"%s\" is not a quantity; write for instance 500m, 2 or 1.5Gi'.format([self])"
)

_RESERVED_ENV = (
    f"(one.name.startsWith('{reserved.ENV_PREFIX}') && !(one.name in {list(reserved.ENV_SETTABLE)}) "
    f"|| one.name in {list(reserved.ENV_NAMES)})"
)

_ENV = Rule(
    f"self.all(one, !{_RESERVED_ENV})",
    f"'env sets %s; {reserved.ENV_REMEDY}'.format([self.filter(one, {_RESERVED_ENV}).map(one, one.name)])",
)


def _every_server(holds: str) -> str:
    """CEL that is true when `holds` is, for each container `it` that is called server."""
    return (
        f"!has(self.spec) || !has(self.spec.containers) || self.spec.containers.all(it, it.name != 'server' || {holds})"
    )


def _server_field(field: str, remedy: str) -> Rule:
    return Rule(_every_server(f"!has(it.{field})"), message=f'podTemplate sets {field} of container "server"; {remedy}')


def _pod_field(field: str, remedy: str) -> Rule:
    return Rule(f"!has(self.spec) || !has(self.spec.{field})", message=f"podTemplate sets {field}; {remedy}")


_POD_TEMPLATE = (
    *(_server_field(field, remedy) for field, remedy in reserved.SERVER_FIELDS.items()),
    *(_pod_field(field, remedy) for field, remedy in reserved.POD_FIELDS.items()),
    *(_pod_field(old, f"write {new}") for old, new in reserved.RENAMED_POD_FIELDS.items()),
    Rule(
        _every_server(f"!has(it.env) || it.env.all(one, !{_RESERVED_ENV})"),
        message=f'podTemplate sets a variable of container "server" that is reserved; {reserved.ENV_REMEDY}',
    ),
    Rule(
        "!has(self.spec) || !has(self.spec.initContainers) || self.spec.initContainers.all(one, one.name != 'server')",
        message='podTemplate calls an init container "server", as the serving one is called; rename it',
    ),
    Rule(
        "!has(self.metadata) || !has(self.metadata.labels) || self.metadata.labels.all(key, "
        f"!(key in {list(reserved.LABELS)}) && !key.startsWith('{reserved.LABEL_DOMAIN}/') && "
        f"!key.startsWith('{names.GROUP_LABEL_PREFIX}'))",
        message=f"podTemplate sets a reserved label; {reserved.LABEL_REMEDY}",
    ),
)

_AUTOSCALING = (
    Rule(
        "self.minReplicas <= self.maxReplicas",
        "'minReplicas %d is more than maxReplicas %d; write the smaller number as minReplicas'"
        ".format([self.minReplicas, self.maxReplicas])",
    ),
    Rule(
        "has(self.targetCPUUtilization) || has(self.targetMemoryUtilization)",
        message="autoscaling has no target; write targetCPUUtilization, targetMemoryUtilization or both",
    ),
)

_STRATEGY = Rule(
    "[has(self.canary), has(self.blueGreen), has(self.rolling)].filter(one, one).size() == 1",
    message="write exactly one of canary, blueGreen and rolling under strategy, or leave strategy out for canary",
)

_STEPS = Rule(
    "self.map(one, one.weight).isSorted() && self.all(one, self.exists_one(other, other.weight == one.weight))",
    "'weights must rise from step to step; write for instance [10, 25, 50, 100] instead of %s'"
    ".format([self.map(one, one.weight)])",
)


def _at_least(field: str, least: str) -> Rule:
    return Rule(
        f"!self.{field}.matches('{_DURATION}') || duration(self.{field}) >= duration('{least}')",
        f"'{field} is ' + self.{field} + '; write at least {least}'",
    )


_STARTUP = Rule(
    "!has(self.server) || !has(self.server.startupDeadline) || "
    f"!self.server.startupDeadline.matches('{_DURATION}') || !self.progressDeadline.matches('{_DURATION}') || "
    "duration(self.server.startupDeadline) <= duration(self.progressDeadline)",
    "'progressDeadline ' + self.progressDeadline + ' is shorter than server.startupDeadline ' + "
    "self.server.startupDeadline + ', so a slow model would be taken back while it loads; raise progressDeadline'",
)

RULES: dict[str, tuple[Rule, ...]] = {
    "": _NAME,
    "spec": (_at_least("progressDeadline", "1s"), _at_least("decisionDeadline", "1s"), _STARTUP),
    "spec.model": (_REGISTRY,),
    "spec.model.uri": _URI,
    "spec.model.trust": (_TRUST,),
    "spec.server.env": (_ENV,),
    "spec.server.podTemplate": _POD_TEMPLATE,
    "spec.autoscaling": _AUTOSCALING,
    "spec.strategy": (_STRATEGY,),
    "spec.strategy.canary.steps": (_STEPS,),
    "spec.health": (_at_least("interval", "100ms"),),
}
