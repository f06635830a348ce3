"""`python -m modelrollout.traffic HOST PORT`: the load client as a program, for a place inside a cluster's network.

Bodies come as JSON lines on standard input ({"features": [...], "expected": [500]}); records leave as JSON lines on
standard output while it runs, so that whoever started it sees them at once. SIGTERM ends it in order.
"""

import argparse
import asyncio
import json
import signal
import sys
from collections.abc import Sequence

from modelrollout.traffic.connection import PREDICT, Target
from modelrollout.traffic.load import Load, Shape
from modelrollout.traffic.rows import Row, Rows, row

NEWS_SECONDS = 0.2
GONE = 3
"""Exit code where the target was gone."""


def main(words: Sequence[str]) -> int:
    asked = _parser().parse_args(words)
    rows = [_row(line) for line in sys.stdin if line.strip()]
    if not rows:
        sys.stderr.write('no rows on standard input; write lines such as {"features": [1.0, 2.0]}\n')
        return 2
    shape = Shape(asked.rate, asked.kept, asked.fresh_share, asked.timeout, asked.most, asked.gone_after)
    load = Load(Target(asked.host, asked.port, asked.path), Rows(rows), shape)
    asyncio.run(_run(load))
    if load.gone:
        sys.stderr.write(f"{load.gone}; no more requests are sent\n")
        return GONE
    return 0


def _parser() -> argparse.ArgumentParser:
    usual = Shape()
    parser = argparse.ArgumentParser(prog="python -m modelrollout.traffic", description=__doc__)
    parser.add_argument("host", help="an IPv4 address")
    parser.add_argument("port", type=int)
    parser.add_argument("--path", default=PREDICT)
    parser.add_argument("--rate", type=float, default=usual.rate, help="requests a second")
    parser.add_argument("--kept", type=int, default=usual.kept, help="kept connections")
    parser.add_argument("--fresh-share", type=float, default=usual.fresh_share, help="share on fresh connections")
    parser.add_argument("--timeout", type=float, default=usual.timeout, help="seconds until a request is given up")
    parser.add_argument("--most", type=int, default=usual.most, help="requests after which it ends")
    parser.add_argument(
        "--gone-after", type=float, default=usual.gone_after, help="seconds without a connection after which it ends"
    )
    return parser


def _row(line: str) -> Row:
    fields = json.loads(line)
    return row(fields["features"], fields.get("expected", ()))


async def _run(load: Load) -> None:
    loop = asyncio.get_running_loop()
    for sign in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(sign, load.stop)
    running = asyncio.create_task(load.run())
    told = 0
    while not running.done():
        await asyncio.wait({running}, timeout=NEWS_SECONDS)
        told = _tell(load, told)
    await running


def _tell(load: Load, told: int) -> int:
    fresh = load.records[told:]
    for record in fresh:
        sys.stdout.write(json.dumps(record.to_json()) + "\n")
    sys.stdout.flush()
    return told + len(fresh)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
