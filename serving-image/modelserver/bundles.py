"""A bundle: a model with what is known about it, as a folder or a tar archive with a `bundle.json`.

It is opened between fetching and loading. The manifest names the model's file and its digest; what it says beyond
that is held against the model (columns and their order, here) or becomes part of the artifact (golden rows, the
baseline, ranges, clipping), so that whoever serves an artifact need not know where it came from.
"""

import hashlib
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from math import inf
from pathlib import Path

from modelserver import archives, formats, libraries
from modelserver.clipped import Clipped
from modelserver.download import new_file
from modelserver.failures import Cause, StartError
from modelserver.manifest import MANIFEST, MAX_MANIFEST_BYTES, Column, Manifest, parse
from modelserver.models import Artifact, Baseline, Expected, Origin, Scores, is_regression
from modelserver.outputs import Clip, Interval
from modelserver.ranges import Bound, Usual
from modelserver.settings import Settings
from modelserver.shown import shown
from modelserver.sources import Fetched

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Opened:
    """A bundle's parts; the model's bytes are those of the manifest."""

    manifest: Manifest
    model: Fetched


def load(fetched: Fetched, settings: Settings) -> Artifact:
    """Load what was fetched: a bundle with all that it says, or a bare model file.

    Raises:
        StartError: it cannot be loaded, may not be, or contradicts itself.
    """
    if not is_bundle(fetched):
        artifact = formats.load(fetched, settings.trust)
        if artifact.metadata.version not in {None, settings.version}:
            logger.warning(
                'the artefact calls itself version "%s", and is served as "%s"',
                shown(str(artifact.metadata.version)),
                settings.version,
            )
        return artifact
    with opened(fetched, settings) as bundle:
        golden = bundle.manifest.golden
        artifact = formats.load(bundle.model, settings.trust, golden.rows if golden else ())
    _check_libraries(bundle.manifest, settings)
    return described(bundle.manifest, artifact)


def is_bundle(fetched: Fetched) -> bool:
    return fetched.path.is_dir() or archives.is_archive(fetched.path, fetched.name)


@contextmanager
def opened(fetched: Fetched, settings: Settings) -> Iterator[Opened]:
    """The bundle's manifest and its model's file, which is there as long as the context is.

    Raises:
        StartError: it is broken, reaches outside itself, is too large, or its model has another checksum.
    """
    if fetched.path.is_dir():
        manifest = parse(_read_manifest(fetched.path), fetched.name)
        yield Opened(manifest, _checked(_in_folder(fetched, manifest, settings), fetched, manifest))
        return
    path, file = new_file(settings.cache_dir)
    try:
        with file, archives.opened(fetched.path, fetched.name, settings.max_bytes) as archive:
            manifest = parse(archive.read(MANIFEST, MAX_MANIFEST_BYTES), fetched.name)
            archive.copy(manifest.model.file, file)
        yield Opened(manifest, _checked(path, fetched, manifest))
    finally:
        if not path.is_symlink():  # a file in memory has no name to take away
            path.unlink(missing_ok=True)


def _read_manifest(folder: Path) -> bytes:
    path = folder / MANIFEST
    if path.stat().st_size > MAX_MANIFEST_BYTES:
        raise StartError(Cause.TOO_LARGE, f"{path} has more than {MAX_MANIFEST_BYTES} bytes")
    return path.read_bytes()


def _in_folder(fetched: Fetched, manifest: Manifest, settings: Settings) -> Path:
    folder, path = fetched.path.resolve(), (fetched.path / manifest.model.file).resolve()
    if not path.is_relative_to(folder):
        raise StartError(
            Cause.UNREADABLE_MODEL, f'{fetched.name}: "{manifest.model.file}" leads to a path outside the bundle'
        )
    if not path.is_file():
        raise StartError(Cause.UNREADABLE_MODEL, f"{fetched.name} holds no {manifest.model.file}")
    if path.stat().st_size > settings.max_bytes:
        raise StartError(
            Cause.TOO_LARGE, f"{path} has {path.stat().st_size} bytes, at most {settings.max_bytes} are loaded"
        )
    return path


def _checked(path: Path, fetched: Fetched, manifest: Manifest) -> Fetched:
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != manifest.model.sha256:
        raise StartError(
            Cause.CHECKSUM_MISMATCH,
            f"{manifest.model.file} of {fetched.name} has sha256 {found}, its manifest says {manifest.model.sha256}",
        )
    return Fetched(path, Path(manifest.model.file).name, fetched.digest)


def _check_libraries(manifest: Manifest, settings: Settings) -> None:
    found = libraries.differences(manifest.libraries)
    if not found:
        return
    sentence = f"the bundle was made with other versions: {', '.join(found)}"
    if settings.strict_versions:
        raise StartError(
            Cause.LIBRARY_MISMATCH, f"{sentence}; make it anew with this image's, or leave out strictVersions"
        )
    logger.warning("%s; the golden rows decide", sentence)


def described(manifest: Manifest, artifact: Artifact) -> Artifact:
    """The artifact with what the manifest says of it.

    Raises:
        StartError: the manifest's columns are not the model's, or it clips what is no regression.
    """
    _check_columns(manifest, artifact)
    clip, interval = _outputs(manifest)
    if not is_regression(artifact.metadata) and (clip or interval):
        raise StartError(
            Cause.UNREADABLE_MODEL,
            f"{MANIFEST}: prediction: limits and intervals are for a regression of one number, not for classes",
        )
    golden = manifest.golden
    metadata = replace(
        artifact.metadata,
        columns=tuple(column.name for column in manifest.columns),
        golden_rows=golden.rows if golden else artifact.metadata.golden_rows,
        expected=_expected(manifest),
        baseline=Baseline(**manifest.baseline.model_dump()) if manifest.baseline else None,
        interval=interval,
        bounds=_bounds(manifest.columns),
        usual=_usual(manifest.columns),
        origin=Origin(manifest.name, manifest.version, manifest.code, manifest.data),
    )
    return replace(artifact, model=Clipped(artifact.model, clip) if clip else artifact.model, metadata=metadata)


def _check_columns(manifest: Manifest, artifact: Artifact) -> None:
    listed, own = [column.name for column in manifest.columns], artifact.metadata.columns
    if len(listed) != artifact.width:
        raise StartError(
            Cause.FEATURE_MISMATCH, f"the manifest lists {len(listed)} columns, the model takes {artifact.width}"
        )
    for number, (name, other) in enumerate(zip(listed, own or listed, strict=True)):
        if name != other:
            raise StartError(
                Cause.FEATURE_MISMATCH,
                f'column {number} is "{name[:50]}" in the manifest and "{other[:50]}" in the model',
            )


def _outputs(manifest: Manifest) -> tuple[Clip | None, Interval | None]:
    asked = manifest.prediction
    clip = Clip(-inf if asked.min is None else asked.min, inf if asked.max is None else asked.max)
    interval = Interval(**asked.interval.model_dump(), clip=clip) if asked.interval else None
    return clip if clip != Clip() else None, interval


def _expected(manifest: Manifest) -> Expected | None:
    golden = manifest.golden
    if golden is None:
        return None
    shares = golden.probabilities
    scores = Scores(list(golden.predictions), [list(row) for row in shares] if shares is not None else None)
    return Expected(scores, golden.tolerance)


def _bounds(columns: tuple[Column, ...]) -> tuple[Bound, ...]:
    every = (
        Bound(
            index,
            -inf if column.min is None else column.min,
            inf if column.max is None else column.max,
            column.type == "integer",
        )
        for index, column in enumerate(columns)
    )
    return tuple(bound for bound in every if bound != Bound(bound.index))


def _usual(columns: tuple[Column, ...]) -> Usual | None:
    ranges = [column.usual or (-inf, inf) for column in columns]
    if all(low == -inf for low, _ in ranges):
        return None
    return Usual(tuple(low for low, _ in ranges), tuple(high for _, high in ranges))
