"""RLlib's part of `fleet bench peers`: PPO on the new API stack, a policy of its own for each agent.

Runs in an environment that has Ray and no fleet: `python -P peer_rllib.py JSON`. The environment costs next to
nothing, and each of its copies hands out the same few dictionaries again and again, so what is measured is RLlib.
"""

import ctypes
import json
import os
import signal
import sys
import time
from importlib import metadata
from typing import Any

import gymnasium
import numpy as np
import ray
import torch
from ray.rllib.algorithms.ppo import PPOConfig
from ray.rllib.core.rl_module.default_model_config import DefaultModelConfig
from ray.rllib.env.multi_agent_env import MultiAgentEnv
from ray.tune.registry import register_env

_PR_SET_PDEATHSIG = 1
_POOL = 16
_NO_TIMEOUT = 1e9


class Free(MultiAgentEnv):
    """Drawn observations, a reward of 1, an end every `episode` steps; what the agents do is not looked at."""

    def __init__(self, order: dict[str, Any]) -> None:
        super().__init__()
        self.agents = self.possible_agents = names(order)
        observation = gymnasium.spaces.Box(-1.0, 1.0, (order["observations"],), np.float32)
        self.observation_spaces = dict.fromkeys(self.agents, observation)
        self.action_spaces = {name: gymnasium.spaces.Discrete(order["actions"]) for name in self.agents}
        drawn = np.random.default_rng(0).uniform(-1, 1, (_POOL, len(self.agents), order["observations"]))
        self._pool = [dict(zip(self.agents, each, strict=True)) for each in drawn.astype(np.float32)]
        self._rewards = dict.fromkeys(self.agents, 1.0)
        self._going = dict.fromkeys([*self.agents, "__all__"], False)
        self._over = dict.fromkeys([*self.agents, "__all__"], True)
        self._episode, self._step = order["episode"], 0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, Any]:
        """Begin an episode."""
        self._step = 0
        return self._pool[0], {}

    def step(self, action_dict: dict[str, int]) -> tuple[Any, Any, Any, Any, Any]:
        """Go to the next drawn observations; the time limit is a truncation."""
        self._step += 1
        truncated = self._over if self._step == self._episode else self._going
        return self._pool[self._step % _POOL], self._rewards, self._going, truncated, {}


def names(order: dict[str, Any]) -> list[str]:
    """The agents, each of which is also the name of its policy."""
    return [f"agent_{number}" for number in range(order["agents"])]


def algorithm(order: dict[str, Any]) -> PPOConfig:
    """PPO as the order has it. A batch counts steps of the environment, so as many samples of each agent."""
    runners, agents = order["runners"], names(order)
    return (
        PPOConfig()
        .environment("free", env_config=order, disable_env_checking=True)
        .env_runners(
            num_env_runners=runners,
            num_envs_per_env_runner=order["copies"] // max(1, runners),
            rollout_fragment_length=order["steps"],
            sample_timeout_s=_NO_TIMEOUT,  # after the usual minute it would sample the rest a second time
        )
        .learners(num_learners=0)
        .multi_agent(policies=set(agents), policy_mapping_fn=lambda agent, *_, **__: agent)
        .rl_module(
            model_config=DefaultModelConfig(
                fcnet_hiddens=order["hidden"], fcnet_activation=order["activation"], vf_share_layers=False
            )
        )
        .training(
            train_batch_size_per_learner=order["copies"] * order["steps"],
            minibatch_size=order["minibatch"],
            num_epochs=order["epochs"],
            lr=order["learning_rate"],
            gamma=order["gamma"],
            lambda_=order["gae_lambda"],
            clip_param=order["clip_coef"],
            vf_loss_coeff=order["value_coef"],
            vf_clip_param=float("inf"),
            entropy_coeff=order["entropy_coef"],
            grad_clip=order["max_grad_norm"],
            use_kl_loss=False,
        )
        .debugging(log_level="ERROR", seed=0)
    )


def measure(order: dict[str, Any]) -> dict[str, Any]:
    """Rates by RLlib's own count of samples, after `warm` rounds, until `rounds` or the time are spent."""
    register_env("free", Free)
    training = algorithm(order).build_algo()
    rates: list[float] = []
    first = 0.0
    try:
        for number in range(order["warm"] + order["rounds"]):
            began = time.monotonic()
            result = training.train()
            spent = time.monotonic() - began
            first = first or time.monotonic() - order["began"]
            sampled = result["env_runners"]["num_module_steps_sampled"]
            if number >= order["warm"]:
                rates.append(sum(sampled[name] for name in names(order)) / spent)
            if rates and time.monotonic() - order["began"] + spent > order["seconds"]:
                break
    finally:
        training.stop()
    some = names(order)[0]
    fitted = result["learners"][some]["num_module_steps_trained"]
    return {
        "rates": rates,
        "first_update_s": first,
        "checked": f"{sampled[some]:,.0f} samples per agent and update, {fitted / order['minibatch']:g} gradient steps",
        "versions": {name: metadata.version(name) for name in ("ray", "torch", "numpy", "gymnasium")},
    }


def main(text: str) -> None:
    """Measure in a Ray of this process's own, on this machine alone, all its files in the order's folder."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    order = json.loads(text)
    torch.set_num_threads(order["threads"])
    ray.init(
        num_cpus=max(1, order["runners"]) + 1,
        object_store_memory=500_000_000,
        include_dashboard=False,
        log_to_driver=False,
        _temp_dir=os.path.join(order["folder"], "ray"),
        _node_ip_address="127.0.0.1",
    )
    try:
        figures = measure(order)
    finally:
        ray.shutdown()
    print(json.dumps(figures), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
