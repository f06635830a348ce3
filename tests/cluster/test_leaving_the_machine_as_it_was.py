"""What teardown acts on: the ledger of changes, marked processes, mounts and control groups under our names."""

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from localcluster.cgroups import our_groups
from localcluster.ledger import Ledger, read_ledger, write_ledger
from localcluster.mounts import mounts_under
from localcluster.processes import (
    MARK,
    Part,
    find_ours,
    folders_in_use,
    kill_ours,
    parse_environment,
    parts_running,
    program_name,
    start,
)

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="the self-built cluster and /proc are Linux's alone")


def test_the_first_value_written_down_is_the_one_put_back() -> None:
    ledger = Ledger("boot").with_sysctls({"net.ipv4.ip_forward": "0"}).with_sysctls({"net.ipv4.ip_forward": "1"})
    assert ledger.sysctls == {"net.ipv4.ip_forward": "0"}


def test_what_a_later_version_would_note_is_not_noted_when_the_cluster_has_changed_it(tmp_path: Path) -> None:
    """An earlier version noted less; the rest has its changed value by now, which must not pass for the former one."""
    write_ledger(tmp_path / "ledger.json", Ledger("boot", {"net.ipv4.ip_forward": "0"}))
    ledger = read_ledger(tmp_path / "ledger.json", "boot").with_sysctls(
        {"net.ipv4.ip_forward": "1", "net/ipv4/conf/eth0/forwarding": "1"}
    )
    assert ledger.sysctls == {"net.ipv4.ip_forward": "0"}


def test_a_ledger_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    ledger = Ledger("boot", {"kernel.panic": "1"}, ("/run/containerd",), owns_proxy_tables=True)
    write_ledger(tmp_path / "node" / "ledger.json", ledger)
    assert read_ledger(tmp_path / "node" / "ledger.json", "boot") == ledger


def test_after_a_restart_tables_and_settings_are_somebody_elses(tmp_path: Path) -> None:
    ledger = Ledger("before", {"kernel.panic": "1"}, ("/var/lib/cni",), owns_proxy_tables=True)
    write_ledger(tmp_path / "ledger.json", ledger)
    assert read_ledger(tmp_path / "ledger.json", "after") == Ledger("after", folders=("/var/lib/cni",))


@pytest.mark.parametrize("content", ["", "{", "[]", '{"boot": 1}'])
def test_a_ledger_that_was_cut_off_owns_nothing(tmp_path: Path, content: str) -> None:
    (tmp_path / "ledger.json").write_text(content)
    assert read_ledger(tmp_path / "ledger.json", "boot") == Ledger("boot")


@pytest.fixture
def stranger() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["sleep", "60"]) as process:
        yield process
        process.kill()


@linux_only
def test_a_marked_process_is_found_and_killed_and_a_stranger_is_not(
    tmp_path: Path, stranger: subprocess.Popen[bytes]
) -> None:
    start(Part("sleep", ("sleep", "60")), tmp_path, tmp_path)
    pids = parts_running(find_ours(tmp_path))
    assert list(pids) == ["sleep"]
    kill_ours(tmp_path, [*pids.values(), stranger.pid])
    wait_for_the_end(tmp_path)
    assert stranger.poll() is None


def wait_for_the_end(folder: Path) -> None:
    deadline = time.monotonic() + 10
    while find_ours(folder):
        assert time.monotonic() < deadline, "the marked process is still alive"


@linux_only
def test_a_process_of_a_cluster_in_another_folder_is_not_ours(tmp_path: Path) -> None:
    start(Part("sleep", ("sleep", "60")), tmp_path, tmp_path)
    assert find_ours(tmp_path / "other") == ()
    kill_ours(tmp_path, [process.pid for process in find_ours(tmp_path)])


@linux_only
def test_a_part_that_ends_at_once_does_not_count_as_running(tmp_path: Path) -> None:
    start(Part("false", ("false",)), tmp_path, tmp_path)
    wait_for_the_end(tmp_path)  # nobody has waited for it, so it stays a zombie


@linux_only
def test_what_a_part_has_started_is_not_the_part_itself(tmp_path: Path) -> None:
    start(Part("containerd", ("sleep", "60")), tmp_path, tmp_path)
    ours = find_ours(tmp_path)
    kill_ours(tmp_path, [process.pid for process in ours])
    assert [process.part for process in ours] == ["containerd"]
    assert parts_running(ours) == {}


def test_an_environment_is_read_entry_by_entry() -> None:
    raw = f"PATH=/bin\0{MARK}=/a b\0BROKEN\0X=1=2\0".encode()
    assert parse_environment(raw) == {"PATH": "/bin", MARK: "/a b", "X": "1=2"}


def test_the_programs_name_is_the_end_of_its_path() -> None:
    assert program_name(b"/opt/bin/kubelet\0--config=/x/y\0") == "kubelet"


def test_mounts_under_our_folder_come_last_first() -> None:
    table = (
        "/dev/vda / ext4 rw 0 0\n"
        "tmpfs /state/node/kubelet/pods/1 tmpfs rw 0 0\n"
        "overlay /state/node/containerd/a\\040b overlay rw 0 0\n"
        "tmpfs /state/node-of-another/x tmpfs rw 0 0\n"
    )
    assert mounts_under(Path("/state/node"), table) == ("/state/node/containerd/a b", "/state/node/kubelet/pods/1")


def test_control_groups_of_ours_come_deepest_first(tmp_path: Path) -> None:
    for hierarchy in ("cpu", "memory"):
        (tmp_path / hierarchy / "modelrollout" / "kubepods").mkdir(parents=True)
        (tmp_path / hierarchy / "somebody").mkdir()
        (tmp_path / hierarchy / "cgroup.procs").touch()
    assert our_groups(tmp_path) == tuple(
        tmp_path / name
        for name in (
            "cpu/modelrollout/kubepods",
            "cpu/modelrollout",
            "memory/modelrollout/kubepods",
            "memory/modelrollout",
        )
    )


def test_one_unified_hierarchy_holds_our_group_once(tmp_path: Path) -> None:
    (tmp_path / "cgroup.controllers").touch()
    (tmp_path / "modelrollout").mkdir()
    assert our_groups(tmp_path) == (tmp_path / "modelrollout",)


@linux_only
def test_a_running_cluster_is_found_whatever_folder_it_lies_in(tmp_path: Path) -> None:
    start(Part("sleep", ("sleep", "60")), tmp_path, tmp_path)
    folders = folders_in_use()
    kill_ours(tmp_path, [process.pid for process in find_ours(tmp_path)])
    assert str(tmp_path) in folders
