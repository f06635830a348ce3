"""What the operator's image is built from."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
OPERATOR = ROOT / "operator"


def test_what_the_image_is_built_from_is_not_ignored() -> None:
    kept = {line.removeprefix("!") for line in (ROOT / ".dockerignore").read_text().splitlines() if line[:1] == "!"}
    copies = [line.split()[1:-1] for line in (OPERATOR / "Dockerfile").read_text().splitlines() if line[:5] == "COPY "]
    needed = {source for sources in copies for source in sources if not source.startswith(("--from", "/"))}

    assert needed == kept
