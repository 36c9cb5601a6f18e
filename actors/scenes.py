"""What planners make of a view before they plan: each copy as a `Scene`, and who has been longest on its leg."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from actors.scene import Road, Scene
from actors.view import NOTHING, FloorView, TrafficView
from actors.ways import Ways


class Scenes:
    """The copies of a view one after the other, each robot with its way. `against` is `Ways`'s."""

    def __init__(self, floor: FloorView, robots: int, against: int) -> None:
        self._ways = Ways(floor, robots, against)
        self._row = np.full(robots, NOTHING, np.int32)
        self.road = Road(self._ways.neighbours, self._ways.costs, self._ways.fields, floor.highway.reshape(-1))

    def of(self, view: TrafficView, order: npt.NDArray[np.int64]) -> Iterator[Scene]:
        """A scene per copy, its robots to be settled in `order` (E, N). Each is good until the next is asked for."""
        variants = self._ways.watch(np.where(view.online, NOTHING, view.cell))
        for e, variant in enumerate(variants):
            self._ways.rows(variant, view.loaded[e], view.target[e], self._row)
            yield Scene(
                view.cell[e],
                view.heading[e],
                view.loaded[e],
                view.target[e],
                view.lifts[e],
                view.online,
                view.standing[e],
                self._row,
                order[e],
            )


class Seniority:
    """Since when each of N robots in E copies has been on its leg."""

    def __init__(self, robots: int, copies: int) -> None:
        self._clock = 0
        self._legs = np.full((copies, robots), NOTHING, np.int64)
        self._since = np.zeros((copies, robots), np.int64)

    def order(self, view: TrafficView) -> npt.NDArray[np.int64]:
        """The robots, first those longest on their leg, last those without one, (E, N). Call it once in each step.

        Of equals, a number that moves on with every step decides, so that no robot is always first.
        """
        robots = view.cell.shape[1]
        legs = np.where(view.target == NOTHING, NOTHING, 2 * view.target.astype(np.int64) + view.loaded)
        self._since[legs != self._legs] = self._clock
        self._legs = legs
        self._clock += 1
        since = np.where(legs == NOTHING, self._clock, self._since)
        return np.argsort(since * robots + (np.arange(robots) + since) % robots, axis=1, kind="stable")

    def renew(self, robots: npt.NDArray[np.bool_]) -> None:
        """From now on count these (E, N) as if their leg had just begun."""
        self._since[robots] = self._clock
