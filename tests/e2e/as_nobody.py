"""`python as_nobody.py`, as root: gives up all rights, then tries what it reads from standard input, as another user.

One JSON object in: urls to GET and POST, unix sockets to connect to, files to read and write. One JSON object out: what
each try ended in, "open" or an answer's status where it was let in. Everything is imported before the rights are gone,
since `nobody` may not be able to read where Python lies.
"""

import encodings.idna  # noqa: F401  # looked up by name later
import json
import os
import pwd
import socket
import ssl
import sys
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor

SECONDS = 3
WORDS = 300


def ask(url: str) -> str:
    """Status and beginning of the answer to a GET, or to a POST where the address ends in a body after a space."""
    address, _, body = url.partition(" ")
    unchecked = ssl.create_default_context()
    unchecked.check_hostname, unchecked.verify_mode = False, ssl.CERT_NONE
    straight = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=unchecked)
    )
    request = urllib.request.Request(address, data=body.encode() or None)  # noqa: S310  # addresses of the test's own
    try:
        with straight.open(request, timeout=SECONDS) as answer:
            return f"{answer.status} {answer.read(WORDS).decode(errors='replace')}"
    except urllib.error.HTTPError as error:
        return f"{error.code}"
    except (OSError, ValueError) as error:
        return f"no answer: {error}"
    except Exception as error:  # noqa: BLE001  # what is no HTTP ends in one of many ways
        return f"no HTTP: {error!r}"


def connect(path: str) -> str:
    with socket.socket(socket.AF_UNIX) as caller:
        caller.settimeout(SECONDS)
        try:
            caller.connect(path.replace("@", "\0", 1) if path.startswith("@") else path)
        except OSError as error:
            return f"no: {error.strerror}"
    return "open"


def open_file(path: str) -> str:
    found = [word for word, way in (("read", os.O_RDONLY), ("write", os.O_WRONLY)) if _opens(path, way)]
    return " ".join(found) or "no"


def _opens(path: str, way: int) -> bool:
    try:
        os.close(os.open(path, way | os.O_NONBLOCK | os.O_NOFOLLOW))
    except OSError:
        return False
    return True


def main() -> None:
    asked = json.load(sys.stdin)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(connect, ["/nowhere"] * 8))  # its modules, too
    nobody = pwd.getpwnam("nobody")
    os.setgroups([])
    os.setgid(nobody.pw_gid)
    os.setuid(nobody.pw_uid)
    answers = {}
    with ThreadPoolExecutor(8) as pool:
        for kind, attempt in (("urls", ask), ("sockets", connect), ("files", open_file)):
            answers[kind] = dict(zip(asked[kind], pool.map(attempt, asked[kind]), strict=True))
    json.dump({**answers, "uid": os.getuid()}, sys.stdout)


if __name__ == "__main__":
    main()
