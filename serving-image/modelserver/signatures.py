"""AWS Signature Version 4: headers that prove who asks for an object. Pure; the time is an argument.

Google's object storage takes the same signatures with its HMAC keys.
Source of the procedure: docs.aws.amazon.com, "Signature Calculations for the Authorization Header".
"""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from urllib.parse import urlsplit

ALGORITHM = "AWS4-HMAC-SHA256"
UNSIGNED = "UNSIGNED-PAYLOAD"


class Signing(Protocol):
    """Proves who asks for an address."""

    def headers(self, url: str, now: datetime, /) -> dict[str, str]:
        """Headers to send with a GET of this address; `now` is UTC."""


@dataclass(frozen=True, slots=True)
class Credentials:
    key_id: str
    secret: str
    token: str = ""
    """Of temporary credentials."""


@dataclass(frozen=True, slots=True)
class Signer:
    credentials: Credentials
    region: str
    service: str = "s3"

    def headers(self, url: str, now: datetime, extra: Mapping[str, str] | None = None) -> dict[str, str]:
        """Headers to send with a GET of this address, whose path is percent-encoded already; `now` is UTC.

        All of them are signed, and so are the extra ones, which have lower-case names.
        """
        parts, stamp = urlsplit(url), f"{now:%Y%m%dT%H%M%SZ}"
        signed = {"host": parts.netloc, "x-amz-content-sha256": UNSIGNED, "x-amz-date": stamp} | dict(extra or {})
        if self.credentials.token:
            signed["x-amz-security-token"] = self.credentials.token
        names = ";".join(sorted(signed))
        lines = "".join(f"{name}:{signed[name].strip()}\n" for name in sorted(signed))
        request = f"GET\n{parts.path or '/'}\n{parts.query}\n{lines}\n{names}\n{signed['x-amz-content-sha256']}"
        scope = f"{now:%Y%m%d}/{self.region}/{self.service}/aws4_request"
        text = f"{ALGORITHM}\n{stamp}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
        proof = hmac.new(self._key(now), text.encode(), hashlib.sha256).hexdigest()
        who = f"Credential={self.credentials.key_id}/{scope}"
        return signed | {"authorization": f"{ALGORITHM} {who},SignedHeaders={names},Signature={proof}"}

    def _key(self, now: datetime) -> bytes:
        key = f"AWS4{self.credentials.secret}".encode()
        for part in (f"{now:%Y%m%d}", self.region, self.service, "aws4_request"):
            key = hmac.new(key, part.encode(), hashlib.sha256).digest()
        return key
