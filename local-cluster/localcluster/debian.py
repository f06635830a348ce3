"""Installs the Debian packages that are missing, without starting a service of theirs.

etcd and containerd come with services that would take our ports; a policy file forbids their start while packages are
installed. A policy of somebody else stays as it is.
"""

import os
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from localcluster.saying import ClusterError, say
from localcluster.shell import describe_failure, have

CLUSTER_PROGRAMS = {
    "containerd": "containerd",
    "ctr": "containerd",
    "runc": "runc",
    "/usr/lib/cni/bridge": "containernetworking-plugins",
    "etcd": "etcd-server",
    "nft": "nftables",
    "ip": "iproute2",
    "openssl": "openssl",
    "mount": "mount",
    "/etc/ssl/certs/ca-certificates.crt": "ca-certificates",
}
IMAGE_PROGRAMS = {
    "buildah": "buildah",
    "debootstrap": "debootstrap",
    "/usr/share/keyrings/debian-archive-keyring.gpg": "debian-archive-keyring",
}
POLICY = Path("/usr/sbin/policy-rc.d")
POLICY_TEXT = (
    "#!/bin/sh\n# Written by modelrollout's local cluster while it installs packages: start no service.\nexit 101\n"
)
LOCK_WORDS = ("Could not get lock", "Unable to lock", "is another process using it")
LOCK_PATIENCE = 600.0


def missing_packages(programs: Mapping[str, str]) -> tuple[str, ...]:
    """Packages of those programs and files that the machine lacks."""
    return tuple(sorted({package for name, package in programs.items() if not _present(name)}))


def _present(name: str) -> bool:
    return Path(name).exists() if name.startswith("/") else have(name)


def install_missing(programs: Mapping[str, str]) -> None:
    """Make those programs present; raises ClusterError naming the packages where apt cannot."""
    packages = missing_packages(programs)
    if not packages:
        return
    if not have("apt-get"):
        raise ClusterError(f"please install {', '.join(packages)}: this machine has no apt-get to do it with")
    say(f"installing Debian packages: {', '.join(packages)}")
    _forbid_service_starts()
    try:
        _apt_get("update", "-q")
        _apt_get("install", "-y", "-q", "--no-install-recommends", *packages)
    finally:
        allow_service_starts()


def _forbid_service_starts() -> None:
    if not POLICY.exists():
        POLICY.write_text(POLICY_TEXT)
        POLICY.chmod(0o755)


def allow_service_starts() -> None:
    """Take our policy away, also one that a killed run left behind."""
    with suppress(OSError):
        if POLICY.read_text() == POLICY_TEXT:
            POLICY.unlink()


def _apt_get(*words: str) -> None:
    deadline = time.monotonic() + LOCK_PATIENCE
    while True:
        command = ["apt-get", "-o", "DPkg::Lock::Timeout=60", *words]
        env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        done = subprocess.run(command, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return
        output = done.stdout + done.stderr
        if not any(words in output for words in LOCK_WORDS) or time.monotonic() > deadline:
            raise ClusterError(describe_failure(command, done.returncode, output))
        say("another apt holds the package lock: waiting for it")
        time.sleep(5)
