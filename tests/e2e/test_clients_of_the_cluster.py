"""Whoever is connected to the cluster is named before it is taken down, and nothing of the cluster itself is."""

import asyncio
import subprocess
import sys

import pytest

from localcluster import cgroups, places
from localcluster.choice import Driver
from localcluster.clients import find_clients
from localcluster.processes import find_ours
from stage.programs import Programs

pytestmark = [pytest.mark.cluster]

HOLDS = """
import socket, sys, time
held = socket.socket(getattr(socket, sys.argv[1]), getattr(socket, sys.argv[2]))
held.connect((sys.argv[3], int(sys.argv[4])))
print("connected", flush=True)
time.sleep(600)
"""
WAYS = {
    "the API server": ("AF_INET", "SOCK_STREAM", places.API_ADDRESS, places.API_PORT),
    "the API server's Service": ("AF_INET", "SOCK_STREAM", places.FIRST_SERVICE_ADDRESS, 443),
    "DNS over UDP": ("AF_INET", "SOCK_DGRAM", places.DNS_SERVICE_ADDRESS, 53),
    "IPv4 in an IPv6 socket": ("AF_INET6", "SOCK_STREAM", f"::ffff:{places.FIRST_SERVICE_ADDRESS}", 443),
}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
async def test_a_program_that_is_connected_is_named_with_its_address(
    way: tuple[str, str, str, int], prepared: Programs
) -> None:
    if prepared.places.choice.read_text().strip() != Driver.SELF_BUILT:
        pytest.skip("other clusters have no addresses of ours")
    node = prepared.places.node
    program = await asyncio.create_subprocess_exec(sys.executable, "-c", HOLDS, *map(str, way), stdout=subprocess.PIPE)
    try:
        assert program.stdout is not None
        await program.stdout.readline()
        found = await asyncio.to_thread(find_clients, node)
    finally:
        program.kill()
        await program.wait()

    address = f"{way[2].removeprefix('::ffff:')}:{way[3]}"
    assert [one.address for one in found if f"(process {program.pid})" in one.program] == [address]
    ours = {process.pid for process in find_ours(node.root)} | cgroups.pod_pids()
    assert [one for one in found for pid in ours if f"(process {pid})" in one.program] == []
