"""Train every example model: `python examples/models/train.py [--out FOLDER]`, by default examples/models/out."""

import argparse
from pathlib import Path

from cancer.train import train

HERE = Path(__file__).parent


def main() -> None:
    parser = argparse.ArgumentParser(description="Train every example model.")
    parser.add_argument("--out", type=Path, default=HERE / "out", help="folder to write to")
    for line in train(parser.parse_args().out):
        print(line)


if __name__ == "__main__":
    main()
