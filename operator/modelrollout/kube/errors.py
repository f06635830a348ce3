"""What can go wrong at the API server, as types: permanent or temporary.

    KubeError
    ├── PermanentError       asking again changes nothing until somebody changes something
    │   ├── NotFound         404
    │   ├── Forbidden        401, 403: a right or a token is missing
    │   │   └── NamespaceEnding  403: nothing is made any more in a namespace that is being deleted
    │   ├── AlreadyExists    409 with reason AlreadyExists: the name is taken
    │   └── Invalid          400, 405, 413, 415, 422: the object cannot be
    └── TemporaryError       asking again later may help
        ├── Conflict         409, or a JSON patch whose `test` failed: read again, decide again
        ├── Gone             410: the watch's resource version is too old, list again
        ├── TooManyRequests  429: wait for `retry_after`
        ├── NotLeading       no answer at all: this replica may not write now
        └── Unavailable      5xx, refused, timed out, or an answer that makes no sense

A permanent error is retried too, since somebody may have changed something, but with the longest wait.
"""

from datetime import timedelta


class KubeError(Exception):
    """An answer of the API server that is no success, in one sentence."""

    code = 0


class PermanentError(KubeError):
    pass


class NotFound(PermanentError):  # noqa: N818  # reads as what was found
    code = 404


class Forbidden(PermanentError):  # noqa: N818
    code = 403


class NamespaceEnding(Forbidden):
    pass


class AlreadyExists(PermanentError):  # noqa: N818
    code = 409


class Invalid(PermanentError):  # noqa: N818
    code = 422


class TemporaryError(KubeError):
    pass


class Conflict(TemporaryError):  # noqa: N818
    code = 409


class Gone(TemporaryError):  # noqa: N818
    code = 410


class Unavailable(TemporaryError):  # noqa: N818
    code = 503


class NotLeading(TemporaryError):  # noqa: N818
    """Said by this process itself, before anything is sent."""


class TooManyRequests(TemporaryError):  # noqa: N818
    code = 429

    def __init__(self, message: str, retry_after: timedelta) -> None:
        super().__init__(message)
        self.retry_after = retry_after


_BY_CODE: dict[int, type[KubeError]] = {
    400: Invalid,
    401: Forbidden,
    403: Forbidden,
    404: NotFound,
    405: Invalid,
    409: Conflict,
    410: Gone,
    413: Invalid,
    415: Invalid,
    422: Invalid,
}


def of_status(code: int, reason: str, message: str) -> KubeError:
    """The error of a Status object (or of an ERROR event of a watch), 429 aside: see `TooManyRequests`."""
    if code == AlreadyExists.code and reason == "AlreadyExists":
        return AlreadyExists(message)
    return _BY_CODE.get(code, Unavailable)(message)
