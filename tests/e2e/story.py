"""Example folders as stories: acts that are played on the cluster, and what people then read.

expected.txt has one section per act. Its heading says what is applied, which requests come and what is waited for:

    == 02-v2.yaml, smooth requests, until Ready

Below it stand the conditions and then the Events of the act, as they read with the volatile parts masked (`mask`).
A last line says what became of the requests: "requests: none lost", or that some are lost with their pods.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from stage.rollout import Condition, Happening

HEADING = re.compile(
    r"== (?P<file>\S+), ((?P<rate>\d+) )?(?P<rows>\w+) requests( a second)?(?P<fresh> on fresh connections)?, "
    r"until (?P<condition>\w+)( and (?P<also>\w+))?( because (?P<reason>\w+))?"
)
USUAL_RATE = 25
NONE_LOST = "requests: none lost"
SOME_LOST = "requests: some lost with the pods that died"

MASKS = (
    (re.compile(r" \([0-9a-f]{8}\)"), ""),
    (re.compile(r"\b([a-z0-9-]+)-[0-9a-f]{8}-[a-z0-9]{6,10}-[a-z0-9]{5}\b"), r"\1-POD"),
    (re.compile(r"\b([a-z0-9-]+)-[0-9a-f]{8}\b"), r"\1-REVISION"),
    (re.compile(r"\b\d+ of (the last )?\d+(?! pods?\b)"), "# of #"),
    (re.compile(r"\b\d+(\.\d+)? %(?=\))"), "# %"),
    (re.compile(r"(\bat least )?\b[0-9.]+ times as many( \([0-9a-z. ]+\))?"), "# times as many"),
    (re.compile(r"\bp = [0-9.e-]+"), "p = #"),
    (re.compile(r"\bmoved by [+-]?[0-9.e-]+"), "moved by #"),
    (re.compile(r"\b\d+\.\d+ s\b"), "# s"),
    (re.compile(r"[+-]\d+(\.\d+)? standard deviations\b"), "# standard deviations"),
    (re.compile(r", (all|most) on (\S+POD)"), r", most on \2"),
    (re.compile(r", on several pods"), ", most on churn-POD"),
    (re.compile(r"\b[0-9a-f]{64}\b"), "SHA256"),
    # Where a long sentence is cut depends on how long the pod's name is: 8 to 10 characters of it are chance.
    (re.compile(r"(?m)(?<=the spec asks for SHA256\)).{0,12}\.\.\.$"), "..."),
    (re.compile(r", highest seen \d+Mi\b"), ""),
    (re.compile(r"ImageCannotBePulled \(.*?\);"), "ImageCannotBePulled (...);"),
)
"""Volatile: revisions' hashes (the version before them stays), pods' names, counts of requests and what is worked out
of them, which pod had most of them, measured times and memory (which is known only where a scrape came first),
checksums of what was trained here, and what a container runtime says about a registry."""


@dataclass(frozen=True, slots=True)
class Act:
    """One section of a story."""

    heading: str
    file: str
    """The manifest that is applied; "nothing" leaves the cluster as it is."""
    rows: str
    """Which requests come: no, smooth, coarse, mixed or refusable ones."""
    rate: int
    """How many a second."""
    fresh: bool
    """Whether each has a connection of its own: kept ones would give each pod the same rows again and again."""
    condition: str
    """The condition that has to become True."""
    also: str
    """Another one; empty for none."""
    reason: str
    """Its reason; empty for any."""
    text: str
    """What is expected after it."""


@dataclass(frozen=True, slots=True)
class Story:
    folder: Path
    acts: tuple[Act, ...]
    requests: str
    """The last line."""

    @property
    def name(self) -> str:
        return self.folder.name

    def serves_before(self, act: int) -> bool:
        """Whether a model serves when an act begins: one before it ended when its model was ready."""
        return any(one.condition == "Ready" for one in self.acts[:act])


class Unplayable(Exception):  # noqa: N818  # says what is wrong with the file
    """An expected.txt that cannot be read; the text says where."""


def read(folder: Path) -> Story:
    """Read a story.

    Raises:
        Unplayable: a heading is missing or is not of its form.

    """
    lines = (folder / "expected.txt").read_text().splitlines()
    requests = lines.pop() if lines and lines[-1].startswith("requests: ") else NONE_LOST
    sections = [index for index, line in enumerate(lines) if line.startswith("== ")]
    if not sections or sections[0] != 0:
        raise Unplayable(
            f"{folder.name}/expected.txt does not begin with a heading (== FILE, ROWS requests, until ...)"
        )
    ends = [*sections[1:], len(lines)]
    return Story(folder, tuple(_act(folder, lines[a:b]) for a, b in zip(sections, ends, strict=True)), requests)


def _act(folder: Path, lines: list[str]) -> Act:
    found = HEADING.fullmatch(lines[0])
    if found is None:
        raise Unplayable(f'{folder.name}/expected.txt: "{lines[0]}" is no heading')
    parts = found.groupdict("")
    text = "\n".join(lines[1:]).strip()
    return Act(
        lines[0],
        parts["file"],
        parts["rows"],
        int(parts["rate"] or USUAL_RATE),
        bool(parts["fresh"]),
        parts["condition"],
        parts["also"],
        parts["reason"],
        text,
    )


def written(story: Story, told: list[str]) -> str:
    """The story as expected.txt has it, with what was told of each act."""
    acts = [f"{act.heading}\n{text}\n" for act, text in zip(story.acts, told, strict=True)]
    return "\n".join([*acts, story.requests, ""])


def tell(conditions: dict[str, Condition], happenings: list[Happening]) -> str:
    """Conditions and Events as sentences, masked; an Event that repeats the one before is told once."""
    told = [
        f"{one.type:<12} {one.status:<6} {one.reason}" + (f": {mask(one.message)}" if one.message else "")
        for one in conditions.values()
    ]
    events: list[str] = []
    for one in happenings:
        line = f"  {one.type} {one.reason}: {mask(one.message)}"
        if line not in events[-1:]:
            events.append(line)
    return "\n".join([*told, "Events:", *events])


CAUGHT = re.compile(
    r"\((?P<where>weight \d+)\): .*?\d+ of (?P<candidate>\d+) requests (failed|were refused), "
    r"stable (failed|refused) \d+ of (?P<stable>\d+)"
)


def caught(happenings: list[Happening]) -> list[str]:
    """Where a candidate was taken back beside stable: its share of the requests, and how many there were."""
    found = [CAUGHT.search(one.message) for one in happenings if one.reason == "RolledBack"]
    return [_caught(match) for match in found if match is not None]


def _caught(match: re.Match[str]) -> str:
    candidate, stable = int(match["candidate"]), int(match["stable"])
    share = candidate / (candidate + stable)
    return f"caught at {match['where']} with {share:.0%} of {candidate + stable} requests"


def mask(message: str) -> str:
    for pattern, instead in MASKS:
        message = pattern.sub(instead, message)
    return message
