"""`python -m modelserver resolve`: which version an alias of a registry names now, as the container's last words.

The operator sends it as a Job into the rollout's namespace, where the registry's credentials are: it reads none of them
and calls no address that a spec names. The answer is one line of JSON, {"version": "7", "sha256": ""}; what goes wrong
is one sentence that begins with its cause, as for a server that cannot start.
"""

import http.client
import re
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, urlencode

import msgspec

from modelserver import registered
from modelserver.download import SERVER_ERROR, NoRedirect
from modelserver.failures import Cause, StartError

ALIAS = re.compile(r"models:/(?P<name>[^/@:]+)@(?P<alias>[A-Za-z0-9_-]+)")
VERSION = re.compile(r"[1-9][0-9]{0,8}")
CHECKSUM = re.compile(r"[0-9a-f]{64}")
CHECKSUM_TAG = "sha256"
"""A tag of a model version that holds the checksum of its artefact."""
PATH = "/api/2.0/mlflow/registered-models/alias"
LIMIT = 256 * 1024
TIMEOUT_S = 5.0
PAUSES_S = (1.0, 2.0)
"""Waits between tries: a Job costs more than a second look."""
REFUSALS = frozenset({401, 403})
UNKNOWN = frozenset({"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"})
"""MLflow's words for a model or an alias that it does not have."""


class Resolved(msgspec.Struct, frozen=True):
    """A registry's answer."""

    version: str
    sha256: str = ""

    def line(self) -> str:
        return msgspec.json.encode(self).decode()


def resolved(environment: Mapping[str, str], sleep: Callable[[float], None] = time.sleep) -> Resolved:
    """Ask the registry of MODEL_REGISTRY which version the alias of MODEL_URI names.

    Raises:
        StartError: there is no such alias, the registry refuses the credentials, or it does not answer.
    """
    uri = environment.get("MODEL_URI", "")
    named = ALIAS.fullmatch(uri)
    if named is None:
        raise StartError(Cause.BAD_SETTING, f'"{uri}" names no alias; write for instance models:/churn@champion')
    registry = registered.address(uri, environment)
    status, body = _asked(registry, named, environment, sleep)
    return _read(registry, named, status, _json(body))


def _asked(
    registry: str, named: "re.Match[str]", environment: Mapping[str, str], sleep: Callable[[float], None]
) -> tuple[int, bytes]:
    url = f"{registry}{PATH}?{urlencode(named.groupdict(), quote_via=quote)}"
    signer = registered.credentials(environment)
    headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
    request = urllib.request.Request(url, headers=headers | (signer.headers(url, datetime.now(UTC)) if signer else {}))  # noqa: S310 - checked by resolved()
    for pause in (*PAUSES_S, None):
        try:
            status, body = _get(request)
            why = f"answers {status}"
            if status < SERVER_ERROR:
                return status, body
        except (OSError, http.client.HTTPException, ValueError) as error:  # URLError and time-outs are OSErrors
            why = f"cannot be reached: {getattr(error, 'reason', None) or error}"
        if pause is not None:
            sleep(pause)
    raise StartError(Cause.DOWNLOAD_FAILED, f"the registry {registry} {why}")


def _get(request: urllib.request.Request) -> tuple[int, bytes]:
    try:
        with urllib.request.build_opener(NoRedirect).open(request, timeout=TIMEOUT_S) as response:
            return response.status, response.read(LIMIT + 1)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read(LIMIT + 1)


def _read(registry: str, named: "re.Match[str]", status: int, answer: Mapping[str, Any]) -> Resolved:
    if status in REFUSALS:
        raise StartError(
            Cause.ACCESS_REFUSED,
            f"the registry {registry} refuses the credentials ({status}); look at the Secret that server.envFrom names",
        )
    if status == http.client.OK:
        return _version(registry, named, answer.get("model_version"))
    if str(answer.get("error_code")) in UNKNOWN:
        raise StartError(
            Cause.MODEL_NOT_FOUND,
            f'the registry {registry} has no alias "{named["alias"]}" of a model "{named["name"]}"',
        )
    raise StartError(Cause.DOWNLOAD_FAILED, f"the registry {registry} answers {status}")


def _version(registry: str, named: "re.Match[str]", found: object) -> Resolved:
    known = found if isinstance(found, dict) and found.get("name") == named["name"] else {}
    version = known.get("version")
    if not isinstance(version, str) or not VERSION.fullmatch(version):
        raise StartError(
            Cause.DOWNLOAD_FAILED, f"the registry {registry} answers something that is no version of the model"
        )
    return Resolved(version, _checksum(known.get("tags")))


def _checksum(tags: object) -> str:
    values = [
        tag.get("value")
        for tag in (tags if isinstance(tags, list) else [])
        if isinstance(tag, dict) and tag.get("key") == CHECKSUM_TAG
    ]
    value = values[0] if values else ""
    return value if isinstance(value, str) and CHECKSUM.fullmatch(value) else ""


def _json(body: bytes) -> Mapping[str, Any]:
    try:
        answer = msgspec.json.decode(body) if len(body) <= LIMIT else None
    except (msgspec.DecodeError, RecursionError):
        return {}
    return answer if isinstance(answer, dict) else {}
