"""Value decomposition: VDN (Sunehag et al. 2018) and QMIX (Rashid et al. 2018), one learner for all robots; and IQL.

Off-policy: rollouts go into a memory, and each update makes gradient steps on what is drawn from it. What it learns is
the value of the joint action, made up of values of each robot's own, by which that robot then acts. Independent
Q-learning (Tan 1993, here double DQN) is that of a team of one: its value is the sum, and its reward the mean.
"""

from collections.abc import Mapping
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from fleet.core import seeds
from fleet.core.config import Config
from fleet.core.spec import Array, RolloutBatch, WorldSpec
from learners import fingerprint
from learners.adam import Adam
from learners.autograd import clip_
from learners.diagnostics import ghost_gap
from learners.normalize import Normalizer
from learners.protocol import F32, LearnerError, Meta, Tick, WrongWeights, expect
from learners.replay import PREFIX, Replay
from learners.rollouts import check, owned
from learners.schedule import exploration, forgiveness, learning_rate
from learners.team import Team, batch_of, goals, loss

_STEP_FIGURES = ("td_loss", "q_mean", "target_mean", "grad_norm", "replay_age", "ghost_gap")


class Values:
    """One learner. `parameters` is the flat vector of the networks and the mixer, `target` an older copy of it."""

    def __init__(self, config: Config, spec: WorldSpec, learner: int) -> None:
        assert config.learner.by_values
        mixes: Literal["vdn", "qmix"] = "qmix" if config.learner.algorithm == "qmix" else "vdn"
        self.settings, self.replaying = config.learner, config.replay
        self.version = 0
        self._spec, self._learner, self._seed = spec, learner, config.run.seed
        self._horizon = config.learner.lr_horizon or config.run.rounds
        robots, extra = config.groups(spec.robots)[learner], fingerprint.SIZE * config.replay.fingerprint
        self._frozen = learner in config.frozen_learners(spec.robots)
        self.team = Team(mixes, spec, config.network, robots, separate=config.own_weights, extra=extra)
        self.parameters = self.team.initial(config.run.seed, learner)
        self.target = self.parameters.clone()
        self.memory = Replay(config.replay.capacity, robots, spec)
        self._adam = Adam(self.parameters.numel(), config.learner.adam_eps)
        self._normalizer = Normalizer(config.network.observation_scaling, spec.bound)

    def update(self, rollout: RolloutBatch, tick: Tick | None = None) -> dict[str, float]:
        """Remember a rollout, then `steps_per_update` gradient steps. See `Learner.update`.

        Before `warmup` steps are remembered there are none. `td_loss`, `q_mean`, `target_mean`, `grad_norm`,
        `replay_age` (in updates) and `ghost_gap` are means over gradient steps; `explore` is the share of random
        actions that the policy before this update had.
        """
        check(rollout, self._spec)
        before = self._arrays(), self._adam.steps
        overwritten = self.memory.add(rollout, self.version)
        figures = self._descend(tick) | {
            "explore": self.explore(),
            "replay_size": float(self.memory.steps),
            "learning_rate": self.rate(),
            "reward_mean": float(rollout.rewards.mean(dtype=np.float64)),
        }
        broken = [name for name, value in figures.items() if not np.isfinite(value)]
        if broken or not self.parameters.isfinite().all():
            self._take(*before)
            self.memory.forget(overwritten)
            raise LearnerError(f"update {self.version + 1} left the finite numbers: {broken or 'the weights'}")
        # The statistics change only now: this update scaled its observations as the actors had.
        self._normalizer.take_in(rollout.obs[:, :-1])
        self.version += 1
        return figures

    def rate(self) -> float:
        """The step size of the next update."""
        return learning_rate(self.settings.learning_rate, self.settings.lr_schedule, self._horizon, self.version)

    def explore(self) -> float:
        """The share of random actions of the policy as it is. Who never learns has nothing to explore for."""
        cfg = self.replaying
        if self._frozen:
            return cfg.explore_end
        return exploration(cfg.explore_start, cfg.explore_end, cfg.explore_updates, self.version)

    def weights(self) -> dict[str, F32]:
        """See `Learner.weights`; with "explore" (), and all with a leading axis of robots if each has its own."""
        networks = {name: part for name, part in self._named_arrays().items() if name.startswith("actor")}
        return networks | self._common()

    def save(self) -> tuple[dict[str, Array], Meta]:
        """See `Learner.save`. The memory is part of it, and by far the largest."""
        remembered, where = self.memory.save()
        meta = {
            "algorithm": self.settings.algorithm,
            "version": self.version,
            "adam_steps": self._adam.steps,
            "replay": where,
        }
        return {**self._arrays(), **remembered}, meta

    def restore(self, arrays: Mapping[str, Array], meta: Meta) -> None:
        """See `Learner.restore`. Nothing has changed if it raises."""
        algorithm = self.settings.algorithm
        if meta.get("algorithm") != algorithm:
            raise WrongWeights(f"a checkpoint of algorithm {meta.get('algorithm')!r}; wanted {algorithm!r}")
        counts = [meta.get("version"), meta.get("adam_steps")]
        if not all(isinstance(count, int) and count >= 0 for count in counts):
            raise WrongWeights(f"a checkpoint with version, adam_steps = {counts}; wanted two counts")
        ours = {name: array for name, array in arrays.items() if not name.startswith(PREFIX)}
        expect(ours, self._arrays())
        self.memory.check(arrays, meta.get("replay"))
        self._take(ours, meta["adam_steps"])
        self._normalizer.restore(ours)
        self.memory.restore(arrays, meta["replay"])
        self.version = meta["version"]

    def start_from(self, arrays: Mapping[str, Array]) -> None:
        """See `Learner.start_from`. Where observations were scaled otherwise, the networks' first layers are refitted.

        A mixer is taken over as it is, so QMIX goes on only from the same `observation_scaling`. Fingerprints aren't
        taken over: they are of times of that run. The networks act as they last did there, and learn them anew.
        """
        ours: dict[str, Array] = {**self._named_arrays(), **self._normalizer.save(), **self._common()}
        ours = {name: array for name, array in ours.items() if name not in fingerprint.NAMES}
        theirs = {name: arrays[name] for name in ours if name in arrays}
        expect(theirs, ours)
        if self.team.separate:  # one scaling for all robots, as `weights` gives it
            theirs |= {name: theirs[name][0] for name in ("obs.mean", "obs.scale")}
        adopted = self._normalizer.adopt(theirs, ("actor.0",))
        self._take_networks(fingerprint.begun(adopted) if self.replaying.fingerprint else adopted)
        self.target.copy_(self.parameters)

    def _descend(self, tick: Tick | None) -> dict[str, float]:
        """The gradient steps of one update, and their mean figures."""
        if self.memory.filled < self.replaying.warmup:
            return dict.fromkeys(_STEP_FIGURES, 0.0)
        rng = seeds.generator(self._seed, "replay", self._learner, self.version)
        rate, figures = self.rate(), []
        for _ in range(self.replaying.steps_per_update):
            figures.append(self._step(rng, rate))
            if tick is not None:
                tick()
        return dict(zip(_STEP_FIGURES, np.mean(figures, axis=0).tolist(), strict=True))

    def _step(self, rng: np.random.Generator, rate: float) -> list[float]:
        """One gradient step of size `rate`: its _STEP_FIGURES."""
        cfg = self.replaying
        drawn = self.memory.sample(rng, cfg.batch, cfg.n_step, self.settings.gamma)
        batch = batch_of(drawn, self._normalizer, self._prints(drawn.versions) if cfg.fingerprint else None)
        wanted = goals(self.team, self.parameters, self.target, batch, self.settings.gamma, double=cfg.double)
        leaf = self.parameters.detach().requires_grad_()
        total, (error, joint, errors) = loss(self.team, leaf, batch, wanted, cfg.huber, self._falling(rng))
        (gradient,) = torch.autograd.grad(total, leaf)
        norm = clip_(gradient, self.settings.max_grad_norm)
        self._adam.step(self.parameters, gradient, rate)
        if self._adam.steps % cfg.target_every == 0:
            self.target.copy_(self.parameters)
        age = float((self.version - drawn.versions).mean())
        gap = ghost_gap(errors.numpy(), drawn.versions)
        return [*torch.stack([error, joint, wanted.mean(), norm]).tolist(), age, gap]

    def _falling(self, rng: np.random.Generator) -> Tensor | float:
        """How much errors count by which values are to fall: a number, or of each step of a batch whether it does."""
        cfg = self.replaying
        if cfg.leniency == 0:
            return cfg.hysteresis
        return owned(rng.random(cfg.batch) >= forgiveness(cfg.leniency, cfg.leniency_decay, self.version))

    def _prints(self, versions: npt.NDArray[np.int64]) -> F32:
        return fingerprint.fingerprints(versions, self.replaying, self._horizon)

    def _arrays(self) -> dict[str, Array]:
        """All of `save` but the memory. What the actors need is there as `weights` has it."""
        return {
            **self._named_arrays(),
            **self._normalizer.save(),
            **self._common(),
            "target": self.target.numpy().copy(),
            "adam.m": self._adam.m.numpy().copy(),
            "adam.v": self._adam.v.numpy().copy(),
        }

    def _common(self) -> dict[str, F32]:
        """What all robots' policies have in common, once for each robot if each has a network of its own."""
        scaling = {"obs.mean": self._normalizer.mean, "obs.scale": self._normalizer.scale}
        common = scaling | {"explore": np.array(self.explore(), np.float32)}
        leading = (len(self.team.robots),) if self.team.separate else ()
        return {name: np.broadcast_to(one, leading + one.shape).copy() for name, one in common.items()}

    def _named_arrays(self) -> dict[str, F32]:
        """All parts by name, the actors' as they are published."""
        parts = {name: part.numpy().copy() for name, part in self.team.named(self.parameters).items()}
        if not self.replaying.fingerprint:
            return parts
        (now,) = self._prints(np.array([self.version]))
        return fingerprint.folded(parts, now)

    def _take_networks(self, arrays: Mapping[str, Array]) -> None:
        whole = fingerprint.unfolded(arrays) if self.replaying.fingerprint else arrays
        for name, part in self.team.named(self.parameters).items():
            part.copy_(owned(whole[name]))

    def _take(self, arrays: Mapping[str, Array], adam_steps: int) -> None:
        """What gradient steps change, as `_arrays` gave it."""
        self._take_networks(arrays)
        self.target.copy_(owned(arrays["target"]))
        self._adam.m.copy_(owned(arrays["adam.m"]))
        self._adam.v.copy_(owned(arrays["adam.v"]))
        self._adam.steps = adam_steps
