"""The table of bad specs against the rules: no rule without a spec that it refuses.

`tests/e2e` applies the same table to a real API server; here it is only checked that the table is whole.
"""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from modelrollout.api import crd
from modelrollout.api.rules import DURATION, PATTERNS, QUANTITY, RULES, Rule

CASES: list[dict[str, Any]] = yaml.safe_load((Path(__file__).parent / "bad_specs.yaml").read_text())
EVERY_RULE = [*PATTERNS.values(), DURATION, QUANTITY, *(rule for found in RULES.values() for rule in found)]


def fixed_parts(rule: Rule) -> list[str]:
    """The parts of a rule's sentence that are the same for every value."""
    if rule.message:
        return [rule.message]
    sentence = re.sub(r"'\.format\(.*$", "'", rule.says)
    return [part for part in re.split(r"' \+ .+? \+ '|' \+ \w+ \+ '|%s|%d|^'|'$", sentence) if part]


def test_each_case_has_a_name_of_its_own() -> None:
    assert len({case["case"] for case in CASES}) == len(CASES)


def test_each_case_says_what_it_is_refused_with() -> None:
    assert all(case.keys() <= {"case", "name", "spec", "says"} and case["says"] for case in CASES)


@pytest.mark.parametrize("rule", EVERY_RULE, ids=lambda rule: rule.rule[:60])
def test_each_rule_refuses_a_spec_of_the_table(rule: Rule) -> None:
    longest = max(fixed_parts(rule), key=len)

    assert any(longest in case["says"] for case in CASES), f"no case says: {longest}"


def test_the_rules_of_the_table_are_those_of_the_definition() -> None:
    written = {rule["rule"] for rule in _rules(crd.definition())}

    assert written == {rule.rule for rule in EVERY_RULE}


def _rules(value: Any) -> list[dict[str, Any]]:
    if isinstance(value, list):
        return [rule for one in value for rule in _rules(one)]
    if not isinstance(value, dict):
        return []
    own = value.get("x-kubernetes-validations", [])
    return [*own, *(rule for key, one in value.items() if key != "x-kubernetes-validations" for rule in _rules(one))]
