"""Which cluster to use: what the user says, else kind where it can run, else the self-built one, else a clear no."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from localcluster import kind
from localcluster.places import Places
from localcluster.requirements import look_at_machine, what_is_missing
from localcluster.saying import ClusterError


class Driver(StrEnum):
    """The three ways to a cluster; the values are what the variable CLUSTER takes."""

    CURRENT = "current"
    KIND = "kind"
    SELF_BUILT = "self-built"


@dataclass(frozen=True, slots=True)
class Choice:
    """A driver and the reason for it, which is said aloud."""

    driver: Driver
    reason: str


WITHOUT_A_CLUSTER = "Without a cluster these still work: `make check` (lint, types, fast tests, the simulation)."
NO_ENGINE = "no Docker engine works here that could run kind, and this machine has all that is needed"


def choose(environ: Mapping[str, str], where: Places) -> Choice:
    """Choose for this machine; raises ClusterError naming what is missing where nothing can run."""
    wanted = chosen_before(where, asked_for(environ))
    if wanted is None and kind.can_run():
        return Choice(Driver.KIND, "a Docker engine works here")
    if wanted is not None and wanted.driver is not Driver.SELF_BUILT:
        return wanted
    refuse_where_nothing_runs(what_is_missing(look_at_machine(where.state)))
    return wanted or Choice(Driver.SELF_BUILT, NO_ENGINE)


def asked_for(environ: Mapping[str, str]) -> Choice | None:
    """What the variable CLUSTER says; raises ClusterError for a value that is none."""
    asked = environ.get("CLUSTER", "")
    if not asked:
        return None
    if asked not in list(Driver):
        raise ClusterError(f"CLUSTER={asked} is unknown; write one of {', '.join(Driver)} or leave it out")
    return Choice(Driver(asked), f"CLUSTER={asked} says so")


def chosen_before(where: Places, asked: Choice | None) -> Choice | None:
    """Stay with the choice of the last `up`; raises ClusterError where another is asked for while that one is up."""
    former = read_choice(where)
    if former is None or former is Driver.CURRENT:
        return asked
    if asked is not None and asked.driver is not former:
        raise ClusterError(
            f"{asked.reason}, but a cluster of kind {former} is in use: take it away with `make cluster-down`"
        )
    return asked or Choice(former, "as it was chosen before")


def read_choice(where: Places) -> Driver | None:
    """The driver of the last `up`, None after a `down`."""
    return Driver(where.choice.read_text().strip()) if where.choice.exists() else None


def refuse_where_nothing_runs(missing: tuple[str, ...]) -> None:
    if not missing:
        return
    sentences = "\n".join(f"  - {sentence}" for sentence in missing)
    raise ClusterError(
        f"no cluster can run here. No Docker engine works that could run kind, and:\n{sentences}\n"
        f"With CLUSTER=current your own cluster is used. {WITHOUT_A_CLUSTER}"
    )
