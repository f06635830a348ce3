"""What is wrong with a pod, from its status alone."""

from datetime import timedelta
from typing import Any

import pytest
from shell.pods import NOW, UNREADY, at, condition, crashed, ended, pod, running, waiting

from modelrollout.core.facts import PodTrouble
from modelrollout.kube import trim
from modelrollout.troubles import Trouble, last_run, last_words, trouble_of

QUOTED = "0/1 nodes are available: 1 Insufficient memory."
MISMATCH = "feature mismatch: expected 5 columns, model has 6"
MODULE = "ModuleNotFoundError: No module named 'xgboost'"

CASES: list[tuple[str, Any, Trouble | None]] = [
    ("ready", pod(), None),
    ("just created", pod(condition("PodScheduled"), server={}), None),
    ("starting", pod(UNREADY, server=running() | {"started": False}), None),
    ("being created", pod(UNREADY, server=waiting("ContainerCreating")), None),
    (
        "cannot be scheduled",
        pod(condition("PodScheduled", "False", reason="Unschedulable", message=QUOTED), server={}),
        Trouble(PodTrouble.UNSCHEDULABLE, QUOTED),
    ),
    (
        "gated by somebody",
        pod(
            condition("PodScheduled", "False", reason="SchedulingGated", message="Scheduling is blocked"),
            server={},
            mesh={},
            asks={"schedulingGates": [{"name": "example.com/quota"}, {"name": "example.com/budget"}]},
        ),
        Trouble(PodTrouble.SCHEDULING_GATED, "waits for example.com/quota, example.com/budget"),
    ),
    (
        "a Secret that is not there keeps its volumes away",
        pod(
            UNREADY,
            condition("PodReadyToStartContainers", "False", since=31),
            server=waiting("ContainerCreating"),
            mesh=waiting("ContainerCreating"),
            asks={"volumes": [{"name": "tmp", "emptyDir": {}}, {"name": "tls", "secret": {"secretName": "churn-tls"}}]},
        ),
        Trouble(PodTrouble.NOT_MOUNTED, "volumes secret churn-tls or the network are not there after 30 s"),
    ),
    (
        "no network, and no volume",
        pod(UNREADY, condition("PodReadyToStartContainers", "False", since=99), server=waiting("ContainerCreating")),
        Trouble(PodTrouble.NOT_MOUNTED, "its network is not there after 30 s"),
    ),
    (
        "its volumes are being mounted",
        pod(UNREADY, condition("PodReadyToStartContainers", "False", since=20), server=waiting("ContainerCreating")),
        None,
    ),
    (
        "an image is pulled for long",
        pod(UNREADY, condition("PodReadyToStartContainers", since=90), server=waiting("ContainerCreating")),
        None,
    ),
    (
        "an init container fails",
        pod(
            UNREADY,
            server=waiting("PodInitializing"),
            initContainerStatuses=[crashed(message="psql: could not connect") | {"name": "migrate"}],
        ),
        Trouble(PodTrouble.CRASHED, "container migrate: psql: could not connect"),
    ),
    (
        "an init container's image cannot be pulled",
        pod(
            UNREADY,
            server=waiting("PodInitializing"),
            initContainerStatuses=[waiting("ErrImagePull", "401 Unauthorized") | {"name": "migrate"}],
        ),
        Trouble(PodTrouble.CANNOT_PULL, "container migrate: 401 Unauthorized"),
    ),
    (
        "an init container runs for long",
        pod(UNREADY, server=waiting("PodInitializing"), initContainerStatuses=[running(40) | {"name": "migrate"}]),
        Trouble(PodTrouble.INITIALIZING, "init container migrate has not finished"),
    ),
    (
        "an init container has done its work at the second try",
        pod(
            server=running(ready=True),
            initContainerStatuses=[
                {"name": "migrate", "restartCount": 1, "state": ended(0, "Completed"), "lastState": ended(1)}
            ],
        ),
        None,
    ),
    (
        "a sidecar ends again and again",
        pod(
            UNREADY,
            server=running(ready=True),
            mesh=running(3, restartCount=2, ready=False) | {"lastState": ended(0, "Completed")},
        ),
        Trouble(PodTrouble.CRASHED, "container mesh: exit code 0"),
    ),
    (
        "a sidecar that starts as an init container runs out of memory",
        pod(
            UNREADY,
            server=running(ready=True),
            asks={"initContainers": [{"name": "cache", "restartPolicy": "Always"}]},
            initContainerStatuses=[crashed(code=137, reason="OOMKilled") | {"name": "cache"}],
        ),
        Trouble(PodTrouble.CRASHED, "container cache: exit code 137 (OOMKilled)"),
    ),
    (
        "the server crashed long before its sidecar did",
        pod(
            UNREADY,
            server=running(ready=True, restartCount=1)
            | {"lastState": {"terminated": {"exitCode": 1, "finishedAt": at(900), "message": "once"}}},
            mesh=running(3, restartCount=2, ready=False) | {"lastState": ended(7)},
        ),
        Trouble(PodTrouble.CRASHED, "container mesh: exit code 7"),
    ),
    (
        "a sidecar runs and is not ready",
        pod(UNREADY, server=running(ready=True), mesh=running(30, ready=False)),
        Trouble(PodTrouble.SIDECAR_NOT_READY, "container mesh: runs and is not ready"),
    ),
    (
        "a sidecar that starts as an init container is not ready",
        pod(
            UNREADY,
            server=running(ready=True),
            asks={"initContainers": [{"name": "cache", "restartPolicy": "Always"}]},
            initContainerStatuses=[running(30, ready=False) | {"name": "cache"}],
        ),
        Trouble(PodTrouble.SIDECAR_NOT_READY, "container cache: runs and is not ready"),
    ),
    (
        "a load balancer has not taken it yet",
        pod(
            condition("Ready", "False", reason="ReadinessGatesNotReady"),
            condition("ContainersReady", since=20),
            server=running(ready=True),
            asks={"readinessGates": [{"conditionType": "target-health.example.com/churn"}]},
        ),
        Trouble(PodTrouble.READINESS_GATE, "target-health.example.com/churn is not True"),
    ),
    (
        "image cannot be pulled",
        pod(UNREADY, server=waiting("ImagePullBackOff", 'Back-off pulling image "nope:1"')),
        Trouble(PodTrouble.CANNOT_PULL, 'Back-off pulling image "nope:1"'),
    ),
    (
        "first pull failed",
        pod(UNREADY, server=waiting("ErrImagePull")),
        Trouble(PodTrouble.CANNOT_PULL, "ErrImagePull"),
    ),
    (
        "image name is none",
        pod(UNREADY, server=waiting("InvalidImageName", "couldn't parse")),
        Trouble(PodTrouble.CANNOT_PULL, "couldn't parse"),
    ),
    (
        "secret missing",
        pod(UNREADY, server=waiting("CreateContainerConfigError", 'secret "s3" not found')),
        Trouble(PodTrouble.MISSING_CONFIG, 'secret "s3" not found'),
    ),
    (
        "out of memory",
        pod(UNREADY, server=crashed(code=137, reason="OOMKilled")),
        Trouble(PodTrouble.OOM_KILLED, "limit 2Gi"),
    ),
    (
        "out of memory at the first start, not restarted yet",
        pod(UNREADY, server=crashed(0, code=137, reason="OOMKilled") | {"state": {}}),
        Trouble(PodTrouble.OOM_KILLED, "limit 2Gi"),
    ),
    (
        "model not there",
        pod(UNREADY, server=crashed(message="model not found: there is no file /m; is the volume mounted?")),
        Trouble(PodTrouble.MODEL_NOT_FOUND, "model not found: there is no file /m; is the volume mounted?"),
    ),
    (
        "checksum differs",
        pod(UNREADY, server=crashed(message="checksum mismatch: wanted 9f, got aa\n")),
        Trouble(PodTrouble.CHECKSUM_MISMATCH, "checksum mismatch: wanted 9f, got aa"),
    ),
    ("columns differ", pod(UNREADY, server=crashed(message=MISMATCH)), Trouble(PodTrouble.FEATURE_MISMATCH, MISMATCH)),
    (
        "module missing, told by a traceback",
        pod(UNREADY, server=crashed(message=f"Traceback (most recent call last):\n  File x\n{MODULE}")),
        Trouble(PodTrouble.MISSING_DEPENDENCY, MODULE),
    ),
    (
        "port taken, told by a log line",
        pod(UNREADY, server=crashed(message='{"level": "error", "message": "port in use: 8080"}')),
        Trouble(PodTrouble.PORT_IN_USE, "port in use: 8080"),
    ),
    (
        "crashed with other words",
        pod(UNREADY, server=crashed(message="unreadable model: not a zip file")),
        Trouble(PodTrouble.CRASHED, "unreadable model: not a zip file"),
    ),
    ("crashed without a word", pod(UNREADY, server=crashed(code=139)), Trouble(PodTrouble.CRASHED, "exit code 139")),
    (
        "crashes, but is ready at the moment",
        pod(server=running(5, restartCount=2) | {"lastState": crashed(message=MISMATCH)["lastState"]}),
        Trouble(PodTrouble.FEATURE_MISMATCH, MISMATCH),
    ),
    (
        "killed by its liveness probe after it had been ready",
        pod(condition("Ready", "False", since=12), server=crashed(1, code=137, lasted=400)),
        Trouble(PodTrouble.KILLED_BY_LIVENESS, ""),
    ),
    (
        "killed, and ended in good order",
        pod(condition("Ready", "False", since=12), server=crashed(1, code=143, lasted=30)),
        Trouble(PodTrouble.KILLED_BY_LIVENESS, ""),
    ),
    (
        "killed by its startup probe",
        pod(condition("Ready", "False", since=500), server=crashed(1, code=137, lasted=121)),
        Trouble(PodTrouble.PROBE_FAILING, "not ready within its startup deadline of 120 s"),
    ),
    (
        "was ready and fails its probe for a while",
        pod(condition("Ready", "False", since=30), server=running(600)),
        Trouble(PodTrouble.PROBE_FAILING, "its readiness probe has failed for 30 s"),
    ),
    (
        "was ready and fails its probe for a moment",
        pod(condition("Ready", "False", since=9), server=running(600)),
        None,
    ),
    ("has started and is about to be ready", pod(condition("Ready", "False", since=61), server=running(60)), None),
    (
        "runs for long and was never ready",
        pod(condition("Ready", "False", since=601), server=running(600)),
        Trouble(PodTrouble.PROBE_FAILING, "its readiness probe has failed for 480 s"),
    ),
    (
        "evicted",
        pod(UNREADY, phase="Failed", reason="Evicted", message="The node was low on resource: memory."),
        Trouble(PodTrouble.NODE_LOST, "The node was low on resource: memory."),
    ),
    (
        "about to be pre-empted",
        pod(
            condition("Ready"),
            condition("DisruptionTarget", reason="PreemptionByScheduler", message="for a bigger one"),
        ),
        Trouble(PodTrouble.NODE_LOST, "for a bigger one"),
    ),
    (
        "node shut down",
        pod(UNREADY, phase="Failed", reason="NodeShutdown"),
        Trouble(PodTrouble.NODE_LOST, "NodeShutdown"),
    ),
    (
        "node not ready",
        pod(condition("Ready", "False", reason="NodeNotReady")),
        Trouble(PodTrouble.NODE_LOST, "its node is not ready"),
    ),
    ("nobody knows", pod(UNREADY, phase="Unknown"), Trouble(PodTrouble.NODE_LOST, "its node does not answer")),
    (
        "node restarted under it",
        pod(server=running(5, restartCount=1) | {"lastState": crashed(code=255, reason="Unknown")["lastState"]}),
        Trouble(PodTrouble.NODE_LOST, "the node lost the container"),
    ),
    (
        "evicted after a crash: the eviction is the reason",
        pod(UNREADY, server=crashed(message=MISMATCH), phase="Failed", reason="Evicted", message="low"),
        Trouble(PodTrouble.NODE_LOST, "low"),
    ),
]


@pytest.mark.parametrize(("found", "trouble"), [one[1:] for one in CASES], ids=[one[0] for one in CASES])
def test_trouble(found: Any, trouble: Trouble | None) -> None:
    """Of the pod as it is kept: without what nobody reads."""
    assert trouble_of(trim.pod(found), NOW) == trouble


HOSTILE = [
    pytest.param(
        "\x1b[31mERROR: Could not find a version that satisfies xgboost\x1b[0m", "xgboost", id="pip in colours"
    ),
    pytest.param("\x1b]8;;http://evil.example\x07click\x1b]8;;\x07 here", "here", id="a terminal's link"),
    pytest.param("loaded \u202e1.0.0\u202c of \u200bchurn", "churn", id="written backwards"),
    pytest.param("\x9b2Jgone", "gone", id="a screen that is cleared by one byte"),
    pytest.param("Loading: 40%|\u2588\u2588  |\rLoading: 80%|\u2588\u2588\u2588\u2588|", "80%", id="a progress bar"),
    pytest.param(
        "403 Client Error for url: https://AKIA:geheim@b.s3.example/m.onnx?X-Amz-Signature=geheim&X-Amz-Expires=9",
        "https://b.s3.example/m.onnx?...",
        id="a signed address",
    ),
]


@pytest.mark.parametrize(("words", "kept"), HOSTILE)
@pytest.mark.parametrize(
    "status",
    [
        lambda words: pod(condition("PodScheduled", "False", reason="Unschedulable", message=words), server={}),
        lambda words: pod(UNREADY, server=waiting("ImagePullBackOff", words)),
        lambda words: pod(UNREADY, server=waiting("CreateContainerConfigError", words)),
        lambda words: pod(UNREADY, server=crashed(message=words)),
        lambda words: pod(UNREADY, phase="Failed", reason="Evicted", message=words),
        lambda words: pod(condition("DisruptionTarget", reason="PreemptionByScheduler", message=words)),
        lambda words: pod(UNREADY, mesh=crashed(message=words)),
    ],
    ids=["scheduler", "registry", "kubelet", "container", "eviction", "disruption", "sidecar"],
)
def test_words_of_others_are_shown_and_obeyed_by_no_terminal(status: Any, words: str, kept: str) -> None:
    found = trouble_of(status(words), NOW)
    assert found is not None
    assert kept in found.words
    assert found.words.isprintable()
    assert "geheim" not in found.words


def test_every_trouble_has_a_case() -> None:
    assert {trouble.kind for _, _, trouble in CASES if trouble is not None} == set(PodTrouble)


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ("", ""),
        ("\n \n", ""),
        ("one\ntwo\n\n", "two"),
        ('{"msg": "short"}', "short"),
        ('{"no": "message"}', '{"no": "message"}'),
        ('{"cut": ', '{"cut":'),
        ("x" * 400, "x" * 297 + "..."),
    ],
)
def test_last_words_are_the_last_line_as_people_would_say_it(message: str, words: str) -> None:
    assert last_words(message) == words


RUN = {"startedAt": "2026-03-01T11:00:00Z", "finishedAt": "2026-03-01T11:09:59Z"}


@pytest.mark.parametrize(
    ("container", "lasted"),
    [
        ({}, None),
        ({"state": {"running": {"startedAt": "2026-03-01T11:00:00Z"}}}, None),
        ({"state": {"running": {}}, "lastState": {"terminated": RUN}}, timedelta(seconds=599)),
        (
            {"state": {"terminated": RUN | {"finishedAt": "2026-03-01T11:00:01Z"}}, "lastState": {"terminated": RUN}},
            timedelta(seconds=1),
        ),
        ({"state": {"waiting": {}}, "lastState": {"terminated": {"startedAt": None, "finishedAt": None}}}, None),
    ],
    ids=["no container", "its first run", "runs again", "the last of two", "nobody knows"],
)
def test_how_long_a_container_ran_before_it_ended(container: Any, lasted: timedelta | None) -> None:
    assert last_run(container) == lasted
