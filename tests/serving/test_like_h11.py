"""The same bytes to h11 and to our connections: no request is begun that h11 does not see, too."""

import asyncio
import re

import h11
import pytest
from serving.apps import Wire
from serving.wire_grammar import Grammar

from modelserver.connections import Connection
from modelserver.exchange import Exchange, Handler, refusing
from modelserver.limits import Limits
from modelserver.port import Port
from modelserver.settings import Bounds

Seen = tuple[bytes, bytes, bytes]
"""Method, target, body."""

PIPELINE = 16


class Recording:
    """An application that answers everything and remembers what it was asked."""

    def __init__(self) -> None:
        self.seen: list[Seen] = []

    def handler(self, _method: bytes, _target: bytes) -> Handler:
        def take(exchange: Exchange) -> None:
            self.seen.append((exchange.method, exchange.target, exchange.body))
            exchange.answer((200, b"{}"))

        return take

    def refuse_body(self, _target: bytes, _limit: int) -> Handler:
        return refusing(413, "too long")


async def ours(pieces: list[bytes]) -> tuple[list[Seen], bytes]:
    recording, wire = Recording(), Wire()
    connection = Connection(Port(recording, Limits(1 << 20, 10, 10, Bounds())))
    connection.connection_made(wire)
    for piece in pieces:
        connection.data_received(piece)
        for _ in range(PIPELINE):
            await asyncio.sleep(0)  # what is pipelined is answered turn by turn
    connection.connection_lost(None)
    return recording.seen, bytes(wire.written)


SPACES = re.compile(rb"(?m)^([A-Z]+) +(\S+) +(HTTP/1\.[01]\r)$")
"""RFC 9112, 3: a server may take several spaces in a request line for one; ours does, h11 does not."""


def theirs(data: bytes) -> list[Seen]:
    """What h11 sees behind empty lines before the first request (RFC 9112, 2.2), which it refuses and we skip."""
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=1 << 20)
    seen: list[Seen] = []
    asked: h11.Request | None = None
    body = bytearray()
    try:
        connection.receive_data(SPACES.sub(rb"\1 \2 \3", data.lstrip(b"\r\n")))
        while (event := connection.next_event()) is not h11.NEED_DATA:
            if isinstance(event, h11.Request):
                asked, body = event, bytearray()
            elif isinstance(event, h11.Data):
                body += event.data
            elif isinstance(event, h11.EndOfMessage):
                assert asked is not None
                seen.append((bytes(asked.method), bytes(asked.target), bytes(body)))
                connection.send(h11.Response(status_code=404, headers=[("content-length", "0")]))
                connection.send(h11.EndOfMessage())
                if connection.our_state is not h11.DONE or connection.their_state is not h11.DONE:
                    return seen
                connection.start_next_cycle()
            else:
                return seen
    except h11.RemoteProtocolError:
        return seen
    return seen


async def _compare(seeds: range) -> tuple[int, int]:
    both = neither = 0
    for seed in seeds:
        grammar = Grammar(seed)
        count = grammar.random.choice([1, 1, 1, 2, 3])
        data = b"".join(grammar.bad() if grammar.random.random() < 0.8 else grammar.good().data for _ in range(count))
        pieces = list(grammar.pieces(data))
        mine, written = await ours(pieces)
        known = theirs(data)
        assert mine == known[: len(mine)], f"seed {seed}: {data[:2000]!r}"
        assert not mine or written.startswith(b"HTTP/1.1 "), seed
        both += len(mine)
        neither += not known
    return both, neither


async def test_no_request_begins_that_h11_does_not_see() -> None:
    both, neither = await _compare(range(4_000))

    assert both > 1000, "too few requests were understood by both: nothing was compared"
    assert neither > 1000, "too few were refused by h11"


@pytest.mark.long
@pytest.mark.timeout(7200)
async def test_no_request_begins_that_h11_does_not_see_in_very_many() -> None:
    await _compare(range(4_000, 200_000))
