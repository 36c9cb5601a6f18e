"""Independent PPO (Schulman et al. 2017; de Witt et al. 2020): one robot's learner, alone with its own rollouts.

Rollouts come from the environment server, weights go back to it; values are computed here, by the critic as it stands
when the rollout arrives. Several robots in one rollout (shared parameters) are simply more samples.
"""

from collections.abc import Mapping
from functools import partial
from typing import NamedTuple

import numpy as np
from torch import Tensor

from fleet.core import seeds
from fleet.core.config import Config
from fleet.core.spec import Array, RolloutBatch, WorldSpec
from learners.adam import Adam
from learners.descent import make_descent
from learners.diagnostics import explained_variance, step_means
from learners.network import ActorCritic, initial_parameters, named
from learners.normalize import Normalizer
from learners.passes import passes
from learners.protocol import F32, LearnerError, Meta, Tick, WrongWeights, expect
from learners.returns import gae
from learners.rollouts import check, owned
from learners.room import Room
from learners.schedule import learning_rate


class Inside(NamedTuple):
    """What an update of a learner changes besides its version; itself, no copies."""

    network: ActorCritic
    parameters: Tensor
    adam: Adam
    normalizer: Normalizer


class Ippo:
    """One learner. `parameters` is the flat vector of actor and critic. Learners that take turns may share `room`."""

    def __init__(self, config: Config, spec: WorldSpec, learner: int, room: Room | None = None) -> None:
        self.settings = config.learner
        self.version = 0
        self._spec, self._learner, self._seed = spec, learner, config.run.seed
        self._horizon = config.learner.lr_horizon or config.run.rounds
        self._network = ActorCritic(spec, config.network)
        self.parameters = initial_parameters(self._network.shapes, seeds.stream(config.run.seed, "init", learner))
        self._adam = Adam(self.parameters.numel(), config.learner.adam_eps)
        self._normalizer = Normalizer(config.network.observation_scaling, spec.bound)
        inside = (self._network, self.parameters, self._adam, self._normalizer)
        self._descent = make_descent(config, spec, *inside, Room() if room is None else room)

    def update(self, rollout: RolloutBatch, tick: Tick | None = None) -> dict[str, float]:
        """`epochs` passes over one rollout. See `Learner.update`; the diagnostics are means over gradient steps."""
        check(rollout, self._spec)
        before = self.save()
        values, advantages, returns = self.targets(rollout)
        self._descent.begin(rollout, values, advantages, returns)
        rate = self.rate()
        steps = passes(self.settings, self.orders(), advantages.size, partial(self._descent.step, rate=rate), tick)
        figures = step_means(steps)
        figures |= {
            "explained_variance": explained_variance(values[:, :-1], returns),
            "learning_rate": rate,
            "reward_mean": float(rollout.rewards.mean(dtype=np.float64)),
        }
        broken = [name for name, value in figures.items() if not np.isfinite(value)]
        if broken or not self.parameters.isfinite().all():
            self.restore(*before)
            raise LearnerError(f"update {self.version + 1} left the finite numbers: {broken or 'the weights'}")
        # The statistics change only now: this update scaled its observations as the actor had.
        self._normalizer.take_in(rollout.obs[:, :-1])
        self.version += 1
        return figures

    def targets(self, rollout: RolloutBatch) -> tuple[F32, F32, F32]:
        """The critic's values (R, T+1, E) of what was seen; advantages and returns, both (R, T, E)."""
        values, final_values = self._descent.values(rollout)
        advantages, returns = gae(
            np.asarray(rollout.rewards, np.float32),
            rollout.terminated,
            rollout.truncated,
            values,
            final_values,
            self.settings.gamma,
            self.settings.gae_lambda,
        )
        return values, advantages, returns

    def rate(self) -> float:
        """The step size of the next update."""
        return learning_rate(self.settings.learning_rate, self.settings.lr_schedule, self._horizon, self.version)

    def orders(self) -> np.random.Generator:
        """What draws the order of the samples in each epoch of the next update."""
        return seeds.generator(self._seed, "minibatch", self._learner, self.version)

    def inside(self) -> Inside:
        """For an update that is made elsewhere (stacked.py)."""
        return Inside(self._network, self.parameters, self._adam, self._normalizer)

    def weights(self) -> dict[str, F32]:
        """See `Learner.weights`."""
        actor = {name: part for name, part in self._named_arrays().items() if name.startswith("actor")}
        return actor | {"obs.mean": self._normalizer.mean.copy(), "obs.scale": self._normalizer.scale.copy()}

    def save(self) -> tuple[dict[str, Array], Meta]:
        """See `Learner.save`."""
        arrays: dict[str, Array] = {**self._named_arrays(), **self._normalizer.save()}
        arrays |= {"adam.m": self._adam.m.numpy().copy(), "adam.v": self._adam.v.numpy().copy()}
        return arrays, {"algorithm": "ippo", "version": self.version, "adam_steps": self._adam.steps}

    def restore(self, arrays: Mapping[str, Array], meta: Meta) -> None:
        """See `Learner.restore`."""
        if meta.get("algorithm") != "ippo":
            raise WrongWeights(f"a checkpoint of algorithm {meta.get('algorithm')!r}; wanted 'ippo'")
        counts = [meta.get("version"), meta.get("adam_steps")]
        if not all(isinstance(count, int) and count >= 0 for count in counts):
            raise WrongWeights(f"a checkpoint with version, adam_steps = {counts}; wanted two counts")
        expect(arrays, self.save()[0])
        self._take_networks(arrays)
        self._normalizer.restore(arrays)
        self._adam.m.copy_(owned(arrays["adam.m"]))
        self._adam.v.copy_(owned(arrays["adam.v"]))
        self.version, self._adam.steps = int(meta["version"]), int(meta["adam_steps"])

    def start_from(self, arrays: Mapping[str, Array]) -> None:
        """See `Learner.start_from`. Where observations were scaled otherwise, the first layers are refitted."""
        ours: dict[str, Array] = {**self._named_arrays(), **self._normalizer.save()}
        theirs = {name: arrays[name] for name in ours if name in arrays}
        expect(theirs, ours)
        self._take_networks(self._normalizer.adopt(theirs, self._network.first_layers))

    def _named_arrays(self) -> dict[str, F32]:
        return {name: part.numpy().copy() for name, part in named(self.parameters, self._network.shapes).items()}

    def _take_networks(self, arrays: Mapping[str, Array]) -> None:
        for name, part in named(self.parameters, self._network.shapes).items():
            part.copy_(owned(arrays[name]))
