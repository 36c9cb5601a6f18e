"""Learners of several robots in one process, each alone with its own rollouts: as many learners as there are robots.

To the process they are one learner, with one version, one rollout and one checkpoint. Inside, the member of robot r is
what learner r would be in a process of its own, bit for bit: nothing is shared but the process.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from statistics import fmean

import numpy as np

from fleet.core.spec import Array, RolloutBatch, WorldSpec
from learners.ippo import Ippo
from learners.protocol import F32, LearnerError, Meta, Tick, WrongWeights
from learners.rollouts import check

Figures = dict[str, float]
Teach = Callable[[Sequence[Ippo], Sequence[RolloutBatch], Tick | None], list[Figures]]


class Packed:
    """One process's learners, by robot. `teach` updates some of them, one rollout each, all or none."""

    def __init__(self, members: Mapping[int, Ippo], spec: WorldSpec, teach: Teach) -> None:
        self._members, self._spec, self._teach = dict(members), spec, teach
        self._version = 0

    @property
    def version(self) -> int:
        """Updates of the pack; a member whose robot was offline has made fewer.

        Set, it takes the members along: it is set to number on from policies that are lost, and so do they.
        """
        return self._version

    @version.setter
    def version(self, version: int) -> None:
        for member in self._members.values():
            member.version += version - self._version
        self._version = version

    def update(self, rollout: RolloutBatch, tick: Tick | None = None) -> Figures:
        """Update the members whose robots are in the rollout. See `Learner.update`; the diagnostics are their means."""
        check(rollout, self._spec)
        strangers = [robot for robot in rollout.robots if robot not in self._members]
        if strangers:
            raise LearnerError(f"rollout: robot {strangers[0]}; allowed are {', '.join(map(str, self._members))}")
        members = [self._members[robot] for robot in rollout.robots]
        figures = self._teach(members, apart(rollout), tick)
        self._version += 1
        return {name: fmean(each[name] for each in figures) for name in figures[0]}

    def weights(self) -> dict[str, F32]:
        """See `Learner.weights`: each array with a leading axis, a place for each robot in ascending order."""
        return stacked([member.weights() for member in self._members.values()])

    def save(self) -> tuple[dict[str, Array], Meta]:
        """See `Learner.save`: arrays with a leading axis as `weights`, and the members' own counters in a list."""
        saved = [member.save() for member in self._members.values()]
        meta = {"algorithm": "ippo", "version": self.version, "members": [meta for _, meta in saved]}
        return stacked([arrays for arrays, _ in saved]), meta

    def restore(self, arrays: Mapping[str, Array], meta: Meta) -> None:
        """See `Learner.restore`. Raises WrongWeights, with nothing changed, also for a pack of another size."""
        version, counters = meta.get("version"), meta.get("members")
        if not isinstance(version, int) or version < 0:
            raise WrongWeights(f"a checkpoint with version = {version!r}; wanted a count")
        if not isinstance(counters, list) or [type(counter) for counter in counters] != [dict] * len(self._members):
            raise WrongWeights(f"a checkpoint without counters of {len(self._members)} members")
        saved = self._apart(arrays)
        before = self.save()
        try:
            for member, one, counter in zip(self._members.values(), saved, counters, strict=True):
                member.restore(one, counter)
        except WrongWeights:
            self.restore(*before)
            raise
        self._version = version

    def start_from(self, arrays: Mapping[str, Array]) -> None:
        """See `Learner.start_from`; each member takes over its own place's networks."""
        for member, one in zip(self._members.values(), self._apart(arrays), strict=True):
            member.start_from(one)

    def _apart(self, arrays: Mapping[str, Array]) -> list[dict[str, Array]]:
        """Each member's own of arrays as `save` gives them. Raises WrongWeights where their number is another."""
        for name, array in arrays.items():
            if array.shape[:1] != (len(self._members),):
                raise WrongWeights(
                    f"weights of another pack: {name} has shape {array.shape}; wanted {len(self._members)} in front"
                )
        return [{name: array[place] for name, array in arrays.items()} for place in range(len(self._members))]


def one_by_one(members: Sequence[Ippo], rollouts: Sequence[RolloutBatch], tick: Tick | None) -> list[Figures]:
    """Update each of `members` with its rollout. Raises LearnerError with nothing changed, whoever's update fails."""
    before = [member.save() for member in members]
    try:
        return [member.update(rollout, tick) for member, rollout in zip(members, rollouts, strict=True)]
    except LearnerError:
        for member, saved in zip(members, before, strict=True):
            member.restore(*saved)
        raise


def apart(rollout: RolloutBatch) -> list[RolloutBatch]:
    """The rollout of each robot alone, in order; views."""
    ends = np.count_nonzero(rollout.truncated & ~rollout.terminated, axis=(1, 2)).cumsum()
    finals = np.split(rollout.final_obs, ends[:-1])
    steps = [field.name for field in fields(rollout) if field.name not in ("robots", "final_obs")]
    return [
        RolloutBatch(
            robots=(robot,),
            final_obs=finals[place],
            **{name: getattr(rollout, name)[place : place + 1] for name in steps},
        )
        for place, robot in enumerate(rollout.robots)
    ]


def stacked(parts: Sequence[Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Arrays of the same names and shapes, by name, along a leading axis."""
    return {name: np.stack([part[name] for part in parts]) for name in parts[0]}
