"""The door to model registries: one GET of MLflow's REST API, believing nothing. The one aiohttp session for them.

Only addresses that were declared are called. No redirects (credentials go where they were meant to go), no cookies, no
proxies, no compression, at most 256 KB, and a time limit over everything. Credentials are read from the folder of the
registry for each request, so that a changed Secret is used without a restart.
"""

import json
import os
import ssl
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import aiohttp

from modelrollout.core.facts import NOT_FOUND, REFUSED, UNAVAILABLE, RegistryTrouble
from modelrollout.registered import Registered, is_checksum, is_version
from modelrollout.registry.declared import Declared
from modelrollout.registry.following import Found

SECONDS = 5.0
BODY_LIMIT = 256 * 1024
ALIAS_PATH = "/api/2.0/mlflow/registered-models/alias"
CHECKSUM_TAG = "sha256"
"""A tag of a model version that holds the checksum of its artefact."""
_UNKNOWN = frozenset({"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"})
"""MLflow's words for a model or an alias that it does not have."""
_REFUSALS = frozenset({401, 403})


class HttpRegistries:
    """Asks declared registries."""

    def __init__(self, seconds: float = SECONDS) -> None:
        self._seconds = seconds
        self._session: aiohttp.ClientSession | None = None

    async def ask(self, registry: Declared, model: Registered) -> Found | RegistryTrouble:
        """The version that an alias names now, or why that is not known."""
        try:
            status, body = await self._get(registry, model)
        except TimeoutError:
            return _unavailable(registry, f"does not answer within {self._seconds:g} s")
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return _unavailable(registry, f"cannot be reached: {_reason(error)}")
        return _read(registry, model, status, body)

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def _get(self, registry: Declared, model: Registered) -> tuple[int, bytes | None]:
        limit = aiohttp.ClientTimeout(total=self._seconds)
        asked = self._open().get(
            registry.url + ALIAS_PATH,
            params={"name": model.model, "alias": model.alias},
            headers=authorization(registry.folder),
            ssl=_trust(registry.folder),
            timeout=limit,
            allow_redirects=False,
        )
        async with asked as response:
            body = bytearray()
            async for piece in response.content.iter_chunked(64 * 1024):
                body += piece
                if len(body) > BODY_LIMIT:
                    return response.status, None
            return response.status, bytes(body)

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "modelrollout"},
                auto_decompress=False,
                trust_env=False,
            )
        return self._session


def authorization(folder: Path | None) -> Mapping[str, str]:
    """The header for the credentials in a folder; none where there are none."""
    token, user, password = (_text(folder, name) for name in ("token", "username", "password"))
    if token:
        return {"Authorization": f"Bearer {token}"}
    return {"Authorization": aiohttp.encode_basic_auth(user, password)} if user else {}


def _text(folder: Path | None, name: str) -> str:
    try:
        return (folder / name).read_text(encoding="utf-8").strip() if folder is not None else ""
    except (OSError, UnicodeDecodeError):
        return ""


def _trust(folder: Path | None) -> ssl.SSLContext | bool:
    """Who may sign for the registry: the folder's `ca.crt`, else those whom the image trusts."""
    path = folder / "ca.crt" if folder is not None else None
    return _context(path, path.stat().st_mtime_ns) if path is not None and path.is_file() else True


@lru_cache(maxsize=16)
def _context(path: Path, _changed: int) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=path)


def _read(registry: Declared, model: Registered, status: int, body: bytes | None) -> Found | RegistryTrouble:
    if status in _REFUSALS:
        message = (
            f'the registry "{registry.name}" refuses the operator ({status}); look at the Secret it was declared with'
        )
        return RegistryTrouble(REFUSED, message)
    answer = _json(body)
    if status == 200:  # noqa: PLR2004  # HTTP's word for yes
        found = _found(model, answer.get("model_version"))
        return found or _unavailable(registry, "answers something that is no version of the model")
    if str(answer.get("error_code")) in _UNKNOWN:
        message = f'the registry "{registry.name}" has no alias "{model.alias}" of a model "{model.model}"'
        return RegistryTrouble(NOT_FOUND, message)
    return _unavailable(registry, f"answers {status}")


def _json(body: bytes | None) -> Mapping[str, Any]:
    try:
        answer = json.loads(body or b"")
    except (ValueError, RecursionError):
        return {}
    return answer if isinstance(answer, dict) else {}


def _found(model: Registered, answer: object) -> Found | None:
    if not isinstance(answer, dict) or answer.get("name") != model.model:
        return None
    version = answer.get("version")
    return Found(version, _checksum(answer.get("tags"))) if is_version(version) else None


def _checksum(tags: object) -> str:
    found = [tag.get("value") for tag in tags if _is_checksum(tag)] if isinstance(tags, list) else []
    value = found[0] if found else ""
    return value if is_checksum(value) else ""


def _is_checksum(tag: object) -> bool:
    return isinstance(tag, dict) and tag.get("key") == CHECKSUM_TAG


def _unavailable(registry: Declared, why: str) -> RegistryTrouble:
    return RegistryTrouble(UNAVAILABLE, f'the registry "{registry.name}" {why}')


def _reason(error: Exception) -> str:
    """Short, and the same for the same fault: it becomes a condition."""
    system = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
    number = system.errno if isinstance(system, OSError) else None
    return os.strerror(number) if number is not None and number > 0 else type(error).__name__
