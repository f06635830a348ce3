"""The data: scikit-learn's breast_cancer, 569 rows of 30 columns, split once and for all."""

from dataclasses import dataclass
from typing import Any

from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split

SEED = 20260101
TEST_SHARE = 0.3
SERVED_ROWS = 300


@dataclass(frozen=True, slots=True)
class Data:
    """Frames keep the columns' names, which the estimators then remember."""

    columns: list[str]
    rows: Any
    labels: Any
    """1 is benign."""
    train: Any
    train_labels: Any
    test: Any
    test_labels: Any


def load() -> Data:
    frame, labels = load_breast_cancer(return_X_y=True, as_frame=True)
    train, test, train_labels, test_labels = train_test_split(
        frame, labels, test_size=TEST_SHARE, random_state=SEED, stratify=labels
    )
    return Data(list(frame.columns), frame, labels, train, train_labels, test, test_labels)


def request_bodies(data: Data) -> list[dict[str, dict[str, float]]]:
    """The first rows of the data as bodies for /v1/predict, with names."""
    return [
        {"features": dict(zip(data.columns, row, strict=True))} for row in data.rows.head(SERVED_ROWS).values.tolist()
    ]
