"""Jobs that ask a namespace's own registry: what their last words mean, and what becomes of those that do not end."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from builders.values import rollout
from kube.apiserver import Direct
from shell.virtual import run

from modelrollout.core.facts import BLOCKED, NOT_FOUND, REFUSED, UNAVAILABLE, RegistryTrouble
from modelrollout.kube.errors import Forbidden, Unavailable
from modelrollout.kube.resources import JOBS
from modelrollout.registry.following import Found
from modelrollout.registry.jobs import PATIENCE_SECONDS, Errand, Resolvers, errand

URL = "https://mlflow.shop.svc"
MODEL = {"uri": "models:/churn@champion", "registry": URL}
IMAGE = "modelrollout-server:1"
CHECKSUM = "0a" * 32
COULD_NOT = f"the Job churn-alias could not ask the registry {URL}: "

Object = dict[str, Any]
Answer = Found | RegistryTrouble
Act = Callable[["Namespace"], None]


def wanted(**server: Any) -> Errand:
    return errand(rollout({"model": MODEL, "server": server}), IMAGE)


async def _open() -> None:
    return


@dataclass
class Namespace:
    """The API server, and the pods that the kubelet and the Job's controller make of Jobs."""

    api: Direct = field(default_factory=Direct)
    pods: list[Object] = field(default_factory=list)

    @property
    def job(self) -> Object | None:
        return self.api.server.get(JOBS, "churn-alias", "shop")

    def pod(self, **status: Any) -> None:
        """The Job's pod as it is now."""
        assert self.job is not None
        labels = {"batch.kubernetes.io/controller-uid": self.job["metadata"]["uid"]}
        self.pods = [{"metadata": {"name": "churn-alias-x", "labels": labels}, "status": status}]

    def ends(self, message: str, code: int = 0, **terminated: Any) -> None:
        state = {"terminated": {"exitCode": code, "message": message} | terminated}
        self.pod(containerStatuses=[{"name": "server", "state": state}])

    def waits(self, reason: str, message: str) -> None:
        state = {"waiting": {"reason": reason, "message": message}}
        self.pod(containerStatuses=[{"name": "server", "state": state}])

    async def ask(self, one: Errand, seconds: float = 2.0, act: Act | None = None) -> Answer:
        """One question; after so many seconds something happens."""
        resolvers = Resolvers(self.api, lambda key: self.pods if key == "shop/churn" else (), _open)

        async def later() -> None:
            await asyncio.sleep(seconds)
            if act is not None:
                act(self)

        answer, _ = await asyncio.gather(resolvers.ask(one), later())
        return answer


def asked(act: Act | None = None, seconds: float = 2.0) -> tuple[Answer, Namespace]:
    place = Namespace()
    return run(place.ask(wanted(), seconds, act)), place


def test_the_last_words_of_a_job_are_the_answer_and_nothing_is_left_of_it() -> None:
    found, place = asked(lambda it: it.ends(f'{{"version":"7","sha256":"{CHECKSUM}"}}\n'))
    assert found == Found("7", CHECKSUM)
    assert (place.job, place.api.server.asked) == (None, ["create jobs", "delete jobs churn-alias"])


SENTENCES = {
    "model not found: the registry x has no alias": RegistryTrouble(NOT_FOUND, "the registry x has no alias"),
    "access refused: the registry x refuses (401)": RegistryTrouble(REFUSED, "the registry x refuses (401)"),
    "download failed: the registry x answers 503": RegistryTrouble(UNAVAILABLE, "the registry x answers 503"),
    "bad setting: half a secret": RegistryTrouble(BLOCKED, f"{COULD_NOT}bad setting: half a secret"),
    "Traceback\nKeyError: 7": RegistryTrouble(BLOCKED, f"{COULD_NOT}KeyError: 7"),
}


@pytest.mark.parametrize(("message", "trouble"), SENTENCES.items(), ids=SENTENCES)
def test_what_went_wrong_is_told_in_the_jobs_words(message: str, trouble: RegistryTrouble) -> None:
    found, place = asked(lambda it: it.ends(message, 1))
    assert (found, place.job) == (trouble, None)


UNUSABLE: dict[str, str] = {
    "another version": '{"version":"latest"}',
    "a number": '{"version":7}',
    "a path": '{"version":"../7"}',
    "a wrong checksum": '{"version":"7","sha256":"x"}',
    "a list": "[]",
    "deep": "[" * 10_000,
}


@pytest.mark.parametrize("message", UNUSABLE.values(), ids=UNUSABLE)
def test_an_answer_that_is_none_is_not_believed(message: str) -> None:
    found, _ = asked(lambda it: it.ends(message))
    assert isinstance(found, RegistryTrouble)
    assert (found.reason, len(found.message) < 400) == (BLOCKED, True)


def test_a_job_without_words_is_told_by_how_it_ended() -> None:
    found, _ = asked(lambda it: it.ends("", 137, reason="OOMKilled"))
    assert found == RegistryTrouble(BLOCKED, f"{COULD_NOT}OOMKilled")


def test_what_keeps_a_pod_from_running_is_named_and_its_job_goes_on() -> None:
    found, place = asked(lambda it: it.waits("CreateContainerConfigError", 'secret "mlflow" not found'))
    assert found == RegistryTrouble(BLOCKED, f'{COULD_NOT}MissingConfig: secret "mlflow" not found')
    assert place.job is not None


def test_a_job_without_a_pod_leads_to_the_command_that_says_why() -> None:
    found, place = asked()
    why = "it has no pod; `kubectl -n shop describe job churn-alias` says why"
    assert found == RegistryTrouble(BLOCKED, COULD_NOT + why)
    assert place.job is not None


def test_a_job_that_is_still_under_way_is_taken_up_again() -> None:
    place = Namespace()
    first = run(place.ask(wanted(), act=lambda it: it.waits("ContainerCreating", "")))
    place.ends('{"version":"7"}')
    second = run(place.ask(wanted()))
    assert first == RegistryTrouble(UNAVAILABLE, f"{COULD_NOT}its pod has not ended yet")
    assert second == Found("7")
    assert place.api.server.asked == ["create jobs", "create jobs", "get jobs churn-alias", "delete jobs churn-alias"]


def test_a_job_of_an_edited_spec_makes_room_for_the_new_one() -> None:
    place = Namespace()
    run(place.ask(wanted(), act=lambda it: it.waits("ContainerCreating", "")))
    old = place.job
    new = wanted(env=[{"name": "MLFLOW_TRACKING_TOKEN", "value": "t"}])
    found = run(place.ask(new, act=lambda it: it.ends('{"version":"8"}')))
    assert old is not None
    assert found == Found("8")
    assert place.api.server.asked[1:5] == [
        "create jobs", "get jobs churn-alias", "delete jobs churn-alias", "create jobs",
    ]  # fmt: skip


def test_the_pod_of_another_job_is_not_listened_to() -> None:
    place = Namespace()
    run(place.ask(wanted(), act=lambda it: it.waits("ContainerCreating", "")))
    place.ends('{"version":"6"}')
    new = wanted(env=[{"name": "MLFLOW_TRACKING_TOKEN", "value": "t"}])
    found = run(place.ask(new))
    assert isinstance(found, RegistryTrouble)


def test_a_job_that_ran_out_of_time_is_deleted_and_told() -> None:
    place = Namespace()
    run(place.ask(wanted()))
    assert place.job is not None
    failed = {"type": "Failed", "status": "True", "reason": "DeadlineExceeded", "message": "was active too long"}
    place.api.server.put(JOBS, json.loads(json.dumps(place.job)) | {"status": {"conditions": [failed]}})
    found = run(place.ask(wanted()))
    assert found == RegistryTrouble(UNAVAILABLE, f"{COULD_NOT}was active too long")
    assert place.job is None


@pytest.mark.parametrize("uid", ["other", None])
def test_a_job_of_somebody_else_is_left_alone(uid: str | None) -> None:
    place = Namespace()
    owner = {"kind": "CronJob", "name": "nightly", "uid": uid, "controller": True}
    meta = {"name": "churn-alias", "namespace": "shop", "ownerReferences": [owner] if uid else []}
    place.api.server.put(JOBS, {"metadata": meta})
    found = run(place.ask(wanted()))
    assert isinstance(found, RegistryTrouble)
    assert found.reason == BLOCKED
    assert found.message.endswith("Job churn-alias is somebody else's; rename the ModelRollout, or delete that Job")
    assert place.job is not None


def test_the_job_of_an_earlier_rollout_of_this_name_is_waited_for() -> None:
    place = Namespace()
    before = errand(rollout({"model": MODEL}, uid="earlier"), IMAGE)
    run(place.ask(before))
    found = run(place.ask(wanted()))
    assert isinstance(found, RegistryTrouble)
    assert (found.reason, place.job is not None) == (UNAVAILABLE, True)


@pytest.mark.parametrize(
    ("error", "reason"), [(Forbidden("403 no right"), BLOCKED), (Unavailable("503 later"), UNAVAILABLE)]
)
def test_a_job_that_cannot_be_made_is_told_in_the_api_servers_words(error: Exception, reason: str) -> None:
    place = Namespace(Direct(faults={"create jobs": [error]}))
    found = run(place.ask(wanted()))
    assert found == RegistryTrouble(reason, f"the Job churn-alias cannot be made: {error}")


def test_a_question_ends_long_before_its_job_does() -> None:
    deadline = wanted().job()["spec"]["activeDeadlineSeconds"]
    assert deadline >= 2 * PATIENCE_SECONDS
