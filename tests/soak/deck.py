"""A shuffled deck of named things: at random by a seed, and yet each comes as often as its share asks, soon."""

import random
from collections.abc import Mapping


class Deck:
    """Deals names for ever; a deck that is used up is shuffled anew."""

    def __init__(self, shares: Mapping[str, int], dice: random.Random) -> None:
        self._cards = [name for name, share in shares.items() for _ in range(share)]
        self._dice = dice
        self._left: list[str] = []

    def deal(self) -> str:
        if not self._left:
            self._left = list(self._cards)
            self._dice.shuffle(self._left)
        return self._left.pop()
