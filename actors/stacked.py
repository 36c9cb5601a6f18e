"""All robots' policies in one batched product, each robot with its own weights.

Weights come from the learners' policy messages; actions go to the world beside which this runs.
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from actors.choice import Actions, likeliest, sampled, softmax
from actors.errors import ActorError
from actors.kernels import bias_relu, bias_tanh
from fleet.core.config import NetworkConfig
from fleet.core.spec import Array, WorldSpec

F32 = npt.NDArray[np.float32]
ACTIVATIONS: dict[str, Callable[[F32, F32], None]] = {"tanh": bias_tanh, "relu": bias_relu}


class StackedPolicy:
    """N robots' policy networks. A robot whose weights were never loaded acts uniformly at random.

    A robot's actions are a function of its own weights, observations and uniforms alone, bit for bit: each robot's
    product is a BLAS call of its own. (They may differ in the last bit for another number of copies E.)
    """

    def __init__(self, spec: WorldSpec, network: NetworkConfig) -> None:
        sizes = (spec.observation_size, *network.hidden, spec.actions)
        self._robots = spec.robots
        self._weights = [np.zeros((spec.robots, *pair), np.float32) for pair in pairwise(sizes)]
        self._biases = [np.zeros((spec.robots, 1, size), np.float32) for size in sizes[1:]]
        self._activate = ACTIVATIONS[network.activation]
        self._layers = self._room(spec.worlds)
        self._loads = np.zeros(spec.robots, np.int64)

    @property
    def names(self) -> frozenset[str]:
        """What a policy's arrays are called."""
        return layer_names(len(self._weights))

    @property
    def loads(self) -> npt.NDArray[np.int64]:
        """How often each robot was given weights, (N,)."""
        return self._loads.copy()

    def load(self, robots: Sequence[int], weights: Mapping[str, Array]) -> None:
        """Give `robots` the weights a learner published (`Learner.weights`); `obs.mean` and `obs.scale` are folded in.

        They are either for all of `robots`, or have a leading axis with a place for each of them. Raises ActorError,
        with nothing changed, if a name is missing or unknown, a shape wrong or a number not finite.
        """
        self.check(weights, len(robots))
        rows = list(robots)
        for k, (weight, bias) in enumerate(zip(self._weights, self._biases, strict=True)):
            weight[rows] = weights[f"actor.{k}.weight"]
            bias[rows] = weights[f"actor.{k}.bias"][..., None, :]
        # (x - mean) * scale @ w + b = x @ (scale * w) + (b - mean @ (scale * w))
        scaled = weights["obs.scale"].astype(np.float64)[..., None] * weights["actor.0.weight"].astype(np.float64)
        self._weights[0][rows] = scaled
        shift = (weights["obs.mean"].astype(np.float64)[..., None] * scaled).sum(-2)
        self._biases[0][rows] -= shift[..., None, :]
        self._loads[rows] += 1

    def act(self, obs: Array, uniforms: npt.NDArray[np.floating]) -> tuple[Actions, F32]:
        """Sample actions, uint8 (N, E), and their log-probabilities, f32 (N, E).

        obs (N, E, D) in any dtype, uniforms (N, E) in [0, 1).
        """
        return sampled(self.logits(obs), uniforms)

    def greedy(self, obs: Array) -> Actions:
        """The likeliest actions, uint8 (N, E), for obs (N, E, D)."""
        return likeliest(self.logits(obs))

    def probabilities(self, obs: Array, actions: Actions) -> npt.NDArray[np.float64]:
        """See `Policy.probabilities`; `actions` play no part."""
        return softmax(self.outputs(obs))

    def logits(self, obs: Array) -> F32:
        """What the networks give for obs (N, E, D): (N, E, A), in room of our own that the next call overwrites."""
        if obs.ndim == 3 and obs.shape[1] != self._layers[0].shape[1]:
            self._layers = self._room(obs.shape[1])
        return self._through(self._layers, obs)

    def outputs(self, obs: Array) -> F32:
        """As `logits`, in an array of the caller's: for another number of copies than the one that is acted in."""
        return self._through(self._room(obs.shape[1]), obs)

    def _through(self, layers: list[F32], obs: Array) -> F32:
        inputs, *_, logits = layers
        if obs.shape != inputs.shape:
            raise ActorError(f"observations have shape {obs.shape}; wanted {inputs.shape}")
        inputs[...] = obs
        for k, (weight, bias) in enumerate(zip(self._weights, self._biases, strict=True)):
            outputs = layers[k + 1]
            np.matmul(layers[k], weight, out=outputs)
            if outputs is logits:
                outputs += bias
            else:
                self._activate(outputs, bias)
        return logits

    def _room(self, worlds: int) -> list[F32]:
        sizes = [self._weights[0].shape[1], *(weight.shape[2] for weight in self._weights)]
        return [np.empty((self._robots, worlds, size), np.float32) for size in sizes]

    def check(self, weights: Mapping[str, Array], robots: int) -> None:
        """Raise ActorError unless `weights` are for these networks: the names, the shapes, all finite.

        Either all or none have a leading axis of `robots`.
        """
        features = self._weights[0].shape[1:2]
        wanted: dict[str, tuple[int, ...]] = {"obs.mean": features, "obs.scale": features}
        for k, (weight, bias) in enumerate(zip(self._weights, self._biases, strict=True)):
            wanted |= {f"actor.{k}.weight": weight.shape[1:], f"actor.{k}.bias": bias.shape[2:]}
        leading = (robots,) if "obs.mean" in weights and weights["obs.mean"].ndim > 1 else ()
        check_layers(weights, {name: leading + shape for name, shape in wanted.items()})


def layer_names(layers: int) -> frozenset[str]:
    """What the arrays of policies with so many layers are called."""
    parts = (f"actor.{k}.{part}" for k in range(layers) for part in ("weight", "bias"))
    return frozenset(["obs.mean", "obs.scale", *parts])


def check_layers(weights: Mapping[str, Array], wanted: Mapping[str, tuple[int, ...]]) -> None:
    """Raise ActorError unless `weights` have the names and shapes `wanted` and are all finite."""
    if weights.keys() != wanted.keys():
        raise ActorError(f"weights are named {sorted(weights)}; wanted {sorted(wanted)}")
    for name, shape in wanted.items():
        if weights[name].shape != shape:
            raise ActorError(f"weights: {name} has shape {weights[name].shape}; wanted {shape}")
        if not np.isfinite(weights[name]).all():
            raise ActorError(f"weights: {name} is not finite everywhere")
