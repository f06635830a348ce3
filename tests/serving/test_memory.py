"""The container's memory limit is found in either version of cgroups, from inside and outside its namespace."""

from pathlib import Path

import pytest

from modelserver import memory

V1 = "5:memory:/kubepods/pod1/c1\n4:cpu,cpuacct:/kubepods/pod1/c1\n0::/\n"
V2 = "0::/kubepods/pod1/c1\n"

LIMITS: dict[str, tuple[str, dict[str, str], int | None]] = {
    "v2, own namespace": ("0::/\n", {"memory.max": "536870912"}, 536870912),
    "v2, host's namespace": (V2, {"kubepods/pod1/c1/memory.max": "536870912", "memory.max": "max"}, 536870912),
    "v2, no limit": ("0::/\n", {"memory.max": "max"}, None),
    "v1, own mount": (V1, {"memory/memory.limit_in_bytes": "536870912"}, 536870912),
    "v1, host's mount": (V1, {"memory/kubepods/pod1/c1/memory.limit_in_bytes": "536870912"}, 536870912),
    "v1, no limit": (V1, {"memory/memory.limit_in_bytes": "9223372036854771712"}, None),
    "no cgroups": ("", {}, None),
}


@pytest.mark.parametrize(("membership", "files", "limit"), LIMITS.values(), ids=LIMITS)
def test_a_limit_is_found(tmp_path: Path, membership: str, files: dict[str, str], limit: int | None) -> None:
    (tmp_path / "membership").write_text(membership)
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)

    assert memory.limit_bytes(tmp_path / "membership", tmp_path) == limit


def test_a_process_uses_some_memory() -> None:
    assert memory.used_bytes() > 1_000_000
