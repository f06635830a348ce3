"""The end of a soak: nothing is asked for and nothing breaks any more, so the operator must not write anything."""

import asyncio

from e2e.audit import AuditLog, by_operator
from soak.notes import Notes

from stage.programs import Programs

SETTLING_SECONDS = 60.0
"""Longer than a promoted model is watched and its predecessor kept here."""
QUIET_SECONDS = 45.0


async def stay_quiet(tools: Programs, namespace: str, notes: Notes) -> None:
    """Wait until everything has settled; then see that the operator writes nothing, whatever requests come."""
    notes.say(f"nothing is asked for and nothing breaks any more; the operator may finish for {SETTLING_SECONDS:g} s")
    await asyncio.sleep(SETTLING_SECONDS)
    log = AuditLog.of(tools)
    await asyncio.sleep(QUIET_SECONDS)
    written = by_operator(log.writes(namespace))
    notes.checks[f"no write by the operator in {QUIET_SECONDS:g} s at rest"] += 1
    if written:
        notes.blame(
            f"the operator writes at rest: {sorted({f'{one.verb} {one.resource} {one.name}' for one in written})}"
        )
