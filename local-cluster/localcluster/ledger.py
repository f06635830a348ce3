"""The ledger: what this cluster changed on the machine outside its own folder, so that `down` puts it back.

Entries are written before the change they describe, and hold for one boot only: after a restart the kernel's settings
and tables are fresh, and a `kube-proxy` table is somebody else's.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Ledger:
    """Former sysctl values (None: the kernel had none), missing folders, and whether kube-proxy's tables are ours."""

    boot: str
    sysctls: dict[str, str | None] = field(default_factory=dict)
    folders: tuple[str, ...] = ()
    owns_proxy_tables: bool = False

    def with_sysctls(self, values: Mapping[str, str | None]) -> "Ledger":
        """Write down former values, once: later ones may already be changed, those of names that are new here, too."""
        return self if self.sysctls else replace(self, sysctls=dict(values))

    def with_folders(self, folders: tuple[str, ...]) -> "Ledger":
        return replace(self, folders=tuple(dict.fromkeys(self.folders + folders)))


def read_ledger(path: Path, boot: str) -> Ledger:
    """Answer this boot's ledger, or an empty one where there is none or it cannot be read."""
    try:
        stored = json.loads(path.read_text())
        ledger = Ledger(stored["boot"], stored["sysctls"], tuple(stored["folders"]), stored["owns_proxy_tables"])
    except (OSError, ValueError, KeyError, TypeError):
        return Ledger(boot)
    return after_restart(ledger, boot)


def after_restart(ledger: Ledger, boot: str) -> Ledger:
    """A restart leaves the folders on disk and forgets the rest."""
    return ledger if ledger.boot == boot else Ledger(boot, folders=ledger.folders)


def write_ledger(path: Path, ledger: Ledger) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".new")
    temporary.write_text(json.dumps(asdict(ledger), indent=1))
    temporary.replace(path)


def current_boot() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
