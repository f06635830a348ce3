"""A spec that names an alias: which version it stands for, and what happens while nobody knows."""

from dataclasses import replace
from typing import Any

import pytest
from core.values import FAILING, IMAGE, changing, decided, judged, later, reasons, seen, turn

from modelrollout import names, registered, revisions
from modelrollout.api.status import Alias, Candidate, ConditionStatus, ModelRolloutStatus, Phase, Revision
from modelrollout.core.decision import Create, Note
from modelrollout.core.facts import (
    BLOCKED,
    NOT_FOUND,
    UNAVAILABLE,
    AliasSeen,
    DeploymentSeen,
    PodSeen,
    RegistryTrouble,
    RevisionSource,
    Seen,
)
from modelrollout.core.turn import Turn
from modelrollout.judge.verdicts import Verdict

CHAMPION = "models:/churn@champion"
URL = "https://mlflow.example.com"
REGISTRIES = {"prod": URL, "lab": "http://lab:5000"}
CHECKSUM = "9f" * 32
AWAY = RegistryTrouble(UNAVAILABLE, 'the registry "prod" does not answer within 5 s')
GONE = RegistryTrouble(NOT_FOUND, 'the registry "prod" has no alias "champion" of a model "churn"')


def revision(version: str) -> Revision:
    spec_hash = revisions.spec_hash({"uri": f"models:/churn/{version}"}, {})
    name = revisions.revision_hash(spec_hash, IMAGE)
    return Revision(revision=name, version=version, spec_hash=spec_hash, image=IMAGE)


def source(version: str, **fields: Any) -> RevisionSource:
    one = revision(version)
    model = {"uri": f"models:/churn/{version}"}
    return replace(
        RevisionSource(one.revision, one.version, one.spec_hash, IMAGE, model, {}, one.revision, registry=URL), **fields
    )


def world(alias: AliasSeen | None, *serving: str, **fields: Any) -> Seen:
    """A world where these versions have four ready pods each, behind a Service that selects the first."""
    arms = [
        (
            DeploymentSeen(
                name=f"churn-{one.revision}",
                revision=one.revision,
                replicas=4,
                ready=4,
                groups=frozenset({one.revision, revision(serving[0]).revision}),
                source=replace(source(one.version), registry=""),
            ),
            tuple(PodSeen(f"{one.revision}-{i}", f"{one.revision}-{i}", one.revision, ready=True) for i in range(4)),
        )
        for one in map(revision, serving)
    ]
    known: dict[str, Any] = {"registries": REGISTRIES, "alias": alias}
    if serving:
        known["selector"] = names.revision_selector("churn", revision(serving[0]).revision)
    else:
        known["service"] = None
    return seen(*arms, **known | fields)


def asked(known: ModelRolloutStatus, around: Seen, uri: str = CHAMPION, **model: Any) -> Turn:
    return turn(known, around, {"model": {"uri": uri, **model}})


def settled(version: str, **fields: Any) -> ModelRolloutStatus:
    known: dict[str, Any] = {
        "observed_generation": 3,
        "alias": Alias(uri=CHAMPION, version=version),
        "current": revision(version),
        "stable": revision(version),
        "stable_since": later(-60),
        "size": 4,
    }
    return ModelRolloutStatus.model_validate(known | fields)


def unresolved(status: ModelRolloutStatus) -> tuple[str, str] | None:
    found = [one for one in status.conditions if one.type == "AliasUnresolved"]
    assert all(one.status is ConditionStatus.TRUE for one in found)
    return (found[0].reason, found[0].message) if found else None


OWN = "https://mlflow.shop.svc"


def own(version: str, url: str = OWN) -> str:
    """Name of the revision of a version in a registry of the namespace's own."""
    return revisions.revision_hash(revisions.spec_hash({"uri": f"models:/churn/{version}", "registry": url}, {}), IMAGE)


def test_an_alias_of_a_registry_of_ones_own_needs_no_declaration() -> None:
    around = replace(world(AliasSeen(CHAMPION, "7", registry=OWN)), registries={})
    decision = decided(asked(ModelRolloutStatus(), around, registry=OWN))
    assert decision.status.alias == Alias(uri=CHAMPION, version="7", registry=OWN)
    (made,) = [one for one in decision.actions if isinstance(one, Create)]
    assert (made.source.revision, made.source.registry) == (own("7"), OWN)
    assert made.source.model == {"uri": "models:/churn/7", "registry": OWN}


def test_a_pinned_version_of_a_registry_of_ones_own_needs_no_declaration_either() -> None:
    around = replace(world(None), registries={})
    decision = decided(asked(ModelRolloutStatus(), around, "models:/churn/7", registry=OWN))
    (made,) = [one for one in decision.actions if isinstance(one, Create)]
    assert (made.source.revision, made.source.registry) == (own("7"), OWN)


@pytest.mark.parametrize("before", ["", "https://mlflow.old.svc"], ids=["a declared one", "another one"])
def test_what_another_registry_said_of_an_alias_says_nothing_about_this_one(before: str) -> None:
    known = settled("7", alias=Alias(uri=CHAMPION, version="7", registry=before))
    around = world(AliasSeen(CHAMPION, "7", registry=before), "7")
    decision = decided(asked(known, around, registry=OWN))
    assert decision.status.message == f"asks the registry which version {CHAMPION} is"
    assert (decision.status.current, changing(decision.actions)) == (known.current, [])

    found = decided(asked(known, world(AliasSeen(CHAMPION, "7", registry=OWN), "7"), registry=OWN))
    assert found.status.candidate is not None
    assert found.status.candidate.revision == own("7")
    assert found.notes[0] == Note("AliasResolved", f"{CHAMPION} is version 7")


def test_a_job_that_cannot_run_is_a_condition_while_the_version_stays() -> None:
    stuck = RegistryTrouble(BLOCKED, "the Job churn-alias could not ask the registry: MissingConfig")
    known = settled("7", alias=Alias(uri=CHAMPION, version="7", registry=OWN))
    around = world(AliasSeen(CHAMPION, registry=OWN, trouble=stuck), "7")
    decision = decided(asked(known, around, registry=OWN))
    assert unresolved(decision.status) == (BLOCKED, f"{stuck.message}; version 7 stays")
    assert decision.status.alias == known.alias


ADDRESSES = {
    "models:/churn@champion": registered.Registered("", "churn", alias="champion"),
    "models:/churn/7": registered.Registered("", "churn", version="7"),
    "models://prod/my model.v2/12": registered.Registered("prod", "my model.v2", version="12"),
    "models://churn/7": None,
    "models:/churn": None,
    "models:/churn/Production": None,
    "models:/churn/07": None,
    "models:/churn/7/": None,
    "models:/a/b@champion": None,
    "models:/churn@champion\n": None,
    "models://user:secret@prod/churn/7": None,
    "https://mlflow/churn/7": None,
}


@pytest.mark.parametrize(("uri", "model"), ADDRESSES.items(), ids=[repr(uri) for uri in ADDRESSES])
def test_an_address_names_a_registry_a_model_and_an_alias_or_a_version(
    uri: str, model: registered.Registered | None
) -> None:
    assert registered.parsed(uri) == model


def test_an_alias_starts_the_version_that_it_names() -> None:
    decision = decided(asked(ModelRolloutStatus(), world(AliasSeen(CHAMPION, "7"))))
    assert decision.status.alias == Alias(uri=CHAMPION, version="7")
    assert decision.status.current == revision("7")
    assert [one for one in decision.actions if isinstance(one, Create)] == [Create(source("7"), 4)]
    assert decision.notes[0] == Note("AliasResolved", "models:/churn@champion is version 7")


def test_the_registrys_checksum_goes_to_the_pods_and_makes_no_other_revision() -> None:
    decision = decided(asked(ModelRolloutStatus(), world(AliasSeen(CHAMPION, "7", CHECKSUM))))
    model = {"uri": "models:/churn/7", "sha256": CHECKSUM}
    assert decision.status.current == revision("7")
    assert [one for one in decision.actions if isinstance(one, Create)] == [Create(source("7", model=model), 4)]


def test_a_checksum_that_is_added_later_changes_nothing() -> None:
    decision = decided(asked(settled("7"), world(AliasSeen(CHAMPION, "7", CHECKSUM), "7")))
    assert decision.status.alias == Alias(uri=CHAMPION, version="7")
    assert changing(decision.actions) == []


def test_a_version_of_the_spec_is_what_people_call_it() -> None:
    decision = decided(asked(ModelRolloutStatus(), world(AliasSeen(CHAMPION, "7")), version="winter"))
    assert decision.status.current is not None
    assert decision.status.current.version == "winter"


@pytest.mark.parametrize(
    ("uri", "url"), [("models:/churn/7", URL), ("models://lab/churn/7", "http://lab:5000")], ids=["first", "named"]
)
def test_a_pinned_version_needs_nobody_to_be_asked(uri: str, url: str) -> None:
    decision = decided(asked(ModelRolloutStatus(), world(None), uri))
    (made,) = [one for one in decision.actions if isinstance(one, Create)]
    assert (made.source.model, made.source.version, made.source.registry) == ({"uri": uri}, "7", url)


def test_a_moved_alias_starts_a_rollout() -> None:
    decision = decided(asked(settled("7"), world(AliasSeen(CHAMPION, "8"), "7")))
    assert isinstance(decision.status.candidate, Candidate)
    assert decision.status.candidate.version == "8"
    assert decision.notes[0] == Note("AliasResolved", "models:/churn@champion is version 8, no longer version 7")


def test_while_the_registry_is_away_the_last_version_stays_and_a_condition_says_so() -> None:
    around = world(AliasSeen(CHAMPION, trouble=AWAY), "7")
    decision = decided(asked(settled("7"), around))
    message = f"{AWAY.message}; version 7 stays"
    assert changing(decision.actions) == []
    assert (decision.status.phase, unresolved(decision.status)) == (Phase.STABLE, (UNAVAILABLE, message))
    assert decision.notes == (Note(UNAVAILABLE, message, warning=True),)

    again = decided(asked(decision.status, around))
    assert (again.notes, again.status) == ((), decision.status)
    back = decided(asked(decision.status, world(AliasSeen(CHAMPION, "7"), "7")))
    assert (back.notes, unresolved(back.status)) == ((), None)


def test_an_alias_of_another_spec_is_not_taken_for_this_one() -> None:
    around = world(AliasSeen("models:/other@champion", "9"), "7")
    decision = decided(asked(settled("7"), around))
    assert decision.status.current == revision("7")


def test_an_alias_that_was_never_resolved_holds_everything_where_it_is() -> None:
    known = settled("7", alias=None)
    decision = decided(asked(known, world(None, "7")))
    assert (decision.status.phase, decision.status.current) == (Phase.HOLDING, known.current)
    assert decision.status.message == "asks the registry which version models:/churn@champion is"
    assert (changing(decision.actions), decision.notes) == ([], ())


@pytest.mark.parametrize(("trouble", "stalled"), [(AWAY, "False"), (GONE, "True")], ids=["away", "gone"])
def test_only_a_registry_that_knows_of_no_such_alias_needs_a_person(trouble: RegistryTrouble, stalled: str) -> None:
    decision = decided(asked(settled("7", alias=None), world(AliasSeen(CHAMPION, trouble=trouble), "7")))
    by_type = {one.type: str(one.status) for one in decision.status.conditions}
    assert (by_type["Ready"], by_type["Stalled"], by_type["Available"]) == ("False", stalled, "True")
    assert decision.notes == (Note(trouble.reason, trouble.message, warning=True),)


def test_a_registry_that_nobody_declared_is_named() -> None:
    decision = decided(asked(ModelRolloutStatus(), world(None), "models://shop/churn/7"))
    assert decision.actions == ()
    assert decision.status.message == (
        'spec.model.uri names the registry "shop", and the operator knows only "prod", "lab"; an administrator '
        "declares it in the chart's value `registries`"
    )


def test_a_bad_candidate_still_goes_back_while_a_new_alias_cannot_be_looked_up() -> None:
    stable, bad = revision("7"), revision("8")
    candidate = Candidate(
        revision=bad.revision,
        version="8",
        weight=50,
        stage="Judging",
        since=later(-10),
        step_since=later(-20),
        routing="Shared",
        routed=True,
        strategy="canary",
    )
    known = settled("7", current=bad, candidate=candidate)
    around = world(AliasSeen("models:/churn@next", trouble=AWAY), "7", "8")
    around = replace(around, service=replace(around.service, selector=names.shared_selector("churn", stable.revision)))  # type: ignore[type-var]
    decision = decided(judged(asked(known, around, "models:/churn@next"), Verdict(candidate=FAILING)))
    assert (decision.status.candidate, decision.urgent) == (None, True)
    assert reasons(decision.notes) == [UNAVAILABLE, "RolledBack"]
    assert changing(decision.actions)[0] == f"route to name=churn,revision={stable.revision}"


def test_a_person_cannot_promote_what_nobody_knows() -> None:
    look = turn(
        settled("7", alias=None),
        world(None, "7"),
        {"model": {"uri": CHAMPION}},
        annotations={names.COMMAND_ANNOTATION: f"promote {revision('7').revision} c1"},
    )
    last = decided(look).status.last_command
    assert last is not None
    assert (last.outcome, last.message) == (
        "Refused",
        "the spec cannot be followed yet: asks the registry which version models:/churn@champion is",
    )


def test_a_status_that_was_erased_stays_so_until_the_registry_answers() -> None:
    waits = decided(asked(ModelRolloutStatus(), world(AliasSeen(CHAMPION, trouble=AWAY), "7")))
    assert (waits.status.observed_generation, waits.actions) == (-1, ())
    found = decided(asked(waits.status, world(AliasSeen(CHAMPION, "7"), "7")))
    assert found.status.stable == revision("7")
    assert changing(found.actions) == []
