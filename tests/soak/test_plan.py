"""The plan of a soak: by chance, by a seed, and with everything in it."""

import random
from collections import Counter

from soak.courses import COURSES
from soak.damage import FAULTS
from soak.deck import Deck


def dealt(seed: int, count: int) -> list[str]:
    deck = Deck({"often": 3, "rarely": 1}, random.Random(seed))  # noqa: S311  # no secret
    return [deck.deal() for _ in range(count)]


def test_each_round_has_everything_as_often_as_its_share_asks() -> None:
    cards = dealt(1, 40)

    assert [Counter(cards[begin : begin + 4]) for begin in range(0, 40, 4)] == [Counter(often=3, rarely=1)] * 10


def test_the_same_seed_is_the_same_plan_and_another_one_another() -> None:
    assert dealt(1, 40) == dealt(1, 40)
    assert dealt(1, 40) != dealt(2, 40)


def test_every_course_and_every_fault_has_a_share() -> None:
    assert all(course.share > 0 for course in COURSES.values())
    assert all(share > 0 for _, share in FAULTS.values())
