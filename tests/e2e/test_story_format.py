"""Every story can be read, and what is volatile in what people read is masked."""

from pathlib import Path

import pytest
import yaml
from e2e.story import Act, Unplayable, caught, mask, read, tell, written

from stage.rollout import Condition, Happening

EXAMPLES = Path(__file__).parents[2] / "examples"
STORIES = sorted(path.parent for path in EXAMPLES.glob("*/expected.txt"))


@pytest.mark.parametrize("folder", STORIES, ids=lambda folder: folder.name)
def test_a_story_names_all_its_manifests_in_order_and_explains_itself(folder: Path) -> None:
    named = [act.file for act in read(folder).acts if act.file != "nothing"]
    assert named == sorted(path.name for path in folder.glob("*.yaml"))
    assert (folder / "README.md").read_text().startswith("# ")
    assert all(act.text for act in read(folder).acts)


@pytest.mark.parametrize("manifest", sorted(EXAMPLES.glob("*/[0-9]*.yaml")), ids=lambda path: str(path.parent.name))
def test_a_manifest_is_one_rollout_of_the_name_that_the_story_looks_at(manifest: Path) -> None:
    (obj,) = list(yaml.safe_load_all(manifest.read_text()))
    assert (obj["kind"], obj["metadata"]["name"]) == ("ModelRollout", "churn")


def test_an_act_is_read_from_its_heading(tmp_path: Path) -> None:
    heading = "== 02-v2.yaml, 8 smooth requests a second, until Reconciling and Available because Paused"
    (tmp_path / "expected.txt").write_text(f"{heading}\nReady  False\n\nrequests: none lost\n")
    story = read(tmp_path)
    assert story.acts == (
        Act(heading, "02-v2.yaml", "smooth", 8, False, "Reconciling", "Available", "Paused", "Ready  False"),
    )
    assert written(story, ["Ready  False"]) == (tmp_path / "expected.txt").read_text()


@pytest.mark.parametrize(
    ("folder", "serves"),
    [
        pytest.param("canary-promoted", [False, True], id="from the first model on"),
        pytest.param("compare-stable-down", [False, True, True], id="a model that serves until requests come"),
        pytest.param("model-not-found", [False, False, True], id="the first model never serves"),
    ],
)
def test_requests_come_in_an_act_as_soon_as_a_model_serves(folder: str, serves: list[bool]) -> None:
    story = read(EXAMPLES / folder)

    assert [story.serves_before(act) for act in range(len(story.acts))] == serves


def test_a_heading_that_is_none_is_named(tmp_path: Path) -> None:
    (tmp_path / "expected.txt").write_text("== whatever\n")
    with pytest.raises(Unplayable, match='"== whatever" is no heading'):
        read(tmp_path)


@pytest.mark.parametrize(
    ("message", "masked"),
    [
        ("back on 1.0.0 (7f3a9c21): x", "back on 1.0.0: x"),
        ("31 of 40 requests failed (limit 5 %)", "# of # requests failed (limit # %)"),
        ("most on churn-7f3a9c21-6c9d8b7f5-x2vq9", "most on churn-POD"),
        (f"the spec asks for {'0' * 64}); che...", "the spec asks for SHA256)..."),
        ("churn-7f3a9c21 cannot make pods", "churn-REVISION cannot make pods"),
        ("2 of 4 pods ready", "2 of 4 pods ready"),
        ("0 of 1 pod ready", "0 of 1 pod ready"),
        ("failed, all on churn-7f3a9c21-6c9d8b7f5-x2vq9", "failed, most on churn-POD"),
        (f"has sha256 {'0f' * 32}", "has sha256 SHA256"),
        ("ImageCannotBePulled (back-off (x) y); check it", "ImageCannotBePulled (...); check it"),
        ("OOMKilled (limit 2Gi, highest seen 1987Mi); raise it", "OOMKilled (limit 2Gi); raise it"),
        ("bakes for 5 s", "bakes for 5 s"),
        ("at weight 25 after 7.54 s", "at weight 25 after # s"),
        ("failed 1 of 9, 2.1 times as many (1.1 to 3.7); p = 0.0021", "failed # of #, # times as many; p = #"),
        (
            "stable failed 0 of 9, at least 1.2 times as many; p = 0.0021",
            "stable failed # of #, # times as many; p = #",
        ),
        ("moved by 0.50 from the baseline", "moved by # from the baseline"),
    ],
)
def test_hashes_pods_and_counts_of_requests_are_masked(message: str, masked: str) -> None:
    assert mask(message) == masked


def test_where_a_candidate_was_caught_is_said_with_its_share_of_the_requests() -> None:
    numbers = "53 of 2640 requests failed, stable failed 104 of 10560, 2 times as many (1.1 to 3.7)"
    back = Happening("Warning", "RolledBack", f"2.0.0 was rolled back to 1.0.0 in step 1 (weight 10): {numbers}", "")
    alone = Happening(
        "Warning", "RolledBack", "2.0.0 was rolled back in step 1 (weight 10): 3 of 3 requests failed", ""
    )
    assert caught([alone, back]) == ["caught at weight 10 with 20% of 13200 requests"]


def test_conditions_and_events_read_as_lines_and_repetitions_are_told_once() -> None:
    conditions = {"Ready": Condition("Ready", "True", "Stable", "1.0.0 (7f3a9c21) serves", 1)}
    event = Happening("Normal", "Promoted", "1.0.0 (7f3a9c21) is stable", "2026-01-01T00:00:00Z")
    assert tell(conditions, [event, event]).splitlines() == [
        "Ready        True   Stable: 1.0.0 serves",
        "Events:",
        "  Normal Promoted: 1.0.0 is stable",
    ]
