"""Takes rounds of scrapes into the ledger, whatever the pods say: no round is lost to an exception.

The bounds of `scrape.answer` are meant to hold through all that is counted. Should something raise all the same, the
pod that it comes from is a failed scrape with the reason, and the others are judged.
"""

import logging
from collections.abc import Callable
from dataclasses import replace

from modelrollout.core.decision import Watch
from modelrollout.judge import Case, Rules
from modelrollout.ledger import Ledger, Look, Looks, after, caught_up
from modelrollout.printable import said

log = logging.getLogger(__name__)

Add = Callable[[Ledger, Looks], Ledger]


def taken(key: str, ledger: Ledger, looks: Looks, watch: Watch, asked: Rules) -> Ledger:
    """The ledger after one round."""
    return _taken(key, ledger, looks, lambda known, these: after(known, these, watch, asked))


def _taken(key: str, ledger: Ledger, looks: Looks, add: Add) -> Ledger:
    try:
        return add(ledger, looks)
    except Exception as error:
        log.exception("%s: a round cannot be counted, its pods are looked at one by one", key)
        reason = f"cannot be counted: {_words(error)}"
    for known in (ledger, forgetful(ledger)):
        pods = [look if _is_counted(known, looks.at, look, add) else _failed(look, reason) for look in looks.pods]
        try:
            return add(known, Looks(looks.at, tuple(pods)))
        except Exception as error:  # noqa: BLE001  # it was logged above; less is believed next
            reason = f"cannot be counted: {_words(error)}"
    nothing = tuple(_failed(look, reason) for look in looks.pods)
    return add(replace(ledger, case=Case(), samples={}), Looks(looks.at, nothing))


def settled(key: str, ledger: Ledger) -> Ledger:
    """The ledger with what waits judged; without it where that cannot be counted."""
    try:
        return caught_up(ledger)
    except Exception:
        log.exception("%s: rounds that waited cannot be counted and are left out", key)
        return forgetful(ledger)


def forgetful(ledger: Ledger) -> Ledger:
    """The ledger with its evidence and verdict, without what the next round would be compared with."""
    case = ledger.case
    return replace(ledger, case=Case(case.evidence, case.verdict, case.asked), samples={})


def _is_counted(ledger: Ledger, at: float, look: Look, add: Add) -> bool:
    try:
        add(ledger, Looks(at, (look,)))
    except Exception:  # noqa: BLE001  # this is the question
        return False
    return True


def _failed(look: Look, reason: str) -> Look:
    return replace(look, sample=None, reason=reason, heard=True) if look.sample is not None else look


def _words(error: Exception) -> str:
    return said(f"{type(error).__name__}: {error}")[:100]
