"""Options of the test run, and the counts of the fault suite at its end, from however many processes it ran in."""

from typing import Any

import pytest
from faults.counts import TOTAL


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--thorough", action="store_true", default=False, help="every fault at every point, not a sample")


def pytest_sessionfinish(session: pytest.Session) -> None:
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["faults"] = TOTAL.to_json()


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    found = getattr(node, "workeroutput", {}).get("faults")
    if found is not None:
        TOTAL.add(found)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if not TOTAL.runs:
        return
    terminalreporter.section("faults")
    for line in TOTAL.lines():
        terminalreporter.write_line(line)
