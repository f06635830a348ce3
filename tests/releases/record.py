"""Writes down what a release leaves behind, and plays on what another one has left: on that release's own code.

    git archive RELEASE operator tests | tar -x -C FOLDER
    export PYTHONPATH=FOLDER/operator:FOLDER/tests:tests
    python -m releases.record write 0.2.0 tests/releases/corpus
    python -m releases.record read tests/releases/corpus/0.3.0.json

`write` makes RELEASE.json, one rollout a line, and RELEASE-status.json, the schema by which that release reads a
status. `read` says what the release loses of each status and where it ends otherwise; its exit code is 1 if any does.
"""

import json
import sys
from pathlib import Path

from releases.hands import Left, ending, left_behind, lost, status_of, taken_over, unknown
from simulation.stories import STORIES

from modelrollout.api.status import ModelRolloutStatus

TOLD = frozenset(
    {
        "promoted",
        "blue-green promoted",
        "rolling promoted",
        "rolled back in a step",
        "way back to a warm model",
        "cannot load",
        "inconclusive holds",
        "timed pause across a kill",
    }
)
"""Stories after whose last moment much still happens."""


def write(release: str, folder: Path) -> None:
    """Play the stories and write down what is left behind at each turn."""
    stories = [one.scenario for one in STORIES if one.scenario.name in TOLD]
    found = [left for scenario in stories for left in left_behind(scenario)]
    (folder / f"{release}.json").write_text("".join(json.dumps(one, sort_keys=True) + "\n" for one in found))
    schema = ModelRolloutStatus.model_json_schema()
    (folder / f"{release}-status.json").write_text(json.dumps(schema, sort_keys=True) + "\n")
    print(f"{len(found)} rollouts of {len(stories)} stories")


def read(file: Path) -> int:
    """Take over what another release has left; gives how often something was lost or ended otherwise."""
    rollouts = [json.loads(line) for line in file.read_text().splitlines()]
    wrong = [sentence for left in rollouts for sentence in differences(left)]
    passed_over = sorted({place for left in rollouts for place in unknown(left)})
    print("\n".join([*wrong, f"not known here and passed over: {', '.join(passed_over) or 'nothing'}"]))
    print(f"{len(rollouts)} rollouts taken over, {len(wrong)} differences")
    return len(wrong)


def differences(left: Left) -> list[str]:
    """What this release loses of a status, and where it ends otherwise."""
    name = f"{left['story']} at {left['at']} s, {left['status']['phase']}"
    gone = set(lost(left["status"], status_of(left).to_json())) - unknown(left)
    played = taken_over(left)
    wrong = [f"{name}: {place} is not read" for place in sorted(gone)]
    wrong += [f"{name}: {one}" for one in played.broken]
    if ending(played) != left["ends"]:
        wrong.append(f"{name}: ends in {ending(played)}, not in {left['ends']}")
    return wrong


def main(words: list[str]) -> int:
    if words[:1] == ["write"]:
        write(words[1], Path(words[2]))
        return 0
    return 1 if read(Path(words[1])) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
