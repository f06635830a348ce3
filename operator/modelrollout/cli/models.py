"""`modelrollout bundle` and `modelrollout check`: handed over to the serving image's package, which loads models.

The operator's package has no scikit-learn and no onnxruntime; docs/decisions/0012 says why these two commands run in
another process. Options, help and exit codes are theirs.
"""

import subprocess
import sys
from collections.abc import Sequence
from importlib.util import find_spec

import typer

from modelrollout.cli.answers import Unusable, refusing

WHOLE_LINE = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}
"""For typer: whatever follows the command's name belongs to it, `--help` too."""
_NEEDED = ("modelserver", "msgspec", "sklearn", "skops", "onnxruntime")


def bundle(context: typer.Context) -> None:
    """Make a bundle of a fitted model and a sample, and check it."""
    _hand_over("bundle", context.args)


def check(context: typer.Context) -> None:
    """Hold a new model against the old one: columns, golden rows, p95; exit code 1 says that it should not go out."""
    _hand_over("check", context.args)


def _hand_over(command: str, words: Sequence[str]) -> None:
    with refusing():
        if missing := [name for name in _NEEDED if find_spec(name) is None]:
            raise Unusable(
                f"{command} loads models, and {', '.join(missing)} is not installed here; "
                "run pip install 'modelrollout[models]', or run the serving image with this command's words"
            )
    done = subprocess.run([sys.executable, "-m", "modelserver", command, *words], check=False)
    raise typer.Exit(done.returncode)
