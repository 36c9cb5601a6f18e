"""One policy over the joint action of few robots: each chooses once it knows what those before it have chosen.

pi(a | s) is the product over robots of pi_i(a_i | s, a_1 ... a_(i-1)). Each place in that order has a network, whose
inputs are all robots' scaled observations side by side and, one-hot, the actions chosen so far.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from actors.choice import Actions
from actors.errors import ActorError
from actors.stacked import StackedPolicy
from fleet.core.config import NetworkConfig
from fleet.core.spec import Array, WorldSpec

F32 = npt.NDArray[np.float32]
Choose = Callable[[StackedPolicy, int, F32], tuple[Actions, F32]]


class JointPolicy:
    """N robots' joint policy. Without weights, every robot acts uniformly at random.

    A robot that sees nothing but zeros is offline: what is drawn for it is told to nobody after it.
    """

    def __init__(self, spec: WorldSpec, network: NetworkConfig) -> None:
        self._robots, self._size, self._actions = spec.robots, spec.observation_size, spec.actions
        inputs = spec.robots * (spec.observation_size + spec.actions)
        one = replace(spec, robots=1, observation_size=inputs, observation_dtype=np.dtype(np.float32))
        self._places = [StackedPolicy(one, network) for _ in range(spec.robots)]

    @property
    def names(self) -> frozenset[str]:
        """What a policy's arrays are called."""
        return self._places[0].names

    def load(self, robots: Sequence[int], weights: Mapping[str, Array]) -> None:
        """Act with the weights that a learner published, all with a leading axis of places.

        `robots` are all there are. Raises ActorError as `check`, with nothing changed.
        """
        self.check(weights, len(robots))
        for place, policy in enumerate(self._places):
            policy.load([0], self._of_place(weights, place))

    def check(self, weights: Mapping[str, Array], robots: int) -> None:
        """Raise ActorError unless `weights` are for these networks, and `robots` all robots."""
        if robots != self._robots:
            raise ActorError(f"a joint policy for {robots} robots; wanted all {self._robots}")
        if weights.keys() != self.names:
            raise ActorError(f"weights are named {sorted(weights)}; wanted {sorted(self.names)}")
        seen = (self._robots, self._size)
        for name, array in weights.items():
            if array.shape[:1] != (self._robots,) or (name.startswith("obs.") and array.shape != seen):
                wanted = seen if name.startswith("obs.") else (self._robots, "...")
                raise ActorError(f"weights: {name} has shape {array.shape}; wanted {wanted}")
        for place, policy in enumerate(self._places):
            policy.check(self._of_place(weights, place), 1)

    def act(self, obs: Array, uniforms: npt.NDArray[np.floating]) -> tuple[Actions, F32]:
        """Sample a joint action, uint8 (N, E), and its parts' log-probabilities, f32 (N, E); their sum is the joint's.

        obs (N, E, D) in any dtype, uniforms (N, E) in [0, 1).
        """
        return self._choose(obs, lambda policy, place, inputs: policy.act(inputs, uniforms[place : place + 1]))

    def greedy(self, obs: Array) -> Actions:
        """The likeliest action of each place, given the likeliest before it, uint8 (N, E), for obs (N, E, D)."""
        nothing = np.zeros((1, obs.shape[1]), np.float32)
        return self._choose(obs, lambda policy, _, inputs: (policy.greedy(inputs), nothing))[0]

    def _choose(self, obs: Array, choose: Choose) -> tuple[Actions, F32]:
        """Actions and what `choose` says of them, (N, E) each, place after place."""
        wanted = (self._robots, obs.shape[1], self._size)
        if obs.shape != wanted:
            raise ActorError(f"observations have shape {obs.shape}; wanted {wanted}")
        worlds, seen = obs.shape[1], self._robots * self._size
        inputs = np.zeros((1, worlds, seen + self._robots * self._actions), np.float32)
        inputs[0, :, :seen] = obs.swapaxes(0, 1).reshape(worlds, seen)
        actions, said = np.zeros((self._robots, worlds), np.uint8), np.zeros((self._robots, worlds), np.float32)
        for place, policy in enumerate(self._places):
            actions[place : place + 1], said[place : place + 1] = choose(policy, place, inputs)
            told = np.flatnonzero(obs[place].any(axis=-1))
            inputs[0, told, seen + place * self._actions + actions[place, told].astype(np.intp)] = 1.0
        return actions, said

    def _of_place(self, weights: Mapping[str, Array], place: int) -> dict[str, Array]:
        """One place's arrays; what observations are scaled by is the same for all, and leaves actions as they are."""
        known = self._robots * self._actions
        return {name: array[place] for name, array in weights.items() if name.startswith("actor.")} | {
            "obs.mean": np.append(weights["obs.mean"].reshape(-1), np.zeros(known, np.float32)),
            "obs.scale": np.append(weights["obs.scale"].reshape(-1), np.ones(known, np.float32)),
        }
