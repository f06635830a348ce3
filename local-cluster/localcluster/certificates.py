"""Two certificate authorities and a certificate for each part of the cluster, made by openssl.

Etcd has an authority of its own: the cluster's signs what is asked of it through the API, and none of that may open
the store. Each certificate is renamed to its name when it is complete, so a killed run leaves none half made.
"""

import shutil
import ssl
import tempfile
from dataclasses import dataclass
from pathlib import Path

from localcluster.places import API_ADDRESS, ETCD_ADDRESS, FIRST_SERVICE_ADDRESS, NODE_NAME
from localcluster.shell import run

VALID_DAYS = "3650"
FRESH = "fresh-"
NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
# Python 3.13 and newer refuse an authority without these, and a certificate that does not name its authority.
AUTHORITY_EXTENSIONS = ("-addext", "keyUsage=critical,keyCertSign,cRLSign,digitalSignature")
ETCD_AUTHORITY = "etcd-ca"
AUTHORITIES = {"ca": "/CN=modelrollout-local-cluster", ETCD_AUTHORITY: "/CN=modelrollout-local-etcd"}
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
    authority: str = "ca"

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
    Certificate("etcd", "/CN=etcd", "clientAuth,serverAuth", (f"IP:{ETCD_ADDRESS}",), ETCD_AUTHORITY),
    Certificate("etcd-client", "/CN=kube-apiserver", authority=ETCD_AUTHORITY),
)


def make_certificates(pki: Path) -> None:
    """Fill `pki` with what is missing; what an earlier run has made stays."""
    pki.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(prefix=FRESH, dir=pki))
    for authority, subject in AUTHORITIES.items():
        if not (pki / f"{authority}.crt").exists():
            _make_authority(fresh, authority, subject)
            _keep(fresh, pki, authority, ("key", "crt"))
    for certificate in CERTIFICATES:
        if not (pki / f"{certificate.name}.crt").exists():
            _sign(pki, fresh, certificate)
            _keep(fresh, pki, certificate.name, ("key", "crt"))
    if not (pki / "service-accounts.pub").exists():
        key = fresh / "service-accounts.key"
        run(["openssl", "genrsa", "-out", key, "2048"])
        run(["openssl", "rsa", "-in", key, "-pubout", "-out", fresh / "service-accounts.pub"])
        _keep(fresh, pki, "service-accounts", ("key", "pub"))
    shutil.rmtree(fresh)


def remove_half_made(pki: Path) -> None:
    for folder in pki.glob(f"{FRESH}*"):
        shutil.rmtree(folder)


def etcd_client(pki: Path) -> ssl.SSLContext:
    """What a client of etcd needs: the API server's certificate, and the authority that etcd's comes from."""
    context = ssl.create_default_context(cafile=str(pki / f"{ETCD_AUTHORITY}.crt"))
    context.load_cert_chain(pki / "etcd-client.crt", pki / "etcd-client.key")
    return context


def _keep(fresh: Path, pki: Path, name: str, endings: tuple[str, ...]) -> None:
    """Move a pair into place, the half that says that it is complete last."""
    for ending in endings:
        file = fresh / f"{name}.{ending}"
        file.chmod(0o600)
        file.replace(pki / file.name)


def _make_authority(folder: Path, name: str, subject: str) -> None:
    made = ("-keyout", folder / f"{name}.key", "-out", folder / f"{name}.crt")
    run(["openssl", "req", "-x509", *NEW_KEY, "-days", VALID_DAYS, "-subj", subject, *AUTHORITY_EXTENSIONS, *made])


def _sign(pki: Path, folder: Path, certificate: Certificate) -> None:
    key, request, crt = (folder / f"{certificate.name}.{ending}" for ending in ("key", "csr", "crt"))
    extensions = folder / f"{certificate.name}.ext"
    extensions.write_text(certificate.extensions)
    run(["openssl", "req", *NEW_KEY, "-subj", certificate.subject, "-keyout", key, "-out", request])
    signer = pki / certificate.authority
    serial = ("-CAcreateserial", "-CAserial", pki / f"{certificate.authority}.srl")
    authority = ("-CA", f"{signer}.crt", "-CAkey", f"{signer}.key", *serial)
    made = ("-days", VALID_DAYS, "-extfile", extensions, "-out", crt)
    run(["openssl", "x509", "-req", "-in", request, *authority, *made])
