"""Log lines as JSON objects on standard error, one per line."""

import json
import logging
import sys
import time
from collections.abc import Callable

from modelserver.shown import without_queries


class JsonLines(logging.Formatter):
    """`discreet` is what every sentence passes on its way out."""

    def __init__(self, discreet: Callable[[str], str] = without_queries) -> None:
        super().__init__()
        self._discreet = discreet

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "message": self._discreet(record.getMessage()),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            told = self.formatException(record.exc_info).splitlines()
            line["exception"] = "\n".join(self._discreet(one) for one in told)
        return json.dumps(line, default=str)


def configure(level: str, discreet: Callable[[str], str]) -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines(discreet))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    logging.captureWarnings(capture=True)
