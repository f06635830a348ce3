"""Words of others as they may be shown: on one line, with nothing that steers a terminal or hides, and no secrets.

Pods, registries, stores, Jobs and the kubelet say what they like. What of it reaches a status, an Event, a log line or
a terminal goes through here first.
"""

import re
import unicodedata
from functools import lru_cache

_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
_ADDRESS = re.compile(r"""(?P<scheme>\b[a-z][a-z0-9+.-]*:)(?P<slashes>//|\\/\\/)(?P<rest>[^\s"'<>]+)""", re.IGNORECASE)
_END = ",.;:!?)]}"
"""Of a sentence, and not of an address."""


def printable(text: str) -> str:
    r"""Text with each character that cannot be seen escaped: "\x1b[31m"."""
    if text.isprintable():
        return text
    return "".join([one if one == " " or one.isprintable() else _escaped(one) for one in text])


@lru_cache(maxsize=512)
def _escaped(one: str) -> str:
    if unicodedata.category(one) == "Zs":  # spaces of all widths
        return " "
    if one in _SHORT:
        return _SHORT[one]
    code = ord(one)
    if code < 0x100:  # noqa: PLR2004  # two digits
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"  # noqa: PLR2004  # four digits


def without_secrets(text: str) -> str:
    """Text with the addresses in it cut down to scheme, host and path: signatures and passwords stand in the rest."""
    return _ADDRESS.sub(_bare, text) if "//" in text or "\\/" in text else text


def _bare(found: re.Match[str]) -> str:
    scheme, slashes, rest = found["scheme"], found["slashes"], found["rest"]
    whole = re.split(r"[?#]", rest, maxsplit=1)
    authority, slash, path = whole[0].partition("/")
    host = authority.rpartition("@")[2]
    cut = len(whole) > 1
    tail = "" if not cut or rest[-1] not in _END else rest[-1]
    return f"{scheme}{slashes}{host}{slash}{path}{'?...' if cut else ''}{tail}"


def said(text: str) -> str:
    """What somebody else said, as it may be shown."""
    return printable(without_secrets(text))
