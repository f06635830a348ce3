"""One certificate authority and a certificate for each part of the cluster, made by openssl.

They are made in a neighbouring folder that is renamed when it is complete: a killed run leaves all of them or none.
"""

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from localcluster.places import API_ADDRESS, FIRST_SERVICE_ADDRESS, NODE_NAME
from localcluster.shell import run

VALID_DAYS = "3650"
NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
# Python 3.13 and newer refuse an authority without these, and a certificate that does not name its authority.
AUTHORITY_EXTENSIONS = ("-addext", "keyUsage=critical,keyCertSign,cRLSign,digitalSignature")
LEAF_EXTENSIONS = "authorityKeyIdentifier=keyid\nsubjectKeyIdentifier=hash\nbasicConstraints=critical,CA:FALSE\n"
API_NAMES = (
    "DNS:kubernetes",
    "DNS:kubernetes.default",
    "DNS:kubernetes.default.svc",
    "DNS:kubernetes.default.svc.cluster.local",
    "DNS:localhost",
    "IP:127.0.0.1",
    f"IP:{FIRST_SERVICE_ADDRESS}",
    f"IP:{API_ADDRESS}",
)


@dataclass(frozen=True, slots=True)
class Certificate:
    """Who the holder is to the cluster: the subject's CN is the user, its O the group."""

    name: str
    subject: str
    usage: str = "clientAuth"
    alternatives: tuple[str, ...] = ()

    @property
    def extensions(self) -> str:
        names = f"subjectAltName={','.join(self.alternatives)}\n" if self.alternatives else ""
        return f"{LEAF_EXTENSIONS}extendedKeyUsage={self.usage}\n{names}"


CERTIFICATES = (
    Certificate("apiserver", "/CN=kube-apiserver", "serverAuth", API_NAMES),
    Certificate("kubelet-client", "/O=system:masters/CN=apiserver-kubelet-client"),
    Certificate("admin", "/O=system:masters/CN=admin"),
    Certificate("controller-manager", "/CN=system:kube-controller-manager"),
    Certificate("scheduler", "/CN=system:kube-scheduler"),
    Certificate(
        "kubelet",
        f"/O=system:nodes/CN=system:node:{NODE_NAME}",
        "clientAuth,serverAuth",
        (f"DNS:{NODE_NAME}", f"IP:{API_ADDRESS}"),
    ),
    Certificate("proxy", "/CN=system:kube-proxy"),
    Certificate("coredns", "/CN=system:coredns"),
)


def make_certificates(pki: Path) -> None:
    """Fill `pki` unless it is there already."""
    if pki.exists():
        return
    pki.parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(prefix="pki-", dir=pki.parent))
    _make_authority(fresh)
    for certificate in CERTIFICATES:
        _sign(fresh, certificate)
    run(["openssl", "genrsa", "-out", fresh / "service-accounts.key", "2048"])
    run(["openssl", "rsa", "-in", fresh / "service-accounts.key", "-pubout", "-out", fresh / "service-accounts.pub"])
    fresh.rename(pki)


def remove_half_made(pki: Path) -> None:
    for folder in pki.parent.glob("pki-*"):
        shutil.rmtree(folder)


def _make_authority(folder: Path) -> None:
    made = ("-keyout", folder / "ca.key", "-out", folder / "ca.crt")
    subject = ("-subj", "/CN=modelrollout-local-cluster", *AUTHORITY_EXTENSIONS)
    run(["openssl", "req", "-x509", *NEW_KEY, "-days", VALID_DAYS, *subject, *made])


def _sign(folder: Path, certificate: Certificate) -> None:
    key, request, crt = (folder / f"{certificate.name}.{ending}" for ending in ("key", "csr", "crt"))
    extensions = folder / f"{certificate.name}.ext"
    extensions.write_text(certificate.extensions)
    run(["openssl", "req", *NEW_KEY, "-subj", certificate.subject, "-keyout", key, "-out", request])
    authority = ("-CA", folder / "ca.crt", "-CAkey", folder / "ca.key", "-CAcreateserial")
    made = ("-days", VALID_DAYS, "-extfile", extensions, "-out", crt)
    run(["openssl", "x509", "-req", "-in", request, *authority, *made])
    request.unlink()
    extensions.unlink()
