"""The load client counts each request once, by how it ended, and never sends one twice."""

import asyncio
import itertools
import re
import socket
from collections import Counter
from dataclasses import replace

from traffic.loopback import Exchange, Script, answer, server

from modelrollout.traffic.connection import Target
from modelrollout.traffic.load import Load, Shape
from modelrollout.traffic.records import Kind
from modelrollout.traffic.rows import Row, Rows, row

QUICK = Shape(rate=500, kept=4, fresh_share=0.25, timeout=2.0, most=40)
ANSWER = b'{"prediction": 1, "model_version": "2.1.0", "prediction_id": "7f3a9c21-18c-ab-1"}'


def numbered(count: int) -> Rows:
    """A different body for each request, so that one that is sent twice shows."""
    return Rows([row([float(number)]) for number in range(count)])


async def load(script: Script, shape: Shape = QUICK, rows: Rows | None = None) -> tuple[Load, Counter[bytes], int]:
    async with server(script) as (target, asked):
        sent = Load(target, rows or numbered(shape.most), shape)
        await sent.run()
        return sent, asked.bodies, asked.connections


def kinds(sent: Load) -> dict[Kind, int]:
    return dict(Counter(one.kind for one in sent.records))


async def test_each_request_is_sent_once_and_answered_once() -> None:
    sent, bodies, connections = await load(answer)
    assert kinds(sent) == {Kind.ANSWERED: 40}
    assert sorted(one.number for one in sent.records) == list(range(40))
    assert set(bodies.values()) == {1}
    assert len(bodies) == 40
    assert connections == len({one.connection for one in sent.records})


async def test_the_fresh_share_gets_connections_of_its_own_and_the_rest_keeps_theirs() -> None:
    sent, _, _ = await load(answer)
    fresh = [one.connection for one in sent.records if one.fresh]
    kept = {one.connection for one in sent.records if not one.fresh}
    assert len(set(fresh)) == len(fresh) == 10
    assert len(kept) <= 4
    assert kept.isdisjoint(fresh)


async def test_an_answer_names_the_version_and_the_revision_that_served_it() -> None:
    async def named(exchange: Exchange) -> None:
        await exchange.answer(body=ANSWER)

    sent, _, _ = await load(named)
    assert {(one.version, one.revision) for one in sent.records} == {("2.1.0", "7f3a9c21")}


async def test_a_reset_is_a_loss_and_is_not_tried_again() -> None:
    async def reset(exchange: Exchange) -> None:
        exchange.reset()

    sent, bodies, _ = await load(reset)
    assert kinds(sent) == {Kind.RESET: 40}
    assert set(bodies.values()) == {1}


async def test_an_end_before_the_answer_is_a_loss_and_is_not_tried_again() -> None:
    async def end(exchange: Exchange) -> None:
        exchange.end()

    sent, bodies, _ = await load(end)
    assert kinds(sent) == {Kind.CLOSED: 40}
    assert set(bodies.values()) == {1}


async def test_an_answer_that_is_cut_off_is_a_loss() -> None:
    async def cut(exchange: Exchange) -> None:
        exchange.writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf")
        exchange.end()

    sent, _, _ = await load(cut)
    assert kinds(sent) == {Kind.CLOSED: 40}


async def test_a_connection_that_an_answer_ends_is_replaced_without_a_loss() -> None:
    async def last(exchange: Exchange) -> None:
        await exchange.answer(headers={"connection": "close"})
        exchange.end()

    sent, _, connections = await load(last)
    assert kinds(sent) == {Kind.ANSWERED: 40}
    assert connections == 40
    assert all(one.closing for one in sent.records)


async def test_a_connection_that_was_ended_while_idle_is_noticed_before_writing() -> None:
    async def silently(exchange: Exchange) -> None:
        await exchange.answer()
        exchange.end()

    one_at_a_time = Shape(rate=50, kept=1, fresh_share=0, timeout=2.0, most=5)
    sent, _, connections = await load(silently, one_at_a_time)
    assert kinds(sent) == {Kind.ANSWERED: 5}
    assert connections == 5


async def test_statuses_are_told_apart_and_a_known_failure_of_the_model_is_no_loss() -> None:
    async def by_body(exchange: Exchange) -> None:
        await exchange.answer(int(exchange.body), b"the model failed")

    known, unknown, refusal = Row(b"500", frozenset({500})), Row(b"503"), Row(b"422")
    shape = Shape(rate=500, kept=2, fresh_share=0.5, timeout=2.0, most=9)
    sent, _, _ = await load(by_body, shape, Rows([known, unknown, refusal]))
    assert kinds(sent) == {Kind.EXPECTED: 3, Kind.FAILED: 3, Kind.REFUSED: 3}
    assert sum(one.lost for one in sent.records) == 6
    assert {one.words for one in sent.records} == {"the model failed"}


async def test_rows_can_be_changed_while_the_load_runs() -> None:
    rows = Rows([Row(b"before")])
    rows.take()
    rows.use([Row(b"after")])
    assert rows.take() == Row(b"after")


async def test_a_server_that_hangs_costs_every_request_its_time_and_no_more() -> None:
    async def hang(exchange: Exchange) -> None:
        await exchange.reader.read()
        exchange.end()

    shape = Shape(rate=200, kept=2, fresh_share=0.25, timeout=0.3, most=20)
    sent, _, _ = await load(hang, shape)
    assert kinds(sent) == {Kind.TIMEOUT: 20}
    assert len(sent.records) == 20


async def test_what_is_no_http_is_a_failure() -> None:
    async def garbage(exchange: Exchange) -> None:
        exchange.writer.write(b"who are you\r\n\r\n")
        exchange.end()

    sent, _, _ = await load(garbage)
    assert kinds(sent) == {Kind.FAILED: 40}
    assert sent.records[0].words == 'the answer begins with "who are you"'


async def test_a_refused_connection_is_a_loss_over_no_connection() -> None:
    async with server() as (target, _):
        nobody = target
    sent = Load(Target(nobody.host, nobody.port), numbered(4), Shape(rate=500, kept=1, most=4))
    await sent.run()
    assert kinds(sent) == {Kind.NO_CONNECTION: 4}
    assert {one.connection for one in sent.records} == {0}


GONE = Shape(rate=500, kept=2, fresh_share=0.5, timeout=0.2, most=2000, gone_after=0.1)


async def test_a_target_that_is_gone_ends_the_load_with_a_sentence() -> None:
    """Refused from the first request on, on kept and fresh connections."""
    async with server() as (target, _):
        nobody = target
    sent = Load(nobody, numbered(1), GONE)
    await sent.run()

    assert 5 <= len(sent.records) < 2000
    assert re.fullmatch(rf"127.0.0.1:{nobody.port} has taken no connection for 0 s \(.*Connect.*\)", sent.gone)


async def test_a_target_that_goes_away_in_the_middle_ends_the_load() -> None:
    """As `cluster-down` does it: what was answered is followed by resets and refusals, and nothing else."""
    enough = asyncio.Event()
    answers = itertools.count(1)

    async def counted(exchange: Exchange) -> None:
        if next(answers) <= 40:
            await exchange.answer()
        else:
            enough.set()
            exchange.reset()

    async with server(counted) as (target, _):
        sent = Load(target, numbered(1), GONE)
        running = asyncio.create_task(sent.run())
        await enough.wait()
    await running

    assert sent.gone
    assert kinds(sent)[Kind.ANSWERED] == 40
    assert sent.records[-1].lost


async def test_a_target_that_takes_no_connection_at_all_is_gone_too() -> None:
    """Nothing comes back, neither a refusal nor an answer: the way of an address that leaves by the default route."""
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        host, port = full.getsockname()
        waiting = [socket.socket() for _ in range(4)]
        for one in waiting:  # the kernel lets those wait whom the server's queue has no room for
            one.setblocking(False)
            one.connect_ex((host, port))
        sent = Load(Target(host, port), numbered(1), replace(GONE, timeout=0.05))
        await sent.run()
        for one in waiting:
            one.close()

    assert sent.gone.endswith("(no answer)")
    assert set(kinds(sent)) == {Kind.TIMEOUT}


async def test_a_short_absence_and_failures_of_the_server_end_nothing() -> None:
    """Every other request is refused, reset or hangs: the target is there."""

    async def badly(exchange: Exchange) -> None:
        exchange.reset() if exchange.body.endswith(b"1.0]}") else await exchange.answer(503)

    sent, _, _ = await load(badly, replace(GONE, most=200, gone_after=0.0), Rows([row([1.0]), row([2.0])]))
    assert (sent.gone, len(sent.records)) == ("", 200)


async def test_a_few_refusals_at_a_low_rate_are_no_run() -> None:
    async with server() as (target, _):
        nobody = target
    sent = Load(nobody, numbered(1), replace(GONE, rate=50, most=4, gone_after=0.0))
    await sent.run()
    assert (sent.gone, len(sent.records)) == ("", 4)


async def test_stopping_lets_what_is_under_way_end() -> None:
    answering = asyncio.Event()

    async def slowly(exchange: Exchange) -> None:
        answering.set()
        await asyncio.sleep(0.05)
        await exchange.answer()

    async with server(slowly) as (target, asked):
        sent = Load(target, numbered(1000), Shape(rate=100, kept=4, timeout=2.0))
        running = asyncio.create_task(sent.run())
        await answering.wait()
        sent.stop()
        await running
        assert kinds(sent) == {Kind.ANSWERED: sum(asked.bodies.values())}
