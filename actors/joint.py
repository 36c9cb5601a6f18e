"""One policy over the joint action: the robots choose one after the other, each knowing what the earlier ones chose.

Robot i's network gets what all robots see and one-hot actions of robots 0 to i-1 (zeros for the others). Its last layer
has a head of its own for each action of each of them besides, added to the common one where that action was chosen:
with one head for all, what a robot is taught by the many times that the earlier ones held back unteaches it to answer
the few times they dared. A robot that sees nothing but zeros is offline, as the warehouse has it: nobody is told of its
action, which nothing comes of.
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from actors.choice import Actions, likeliest, sampled, softmax
from actors.errors import ActorError
from actors.stacked import ACTIVATIONS, check_layers, layer_names
from fleet.core.config import NetworkConfig
from fleet.core.spec import Array, WorldSpec

F32 = npt.NDArray[np.float32]
Choose = Callable[[F32, int], Actions]


def joint_sizes(config: NetworkConfig, robots: int, observation: int, actions: int) -> tuple[int, ...]:
    """Numbers into each layer of one robot's network, and out of the last: logits of the common head and the others."""
    heads = 1 + (robots - 1) * actions
    return (robots * (observation + actions), *config.hidden, heads * actions)


class JointPolicy:
    """N robots' joint policy, a network for each. Before it has weights, all act uniformly at random.

    The joint action's log-probability is the sum of the robots'.
    """

    def __init__(self, spec: WorldSpec, network: NetworkConfig) -> None:
        self._robots, self._choices = spec.robots, spec.actions
        self._seen = spec.robots * spec.observation_size
        sizes = joint_sizes(network, spec.robots, spec.observation_size, spec.actions)
        self._weights = [np.zeros((spec.robots, *pair), np.float32) for pair in pairwise(sizes)]
        self._biases = [np.zeros((spec.robots, size), np.float32) for size in sizes[1:]]
        self._activate = ACTIVATIONS[network.activation]
        self._loads = 0

    @property
    def names(self) -> frozenset[str]:
        """What a policy's arrays are called."""
        return layer_names(len(self._weights))

    @property
    def loads(self) -> npt.NDArray[np.int64]:
        """How often each robot was given weights, (N,)."""
        return np.full(self._robots, self._loads, np.int64)

    def load(self, robots: Sequence[int], weights: Mapping[str, Array]) -> None:
        """Take the weights that the learner of all robots published; `obs.mean` and `obs.scale` are folded in.

        All have a leading axis of robots. Raises ActorError as `check`, with nothing changed.
        """
        self.check(weights, len(robots))
        for k, (weight, bias) in enumerate(zip(self._weights, self._biases, strict=True)):
            weight[...] = weights[f"actor.{k}.weight"]
            bias[...] = weights[f"actor.{k}.bias"]
        # (x - mean) * scale @ w + b = x @ (scale * w) + (b - mean @ (scale * w))
        scale, mean = (weights[name].astype(np.float64).reshape(-1) for name in ("obs.scale", "obs.mean"))
        scaled = scale[:, None] * weights["actor.0.weight"][:, : self._seen].astype(np.float64)
        self._weights[0][:, : self._seen] = scaled
        self._biases[0] -= mean @ scaled
        self._loads += 1

    def check(self, weights: Mapping[str, Array], robots: int) -> None:
        """Raise ActorError unless `weights` are for this policy: the names, the shapes, all finite."""
        if robots != self._robots:
            raise ActorError(f"a joint policy for {robots} robots; wanted one for all {self._robots}")
        features = (self._robots, self._seen // self._robots)
        wanted: dict[str, tuple[int, ...]] = {"obs.mean": features, "obs.scale": features}
        for k, (weight, bias) in enumerate(zip(self._weights, self._biases, strict=True)):
            wanted |= {f"actor.{k}.weight": weight.shape, f"actor.{k}.bias": bias.shape}
        check_layers(weights, wanted)

    def act(self, obs: Array, uniforms: npt.NDArray[np.floating]) -> tuple[Actions, F32]:
        """See `Policy.act`; the log-probability of each action given the earlier robots'."""
        log_probs = np.empty(uniforms.shape, np.float32)

        def draw(logits: F32, robot: int) -> Actions:
            drawn, log_probs[robot : robot + 1] = sampled(logits, uniforms[robot : robot + 1])
            return drawn

        return self._in_turn(obs, draw), log_probs

    def greedy(self, obs: Array) -> Actions:
        """Each robot's likeliest action given the earlier ones', uint8 (N, E), for obs (N, E, D)."""
        return self._in_turn(obs, lambda logits, _: likeliest(logits))

    def probabilities(self, obs: Array, actions: Actions) -> npt.NDArray[np.float64]:
        """See `Policy.probabilities`."""
        found = np.empty((*actions.shape, self._choices))

        def choose(logits: F32, robot: int) -> Actions:
            found[robot] = softmax(logits)[0]
            return actions[robot : robot + 1]

        self._in_turn(obs, choose)
        return found

    def _in_turn(self, obs: Array, choose: Choose) -> Actions:
        """Actions (N, E), `choose` giving one robot's (1, E) from its logits (1, E, A)."""
        wanted = (self._robots, obs.shape[1], self._seen // self._robots)
        if obs.shape != wanted:
            raise ActorError(f"observations have shape {obs.shape}; wanted {wanted}")
        worlds = obs.shape[1]
        inputs = np.zeros((worlds, self._weights[0].shape[1]), np.float32)
        inputs[:, : self._seen] = obs.transpose(1, 0, 2).reshape(worlds, -1)
        is_told = np.any(obs, axis=-1, keepdims=True)
        actions = np.empty((self._robots, worlds), np.uint8)
        for robot in range(self._robots):
            actions[robot] = choose(self._logits(robot, inputs)[None], robot)[0]
            chosen = self._seen + robot * self._choices + actions[robot].astype(np.intp)
            inputs[np.arange(worlds), chosen] = is_told[robot, :, 0]
        return actions

    def _logits(self, robot: int, inputs: F32) -> F32:
        """One robot's, (E, A)."""
        x = inputs
        for weight, bias in zip(self._weights, self._biases, strict=True):
            x = x @ weight[robot]
            if weight is self._weights[-1]:
                x += bias[robot]
            else:
                self._activate(x[None], bias[robot][None, None])
        heads = x.reshape(len(x), -1, self._choices)
        told = inputs[:, self._seen : self._seen + heads.shape[1] - 1]
        logits: F32 = heads[:, 0] + np.einsum("ek,eka->ea", told, heads[:, 1:])
        return logits
