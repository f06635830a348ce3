"""Hands the host's pip settings to a build for its duration, so that no address of an index lands in an image.

pip reads /etc/pip.conf; a file with the host's settings is mounted there while a RUN line works.
"""

import re
from collections.abc import Mapping
from pathlib import Path

CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
PLACES = ("index-url", "extra-index-url", "trusted-host", "find-links", "proxy")
PASSED_ON = (*PLACES, "timeout", "default-timeout", "retries")
LINE = re.compile(r"^(?:global|install|:env:)\.([a-z-]+)='(.*)'$")


def parse_settings(listing: str) -> Mapping[str, str]:
    """Read the output of `pip config list`, in which what comes later wins; environment variables come as `:env:`."""
    lines = (LINE.match(line) for line in sorted(listing.splitlines(), key=_weakest_first))
    settings = {found[1]: found[2] for found in lines if found}
    return {name: value for name, value in settings.items() if name in PASSED_ON}


def _weakest_first(line: str) -> bool:
    return line.startswith(":env:")


def render(settings: Mapping[str, str]) -> str:
    """The text of a pip.conf that also trusts what the host trusts."""
    values = {name.replace("default-timeout", "timeout"): value for name, value in settings.items()}
    lines = (f"{name} = {value}\n" for name, value in {**values, "cert": CERTIFICATES}.items())
    return "[global]\n" + "".join(lines)


def local_folders(settings: Mapping[str, str]) -> tuple[Path, ...]:
    """Folders of the host in which pip finds packages: the build has to see them too."""
    words = settings.get("find-links", "").replace("\\n", " ").split()
    folders = [Path(word) for word in words if word.startswith("/")]
    return tuple(folder for folder in folders if folder.is_dir() and any(folder.iterdir()))
