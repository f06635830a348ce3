"""What is wrong with a pod, from its status alone."""

from typing import Any

import pytest
from shell.pods import NOW, UNREADY, condition, crashed, pod, running, waiting

from modelrollout.core.facts import PodTrouble
from modelrollout.troubles import Trouble, last_words, trouble_of

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
        pod(condition("PodScheduled", "False", reason="SchedulingGated", message="gated"), server={}),
        None,
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
    assert trouble_of(found, NOW) == trouble


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
