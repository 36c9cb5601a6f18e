"""The handoff task once more, one copy, slow and obvious: (row, column) pairs and Python numbers.

It can't know what the world draws, so it asks for each new target: `drawn(robot)` is what the world has then.
"""

from collections.abc import Callable, Sequence

import numpy as np

from fleet.core.config.handoff import HandoffConfig

Place = tuple[int, int]
STEPS: dict[int, Place] = {0: (-1, 0), 1: (1, 0), 2: (0, -1), 3: (0, 1)}  # up, down, left, right
LEFT_OF = {0: 2, 2: 1, 1: 3, 3: 0}
RIGHT_OF = {after: before for before, after in LEFT_OF.items()}
BEHIND = {0: 1, 1: 0, 2: 3, 3: 2}


def ahead(place: Place, side: int) -> Place:
    return place[0] + STEPS[side][0], place[1] + STEPS[side][1]


def far(one: Place, other: Place) -> int:
    return abs(one[0] - other[0]) + abs(one[1] - other[1])


class SlowHandoff:
    """One copy of the task with its robots where the caller puts them."""

    def __init__(self, table: HandoffConfig, dense_scale: float, at: Sequence[Place], headings: Sequence[int]) -> None:
        self.table, self.dense_scale = table, dense_scale
        self.at, self.headings = list(at), list(headings)
        self.loaded = [False] * len(at)
        self.online = [True] * len(at)
        self.blocked = [0] * table.pairs
        self.deliveries = [0] * len(at)
        self.target = [self.point(n) if n % 2 else (-1, -1) for n in range(len(at))]

    def point(self, n: int) -> Place:
        return self.table.depth, (n // 2) * self.table.lane + self.table.lane // 2

    def ends(self, n: int) -> list[Place]:
        lane = self.table.lane
        return [(2 * self.table.depth if n % 2 else 0, (n // 2) * lane + k) for k in range(lane)]

    def open(self, place: Place) -> bool:
        row, column = place
        inside = 0 <= row <= 2 * self.table.depth and 0 <= column < self.table.pairs * self.table.lane
        return inside and row != self.table.depth

    def ready(self, n: int) -> bool:
        faces = 0 if n % 2 else 1
        right_load = self.loaded[n] == (n % 2 == 0)
        return self.online[n] and right_load and self.headings[n] == faces and ahead(self.at[n], faces) == self.point(n)

    def movers(self, actions: Sequence[int]) -> list[int]:
        """Who moves: the longest chain into each free cell, and rings of three and more."""
        wants = {n: ahead(self.at[n], self.headings[n]) for n, action in enumerate(actions) if action == 1}
        wants = {n: place for n, place in wants.items() if self.open(place)}
        standing = {place: n for n, place in enumerate(self.at)}

        def chain(place: Place) -> list[int]:
            behind = [[n, *chain(self.at[n])] for n, wanted in wants.items() if wanted == place]
            return min(behind, key=lambda robots: (-len(robots), self.headings[robots[0]]), default=[])

        moving = [n for place in set(wants.values()) if place not in standing for n in chain(place)]
        for first in wants:
            ring, n = [first], first
            while (following := standing.get(wants[n])) in wants and following not in ring:
                n = following
                ring.append(n)
            moving += [first] if standing.get(wants[n]) == first and len(ring) > 2 else []
        return moving

    def step(self, actions: Sequence[int], drawn: Callable[[int], Place]) -> list[float]:
        """One step; the rewards."""
        actions = [action if on and action <= 4 else 0 for action, on in zip(actions, self.online, strict=True)]
        before = list(self.at)
        for n, action in enumerate(actions):
            if action in (2, 3):
                self.headings[n] = (LEFT_OF if action == 2 else RIGHT_OF)[self.headings[n]]
        for n, place in [(n, ahead(self.at[n], self.headings[n])) for n in self.movers(actions)]:
            self.at[n] = place
        rewards = [
            self.dense_scale * (far(before[n], self.target[n]) - far(self.at[n], self.target[n]))
            for n in range(len(actions))
        ]
        for p in range(self.table.pairs):
            self._toggles(p, actions, rewards, drawn)
        return [reward if on else 0.0 for reward, on in zip(rewards, self.online, strict=True)]

    def _toggles(self, p: int, actions: Sequence[int], rewards: list[float], drawn: Callable[[int], Place]) -> None:
        pair = (2 * p, 2 * p + 1)
        tries = [n for n in pair if actions[n] == 4 and self.ready(n)]
        if not self.table.absent_costs and not all(map(self.ready, pair)):
            tries = []
        ends = [n for n in pair if actions[n] == 4 and self.at[n] == self.target[n]]
        if self.blocked[p]:
            self.blocked[p] -= 1
        elif len(tries) == 2:
            for n in pair:
                rewards[n] += self.table.share
                self._load(n, n % 2 == 1, drawn)
        elif tries:
            rewards[tries[0]] -= self.table.penalty
            self.blocked[p] = self.table.blocked_steps
        for n in ends:
            self._load(n, n % 2 == 0, drawn)
            if n % 2:
                for m in pair:
                    rewards[m] += 1 - self.table.share
                    self.deliveries[m] += 1

    def _load(self, n: int, loaded: bool, drawn: Callable[[int], Place]) -> None:
        self.loaded[n] = loaded
        self.target[n] = self.point(n) if loaded == (n % 2 == 0) else drawn(n)

    def features(self, n: int) -> list[int]:
        """What robot n sees beside RWARE's numbers."""
        if not self.online[n]:
            return [0] * 10
        heading = self.headings[n]
        sides = [heading, LEFT_OF[heading], RIGHT_OF[heading], BEHIND[heading]]
        left = far(self.at[n], self.target[n])
        ways = []
        for side in sides:
            there = ahead(self.at[n], side)
            nearer = far(there, self.target[n]) < left
            may = self.open(there) or there == self.target[n]
            ways.append(0 if not may else 1 if nearer else -1)
        flags = [self.loaded[n], left == 0, self.ready(n), self.ready(n ^ 1)]
        return [*map(int, flags), self.blocked[n // 2], left, *ways]

    def wise(self, n: int, dice: np.random.Generator) -> int:
        """An action that gets on with it: towards the target, and toggle there."""
        if self.at[n] == self.target[n]:
            return 4
        if self.ready(n):
            return int(dice.choice([0, 4]))
        ways = self.features(n)[6:]
        side = ways.index(1) if 1 in ways else 0
        return (1, 2, 3, 2)[side]
