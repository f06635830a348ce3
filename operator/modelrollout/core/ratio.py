"""How many pods make a weight. Pure arithmetic; property-tested.

A Service spreads connections evenly over ready pods, so a weight is a ratio of pods, and only some ratios exist.
"""

from dataclasses import dataclass

FULL = 100


@dataclass(frozen=True, slots=True)
class Split:
    """Pods of each arm behind the Service."""

    candidate: int
    stable: int

    @property
    def weight(self) -> int:
        """Percent of the connections that the candidate gets, rounded."""
        total = self.candidate + self.stable
        return round(100 * self.candidate / total) if total else 0


def beside_full_stable(size: int, weight: int) -> Split:
    """Stable keeps its size; the candidate gets the count, 1 to `size`, whose share is nearest to the weight.

    4 pods, 10 % -> 1 candidate = 20 %: never 0 while the weight is above 0. 4 pods, 75 % -> 4 = 50 %: more than
    stable's own size would cost pods that full weight does not need. Of two equally near counts the smaller one.
    """
    if weight <= 0 or size <= 0:
        return Split(0, size)
    nearest = min(range(1, size + 1), key=lambda count: abs(count * 100 - weight * (size + count)) / (size + count))
    return Split(nearest, size)


def constant_total(size: int, weight: int) -> Split:
    """Both arms together keep `size` pods, with at least one of each while both have weight.

    20 pods, 5 % -> 1 and 19. 2 pods, 75 % -> 1 and 1, not 2 and 0: at weight 75 both still serve. A size of 1 cannot
    be shared, so it becomes 1 and 1.
    """
    if weight <= 0 or size <= 0:
        return Split(0, size)
    if weight >= FULL:
        return Split(size, 0)
    if size == 1:
        return Split(1, 1)
    candidate = min(size - 1, max(1, (2 * size * weight + 100) // 200))
    return Split(candidate, size - candidate)


@dataclass(frozen=True, slots=True)
class Room:
    """How far pods may be moved now in the constant-total mode."""

    size: int
    surge: int


def toward(target: Split, now: Split, ready: int, room: Room) -> Split:
    """One move of both arms toward the target, keeping the total below size + surge.

    `ready` counts the candidate's ready pods. With a surge stable gives up a pod only for a ready pod of the
    candidate, so capacity never falls below `size`; without one a single pod is missing while the arms change.
    """
    missing = 0 if room.surge else 1
    floor = max(target.stable, room.size - missing - min(ready, target.candidate))
    stable = max(target.stable, min(now.stable, floor)) if now.stable > target.stable else target.stable
    least_total = max(room.size + room.surge, target.candidate + target.stable)
    candidate = min(target.candidate, max(now.candidate, least_total - now.stable))
    return Split(candidate, stable)
