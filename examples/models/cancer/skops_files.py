"""skops files that are the same bytes on every run.

skops names the parts of a file after addresses in memory and stamps them with the time; here they are numbered in
the order in which they appear.
"""

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import skops.io

EPOCH = (1980, 1, 1, 0, 0, 0)
SCHEMA = "schema.json"


def write(path: Path, content: Any) -> None:  # noqa: ANN401 - any estimator, or a dictionary around one
    path.write_bytes(canonical(skops.io.dumps(content)))


def canonical(raw: bytes) -> bytes:
    """The same file with numbered parts and no times."""
    with zipfile.ZipFile(io.BytesIO(raw)) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    numbers: dict[str, str] = {}
    schema = _numbered(json.loads(parts.pop(SCHEMA)), numbers)
    renamed = {f"{numbers[Path(name).stem]}{Path(name).suffix}": part for name, part in parts.items()}
    renamed[SCHEMA] = json.dumps(schema, indent=2).encode()
    return _zipped(renamed)


def _numbered(node: Any, numbers: dict[str, str]) -> Any:  # noqa: ANN401 - any JSON
    if isinstance(node, list):
        return [_numbered(item, numbers) for item in node]
    if not isinstance(node, dict):
        return node
    return {key: _value(key, value, numbers) for key, value in node.items()}


def _value(key: str, value: Any, numbers: dict[str, str]) -> Any:  # noqa: ANN401
    if key == "__id__":
        return int(_number(str(value), numbers))
    if key == "file":
        return f"{_number(Path(value).stem, numbers)}{Path(value).suffix}"
    return _numbered(value, numbers)


def _number(identity: str, numbers: dict[str, str]) -> str:
    return numbers.setdefault(identity, str(len(numbers) + 1))


def _zipped(parts: dict[str, bytes]) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(parts):
            archive.writestr(zipfile.ZipInfo(name, EPOCH), parts[name], zipfile.ZIP_DEFLATED)
    return target.getvalue()
