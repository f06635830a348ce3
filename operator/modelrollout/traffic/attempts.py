"""One attempt to get an answer, and how it ended: every way a request can go wrong, told apart."""

import json
from dataclasses import dataclass

from modelrollout.traffic.connection import Answer, Closed, Connection, Unreadable
from modelrollout.traffic.records import Kind
from modelrollout.traffic.rows import Row

WORDS = 200


@dataclass(frozen=True, slots=True)
class Ending:
    """How one request ended."""

    kind: Kind
    status: int = 0
    version: str = ""
    revision: str = ""
    process: str = ""
    closing: bool = True
    words: str = ""


async def attempt(connection: Connection, request: bytes, row: Row) -> Ending:
    """Ask once. A connection is only usable again after an ending that is not `closing`."""
    try:
        answer = await connection.ask(request)
    except TimeoutError:
        return Ending(Kind.TIMEOUT)
    except Closed as error:
        return Ending(Kind.CLOSED, words=str(error))
    except Unreadable as error:
        return Ending(Kind.FAILED, words=str(error))
    except OSError as error:
        return Ending(Kind.RESET, words=str(error))
    return _judged(answer, row)


def _judged(answer: Answer, row: Row) -> Ending:
    if 200 <= answer.status < 300:  # noqa: PLR2004  # HTTP's success
        version, prediction = _served_by(answer.body)
        revision, _, process, *_ = [*prediction.split("-"), "", ""]
        return Ending(Kind.ANSWERED, answer.status, version, revision, process, answer.closing)
    words = answer.body[:WORDS].decode("utf-8", "replace")
    return Ending(_kind(answer.status, row), answer.status, closing=answer.closing, words=words)


def _kind(status: int, row: Row) -> Kind:
    if status in row.expected:
        return Kind.EXPECTED
    return Kind.REFUSED if 400 <= status < 500 else Kind.FAILED  # noqa: PLR2004  # HTTP's refusals


def _served_by(body: bytes) -> tuple[str, str]:
    """Model version and prediction id of an answer; empty where it does not say."""
    try:
        fields = json.loads(body)
    except ValueError:
        return "", ""
    if not isinstance(fields, dict):
        return "", ""
    return str(fields.get("model_version", "")), str(fields.get("prediction_id", ""))
