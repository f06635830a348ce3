"""One part of the cluster is ended and started again; played with harmless programs that carry the marks."""

import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from localcluster import cgroups, parts, pieces
from localcluster.places import CGROUP, NodePlaces, Places
from localcluster.processes import Part, find_ours, kill_ours, parts_running, start
from localcluster.saying import ClusterError
from localcluster.shell import wait_until


@pytest.fixture
def where(tmp_path: Path) -> Iterator[Places]:
    """Places of a cluster of our own; whatever runs in it is ended."""
    places = Places(tmp_path / "state", tmp_path / "cache", tmp_path)
    places.node.logs.mkdir(parents=True)
    yield places
    kill_ours(places.node.root, [process.pid for process in find_ours(places.node.root)])


def run_as(where: Places, name: str) -> None:
    """A program that sleeps, under a part's name."""
    program = where.node.root / name
    shutil.copy(shutil.which("sleep") or "/bin/sleep", program)
    start(Part(name, (str(program), "600")), where.node.root, where.node.logs)


def running(where: Places) -> set[str]:
    return set(parts_running(find_ours(where.node.root)))


def test_only_that_part_is_ended(where: Places) -> None:
    for name in ("etcd", "kubelet", "kube-apiserver"):
        run_as(where, name)
    pieces.end(where, "kubelet")

    assert running(where) == {"etcd", "kube-apiserver"}


def test_a_part_has_ended_when_nothing_holds_its_port_any_more(where: Places) -> None:
    """A program of many threads is a zombie for /proc before its last thread is gone, and lets its port go then."""
    program = where.node.root / "kube-apiserver"
    program.symlink_to(sys.executable)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    start(Part("kube-apiserver", (str(program), "-c", SERVER, str(port))), where.node.root, where.node.logs)
    wait_until(lambda: _listens(port), "the server listens", seconds=20)
    pieces.end(where, "kube-apiserver")

    socket.create_server(("127.0.0.1", port)).close()


SERVER = """
import socket, sys, threading, time
server = socket.create_server(("127.0.0.1", int(sys.argv[1])))
for _ in range(200):
    threading.Thread(target=time.sleep, args=(600,)).start()
"""


def _listens(port: int) -> bool:
    with socket.socket() as caller:
        return caller.connect_ex(("127.0.0.1", port)) == 0


def test_a_part_that_does_not_run_is_said_with_those_that_do(where: Places) -> None:
    run_as(where, "etcd")
    with pytest.raises(ClusterError, match="kubelet does not run, so it cannot be ended; these do: etcd"):
        pieces.end(where, "kubelet")


def test_a_part_that_runs_is_not_started_twice(where: Places) -> None:
    run_as(where, "etcd")
    with pytest.raises(ClusterError, match="etcd runs already"):
        pieces.begin(where, "etcd")


@pytest.fixture
def pods(tmp_path: Path) -> Iterator[dict[str, "subprocess.Popen[bytes]"]]:
    """Two programs, in the groups of two pods."""
    (tmp_path / "cgroup.controllers").touch()
    programs = {name: subprocess.Popen(["sleep", "600"]) for name in ("pod0a-1b", "pod2c-3d")}
    for name, program in programs.items():
        container = tmp_path / CGROUP / "kubepods" / "burstable" / name / "c0ffee"
        container.mkdir(parents=True)
        (container / "cgroup.procs").write_text(f"{program.pid}\n")
    yield programs
    for program in programs.values():
        program.kill()
        program.wait()


def test_one_pod_is_killed_and_its_neighbour_is_not(pods: dict[str, "subprocess.Popen[bytes]"], tmp_path: Path) -> None:
    cgroups.kill_pod("0a-1b", tmp_path)

    assert pods["pod0a-1b"].wait(30) == -signal.SIGKILL
    assert pods["pod2c-3d"].poll() is None


def test_one_pod_stands_still_for_a_while_and_its_neighbour_does_not(
    pods: dict[str, "subprocess.Popen[bytes]"], tmp_path: Path
) -> None:
    with cgroups.stopped_pod("0a-1b", tmp_path):
        wait_until(lambda: state_of(pods["pod0a-1b"].pid) == "T", "it stands still", seconds=30)
        assert state_of(pods["pod2c-3d"].pid) != "T"
    wait_until(lambda: state_of(pods["pod0a-1b"].pid) != "T", "it goes on", seconds=30)


def state_of(pid: int) -> str:
    """The letter of a process's state: T stands still."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0]


def test_what_everything_stands_on_is_left_alone(where: Places) -> None:
    with pytest.raises(ClusterError, match="containerd is no part that can be missed"):
        pieces.end(where, "containerd")


def test_a_kubelet_can_be_told_to_evict() -> None:
    plain = {"address": "10.99.0.1", "evictionHard": {"nodefs.available": "1%"}}

    assert pieces.evicts_below(plain, "100Gi") == {
        "address": "10.99.0.1",
        "evictionHard": {"memory.available": "100Gi"},
        "evictionPressureTransitionPeriod": "1s",
    }


def test_another_configuration_takes_the_place_of_the_usual_one() -> None:
    node = NodePlaces(Path("/state/node"))
    changed = pieces.configured(parts.kubelet(node, Path("/programs")), Path("/other.json"))

    assert [word for word in changed.argv if word.startswith("--config=")] == ["--config=/other.json"]
    with pytest.raises(ClusterError, match="etcd has no configuration file"):
        pieces.configured(parts.etcd(node), Path("/other.json"))
