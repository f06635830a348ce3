"""Bundles: what is loaded, and what is refused in which words."""

import hashlib
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from serving.bundle_files import BASELINE, GOLDEN, archive, classifier, files, folder, loaded
from serving.processes import LOOPBACK, running
from serving.test_start import failed

from modelserver import libraries
from modelserver.failures import StartError
from modelserver.manifest import MANIFEST
from modelserver.models import Origin
from modelserver.warmup import warm_up


def refusal(path: Path | str, **environment: str) -> str:
    with pytest.raises(StartError) as failure:
        warm_up(loaded(path, **environment))
    return str(failure.value)


@pytest.mark.parametrize("name", ["sums.tar", "sums.tar.gz", "sums.tgz", "without-a-suffix"])
def test_an_archive_is_loaded_and_leaves_nothing_behind(tmp_path: Path, name: str) -> None:
    cache = tmp_path / "cache"
    cache.mkdir()

    artifact = loaded(archive(tmp_path, files(golden=GOLDEN, code="5e1f"), name), MODEL_CACHE_DIR=str(cache))

    warm_up(artifact)
    assert (artifact.format, artifact.width, artifact.metadata.columns) == ("skops", 2, ("x", "y"))
    assert artifact.metadata.origin == Origin("sums", "2.1.0", "5e1f", None)
    assert list(cache.iterdir()) == []


def test_a_folder_is_loaded_and_named_by_the_digest_of_its_manifest(tmp_path: Path) -> None:
    path = folder(tmp_path, golden=GOLDEN)
    digest = hashlib.sha256((path / MANIFEST).read_bytes()).hexdigest()

    warm_up(loaded(path, MODEL_SHA256=digest))

    assert refusal(path, MODEL_SHA256="0" * 64).startswith(f"checksum mismatch: {path} has sha256 {digest}, the spec")


def test_files_of_an_archive_may_begin_with_a_dot(tmp_path: Path) -> None:
    dotted = {f"./{name}": content for name, content in files().items()}

    assert loaded(archive(tmp_path, dotted)).width == 2


@pytest.mark.parametrize("kind", ["folder", "archive"])
def test_another_checksum_of_the_model_is_refused_with_both(tmp_path: Path, kind: str) -> None:
    model = {"file": "model.skops", "sha256": "0" * 64}
    path = folder(tmp_path, b"x", model=model) if kind == "folder" else archive(tmp_path, files(b"x", model=model))

    assert refusal(path) == (
        f"checksum mismatch: model.skops of {path.name} has sha256 {hashlib.sha256(b'x').hexdigest()}, "
        f"its manifest says {'0' * 64}"
    )


@pytest.mark.parametrize("name", ["../model.skops", "/etc/passwd", "a/../../b", "a\\..\\b", ".", ""])
def test_a_manifest_that_leads_outside_the_bundle_is_refused(tmp_path: Path, name: str) -> None:
    found = refusal(folder(tmp_path, model={"file": name, "sha256": "0" * 64}))

    assert found.startswith("unreadable model: sums: bundle.json: model.file: ")


def test_a_link_that_leads_outside_the_bundle_is_refused(tmp_path: Path) -> None:
    path = folder(tmp_path)
    (path / "model.skops").rename(tmp_path / "elsewhere.skops")
    (path / "model.skops").symlink_to(tmp_path / "elsewhere.skops")

    assert refusal(path) == 'unreadable model: sums: "model.skops" leads to a path outside the bundle'


def test_a_link_inside_the_bundle_is_followed_as_mounted_config_maps_have_them(tmp_path: Path) -> None:
    path = folder(tmp_path)
    (path / "..data").mkdir()
    (path / "model.skops").rename(path / "..data" / "model.skops")
    (path / "model.skops").symlink_to("..data/model.skops")

    assert loaded(path).width == 2


def test_a_model_that_the_manifest_names_and_nobody_packed_is_missed(tmp_path: Path) -> None:
    model = {"file": "other.skops", "sha256": "0" * 64}
    packed = archive(tmp_path, files(model=model))

    assert refusal(packed) == "unreadable model: sums.tar.gz holds no other.skops"
    assert refusal(folder(tmp_path, model=model)) == "unreadable model: sums holds no other.skops"


def test_a_model_that_is_too_large_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = folder(tmp_path)
    size = (path / "model.skops").stat().st_size

    assert refusal(path, MODEL_MAX_BYTES="100") == (
        f"model too large: {path / 'model.skops'} has {size} bytes, at most 100 are loaded"
    )


def test_a_pickle_in_a_bundle_needs_trust_like_any_other(tmp_path: Path) -> None:
    parts = files(b"\x80", model={"file": "m.pkl", "sha256": hashlib.sha256(b"\x80").hexdigest()})
    path = archive(tmp_path, {MANIFEST: parts[MANIFEST], "m.pkl": b"\x80"})

    assert refusal(path).startswith("untrusted model: m.pkl is a pickle")


COLUMNS: dict[str, tuple[list[str], str]] = {
    "too many": (["x", "y", "z"], "the manifest lists 3 columns, the model takes 2"),
    "too few": (["x"], "the manifest lists 1 columns, the model takes 2"),
    "another order": (["y", "x"], 'column 0 is "y" in the manifest and "x" in the model'),
    "another name": (["x", "z"], 'column 1 is "z" in the manifest and "y" in the model'),
}


@pytest.mark.parametrize(("names", "said"), COLUMNS.values(), ids=COLUMNS)
def test_columns_that_are_not_the_models_are_a_feature_mismatch(tmp_path: Path, names: list[str], said: str) -> None:
    assert refusal(folder(tmp_path, columns=[{"name": name} for name in names])) == f"feature mismatch: {said}"


def test_a_golden_row_that_is_answered_otherwise_fails_the_warm_up(tmp_path: Path) -> None:
    moved = folder(tmp_path, golden={**GOLDEN, "predictions": [3.0, 0.7501]})

    assert refusal(moved) == (
        "warm-up failed: golden row 1: the model answers 0.75, the manifest expects 0.7501 (tolerance 1e-06)"
    )


def test_a_golden_row_may_differ_within_its_tolerance(tmp_path: Path) -> None:
    warm_up(loaded(folder(tmp_path, golden={**GOLDEN, "predictions": [3.0, 0.7501], "tolerance": 1e-3})))


def answers(**changes: Any) -> dict[str, Any]:
    rows = [[3.0, 1.0]]
    return {"rows": rows, "predictions": ["yes"], "probabilities": [[0.0, 1.0]], "tolerance": 0.05} | changes


OF_CLASSES: dict[str, tuple[dict[str, Any], str]] = {
    "another class": (answers(predictions=["no"]), 'the model answers "yes", the manifest expects "no"'),
    "another probability": (answers(probabilities=[[0.5, 0.5]]), "the model gives class 0 the probability"),
    "more classes": (answers(probabilities=[[0, 0, 1]]), "the model answers 2 probabilities, the manifest expects 3"),
    "no class": (answers(predictions=[1]), 'the model answers "yes", the manifest expects 1 '),
}


@pytest.mark.parametrize(("golden", "said"), OF_CLASSES.values(), ids=OF_CLASSES)
def test_golden_rows_of_a_classifier_are_held_to_class_and_probability(
    tmp_path: Path, golden: dict[str, Any], said: str
) -> None:
    assert refusal(folder(tmp_path, classifier(), golden=golden)).startswith(f"warm-up failed: golden row 0: {said}")


def test_a_classifiers_golden_rows_pass(tmp_path: Path) -> None:
    warm_up(loaded(folder(tmp_path, classifier(), golden=answers())))


def test_a_classifier_has_nothing_to_clip(tmp_path: Path) -> None:
    found = refusal(folder(tmp_path, classifier(), prediction={"max": 1}))

    assert found == (
        "unreadable model: bundle.json: prediction: "
        "limits and intervals are for a regression of one number, not for classes"
    )


def minors() -> dict[str, str]:
    return {name: ".".join(version.split(".")[:2]) for name, version in libraries.in_use("skops").items()}


def test_other_patches_of_the_libraries_are_no_difference(tmp_path: Path) -> None:
    path = folder(tmp_path, libraries={**{name: f"{version}.999" for name, version in minors().items()}, "python": "2"})

    warm_up(loaded(path, MODEL_STRICT_VERSIONS="true"))


def test_other_libraries_are_warned_of_and_refused_where_that_is_asked(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = folder(tmp_path, libraries={"scikit-learn": "0.18.2", "abacus": "1.0"})
    here = libraries.installed("scikit-learn")

    warm_up(loaded(path))

    said = f"the bundle was made with other versions: scikit-learn 0.18.2 is {here} here, abacus 1.0 is not here"
    assert caplog.messages == [f"{said}; the golden rows decide"]
    assert refusal(path, MODEL_STRICT_VERSIONS="true") == (
        f"library mismatch: {said}; make it anew with this image's, or leave out strictVersions"
    )


def test_a_bundle_is_fetched_like_any_model(tmp_path: Path) -> None:
    path = archive(tmp_path, files(golden=GOLDEN))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()

    with ThreadingHTTPServer((LOOPBACK, 0), partial(Quiet, directory=str(tmp_path))) as shop:
        threading.Thread(target=shop.serve_forever, daemon=True).start()
        uri = f"http://{LOOPBACK}:{shop.server_port}/{path.name}"
        warm_up(loaded(uri, MODEL_SHA256=digest, MODEL_CACHE_DIR=str(tmp_path)))
        found = refusal(uri, MODEL_SHA256="0" * 64, MODEL_CACHE_DIR=str(tmp_path))
        shop.shutdown()

    assert found == f"checksum mismatch: {uri} has sha256 {digest}, the spec asks for {'0' * 64}"


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing."""


def test_a_bundle_that_contradicts_itself_ends_the_process_with_one_sentence(tmp_path: Path) -> None:
    path = archive(tmp_path, files(columns=[{"name": "y"}, {"name": "x"}]))
    sentence = 'feature mismatch: column 0 is "y" in the manifest and "x" in the model'

    assert failed(tmp_path, path) == (1, sentence, sentence)


def test_a_process_serves_a_bundle_and_tells_its_baseline(tmp_path: Path) -> None:
    path = archive(tmp_path, files(golden=GOLDEN, baseline=BASELINE))

    with running(path) as server:
        health = server.health()

    assert health["digest"] == f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"
    assert health["baseline"] == BASELINE
    assert health["counters"]["predictions"] == {
        "count": 0, "sum": 0.0, "sum_squares": 0.0, "edges": BASELINE["edges"], "counts": [0, 0, 0],
    }  # fmt: skip
