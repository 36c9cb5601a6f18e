"""Our kernel against PyPI `rware` 2.0.0, number for number.

RWARE's ties between equally long chains follow networkx's ordering, so it is compared twice: with networkx's choice
replaced by ours, then free runs must agree exactly; and unchanged, then in each step RWARE must have moved one chain of
greatest length where there is a tie, and all else must agree. RWARE's draws (start cells, headings, requests) are fed
into ours through `set_state` and `draws`.
"""

from collections import Counter
from collections.abc import Callable

import networkx as nx
import numpy as np
import pytest
from rware.warehouse import RewardType
from rware.warehouse import Warehouse as Rware

from env_server.warehouse.floor import grid
from env_server.warehouse.presets import PRESETS
from env_server.warehouse.state import DOWN, FORWARD, LEFT, RIGHT, TOGGLE, UP
from env_server.warehouse.world import Warehouse
from fleet.core.config.world import WorldConfig

REWARDS = {
    "individual": RewardType.INDIVIDUAL,
    "global": RewardType.GLOBAL,
    "two-stage": RewardType.TWO_STAGE,
}
CRAMPED = ".g.g.\n.xxx.\n.xxx.\n....."
ONE_LANE = "g....\nxxxx.\n.....\n.xxxx\n....g"
OPEN = "g.......\n........\n..xx.x..\n..xx.x..\n........\n.......g"


def our_longest_path(component: nx.DiGraph) -> list[tuple[int, int]]:
    """The longest chain of a component, ties told by the direction of entry; nodes are (column, row), as RWARE's."""
    depth: dict[tuple[int, int], int] = {}
    best: dict[tuple[int, int], tuple[int, int] | None] = {}
    for node in nx.topological_sort(component):
        entrants = sorted(component.pred[node], key=lambda one: (-depth[one], entry(one, node)))
        best[node] = entrants[0] if entrants else None
        depth[node] = depth[entrants[0]] + 1 if entrants else 1
    node = max(depth, key=lambda one: depth[one])
    path = [node]
    while (behind := best[path[0]]) is not None:
        path.insert(0, behind)
    return path


def entry(source: tuple[int, int], target: tuple[int, int]) -> int:
    """The heading with which one gets from a cell (column, row) into the one beside it."""
    step = (target[0] - source[0], target[1] - source[1])
    return {(0, -1): UP, (0, 1): DOWN, (-1, 0): LEFT, (1, 0): RIGHT}[step]


class Draws:
    """Stands in for RWARE's generator and keeps the requests that it draws."""

    def __init__(self, generator: np.random.Generator) -> None:
        self.generator = generator
        self.drawn: list[int] = []

    def choice(self, candidates: list, **options: object) -> object:
        chosen = self.generator.choice(candidates, **options)
        if not options:
            self.drawn.append(chosen.id - 1)
        return chosen


class Pair:
    """E copies of ours beside E of RWARE's, on the same floor under the same rules."""

    def __init__(self, ours: WorldConfig, theirs: Callable[[], Rware], seed: int) -> None:
        self.world = Warehouse(ours)
        spec = self.world.spec
        self.obs = np.zeros((spec.robots, spec.worlds, spec.observation_size), spec.observation_dtype)
        self.world.reset(0, self.obs)
        self.rng = np.random.default_rng(seed)
        self.envs = [theirs() for _ in range(spec.worlds)]
        self.seen: Counter[str] = Counter()
        for e, env in enumerate(self.envs):
            self.restart(env, seed * 1000 + e)
        self.sync()

    def restart(self, env: Rware, seed: int | None = None) -> None:
        if seed is None:
            env.np_random = env.np_random.generator
        env.reset(seed=seed)
        env.np_random = Draws(env.np_random)

    def theirs(self) -> dict[str, np.ndarray]:
        """RWARE's states as our arrays."""
        width = self.world.floor.width

        def cells(entities: list) -> list[int]:
            return [int(one.y * width + one.x) for one in entities]

        return {
            "cell": np.array([cells(env.agents) for env in self.envs], np.int32),
            "heading": np.array([[a.dir.value for a in env.agents] for env in self.envs], np.uint8),
            "carrying": np.array(
                [[a.carrying_shelf.id - 1 if a.carrying_shelf else -1 for a in env.agents] for env in self.envs],
                np.int32,
            ),
            "has_delivered": np.array([[a.has_delivered for a in env.agents] for env in self.envs], np.uint8),
            "shelf_cell": np.array([cells(env.shelfs) for env in self.envs], np.int32),
            "queue": np.array([[s.id - 1 for s in env.request_queue] for env in self.envs], np.int32),
            "clock": np.array([env._cur_steps for env in self.envs], np.int32),
        }

    def sync(self) -> None:
        """Set our state to RWARE's, and see that the same is then observed."""
        self.world.set_state(self.world.state() | self.theirs())
        self.world.observe(self.obs)
        theirs = [[env._make_obs(agent) for agent in env.agents] for env in self.envs]
        np.testing.assert_array_equal(self.obs, np.array(theirs).swapaxes(0, 1))

    def step(self, actions: np.ndarray, ties: list[Counter] | None = None) -> None:
        """One step of both under `actions` (N, E), and all comparisons; `ties` are ambiguous robots by copy, if any."""
        goals = self.world.floor.goals
        draws = np.full((len(self.envs), len(goals)), -1, np.int32)
        results = []
        for e, env in enumerate(self.envs):
            queue = [s.id - 1 for s in env.request_queue]
            env.np_random.drawn.clear()
            results.append(env.step(list(actions[:, e])))
            self._replay(env, queue, draws[e])
        step = self.world.step(actions, self.obs, draws)
        observed = np.where(step.truncated[:, :, None], step.final_obs, self.obs)
        done = [result[2] for result in results]
        assert not step.terminated.any()
        np.testing.assert_array_equal(step.truncated, np.broadcast_to(done, step.truncated.shape))
        tied = np.array([bool(ties and ties[e]) for e in range(len(self.envs))])
        for e, result in enumerate(results):
            if not tied[e]:
                np.testing.assert_array_equal(step.rewards[:, e], np.array(result[1]))
                np.testing.assert_array_equal(observed[:, e], np.array(result[0]))
        self.seen["rewards"] += int(np.count_nonzero(step.rewards))
        self.seen["truncated"] += sum(done)
        self._compare(~tied & ~np.array(done))
        if any(done) or tied.any():
            for env, over in zip(self.envs, done, strict=True):
                if over:
                    self.restart(env)
            self.sync()

    def _compare(self, same: np.ndarray) -> None:
        ours, theirs = self.world.state(), self.theirs()
        for name, array in theirs.items():
            np.testing.assert_array_equal(ours[name][same], array[same], err_msg=name)

    def _replay(self, env: Rware, queue: list[int], draws: np.ndarray) -> None:
        """At which goal each drawn request was drawn: RWARE visits them in order."""
        drawn = iter(env.np_random.drawn)
        for g, goal in enumerate(self.world.floor.goals):
            shelf = env.grid[1].reshape(-1)[goal] - 1
            if shelf in queue:
                draws[g] = next(drawn)
                queue[queue.index(shelf)] = int(draws[g])
        assert next(drawn, None) is None
        assert queue == [s.id - 1 for s in env.request_queue]
        self.seen["double"] += int(np.count_nonzero(draws >= 0) > 1)

    def crowd(self, style: str) -> np.ndarray:
        """Actions (N, E): `random`, mostly `forward`, or everyone to the `centre`, with loads picked up on the way."""
        shape = (self.world.spec.robots, self.world.spec.worlds)
        actions = self.rng.integers(0, 5, shape)
        if style == "forward":
            actions[self.rng.random(shape) < 0.7] = FORWARD
        elif style == "centre":
            state, floor = self.world.state(), self.world.floor
            row, column = np.divmod(state["cell"].T, floor.width)
            up = row * 2 - floor.height
            left = column * 2 - floor.width
            vertical = np.abs(up) > np.abs(left)
            wanted = np.where(vertical, np.where(up > 0, UP, DOWN), np.where(left > 0, LEFT, RIGHT))
            facing = wanted == state["heading"].T
            chosen = np.where(facing, FORWARD, np.where(self.rng.random(shape) < 0.5, 2, 3))
            actions = np.where(self.rng.random(shape) < 0.75, chosen, actions)
        actions[self.rng.random(shape) < 0.1] = TOGGLE
        return actions.astype(np.uint8)


def on_layout(
    layout: str, robots: int, reward: str, *, copies: int = 1, sight: int = 1, queue: int = 3, steps: int = 400
) -> Pair:
    return Pair(
        WorldConfig(
            layout=layout,
            robots=robots,
            worlds=copies,
            sensor_range=sight,
            reward=reward,
            request_queue=queue,
            max_steps=steps,
            stagger=False,
        ),
        lambda: Rware(0, 0, 0, robots, 0, sight, queue, None, steps, REWARDS[reward], layout=layout),
        seed=robots,
    )


def on_grid(
    columns: int, rows: int, height: int, robots: int, queue: int, reward: str, *, copies: int = 1, sight: int = 1
) -> Pair:
    return Pair(
        WorldConfig(
            shelf_columns=columns,
            shelf_rows=rows,
            column_height=height,
            robots=robots,
            worlds=copies,
            sensor_range=sight,
            reward=reward,
            request_queue=queue,
            max_steps=500,
            stagger=False,
        ),
        lambda: Rware(columns, height, rows, robots, 0, sight, queue, None, 500, REWARDS[reward]),
        seed=robots,
    )


@pytest.fixture
def our_ties(monkeypatch: pytest.MonkeyPatch) -> Counter:
    """RWARE with our rule between equally long chains; counts how often networkx would have taken another one."""
    networkx_own = nx.algorithms.dag_longest_path
    seen: Counter[str] = Counter()

    def ours(component: nx.DiGraph) -> list[tuple[int, int]]:
        path = our_longest_path(component)
        other = networkx_own(component)
        assert len(path) == len(other)
        seen["ties"] += path != other
        return path

    monkeypatch.setattr(nx.algorithms, "dag_longest_path", ours)
    return seen


def test_a_short_crowded_run_agrees(our_ties: Counter) -> None:
    pair = on_layout(CRAMPED, 7, "individual", copies=3)
    for k in range(60):
        pair.step(pair.crowd(("random", "forward", "centre")[k % 3]))
    assert our_ties["ties"] > 0


@pytest.mark.slow
@pytest.mark.parametrize("reward", list(REWARDS))
@pytest.mark.parametrize(
    ("layout", "robots", "sight"), [(CRAMPED, 8, 1), (CRAMPED, 3, 2), (ONE_LANE, 9, 1), (OPEN, 12, 2)]
)
def test_free_runs_agree_with_our_rule_of_ties(
    our_ties: Counter, layout: str, robots: int, sight: int, reward: str
) -> None:
    pair = on_layout(layout, robots, reward, sight=sight)
    for k in range(1000):
        pair.step(pair.crowd(("random", "forward", "centre", "forward")[k // 25 % 4]))
    assert pair.seen["rewards"] > 0
    assert pair.seen["truncated"] == 2
    assert our_ties["ties"] > 0 or robots == 3


@pytest.mark.parametrize("reward", list(REWARDS))
def test_a_shelf_drawn_at_the_first_goal_is_paid_at_the_second(our_ties: Counter, reward: str) -> None:
    pair = on_layout("gg.\nxx.\n...", 2, reward, queue=1)
    env = pair.envs[0]
    for column, (robot, shelf) in enumerate(zip(env.agents, env.shelfs, strict=False)):
        robot.x, robot.y, robot.carrying_shelf = column, 0, shelf
        shelf.x, shelf.y = column, 0
    env._recalc_grid()
    pair.sync()
    for _ in range(50):
        pair.step(np.zeros((2, 1), np.uint8))
    assert pair.seen["double"] >= 49


@pytest.mark.slow
@pytest.mark.parametrize("sight", [1, 2, 3, 4, 5])
def test_large_maps_agree_at_every_sensor_range(our_ties: Counter, sight: int) -> None:
    pair = on_grid(9, 5, 8, 40, 40, "global", sight=sight)
    for k in range(20):
        pair.step(pair.crowd("centre" if k % 2 else "forward"))


@pytest.mark.slow
def test_every_preset_agrees(our_ties: Counter) -> None:
    rewards = list(REWARDS)
    for k, preset in enumerate(PRESETS.values()):
        sizes = preset.shelf_columns, preset.shelf_rows, preset.column_height
        if not 0 < preset.request_queue < len(grid(*sizes).shelves):
            continue  # RWARE can't draw from these either
        pair = on_grid(*sizes, preset.robots, preset.request_queue, rewards[k % 3])
        for _ in range(8):
            pair.step(pair.crowd("random"))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "steps"),
    [
        ("rware-tiny-2ag", 2000),
        ("rware-small-4ag-hard", 1200),
        ("rware-medium-6ag-easy", 600),
        ("rware-large-8ag", 500),
    ],
)
def test_presets_agree_over_thousands_of_steps(our_ties: Counter, name: str, steps: int) -> None:
    preset = PRESETS[name]
    sizes = preset.shelf_columns, preset.shelf_rows, preset.column_height
    pair = on_grid(*sizes, preset.robots, preset.request_queue, "two-stage")
    for k in range(steps):
        pair.step(pair.crowd("forward" if k // 50 % 2 else "random"))


def ambiguous(pair: Pair, actions: np.ndarray) -> list[tuple[set[int], int, dict[int, int]]]:
    """Components of copy 0 in which chains tie: their robots, the greatest length and each robot's target cell.

    By brute force: every robot's way is followed to its end, and all chains into a free cell are measured.
    """
    state, floor = pair.world.state(), pair.world.floor
    cell, heading, carrying = state["cell"][0], state["heading"][0], state["carrying"][0]
    at = {int(c): n for n, c in enumerate(cell)}
    shelves = set(state["shelf_cell"][0].tolist())
    target: dict[int, int] = {}
    for n in range(len(cell)):
        row, column = divmod(int(cell[n]), floor.width)
        step = {UP: (-1, 0), DOWN: (1, 0), LEFT: (0, -1), RIGHT: (0, 1)}[int(heading[n])]
        row, column = row + step[0], column + step[1]
        inside = 0 <= row < floor.height and 0 <= column < floor.width
        there = row * floor.width + column
        shut = carrying[n] >= 0 and there in shelves and (there not in at or carrying[at[there]] < 0)
        if actions[n, 0] == FORWARD and inside and not shut:
            target[n] = there
    heads: dict[int, dict[int, int]] = {}
    for n in target:
        way, length = n, 1
        while target[way] in at and at[target[way]] in target and length <= len(cell):
            way, length = at[target[way]], length + 1
        if target[way] not in at:
            heads.setdefault(target[way], {})[n] = length
    found = []
    for lengths in heads.values():
        longest = max(lengths.values())
        if list(lengths.values()).count(longest) > 1:
            found.append((set(lengths), longest, target))
    return found


@pytest.mark.slow
@pytest.mark.parametrize(("layout", "robots"), [(CRAMPED, 8), (ONE_LANE, 9), (OPEN, 14)])
def test_unchanged_rware_moves_one_chain_of_greatest_length_and_agrees_elsewhere(layout: str, robots: int) -> None:
    pair = on_layout(layout, robots, "individual", steps=10_000)
    ties = differing = 0
    for k in range(1200):
        actions = pair.crowd("centre" if k // 25 % 2 else "forward")
        tied = ambiguous(pair, actions)
        before = pair.world.state()["cell"][0]
        members = set().union(*(component for component, _, _ in tied))
        watched = Watch(pair)
        pair.step(actions, [Counter(members)])
        ours, theirs = watched.ours, watched.theirs
        free = [n for n in range(robots) if n not in members]
        np.testing.assert_array_equal(ours[free], theirs[free])
        for component, longest, target in tied:
            ties += 1
            differing += bool((ours != theirs).any())
            for after in (ours, theirs):
                assert_is_chain({n for n in component if after[n] != before[n]}, longest, target, before)
    assert ties > 10
    assert differing > 0


class Watch:
    """Keeps both cells after the next step, before a tie makes the pair agree again."""

    def __init__(self, pair: Pair) -> None:
        self.ours = self.theirs = np.zeros(0, np.int32)
        compare = Pair._compare

        def keep(same: np.ndarray) -> None:
            self.ours, self.theirs = pair.world.state()["cell"][0], pair.theirs()["cell"][0]
            compare(pair, same)

        pair._compare = keep  # type: ignore[method-assign]


def assert_is_chain(moved: set[int], longest: int, target: dict[int, int], before: np.ndarray) -> None:
    """Whether the robots that moved follow one another into one free cell, and are as many as the longest chain."""
    assert len(moved) == longest
    wanted = [target[n] for n in moved]
    assert len(set(wanted)) == longest
    assert len(set(wanted) - {int(before[n]) for n in moved}) == 1
