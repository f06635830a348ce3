"""s3:// and gs:// addresses as https addresses, and who may read them.

Credentials come from the environment, as a Secret named in `server.envFrom` gives them; without any, the object has
to be public. An endpoint of one's own (MinIO, Ceph, a proxy) is named by the same variables that AWS's tools read.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote, unquote, urlsplit

from modelserver.failures import Cause, StartError
from modelserver.signatures import Credentials, Signer, Signing

UNRESERVED = "/-_.~"
REGION = re.compile(r"[a-z0-9-]{1,63}")
GOOGLE = "https://storage.googleapis.com"


@dataclass(frozen=True, slots=True)
class Remote:
    """Where an object is fetched, and by whose right."""

    url: str
    signer: Signing | None = None


def locate(uri: str, environment: Mapping[str, str]) -> Remote:
    """Address and signer of an s3:// or gs:// object.

    Raises:
        StartError: the address names no bucket or no object, or half of the credentials is missing.
    """
    parts = urlsplit(uri)
    bucket, key = parts.netloc, quote(unquote(parts.path.lstrip("/")), safe=UNRESERVED)
    if not bucket or not key or parts.query or parts.fragment:
        raise StartError(Cause.BAD_SETTING, f'"{uri}" has to be {parts.scheme}://BUCKET/PATH/TO/model.onnx')
    if parts.scheme == "gs":
        endpoint = environment.get("GS_ENDPOINT_URL") or GOOGLE
        return Remote(f"{endpoint.rstrip('/')}/{bucket}/{key}", _signer("GS", "auto", environment))
    region = environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION") or "us-east-1"
    if not REGION.fullmatch(region):  # it becomes a part of a host's name
        raise StartError(Cause.BAD_SETTING, f'AWS_REGION is "{region}", no region; write for instance eu-central-1')
    return Remote(f"{_bucket_address(bucket, region, environment)}/{key}", _signer("AWS", region, environment))


def _bucket_address(bucket: str, region: str, environment: Mapping[str, str]) -> str:
    own = environment.get("AWS_ENDPOINT_URL_S3") or environment.get("AWS_ENDPOINT_URL")
    if own:
        return f"{own.rstrip('/')}/{bucket}"
    domain = f"s3.{region}.amazonaws.com"
    # A certificate for *.s3.... covers no bucket with a dot in its name.
    return f"https://{domain}/{bucket}" if "." in bucket else f"https://{bucket}.{domain}"


def _signer(prefix: str, region: str, environment: Mapping[str, str]) -> Signer | None:
    names = (f"{prefix}_ACCESS_KEY_ID", f"{prefix}_SECRET_ACCESS_KEY")
    key_id, secret = (environment.get(name, "") for name in names)
    if bool(key_id) != bool(secret):
        given, missing = names if key_id else reversed(names)
        raise StartError(Cause.BAD_SETTING, f"{given} is set and {missing} is not; the Secret has to hold both")
    if not key_id:
        return None
    return Signer(Credentials(key_id, secret, environment.get(f"{prefix}_SESSION_TOKEN", "")), region)
