"""The load client as a program: rows in, records out, both as JSON lines."""

import asyncio
import json
import os
import sys
from asyncio.subprocess import PIPE
from collections import Counter
from pathlib import Path

from traffic.loopback import server

import modelrollout
from modelrollout.traffic.records import Kind, Record


async def run(host: str, port: int, *words: str, rows: str) -> tuple[int | None, str, str]:
    command = (sys.executable, "-m", "modelrollout.traffic", host, str(port), *words)
    env = os.environ | {"PYTHONPATH": str(Path(str(modelrollout.__file__)).parents[1])}
    program = await asyncio.create_subprocess_exec(*command, env=env, stdin=PIPE, stdout=PIPE, stderr=PIPE)
    out, err = await program.communicate(rows.encode())
    return program.returncode, out.decode(), err.decode()


async def test_the_program_writes_one_line_for_each_request() -> None:
    async with server() as (target, _):
        code, out, err = await run(target.host, target.port, "--rate=200", "--most=10", rows='{"features": [1.0]}\n')
    records = [Record.from_json(json.loads(line)) for line in out.splitlines()]
    assert (code, err) == (0, "")
    assert Counter(one.kind for one in records) == {Kind.ANSWERED: 10}


async def test_without_rows_it_says_what_to_write() -> None:
    code, out, err = await run("127.0.0.1", 9, rows="")
    assert (code, out) == (2, "")
    assert err == 'no rows on standard input; write lines such as {"features": [1.0, 2.0]}\n'


async def test_a_target_that_is_gone_ends_it_with_a_sentence_and_its_own_exit_code() -> None:
    async with server() as (target, _):
        nobody = target
    words = ("--rate=200", "--gone-after=0.1")
    code, out, err = await run(nobody.host, nobody.port, *words, rows='{"features": [1.0]}\n')
    records = [Record.from_json(json.loads(line)) for line in out.splitlines()]
    assert code == 3
    assert {one.kind for one in records} == {Kind.NO_CONNECTION}
    assert err.startswith(f"127.0.0.1:{nobody.port} has taken no connection for ")
    assert err.endswith("; no more requests are sent\n")
