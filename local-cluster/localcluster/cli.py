"""The command line: up, down, status, kubeconfig, image, selftest. One run at a time changes the cluster."""

import argparse
import fcntl
import json
import os
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from localcluster import current, images, kind, node, selftest
from localcluster.choice import Driver, asked_for, choose, read_choice
from localcluster.kubectl import Kubectl, find_kubectl
from localcluster.places import Places, find_places
from localcluster.programs import HELM, KUBECTL, build_missing, programs_folder
from localcluster.saying import ClusterError, say
from localcluster.shell import have

CHECKOUT = Path(__file__).resolve().parents[2]
DRIVERS: Mapping[Driver, ModuleType] = {Driver.CURRENT: current, Driver.KIND: kind, Driver.SELF_BUILT: node}
TOOLS = {"kubectl": KUBECTL, "helm": HELM}


def main(words: Sequence[str]) -> int:
    """Run one command; answer the exit code (1 with a sentence on stderr where it could not)."""
    arguments = parser().parse_args(words)
    where = find_places(os.environ, CHECKOUT)
    try:
        return int(arguments.command(where, arguments) or 0)
    except ClusterError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"error: the machine refused: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; the same command goes on from here", file=sys.stderr)
        return 130


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog="cluster.py", description="A local Kubernetes cluster and its images.")
    commands = top.add_subparsers(required=True, metavar="COMMAND")
    _add(commands, "up", command_up, "bring a cluster up, or see that it is")
    down = _add(commands, "down", command_down, "take it away; caches stay")
    down.add_argument("--force", action="store_true", help="also from under programs that are connected to it")
    down.add_argument("--purge", action="store_true", help="remove the caches too: programs, base image, image layers")
    _add(commands, "status", command_status, "print the cluster's parts and files; exit code 1 when it is down")
    _add(commands, "kubeconfig", command_kubeconfig, "print the path of the kubeconfig")
    image = _add(commands, "image", command_image, "build the images and load them into the cluster that is up")
    image.add_argument("names", nargs="*", metavar="NAME", help="which images (default: all)")
    image.add_argument("--tag", default="dev", help="the tag of localhost/NAME:TAG (default: dev)")
    size = _add(commands, "size", command_size, "print how large the built images are, unpacked and compressed")
    size.add_argument("names", nargs="*", metavar="NAME", help="which images (default: all)")
    size.add_argument("--tag", default="dev", help="the tag of localhost/NAME:TAG (default: dev)")
    tool = _add(commands, "tool", command_tool, "print the path of kubectl or helm, built where it is missing")
    tool.add_argument("name", choices=tuple(TOOLS))
    _add(commands, "selftest", command_selftest, "prove the self-built cluster from nothing to nothing")
    return top


def _add(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str, command: object, text: str
) -> argparse.ArgumentParser:
    sub = commands.add_parser(name, help=text, description=text)
    sub.set_defaults(command=command)
    return sub


def command_up(where: Places, _arguments: argparse.Namespace) -> None:
    with locked(where):
        choice = choose(os.environ, where)
        say(f"cluster: {choice.driver} ({choice.reason})")
        if choice.driver is not Driver.CURRENT:
            where.choice.write_text(choice.driver)  # before the first change, for the `down` after a kill
        DRIVERS[choice.driver].up(where)
        where.choice.write_text(choice.driver)


def command_down(where: Places, arguments: argparse.Namespace) -> None:
    """Take away what the last `up` chose; where nothing tells, look for traces of the self-built cluster."""
    with locked(where):
        asked = asked_for(os.environ)
        DRIVERS[read_choice(where) or (asked.driver if asked else Driver.SELF_BUILT)].down(where, force=arguments.force)
        where.choice.unlink(missing_ok=True)
        if arguments.purge:
            say(f"removing the caches in {where.cache}")
            shutil.rmtree(where.cache, ignore_errors=True)


def command_status(where: Places, _arguments: argparse.Namespace) -> int:
    driver = read_choice(where)
    if driver is None or driver is Driver.SELF_BUILT:
        return 0 if node.status(where) else 1
    kubeconfig = kubeconfig_of(where)
    is_up = Kubectl(find_kubectl(where), kubeconfig).try_run("get", "--raw=/readyz") is not None
    print(json.dumps({"up": is_up, "driver": driver, "kubeconfig": str(kubeconfig)}, indent=1))
    return 0 if is_up else 1


def command_kubeconfig(where: Places, _arguments: argparse.Namespace) -> None:
    print(kubeconfig_of(where))


def command_image(where: Places, arguments: argparse.Namespace) -> None:
    with locked(where):
        images.make_images(where, images.pick(arguments.names), driver_in_use(where), arguments.tag)


def command_size(where: Places, arguments: argparse.Namespace) -> None:
    for name, size in images.sizes(where, images.pick(arguments.names), arguments.tag):
        print(f"{name}: {size}")


def command_tool(where: Places, arguments: argparse.Namespace) -> None:
    module = TOOLS[arguments.name]
    program = programs_folder(where, module) / arguments.name
    if arguments.name == "kubectl" and have("kubectl"):
        program = Path(find_kubectl(where))
    if not program.exists():
        with locked(where):
            build_missing(where, module)
    print(program)


def command_selftest(where: Places, _arguments: argparse.Namespace) -> None:
    with locked(where):
        selftest.run_selftest(where)


def driver_in_use(where: Places) -> Driver:
    """The driver of the last `up`; raises ClusterError where there was none."""
    driver = read_choice(where)
    if driver is None:
        raise ClusterError("no cluster is up; bring one up with `make cluster-up`")
    return driver


def kubeconfig_of(where: Places) -> Path:
    """Path of the kubeconfig of the cluster that is up; raises ClusterError where there is none."""
    files = {
        Driver.CURRENT: where.state / "current.kubeconfig",
        Driver.KIND: where.state / "kind.kubeconfig",
        Driver.SELF_BUILT: where.node.kubeconfig,
    }
    return files[driver_in_use(where)]


@contextmanager
def locked(where: Places) -> Iterator[None]:
    """Hold the lock that keeps two runs from changing the cluster at once; the kernel drops it with the process."""
    where.state.mkdir(mode=0o700, parents=True, exist_ok=True)
    where.state.chmod(0o700)
    with where.lock.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            say(f"another run is at work (process {file.read().strip()}): waiting for it")
            fcntl.flock(file, fcntl.LOCK_EX)
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield
