"""Models of an MLflow registry: `models:/churn/7` becomes the address of the one file that is served.

The registry says where the version's artefacts are (`get-download-uri`). Where it hands them out itself
(mlflow-artifacts:), they come from its own address; otherwise from the store that it names. A folder is a model that
MLflow has logged: its MLmodel says which file the model is.
"""

import base64
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import quote, unquote, urlencode, urlsplit

import msgspec
import yaml

from modelserver.failures import Cause, StartError

VERSION = re.compile(r"models:(?://[a-z0-9-]+)?/(?P<name>[^/@:]+)/(?P<version>[1-9][0-9]*)")
DOWNLOAD_URI = "/api/2.0/mlflow/model-versions/get-download-uri"
ARTIFACTS = "/api/2.0/mlflow-artifacts/artifacts/"
SERVED = (".onnx", ".skops", ".joblib", ".pkl", ".pickle")
FLAVORS = {"onnx": "data", "sklearn": "pickled_model"}
"""MLflow's kinds of models that are served, each with the key that names its file."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """The registry's own: a header that is the same for each request."""

    authorization: str

    def headers(self, _url: str, _now: datetime) -> dict[str, str]:
        return {"Authorization": self.authorization}


@dataclass(frozen=True, slots=True)
class Place:
    """Where a file is, and whether the registry's credentials open it."""

    url: str
    is_proxied: bool


Read = Callable[[Place], bytes]
"""Fetches a small file."""


def model_file(uri: str, environment: Mapping[str, str], read: Read) -> Place:
    """Where the file of a model version is.

    Raises:
        StartError: the address names no version, the registry does not have it, or what it has is not served.
    """
    named = VERSION.fullmatch(unquote(uri))
    if named is None:
        raise StartError(Cause.BAD_SETTING, f'"{uri}" names no version; a pod serves one, such as models:/churn/7')
    registry = address(uri, environment)
    asked = urlencode({"name": named["name"], "version": named["version"]}, quote_via=quote)
    answer = _json(read(Place(f"{registry}{DOWNLOAD_URI}?{asked}", is_proxied=True)))
    source = answer.get("artifact_uri")
    if not isinstance(source, str) or not source:
        raise StartError(Cause.DOWNLOAD_FAILED, f"the registry does not say where {uri} is")
    try:
        folder = _place(source, registry)
    except ValueError:  # of urlsplit, or of quote: brackets without an address, half a character
        raise StartError(Cause.DOWNLOAD_FAILED, f"the registry keeps {uri} at {source!r}, no address") from None
    if folder.url.lower().endswith(SERVED):
        return folder
    return _below(folder, _file_of(uri, read(_below(folder, "MLmodel"))))


def address(uri: str, environment: Mapping[str, str]) -> str:
    """Where the registry is that a name in it is asked of.

    Raises:
        StartError: MODEL_REGISTRY says no address of http or https.
    """
    registry = environment.get("MODEL_REGISTRY", "").rstrip("/")
    if urlsplit(registry).scheme not in {"http", "https"}:
        raise StartError(Cause.BAD_SETTING, f"{uri} needs MODEL_REGISTRY, the address of the registry")
    return registry


def credentials(environment: Mapping[str, str]) -> Credentials | None:
    """Who reads the registry, by the variables that MLflow's own clients read; None for one that is open."""
    token, user = environment.get("MLFLOW_TRACKING_TOKEN"), environment.get("MLFLOW_TRACKING_USERNAME")
    if token:
        return Credentials(f"Bearer {token}")
    if not user:
        return None
    pair = f"{user}:{environment.get('MLFLOW_TRACKING_PASSWORD', '')}"
    return Credentials(f"Basic {base64.b64encode(pair.encode()).decode()}")


def _place(source: str, registry: str) -> Place:
    parts = urlsplit(source)
    if parts.scheme == "mlflow-artifacts":
        if parts.netloc and parts.netloc != urlsplit(registry).netloc:
            raise StartError(
                Cause.DOWNLOAD_FAILED, f"the registry names artefacts of another server, {parts.netloc}; none is asked"
            )
        path = _inside(unquote(parts.path).lstrip("/"), source)
        return Place(f"{registry}{ARTIFACTS}{quote(path)}", is_proxied=True)
    if parts.scheme in {"http", "https", "s3", "gs"}:
        return Place(source, is_proxied=False)
    raise StartError(
        Cause.DOWNLOAD_FAILED,
        f"the registry keeps the model at {source}, where a pod cannot read it; serve artefacts by the registry "
        "(mlflow-artifacts:), or from s3://, gs:// or https://",
    )


def _below(folder: Place, name: str) -> Place:
    return Place(f"{folder.url.rstrip('/')}/{quote(name)}", folder.is_proxied)


def _file_of(uri: str, text: bytes) -> str:
    try:
        described = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, OverflowError, RecursionError, LookupError, AttributeError, TypeError) as error:
        # PyYAML's own constructors break on what they do not expect: a 13th month, base 60 with a letter, a deep list
        raise StartError(Cause.UNREADABLE_MODEL, f"the MLmodel of {uri} cannot be read") from error
    flavors = described.get("flavors") if isinstance(described, dict) else None
    known: Mapping[str, Any] = flavors if isinstance(flavors, dict) else {}
    for flavor, key in FLAVORS.items():
        name = known[flavor].get(key) if isinstance(known.get(flavor), dict) else None
        if isinstance(name, str) and name:
            return _inside(name, f"the MLmodel of {uri}")
    said = ", ".join(sorted(one for one in known if isinstance(one, str))) or "none"
    raise StartError(
        Cause.UNREADABLE_MODEL, f"{uri} has the flavors {said}; served are {' and '.join(FLAVORS)}, so log it as one"
    )


def _inside(name: str, where: str) -> str:
    """A path that stays in its folder."""
    if name.startswith("/") or ".." in PurePosixPath(name).parts or not name.isprintable():
        raise StartError(Cause.UNREADABLE_MODEL, f"{where} leads out of its folder: {name}")
    return name


def _json(body: bytes) -> Mapping[str, Any]:
    try:
        answer = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError) as error:
        raise StartError(Cause.DOWNLOAD_FAILED, "the registry's answer cannot be read") from error
    return answer if isinstance(answer, dict) else {}
