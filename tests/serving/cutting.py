"""A line that breaks: a proxy before a real server, which cuts the first answers off after some bytes."""

import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from serving.processes import LOOPBACK

PIECE = 16 * 1024


@dataclass
class Line:
    """What went over it: a request's head for each connection."""

    url: str
    heads: list[str] = field(default_factory=list)

    def begins(self) -> list[int]:
        """The byte that each request asked to begin with."""
        found = [re.search(r"\r\nrange: bytes=(\d+)-\r\n", head, re.IGNORECASE) for head in self.heads]
        return [int(one[1]) if one is not None else 0 for one in found]


@contextmanager
def cut_after(server: str, size: int, times: int = 1) -> Iterator[Line]:
    """An address that leads to a server; the first answers end after so many bytes, head included."""
    target = (str(urlsplit(server).hostname), int(urlsplit(server).port or 80))
    listener = socket.create_server((LOOPBACK, 0))
    line = Line(f"http://{LOOPBACK}:{listener.getsockname()[1]}")

    def serve() -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            with client:
                _pass_on(client, target, line, size if len(line.heads) < times else None)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield line
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(10)


def _pass_on(client: socket.socket, target: tuple[str, int], line: Line, size: int | None) -> None:
    """One request, which has no body, and its answer."""
    head = b""
    while b"\r\n\r\n" not in head:
        head += client.recv(PIECE)
    line.heads.append(head.decode("latin-1"))
    passed = 0
    with socket.create_connection(target) as server:
        server.sendall(head)
        while piece := server.recv(PIECE if size is None else min(PIECE, size - passed)):
            client.sendall(piece)
            passed += len(piece)
            if size is not None and passed >= size:
                return
