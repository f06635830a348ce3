"""The cluster of the user's current kubectl context: used when CLUSTER=current says so, and never changed."""

from localcluster.kubectl import find_kubectl
from localcluster.places import Places
from localcluster.saying import ClusterError, say
from localcluster.shell import run, try_run


def up(where: Places) -> None:
    """Check that it answers, and keep a kubeconfig of that one context, so that a later switch changes nothing here."""
    kubectl = find_kubectl(where)
    context = (try_run([kubectl, "config", "current-context"]) or "").strip()
    if not context:
        raise ClusterError("CLUSTER=current: kubectl has no current context; set one with `kubectl config use-context`")
    if try_run([kubectl, "--request-timeout=10s", "get", "--raw=/readyz"]) is None:
        raise ClusterError(
            f"CLUSTER=current: the cluster of context {context} does not answer `kubectl get --raw=/readyz`"
        )
    kubeconfig = where.state / "current.kubeconfig"
    kubeconfig.touch(mode=0o600)
    kubeconfig.write_text(run([kubectl, "config", "view", "--minify", "--flatten"]))
    say(f"using the cluster of your context {context}; nothing but what is installed into it will change")


def down(where: Places, *, force: bool = False) -> None:  # noqa: ARG001  # nothing is taken away
    (where.state / "current.kubeconfig").unlink(missing_ok=True)
    say("the cluster of your current context is yours: it is left as it is")


def context_of(where: Places) -> str:
    """Name of the context that `up` took."""
    return run(
        [find_kubectl(where), f"--kubeconfig={where.state}/current.kubeconfig", "config", "current-context"]
    ).strip()
