"""The ControllerRevision that remembers a revision's source after its Deployment is gone.

Kubernetes never lets its data be changed. So it is written once, and `against` in it is the stable of the revision's
first start; who starts it again says against which one.
"""

from modelrollout import names
from modelrollout.builders.manifests import Manifest, metadata
from modelrollout.builders.record import record
from modelrollout.core.facts import RevisionSource, Rollout


def controller_revision(rollout: Rollout, source: RevisionSource) -> Manifest:
    """The memory of a revision; its number is the generation of the spec that first asked for it."""
    meta = metadata(rollout, names.deployment(rollout.name, source.revision), source.version)
    meta["labels"] |= {names.REVISION_LABEL: source.revision}
    return {
        "apiVersion": "apps/v1",
        "kind": "ControllerRevision",
        "metadata": meta,
        "revision": rollout.generation,
        "data": record(source),
    }
