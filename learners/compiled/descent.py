"""PPO's gradient steps, compiled: the buffers they need, and the way from a learner's own objects to them."""

from functools import cached_property, partial
from itertools import pairwise
from math import inf
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from fleet.core.compiled import entry_point
from fleet.core.config import Config, NetworkConfig
from fleet.core.spec import Array, RolloutBatch, WorldSpec
from learners.adam import Adam
from learners.compiled.mlp import Network
from learners.compiled.ppo import Networks, Observations, Samples, Settings, step, values
from learners.normalize import Normalizer
from learners.protocol import F32
from learners.room import Room

BLOCK = 128
"""Rows at a time. Measured: activations of 64-64 networks stay in the core's second-level cache, and the products are
as small as scipy's BLAS multiplies without packing."""
_LINE = 16  # f32 in a cache line
_DTYPES = (np.dtype(np.int8), np.dtype(np.int16), np.dtype(np.float32))
_MOST_HIDDEN = 3


def applies(network: NetworkConfig, spec: WorldSpec) -> bool:
    """Whether there are compiled steps for such networks and observations."""
    return not network.share_trunk and len(network.hidden) <= _MOST_HIDDEN and spec.observation_dtype in _DTYPES


class CompiledDescent:
    """See `Descent`. `parameters` (P,) and `adam` are moved in place: they must stay where they are in memory."""

    def __init__(
        self, config: Config, spec: WorldSpec, parameters: Tensor, adam: Adam, normalizer: Normalizer, room: Room
    ) -> None:
        self._adam, self._normalizer = adam, normalizer
        self._m, self._v = adam.m.numpy(), adam.v.numpy()
        self._room = room
        self._make_nets = partial(_networks, config.network, spec, parameters, room)
        self._settings = _settings(config, adam)
        self._seen: Observations
        self._samples: Samples
        self._per_robot = self._last_obs = 0
        self._figures = np.zeros(6)
        self._step: Any = None
        self._values: Any = None

    @cached_property
    def _nets(self) -> Networks:
        """Made with the first update: until then a learner has no use for the room."""
        return self._make_nets()

    def values(self, rollout: RolloutBatch) -> tuple[F32, F32]:
        """See `Descent.values`."""
        final_values = self._evaluate(self._observations("final_obs", rollout.final_obs), len(rollout.final_obs))
        self._seen = self._observations("obs", rollout.obs)
        return self._evaluate(self._seen, rollout.obs[..., 0].size).reshape(rollout.obs.shape[:3]), final_values

    def begin(self, rollout: RolloutBatch, values: F32, advantages: F32, returns: F32) -> None:
        """See `Descent.begin`."""
        columns = (rollout.log_probs, advantages, returns, values[:, :-1])
        self._samples = Samples(_flat(rollout.actions, np.uint8), *(_flat(column, np.float32) for column in columns))
        _, steps, copies = rollout.actions.shape
        self._per_robot, self._last_obs = steps * copies, copies

    def step(self, rows: npt.NDArray[np.int64], rate: float) -> list[float]:
        """See `Descent.step`."""
        obs_rows = rows + rows // self._per_robot * self._last_obs  # each robot has one observation more than steps
        self._adam.steps += 1
        arguments = (
            self._nets, self._m, self._v, self._seen, self._samples, self._settings,
            rows, obs_rows, rate, self._adam.steps, self._figures,
        )  # fmt: skip
        if self._step is None:
            self._step = entry_point(step, *arguments)
        self._step(*arguments)
        return self._figures.tolist()

    def _evaluate(self, seen: Observations, count: int) -> F32:
        rows = np.arange(count)
        out: F32 = np.empty(count, np.float32)
        if self._values is None:
            self._values = entry_point(values, self._nets, seen, rows, out)
        self._values(self._nets, seen, rows, out)
        return out

    def _observations(self, name: str, obs: Array) -> Observations:
        """A copy of `obs` (..., D), until the next of that name."""
        dtype = obs.dtype if obs.dtype in _DTYPES else np.dtype(np.float32)
        room = self._room.take(name, obs.size * dtype.itemsize, torch.uint8)
        room.view(dtype)[:] = obs.reshape(-1)
        int8, int16, float32 = ((room if kind == dtype else room[:0]).view(kind) for kind in _DTYPES)
        return Observations(int8, int16, float32, self._normalizer.mean, self._normalizer.scale)


def _networks(config: NetworkConfig, spec: WorldSpec, parameters: Tensor, room: Room) -> Networks:
    size, hidden = spec.observation_size, config.hidden
    rows = 1 + 2 * len(hidden)
    strides = [_LINE * (units // _LINE + 1) for units in (size, *hidden)]  # with room for the ones
    inputs = room.take("inputs", (rows, BLOCK * max(strides)))
    actor = _network((size, *hidden, spec.actions), strides, 0, 1)
    actor_size = sum((i + 1) * o for i, o in pairwise(actor.sizes.tolist()))
    critic = _network((size, *hidden, 1), strides, actor_size, 1 + len(hidden))
    for net in (actor, critic):
        for units, row, stride in zip(net.sizes, net.row, net.stride, strict=False):
            inputs[row, units : BLOCK * stride : stride] = 1.0
    return Networks(
        flat=parameters.numpy(),
        gradient=room.take("gradient", parameters.numel()),
        actor=actor,
        critic=critic,
        is_tanh=config.activation == "tanh",
        block=BLOCK,
        inputs=inputs,
        logits=room.take("logits", BLOCK * spec.actions),
        values=room.take("values", BLOCK),
        room=room.take("below", (2, max(BLOCK * max(hidden), spec.actions))),
        turned=room.take("turned", parameters.numel()),
    )


def _network(sizes: tuple[int, ...], strides: list[int], start: int, first_hidden: int) -> Network:
    """`first_hidden`: the row of `Networks.inputs` with the first hidden layer's outputs; row 0 are observations."""
    layers = [(i + 1) * o for i, o in pairwise(sizes)]
    at = start + np.cumsum([0, *layers[:-1]])
    row = np.array([0, *range(first_hidden, first_hidden + len(layers) - 1)])
    return Network(np.array(sizes), at, row, np.array(strides))


def _settings(config: Config, adam: Adam) -> Settings:
    cfg = config.learner
    return Settings(
        clip_coef=cfg.clip_coef,
        value_coef=cfg.value_coef,
        value_clip=inf if cfg.value_clip is None else cfg.value_clip,
        entropy_coef=cfg.entropy_coef,
        normalize_advantage=cfg.normalize_advantage,
        max_grad_norm=inf if cfg.max_grad_norm is None else cfg.max_grad_norm,
        beta1=adam.beta1,
        beta2=adam.beta2,
        eps=adam.eps,
    )


def _flat(array: Array, dtype: type[np.generic]) -> Array:
    return np.array(array, dtype, order="C").reshape(-1)
