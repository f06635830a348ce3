"""What the user sees: one line per step with the seconds since the command began, and one sentence per failure."""

import sys
import time

_began = time.monotonic()


class ClusterError(Exception):
    """Something that ends the command; its text is shown as it is, so it names the object, the value and the remedy."""


def say(message: str) -> None:
    """Print one line of progress to stderr; stdout belongs to answers such as the kubeconfig's path."""
    print(f"[{time.monotonic() - _began:5.0f} s] {message}", file=sys.stderr, flush=True)
