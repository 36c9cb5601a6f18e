"""PIBT on scenes that tell, and against the paper's recursion written out in Python."""

from collections.abc import Sequence

import numpy as np
import pytest

from actors.dead_ends import ways_out
from actors.inheritance import AHEAD, OCCUPIED, STEP, WAIT, make_reserved, plan
from actors.pibt import Pibt
from actors.scenes import Scenes
from actors.view import DOWN, FORWARD, LEFT, NOOP, NOTHING, RIGHT, TOGGLE, UP, FloorView, TrafficView
from actors.ways import neighbours_of

LEFT_OF = {UP: LEFT, LEFT: DOWN, DOWN: RIGHT, RIGHT: UP}
TURN_LEFT, TURN_RIGHT = 2, 3


def floor(text: str) -> FloorView:
    """`x` where shelves may stand, `@` blocked, `.` highway."""
    letters = np.array([list(row) for row in text.split()])
    return FloorView(letters == "@", letters == ".")


def view_of(
    place: FloorView, cell: Sequence[int], heading: Sequence[int], target: Sequence[int], **more: np.ndarray
) -> TrafficView:
    none = np.zeros((1, len(cell)), np.bool_)
    parts = {
        "loaded": none,
        "lifts": none,
        "delivers": none,
        "online": np.ones(len(cell), np.bool_),
        "standing": np.full((1, place.blocked.size), NOTHING, np.int32),
        **more,
    }
    return TrafficView(
        np.array([cell], np.int32), np.array([heading], np.uint8), target=np.array([target], np.int32), **parts
    )


def play(place: FloorView, robots: Sequence[tuple[int, int, int]], steps: int) -> list[list[int]]:
    """The cells of robots (cell, heading, target), step by step, until all have been at their targets."""
    cell, heading, target = (list(part) for part in zip(*robots, strict=True))
    planner, there = Pibt(place, len(robots), 1), neighbours_of(place.blocked)
    seen = [cell.copy()]
    for _ in range(steps):
        target = [NOTHING if c == t else t for c, t in zip(cell, target, strict=True)]
        if set(target) == {NOTHING}:
            return seen
        for n, action in enumerate(planner.act(view_of(place, cell, heading, target))[:, 0]):
            if action == FORWARD:
                cell[n] = int(there[cell[n], heading[n]])
            elif action == TURN_LEFT:
                heading[n] = LEFT_OF[heading[n]]
            elif action == TURN_RIGHT:
                heading[n] = next(side for side, after in LEFT_OF.items() if after == heading[n])
        before = seen[-1]
        assert NOTHING not in cell
        assert len(set(cell)) == len(cell), "two robots in one cell"
        pairs = [(a, b) for a in range(len(cell)) for b in range(a)]
        assert not any(cell[a] == before[b] != cell[b] == before[a] for a, b in pairs), "two robots swapped"
        seen.append(cell.copy())
    raise AssertionError(f"after {steps} steps at {cell}, targets {target}")


@pytest.mark.parametrize("swapped", [False, True])
@pytest.mark.parametrize("pocket", [1, 2, 4, 7])
def test_two_head_on_in_a_closed_corridor_pass_each_other_at_its_side_pocket(pocket, swapped):
    """Broken by a robot that never gives up its right, and by one pushed along the way of who pushes it."""
    corridor = floor("......... " + "@" * pocket + "." + "@" * (8 - pocket))
    robots = [(0, RIGHT, 8), (8, LEFT, 0)]
    play(corridor, robots[::-1] if swapped else robots, 80)


@pytest.mark.parametrize("width", [2, 3])
def test_a_full_ring_turns_in_one_step(width):
    cells = [*range(width), *range(2 * width - 1, width - 1, -1)]  # clockwise
    ahead = [*[RIGHT] * (width - 1), DOWN, *[LEFT] * (width - 1), UP]
    robots = list(zip(cells, ahead, [*cells[1:], cells[0]], strict=True))
    assert play(floor(" ".join(["." * width] * 2)), robots, 2)[1] == [*cells[1:], cells[0]]


def test_a_full_column_moves_as_one_whoever_has_the_right():
    robots = [(n, RIGHT, 9) for n in (2, 0, 4, 1, 3)]
    assert play(floor("..........\n.........."), robots, 40)[1] == [3, 1, 5, 2, 4]


def test_an_idle_robot_leaves_the_dead_end_that_another_is_sent_into():
    """Broken by idle robots that stay: the one who comes is refused for good."""
    place = floor("...@@@@ .@..... ...@@@@")
    play(place, [(13, LEFT, 13), (0, RIGHT, 13)], 60)


def test_a_robot_at_its_shelf_toggles_and_nobody_enters_a_cell_with_a_standing_shelf_under_load():
    place = floor("...\n.x.\n...")
    standing = np.full((1, 9), NOTHING, np.int32)
    standing[0, 4] = 0
    lifts, loaded = np.array([[True, False]]), np.array([[False, True]])
    view = view_of(place, [4, 3], [UP, RIGHT], [4, 5], lifts=lifts, loaded=loaded, standing=standing)
    actions = Pibt(place, 2, 1).act(view)[:, 0]
    assert actions[0] == TOGGLE
    assert actions[1] not in (FORWARD, TOGGLE)
    offline = view_of(place, [4, 3], [UP, RIGHT], [4, 5], lifts=lifts, online=np.array([False, True]))
    assert Pibt(place, 2, 1).act(offline)[0, 0] == NOOP


def test_the_way_out_of_a_dead_end_is_its_mouth():
    place = floor("..@@. ..... ..@@@")
    out = ways_out(place.blocked)
    assert out.tolist() == [*[NOTHING] * 4, 6, *[NOTHING] * 2, 6, 6, 6, *[NOTHING] * 5]
    assert set(ways_out(floor("....").blocked).tolist()) == {NOTHING}


class Slow:
    """Algorithm 1 of the paper, recursive, for one scene."""

    def __init__(self, place: FloorView, scenes: Scenes, view: TrafficView, order: list[int]) -> None:
        self.there = neighbours_of(place.blocked)
        self.scene = next(scenes.of(view, np.array([order])))
        self.fields, self.costs, self.order = scenes.road.fields, scenes.road.costs, order
        self.at = {int(cell): n for n, cell in enumerate(view.cell[0])}
        self.next: dict[int, int] = {n: int(c) for n, c in enumerate(view.cell[0]) if not view.online[n]}

    def run(self) -> dict[int, int]:
        for robot in self.order:
            if robot not in self.next:
                self.pibt(robot, None)
        return self.next

    def pibt(self, robot: int, pusher: int | None) -> bool:
        for _, _, cell in sorted(self.candidates(robot, pusher)):
            if cell in self.next.values():
                continue
            if pusher is not None and cell == self.scene.cell[pusher]:
                continue
            self.next[robot] = cell
            other = self.at.get(cell)
            if other is not None and other not in self.next and not self.pibt(other, robot):
                continue
            return True
        self.next[robot] = int(self.scene.cell[robot])
        return False

    def candidates(self, robot: int, pusher: int | None) -> list[tuple[float, int, int]]:
        """(what counts against it, side, cell) of each."""
        s, here = self.scene, int(self.scene.cell[robot])
        way = self.fields[s.row[robot]].astype(int).reshape(-1, 4)
        found = [(0 if s.target[robot] == here else STEP * way[here, s.heading[robot]] + WAIT, -1, here)]
        for side, there in enumerate(self.there[here]):
            if there == NOTHING or (s.loaded[robot] and self.shelf_blocks(there)):
                continue
            turns = 0 if side == s.heading[robot] else 2 if side // 2 == s.heading[robot] // 2 else 1
            cost = STEP * (turns + int(self.costs[int(s.loaded[robot]), here, side]) + way[there, side])
            other = self.at.get(int(there))
            if other is not None:
                cost += OCCUPIED + (0 if s.online[other] else 200 * STEP)
            if pusher is not None:
                theirs = self.fields[s.row[pusher]].astype(int).reshape(-1, 4)
                cost += AHEAD if theirs[there, side] < theirs[here, side] else 0
            found.append((cost, side, int(there)))
        return found

    def shelf_blocks(self, cell: int) -> bool:
        other = self.at.get(int(cell))
        return bool(self.scene.standing[cell] != NOTHING and (other is None or not self.scene.loaded[other]))


def moved(slow: Slow) -> list[int]:
    """Where all are after the step: whoever faces its next cell drives, unless somebody there stays; rings too."""
    faces = {n for n, c in slow.next.items() if slow.there[slow.scene.cell[n], slow.scene.heading[n]] == c}
    while True:
        staying = {int(slow.scene.cell[n]) for n in slow.next if n not in faces}
        blocked = {n for n in faces if slow.next[n] in staying}
        if not blocked:
            return [slow.next[n] if n in faces else int(slow.scene.cell[n]) for n in sorted(slow.next)]
        faces -= blocked


@pytest.mark.slow
def test_reservations_are_those_of_the_paper_s_recursion():
    """Broken by a swap that isn't refused, by who keeps what it couldn't get, and by who drives too soon."""
    draw = np.random.default_rng(11)
    for _ in range(120):
        letters = draw.choice(list(".x@"), (4, 5), p=(0.6, 0.25, 0.15))
        place = FloorView(letters == "@", letters == ".")
        cells = draw.permutation(np.flatnonzero(~place.blocked))
        robots = min(int(draw.integers(2, 12)), len(cells))
        cell = cells[:robots].astype(np.int32)
        loaded = draw.random((1, robots)) < 0.3
        standing = np.where((letters == "x").ravel() & (draw.random(20) < 0.7), 0, NOTHING)
        standing[cell[loaded[0]]] = 1
        view = view_of(
            place,
            cell.tolist(),
            draw.integers(0, 4, robots).tolist(),
            draw.choice(cells, robots).tolist(),
            loaded=loaded,
            online=draw.random(robots) < 0.9,
            standing=standing[None].astype(np.int32),
        )
        order, scenes = draw.permutation(robots).tolist(), Scenes(place, robots, 1)
        slow = Slow(place, scenes, view, order)
        slow.run()
        reserved, actions = make_reserved(robots, 20), np.zeros(robots, np.uint8)
        plan(scenes.road, slow.scene, reserved, actions)
        there = neighbours_of(place.blocked)
        chosen = [int(c if s < 0 else there[c, s]) for c, s in zip(cell, reserved.side, strict=True)]
        assert chosen == [slow.next[n] for n in range(robots)]
        driven = there[cell, view.heading[0]]
        after = np.where(actions == FORWARD, driven, cell).tolist()
        assert after == moved(slow)
