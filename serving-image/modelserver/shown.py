"""Somebody else's text in our sentences: clipped, control characters escaped, and no secret of an address in it.

Clients, registries, stores and model files say what they like; it ends in logs, in terminals and in the status of a
rollout.
"""

import re
import unicodedata
from collections.abc import Mapping
from urllib.parse import parse_qsl, unquote, urlsplit

MAX_SHOWN = 100
"""Characters of somebody else's text that go into an answer."""
HIDDEN = "..."
INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Kinds of characters that a terminal or a reader acts upon, or that nobody sees."""
SECRETS = (
    "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "GS_SECRET_ACCESS_KEY", "MLFLOW_TRACKING_TOKEN",
    "MLFLOW_TRACKING_PASSWORD",
)  # fmt: skip
ADDRESSES = ("MODEL_URI", "MODEL_PATH", "MODEL_REGISTRY", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "GS_ENDPOINT_URL")
SHORTEST_SECRET, SHORTEST_VALUE = 4, 8
"""Anything shorter is found in every sentence; a query's single values are often no secret (v=2024)."""

_USER = re.compile(r"(?<=//)[^\s/?#\"'<>]*@")
_QUERY = re.compile(r"(?<=[^\s?])[?#](?=[^\s\"'<>)])[^\s\"'<>]*")


def shown(text: str, most: int = MAX_SHOWN) -> str:
    """The beginning of a text, with its control characters escaped."""
    return printable(text[:most])


def printable(text: str) -> str:
    r"""The text with what is no character to be seen as \x1b, \u202e or \U000e0001."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(_escaped(one) if unicodedata.category(one) in INVISIBLE else one for one in text)


def _escaped(one: str) -> str:
    return one.encode("unicode_escape").decode("ascii")


def without_queries(text: str) -> str:
    """The text with what follows ? or # in an address left out, and who asks (user:password@)."""
    return _QUERY.sub(_cut, _USER.sub("", text))


def _cut(found: "re.Match[str]") -> str:
    return found[0][0] + HIDDEN


class Discretion:
    """Makes sentences fit to be seen: what the process was given to keep to itself is not in them."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        known = {environment[name] for name in SECRETS if environment.get(name)}
        for address in (environment[name] for name in ADDRESSES if environment.get(name)):
            known |= _secrets_of(address)
        known |= {unquote(secret) for secret in known}
        self._known = sorted((one for one in known if len(one) >= SHORTEST_SECRET), key=len, reverse=True)

    def __call__(self, text: str) -> str:
        for secret in self._known:
            text = text.replace(secret, HIDDEN)
        return printable(without_queries(text))


def _secrets_of(address: str) -> set[str]:
    try:
        parts = urlsplit(address)
    except ValueError:
        return {address}
    user = parts.netloc.rpartition("@")[0]
    whole = {parts.query, parts.fragment, user, user.partition(":")[2]}
    single = {value for _, value in parse_qsl(parts.query) if len(value) >= SHORTEST_VALUE}
    return {one for one in whole | single if one}
