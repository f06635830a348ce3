"""The operator's log: one JSON object a line for machines, or plain text for people at a terminal."""

import json
import logging
import sys
from datetime import UTC, datetime

from modelrollout.printable import printable
from modelrollout.settings import LogFormat

QUIET = ("kopf", "aiohttp.access", "asyncio")


class JsonLines(logging.Formatter):
    """One JSON object a line: time, level, logger, message, and what was given as `fields`."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": printable(record.getMessage()),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


class PlainLines(logging.Formatter):
    """Text for a terminal, which must not obey what somebody else has said."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  # the standard library's name
        record.message = printable(record.message)
        return super().formatMessage(record)


def configure(kind: LogFormat, *, level: int = logging.INFO) -> None:
    """Send all logs to stderr in one format; kopf only speaks up when something is wrong."""
    handler = logging.StreamHandler(sys.stderr)
    plain = PlainLines("%(asctime)s %(levelname)s %(name)s: %(message)s")
    handler.setFormatter(JsonLines() if kind is LogFormat.JSON else plain)
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
