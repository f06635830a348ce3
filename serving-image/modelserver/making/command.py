"""`python -m modelserver bundle` and `... check`, which `modelrollout bundle` and `modelrollout check` hand over to.

Exit code 0; 1 where `check` finds that the new model should not go out; 2 and one sentence for bad input.
"""

import argparse
import json
import logging
import sys
from collections.abc import Sequence
from dataclasses import asdict
from math import inf
from pathlib import Path

from modelserver import bundles, sources
from modelserver.failures import StartError
from modelserver.making import comparing, inputs, originals
from modelserver.making.bundling import Made, Wanted, bundle
from modelserver.making.inputs import Unusable
from modelserver.making.recording import doubts
from modelserver.making.rounds import Plan
from modelserver.models import Artifact
from modelserver.outputs import Clip
from modelserver.settings import Settings

PASSED, FAILED, BAD_INPUT = 0, 1, 2


def main(words: Sequence[str]) -> int:
    """Do what the words ask for; the exit code."""
    logging.basicConfig(level="WARNING", format="%(levelname)s: %(message)s", stream=sys.stderr)
    asked = _parser().parse_args(words)
    try:
        return int(asked.run(asked))
    except (Unusable, StartError) as error:
        sys.stderr.write(f"error: {error}\n")
        return BAD_INPUT


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="modelrollout", description="Make bundles of models, and compare models.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _bundle_options(commands.add_parser("bundle", help="make a bundle of a fitted model and a sample, and check it"))
    _check_options(commands.add_parser("check", help="hold a new model against the old one; exit code 1 says no"))
    return parser


def _bundle_options(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run=_bundle)
    add = parser.add_argument
    add("--from", dest="model", type=Path, required=True, metavar="FILE",
        help="a fitted model: .skops, .onnx, or a pickle (which runs any code in it) of an estimator or of a "
        "dictionary {model, scaler, feature_columns, version}")  # fmt: skip
    add("--sample", type=Path, required=True, metavar="FILE",
        help="rows that the model has not seen: .csv with a header, or JSON objects by column")  # fmt: skip
    add("--name", required=True, help="the model's name")
    add("--version", help="its version; may come from the pickle")
    add("--out", type=Path, metavar="PATH", help="ends in .tar, .tar.gz or .tgz, else a folder; NAME-VERSION.tar.gz")
    add("--columns", type=Path, metavar="FILE",
        help='promises by column, as JSON: {"age": {"type": "integer", "min": 0, "max": 120}}')  # fmt: skip
    add("--target", metavar="COLUMN", help="column of the sample with the true values")
    add(
        "--interval",
        type=float,
        metavar="LEVEL",
        help="answer intervals that hold this share of the truths, such as .9",
    )
    add("--clip-min", type=float, default=-inf, help="smaller predictions are answered as this")
    add("--clip-max", type=float, default=inf, help="larger predictions are answered as this")
    add("--golden-rows", type=int, default=10, metavar="N", help="rows of the sample to keep (10)")
    add("--tolerance", type=float,
        help="how far an answer n may be off, times max(1, |n|) (1e-6, and 1e-5 for single precision)")  # fmt: skip
    add("--code", help="version of the code that made the model, such as a commit")
    add("--data", help="version of the data that it was made of")
    add("--trust", default="", metavar="TYPES", help="types in a skops file that are trusted, with commas")


def _check_options(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run=_check)
    add = parser.add_argument
    add("new", metavar="NEW", help="a bundle or model file; a path or any address that the server takes")
    add("--against", dest="old", required=True, metavar="OLD", help="the one that serves now")
    add("--rows", type=Path, metavar="FILE", help="rows to ask about, besides golden rows: .csv or JSON")
    add(
        "--max-p95-ratio",
        type=float,
        default=1.5,
        metavar="RATIO",
        help="most that the new p95 may be of the old (1.5)",
    )
    add("--rounds", type=int, default=9, help="rounds in which both are timed (9)")
    add("--calls", type=int, default=200, help="calls of each model in a round (200)")
    add("--trust", default="", metavar="NAMES", help="as MODEL_TRUST: pickle, or types in a skops file, with commas")
    add("-o", "--output", choices=("table", "json"), default="table")


def _bundle(asked: argparse.Namespace) -> int:
    if not 1 <= asked.golden_rows <= 1000 or not 0 <= (asked.tolerance or 0) <= 1:  # noqa: PLR2004 - the manifest's own caps
        raise Unusable("--golden-rows takes 1 to 1000, --tolerance 0 to 1")
    if asked.interval is not None and not 0 < asked.interval < 1:
        raise Unusable(f"--interval is {asked.interval:g}; it is a share of the truths, such as 0.9")
    if asked.clip_min > asked.clip_max:
        raise Unusable(f"--clip-min {asked.clip_min:g} is above --clip-max {asked.clip_max:g}")
    original = originals.original(asked.model, _listed(asked.trust))
    version = asked.version or original.version
    if not version:
        raise Unusable(f"{asked.model} does not say its version; give --version")
    wanted = Wanted(
        name=asked.name,
        version=version,
        golden_rows=asked.golden_rows,
        tolerance=asked.tolerance,
        clip=Clip(asked.clip_min, asked.clip_max),
        columns=inputs.promised(asked.columns),
        target=asked.target,
        level=asked.interval,
        code=asked.code,
        data=asked.data,
    )
    out = asked.out or Path(f"{asked.name}-{version}.tar.gz")
    _tell(bundle(original, inputs.sample(asked.sample), wanted, out), asked.model)
    return PASSED


def _tell(made: Made, source: Path) -> None:
    manifest = made.manifest
    golden = len(manifest.golden.rows) if manifest.golden else 0
    lines = [
        f"wrote {made.path}: {manifest.name} {manifest.version}, {len(manifest.columns)} columns, {golden} golden rows",
        f"checked: {made.rows} of {made.rows} rows are answered as by {source}",
        f"sha256: {made.digest}",
    ]
    if made.trust:
        lines.append(f"the server needs MODEL_TRUST (spec.model.trust): {', '.join(made.trust)}")
    lines += [f"note: {note}" for note in made.notes]
    unused = doubts(manifest.baseline) if manifest.baseline else "the predictions are no numbers"
    if unused:
        lines.append(f"note: the judge will not use the baseline for drift: {unused}")
    sys.stdout.write("\n".join(lines) + "\n")


def _check(asked: argparse.Namespace) -> int:
    if asked.rounds < 1 or asked.calls < 1 or not asked.max_p95_ratio > 0:
        raise Unusable("--rounds and --calls take at least 1, --max-p95-ratio more than 0")
    new, old = (_artifact(uri, asked.trust) for uri in (asked.new, asked.old))
    rows = _rows(asked.rows, old) if asked.rows else ()
    found = comparing.compare(new, old, comparing.Asked(rows, asked.max_p95_ratio, Plan(asked.rounds, asked.calls)))
    if asked.output == "json":
        shown = {"passed": found.passed, "checks": [asdict(one) for one in found.findings],
                 "speed": asdict(found.speed) if found.speed else None}  # fmt: skip
        sys.stdout.write(json.dumps(shown, indent=2) + "\n")
    else:
        sys.stdout.write("".join(_line(finding) for finding in found.findings))
        sys.stdout.write(f"{asked.new} {'may' if found.passed else 'should not'} follow {asked.old}\n")
    return PASSED if found.passed else FAILED


def _line(finding: comparing.Finding) -> str:
    return f"{'ok  ' if finding.passed else 'FAIL'}  {finding.check:<12} {finding.said}\n"


def _artifact(uri: str, trust: str) -> Artifact:
    settings = Settings.from_environment({"MODEL_URI": uri, "MODEL_TRUST": trust})
    try:
        return bundles.load(sources.fetch(settings), settings)
    except StartError as error:
        raise Unusable(f"{uri} cannot be loaded: {error}") from error


def _rows(path: Path, old: Artifact) -> tuple[tuple[float, ...], ...]:
    sample = inputs.sample(path)
    columns = old.metadata.columns or sample.columns
    if len(columns) != old.width:
        raise Unusable(f"{path} has {len(columns)} columns, the old model takes {old.width}")
    return tuple(tuple(row) for row in sample.numbers(columns).tolist())


def _listed(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())
