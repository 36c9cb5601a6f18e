"""BenchMARL's part of `fleet bench peers`: IPPO with parameters of its own for each agent.

Runs in an environment that has BenchMARL and no fleet: `python -P peer_benchmarl.py JSON`. The environment costs next
to nothing: observations drawn once for all copies and agents. `groups` of agents: BenchMARL stacks the agents of a
group in one network, with one loss, optimizer and clipped gradient norm; as many groups as agents have one each.
"""

import ctypes
import json
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from importlib import metadata
from itertools import pairwise
from typing import Any

import torch
from benchmarl.algorithms import IppoConfig
from benchmarl.environments.common import TaskClass
from benchmarl.experiment import Callback, Experiment, ExperimentConfig
from benchmarl.models.mlp import MlpConfig
from tensordict import TensorDict
from torchrl.data import Categorical, Composite, Unbounded
from torchrl.envs import EnvBase

_PR_SET_PDEATHSIG = 1
_POOL = 16


class Free(EnvBase):
    """Drawn observations, a reward of 1, an end every `episode` steps; what the agents do is not looked at."""

    def __init__(self, order: dict[str, Any], copies: int) -> None:
        super().__init__(device="cpu", batch_size=torch.Size([copies]))
        self._groups, self._episode, self._number = groups(order), order["episode"], 0
        self._step_of = torch.zeros(copies, 1, dtype=torch.int64)
        self._no = torch.zeros(copies, 1, dtype=torch.bool)
        drawn = torch.Generator().manual_seed(0)
        self._pool, self._rewards = {}, {}
        observation, action, reward = {}, {}, {}
        for name, agents in self._groups.items():
            shape = (copies, len(agents))
            inputs = (*shape, order["observations"])
            self._pool[name] = torch.rand((_POOL, *inputs), generator=drawn) * 2 - 1
            self._rewards[name] = torch.ones(*shape, 1)
            observation[name] = Composite(observation=Unbounded(inputs), shape=shape)
            action[name] = Composite(action=Categorical(order["actions"], shape=shape), shape=shape)
            reward[name] = Composite(reward=Unbounded((*shape, 1)), shape=shape)
        self.observation_spec = Composite(observation, shape=(copies,))
        self.action_spec = Composite(action, shape=(copies,))
        self.reward_spec = Composite(reward, shape=(copies,))
        flag = Categorical(2, shape=(copies, 1), dtype=torch.bool)
        self.done_spec = Composite(done=flag, terminated=flag.clone(), truncated=flag.clone(), shape=(copies,))

    def _reset(self, tensordict: TensorDict | None = None, **_: Any) -> TensorDict:
        which = None if tensordict is None else tensordict.get("_reset", None)
        if which is None:
            self._step_of.zero_()
        else:
            self._step_of[which.view(-1)] = 0
        return TensorDict({**self._of_groups(rewarded=False), **self._ends(self._no)}, batch_size=self.batch_size)

    def _step(self, tensordict: TensorDict) -> TensorDict:
        self._number += 1
        self._step_of += 1
        ends = self._ends(self._step_of >= self._episode)
        return TensorDict({**self._of_groups(rewarded=True), **ends}, batch_size=self.batch_size)

    def _of_groups(self, *, rewarded: bool) -> dict[str, TensorDict]:
        now = self._number % _POOL
        return {
            name: TensorDict(
                {"observation": pool[now], **({"reward": self._rewards[name]} if rewarded else {})},
                batch_size=pool.shape[1:3],
            )
            for name, pool in self._pool.items()
        }

    def _ends(self, truncated: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"done": truncated, "truncated": truncated.clone(), "terminated": self._no.clone()}

    def _set_seed(self, seed: int | None) -> None:
        """Nothing is drawn after the start."""


class FreeTask(TaskClass):
    """Tells BenchMARL about it."""

    def get_env_fun(self, num_envs: int, continuous_actions: bool, seed: int | None, device: Any) -> Callable[[], Free]:
        """Makes the environment."""
        return lambda: Free(self.config, num_envs)

    def supports_continuous_actions(self) -> bool:
        """It doesn't."""
        return False

    def supports_discrete_actions(self) -> bool:
        """It does."""
        return True

    def max_steps(self, env: Free) -> int:
        """Steps of an evaluation's episode; none is played."""
        return int(self.config["episode"])

    def has_render(self, env: Free) -> bool:
        """It hasn't."""
        return False

    def group_map(self, env: Free) -> dict[str, list[str]]:
        """Agents by group."""
        return groups(self.config)

    def observation_spec(self, env: Free) -> Composite:
        """Of one copy."""
        return env.observation_spec_unbatched

    def action_spec(self, env: Free) -> Composite:
        """Of one copy."""
        return env.full_action_spec_unbatched

    def state_spec(self, env: Free) -> None:
        """None."""

    def info_spec(self, env: Free) -> None:
        """None."""

    def action_mask_spec(self, env: Free) -> None:
        """None."""

    @staticmethod
    def env_name() -> str:
        """Its name in logs."""
        return "free"


class Enough(Exception):  # noqa: N818 - the one way out of BenchMARL's loop before its last round
    """The time is spent."""


class Clock(Callback):
    """Notes when each round's update was done, and how many samples of an agent the round had.

    Raises Enough once another round like the last measured one would end after the order's `seconds`.
    """

    def __init__(self, order: dict[str, Any]) -> None:
        super().__init__()
        self.ended: list[float] = []
        self.samples = self.gradient_steps = 0
        self._last_group = list(groups(order))[-1]
        self._deadline, self._least = order["began"] + order["seconds"], order["warm"] + 1

    def on_batch_collected(self, batch: TensorDict) -> None:
        """Before an update."""
        self.samples = batch.numel()

    def on_train_end(self, training_td: TensorDict, group: str) -> None:
        """After a group's update."""
        self.gradient_steps = training_td.shape[0]
        if group != self._last_group:
            return
        self.ended.append(time.monotonic())
        if len(self.ended) > self._least and 2 * self.ended[-1] - self.ended[-2] > self._deadline:
            raise Enough


def groups(order: dict[str, Any]) -> dict[str, list[str]]:
    """The agents' names by group."""
    size = order["agents"] // order["groups"]
    return {f"group_{g}": [f"agent_{g * size + i}" for i in range(size)] for g in range(order["groups"])}


def experiment(order: dict[str, Any], clock: Clock) -> Experiment:
    """IPPO as the order has it. A frame is a step of the environment, so one sample of each agent."""
    config = ExperimentConfig.get_from_yaml()
    config.share_policy_params = config.prefer_continuous_actions = False
    config.on_policy_collected_frames_per_batch = order["copies"] * order["steps"]
    config.on_policy_n_envs_per_worker = order["copies"]
    config.on_policy_n_minibatch_iters = order["epochs"]
    config.on_policy_minibatch_size = order["minibatch"]
    config.max_n_iters, config.max_n_frames = order["warm"] + order["rounds"], None
    config.lr, config.adam_eps, config.gamma = order["learning_rate"], order["adam_eps"], order["gamma"]
    config.clip_grad_norm, config.clip_grad_val = True, order["max_grad_norm"]
    config.loggers, config.create_json, config.evaluation, config.render = [], False, False, False
    config.save_folder = order["folder"]
    ippo = IppoConfig.get_from_yaml()
    ippo.share_param_critic = False
    ippo.lmbda, ippo.clip_epsilon = order["gae_lambda"], order["clip_coef"]
    ippo.critic_coef, ippo.entropy_coef = order["value_coef"], order["entropy_coef"]
    activation = {"tanh": torch.nn.Tanh, "relu": torch.nn.ReLU}[order["activation"]]
    network = MlpConfig(num_cells=order["hidden"], layer_class=torch.nn.Linear, activation_class=activation)
    return Experiment(
        task=FreeTask("free", order),
        algorithm_config=ippo,
        model_config=network,
        critic_model_config=network,
        seed=0,
        config=config,
        callbacks=[clock],
    )


def measure(order: dict[str, Any]) -> dict[str, Any]:
    """Rates of the rounds after `warm`, until `rounds` or the time are spent."""
    clock = Clock(order)
    with suppress(Enough):
        experiment(order, clock).run()
    spent = [after - before for before, after in pairwise(clock.ended)][order["warm"] - 1 :]
    return {
        "rates": [order["agents"] * clock.samples / seconds for seconds in spent],
        "first_update_s": clock.ended[0] - order["began"],
        "checked": f"{clock.samples:,} samples per agent and update, {clock.gradient_steps} gradient steps",
        "versions": {name: metadata.version(name) for name in ("benchmarl", "torchrl", "tensordict", "torch")},
    }


def main(text: str) -> None:
    """Measure, in this process alone."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    order = json.loads(text)
    torch.set_num_threads(order["threads"])
    print(json.dumps(measure(order)), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
