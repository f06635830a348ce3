"""`python -m modelserver`: exit code 0 after a graceful stop, 1 when the model cannot be served.

With words behind it, such as `bundle --help`, it runs the tools for those who make models instead; with `resolve`, it
says which version an alias names, for the operator.
"""

import gc
import logging
import os
import sys
import traceback
from pathlib import Path

from modelserver.failures import TERMINATION_LOG, StartError, write_last_words
from modelserver.settings import Settings
from modelserver.shown import Discretion

ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def main() -> int:
    for name in ONE_THREAD:  # one core per replica; more threads only wait for each other
        os.environ.setdefault(name, "1")
    words = sys.argv[1:]
    if words and words != ["resolve"]:
        from modelserver.making import command  # noqa: PLC0415 - a server has no use for it

        return command.main(words)
    last_words = Path(os.environ.get("MODEL_TERMINATION_LOG") or TERMINATION_LOG)
    try:
        if words:
            _resolve(last_words)
        else:
            _serve()
    except StartError as failure:
        sentence = Discretion(os.environ)(str(failure))
        write_last_words(last_words, sentence)
        logging.shutdown()
        sys.stderr.write(f"{sentence}\n")
        return 1
    except Exception:  # noqa: BLE001 - a traceback may quote an address too
        discreet = Discretion(os.environ)
        sys.stderr.writelines(f"{discreet(line)}\n" for line in traceback.format_exc().splitlines())
        return 1
    return 0


def _serve() -> None:
    # Nearly all that is made until the server is ready stays: looking for garbage in it is a twelfth of the start.
    gc.disable()
    from modelserver import lifecycle, logs  # noqa: PLC0415 - numpy reads the variables when it is imported

    settings = Settings.from_environment(os.environ)
    logs.configure(settings.log_level, Discretion(os.environ))
    lifecycle.run(settings)


def _resolve(last_words: Path) -> None:
    from modelserver import resolving  # noqa: PLC0415 - a server has no use for it

    line = resolving.resolved(os.environ).line()
    write_last_words(last_words, line)
    sys.stdout.write(f"{line}\n")


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    # A serving thread that hangs inside a model would keep the interpreter from ending.
    os._exit(code)
