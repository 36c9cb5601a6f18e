"""What a learner remembers of its rollouts, to learn from more than once: steps of R robots side by side.

A ring of rows, each one copy of the world at one time. What a step led to stands in the row behind it, so that no
observation is kept twice: behind the last step of each copy of a rollout there is a row that only holds what was seen
then, and so there is behind a step that cut an episode off, with what it ended in. No step begins in such a row.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from fleet.core.spec import Array, RolloutBatch, WorldSpec
from learners.protocol import LearnerError, WrongWeights

Rows = dict[str, npt.NDArray[Any]]
PREFIX = "replay."
"""Of the names of its arrays in a checkpoint."""


class Transitions(NamedTuple):
    """B steps of R robots, and what followed. A robot that was offline isn't `present`, and its other numbers are 0.

    obs and next_obs (B, R, D) in the world's dtype; actions uint8, rewards f32, terminated and present bool, all
    (B, R); versions int64 (B,), the learner's when it remembered them. `lengths` int64 (B,): so many steps from the
    drawn one on are in it: rewards are their discounted sum, and next_obs and terminated those of the last. Where an
    episode was terminated, next_obs is already the next one's.
    """

    obs: Array
    actions: npt.NDArray[np.uint8]
    rewards: npt.NDArray[np.float32]
    terminated: npt.NDArray[np.bool_]
    present: npt.NDArray[np.bool_]
    next_obs: Array
    versions: npt.NDArray[np.int64]
    lengths: npt.NDArray[np.int64]


class Forgotten(NamedTuple):
    """What a rollout has overwritten."""

    places: npt.NDArray[np.int64]
    rows: Rows
    head: int
    filled: int


class Replay:
    """The newest `capacity` rows of rollouts of `robots`, or of some of them. All memory is taken when it is needed."""

    def __init__(self, capacity: int, robots: Sequence[int], spec: WorldSpec) -> None:
        self._capacity, self._features = capacity, spec.observation_size
        self._places = {robot: place for place, robot in enumerate(robots)}
        self._rows = _empty(capacity, len(robots), spec.observation_size, spec.observation_dtype)
        self._head = self._filled = 0

    @property
    def filled(self) -> int:
        """Rows that hold something."""
        return self._filled

    @property
    def steps(self) -> int:
        """Steps that can be drawn."""
        return int(np.count_nonzero(self._rows["begins"][: self._filled]))

    def add(self, rollout: RolloutBatch, version: int) -> Forgotten:
        """Remember a rollout that was checked (rollouts.py), forgetting the oldest rows; `forget` takes it back.

        Raises LearnerError, with nothing changed, if it is of a robot that isn't ours.
        """
        strangers = [robot for robot in rollout.robots if robot not in self._places]
        if strangers:
            raise LearnerError(f"rollout: robot {strangers[0]}; allowed are {', '.join(map(str, self._places))}")
        fresh = self._laid_out(rollout, version)
        count = min(len(fresh["begins"]), self._capacity)
        places = (self._head + np.arange(count)) % self._capacity
        before = Forgotten(places, {name: rows[places] for name, rows in self._rows.items()}, self._head, self._filled)
        for name, rows in self._rows.items():
            rows[places] = fresh[name][-count:]
        self._head = (self._head + count) % self._capacity
        self._filled = min(self._filled + count, self._capacity)
        return before

    def forget(self, before: Forgotten) -> None:
        """Be as before that rollout was added, which is the newest."""
        for name, rows in self._rows.items():
            rows[before.places] = before.rows[name]
        self._head, self._filled = before.head, before.filled

    def sample(self, rng: np.random.Generator, count: int, n_step: int = 1, gamma: float = 1.0) -> Transitions:
        """Draw `count` steps, each as likely as any other, with replacement; copies.

        Each with up to `n_step` - 1 that followed it in the same copy, discounted by `gamma`: none after one in which
        an episode of any of the robots ended, and none of the next rollout, which may be of other robots.
        """
        begins = np.flatnonzero(self._rows["begins"][: self._filled])
        drawn = begins[rng.integers(len(begins), size=count)]
        rows, last = self._rows, drawn.copy()
        rewards = rows["rewards"][drawn].astype(np.float64)
        for k in range(1, n_step):
            behind = (last + 1) % self._capacity
            # a rollout's last row is no step: the walk never gets from the newest to the oldest, which is behind it
            goes_on = (last == (drawn + k - 1) % self._capacity) & rows["begins"][behind]
            goes_on &= ~rows["terminated"][last].any(1)
            last = np.where(goes_on, behind, last)
            rewards += gamma**k * goes_on[:, None] * rows["rewards"][last]
        return Transitions(
            obs=rows["obs"][drawn],
            actions=rows["actions"][drawn],
            rewards=rewards.astype(np.float32),
            terminated=rows["terminated"][last],
            present=rows["present"][drawn],
            next_obs=rows["obs"][(last + 1) % self._capacity],
            versions=rows["versions"][drawn],
            lengths=(last - drawn) % self._capacity + 1,
        )

    def save(self) -> tuple[dict[str, Array], dict[str, int]]:
        """Copies of the rows that hold something, and where the next one goes."""
        return {PREFIX + name: rows[: self._filled].copy() for name, rows in self._rows.items()}, {"head": self._head}

    def check(self, arrays: Mapping[str, Array], meta: object) -> None:
        """Raise WrongWeights unless a memory of this capacity, of as many robots, has given these with `save`."""
        found = {name: array for name, array in arrays.items() if name.startswith(PREFIX)}
        begins = found.get(PREFIX + "begins")
        filled = 0 if begins is None else len(begins)
        if filled > self._capacity:
            raise WrongWeights(f"a checkpoint that remembers {filled} steps; allowed are {self._capacity}")
        for name, rows in self._rows.items():
            array, wanted = found.pop(PREFIX + name, None), (filled, *rows.shape[1:])
            if array is None or array.shape != wanted or array.dtype != rows.dtype:
                got = "missing" if array is None else f"{array.dtype} {array.shape}"
                raise WrongWeights(f"memory of another learner: {name} is {got}; wanted {rows.dtype} {wanted}")
            if array.dtype.kind == "f" and not np.isfinite(array).all():
                raise WrongWeights(f"memory: {name} is not finite everywhere")
        if found:
            raise WrongWeights(f"memory of another learner: not wanted {sorted(found)}")
        head = meta.get("head") if isinstance(meta, dict) else None
        allowed = range(self._capacity) if filled == self._capacity else (filled,)
        if type(head) is not int or head not in allowed:
            raise WrongWeights(f"a checkpoint that remembers {filled} steps and goes on at {head!r}")

    def restore(self, arrays: Mapping[str, Array], meta: Mapping[str, int]) -> None:
        """Go on from what `save` gave, once `check` has passed it."""
        self._filled, self._head = len(arrays[PREFIX + "begins"]), meta["head"]
        for name, rows in self._rows.items():
            rows[: self._filled] = arrays[PREFIX + name]

    def _laid_out(self, rollout: RolloutBatch, version: int) -> Rows:
        """A rollout as rows, copy after copy."""
        _, times, copies, _ = rollout.obs.shape
        cut = rollout.truncated & ~rollout.terminated
        any_cut = cut.any(0)
        extra = np.zeros((times, copies), np.int64)  # rows put in before each time
        np.cumsum(any_cut, 0, out=extra[1:])
        lengths = times + extra[-1]
        at = lengths.cumsum() - lengths + np.arange(times)[:, None] + extra  # each time's row (T+1, E)
        steps, ours = at[:-1], np.array([self._places[robot] for robot in rollout.robots])
        rows = _empty(int(lengths.sum()), len(self._places), self._features, rollout.obs.dtype)
        rows["obs"][at[..., None], ours] = rollout.obs.transpose(1, 2, 0, 3)
        for name in ("actions", "rewards", "terminated"):
            rows[name][steps[..., None], ours] = getattr(rollout, name).transpose(1, 2, 0)
        rows["present"][:, ours] = True
        rows["begins"][steps] = True
        rows["versions"][:] = version
        t, e = np.nonzero(any_cut)
        # those who weren't cut off with the others see there what they saw next
        rows["obs"][steps[t, e][:, None] + 1, ours] = rollout.obs[:, t + 1, e].swapaxes(0, 1)
        r, t, e = np.nonzero(cut)
        rows["obs"][steps[t, e] + 1, ours[r]] = rollout.final_obs
        return rows


def _empty(count: int, robots: int, features: int, dtype: np.dtype[np.generic]) -> Rows:
    return {
        "obs": np.zeros((count, robots, features), dtype),
        "actions": np.zeros((count, robots), np.uint8),
        "rewards": np.zeros((count, robots), np.float32),
        "terminated": np.zeros((count, robots), np.bool_),
        "present": np.zeros((count, robots), np.bool_),
        "begins": np.zeros(count, np.bool_),
        "versions": np.zeros(count, np.int64),
    }
