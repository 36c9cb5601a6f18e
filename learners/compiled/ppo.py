"""One gradient step of PPO: the loss's gradient block by block, then clipping and Adam. Reads like the formulas.

The minibatch goes through in blocks of rows whose activations stay in the core's cache; gradients add up over them.
What the loss is, and the names of its settings, are as in `learners.autograd`, to which tests hold this.
"""

import math
from typing import Any, NamedTuple

import numpy as np

from learners.compiled import compiled
from learners.compiled.mlp import Network, backward, forward, turn


class Observations(NamedTuple):
    """Rows of numbers, one after the other in one of three arrays, the others being empty.

    They are scaled by mean and scale, f32 (D,), when they are read.
    """

    int8: Any
    int16: Any
    float32: Any
    mean: Any
    scale: Any


class Samples(NamedTuple):
    """What the loss needs beside observations: actions uint8 (B,), the rest f32 (B,)."""

    actions: Any
    log_probs: Any
    advantages: Any
    returns: Any
    values: Any


class Networks(NamedTuple):
    """Both networks over one flat vector, its gradient, and room for `block` rows."""

    flat: Any  # f32 (P,)
    gradient: Any  # f32 (P,)
    actor: Network
    critic: Network
    is_tanh: bool
    block: int
    inputs: Any  # f32 (1 + hidden layers of both, block * the longest row); row 0 is what both see
    logits: Any  # f32 (block * A,)
    values: Any  # f32 (block,)
    room: Any  # f32 (2, block * the widest layer)
    turned: Any  # f32 (P,), see `mlp.turn`


class Settings(NamedTuple):
    """The loss's and Adam's. What is unset in the config is infinite here."""

    clip_coef: float
    value_coef: float
    value_clip: float
    entropy_coef: float
    normalize_advantage: bool
    max_grad_norm: float
    beta1: float
    beta2: float
    eps: float


@compiled
def step(
    nets: Networks,
    m: Any,
    v: Any,
    seen: Observations,
    samples: Samples,
    cfg: Settings,
    rows: Any,
    obs_rows: Any,
    rate: float,
    count: int,
    figures: Any,
) -> None:
    """Gradient step number `count` (from 1), of size `rate`, over samples `rows` int64 (n,), which saw `obs_rows`.

    m, v: Adam's moments (P,). `figures` f64 (6,) := policy loss, value loss, entropy, KL, share clipped, and the norm
    of the gradient before clipping.
    """
    n = rows.size
    nets.gradient[:] = np.float32(0.0)
    figures[:] = 0.0
    turn(nets.flat, nets.actor, nets.turned)
    turn(nets.flat, nets.critic, nets.turned)
    mean, deviation = _moments(samples.advantages, rows) if cfg.normalize_advantage else (0.0, 1.0)
    for first in range(0, n, nets.block):
        last = min(n, first + nets.block)
        _see(seen, obs_rows[first:last], nets.inputs[0], nets.actor.stride[0])
        forward(nets.flat, nets.actor, nets.inputs, last - first, nets.is_tanh, nets.logits)
        forward(nets.flat, nets.critic, nets.inputs, last - first, nets.is_tanh, nets.values)
        _differentiate(nets, samples, cfg, rows[first:last], n, mean, deviation, figures)
        for net, d_out in ((nets.actor, nets.logits), (nets.critic, nets.values)):
            backward(nets.turned, nets.gradient, net, nets.inputs, last - first, nets.is_tanh, d_out, nets.room)
    for k in range(5):
        figures[k] /= n
    figures[5] = _norm(nets.gradient)
    _descend(nets.flat, nets.gradient, m, v, cfg, min(1.0, cfg.max_grad_norm / (figures[5] + 1e-6)), rate, count)


@compiled
def values(nets: Networks, seen: Observations, rows: Any, out: Any) -> None:
    """The critic's values of the observations `rows` int64 (n,), into `out` f32 (n,)."""
    for first in range(0, rows.size, nets.block):
        last = min(rows.size, first + nets.block)
        _see(seen, rows[first:last], nets.inputs[0], nets.critic.stride[0])
        forward(nets.flat, nets.critic, nets.inputs, last - first, nets.is_tanh, out[first:])


@compiled
def _see(seen: Observations, rows: Any, x: Any, stride: int) -> None:
    """Scaled observations into the first columns of x."""
    if seen.int8.size > 0:
        _scale(seen.int8, seen.mean, seen.scale, rows, x, stride)
    elif seen.int16.size > 0:
        _scale(seen.int16, seen.mean, seen.scale, rows, x, stride)
    else:
        _scale(seen.float32, seen.mean, seen.scale, rows, x, stride)


@compiled
def _scale(obs: Any, mean: Any, scale: Any, rows: Any, x: Any, stride: int) -> None:
    size = mean.size
    for r in range(rows.size):
        row, out = obs[rows[r] * size : (rows[r] + 1) * size], x[r * stride : r * stride + size]
        for j in range(size):
            out[j] = (np.float32(row[j]) - mean[j]) * scale[j]


@compiled
def _differentiate(
    nets: Networks,
    samples: Samples,
    cfg: Settings,
    rows: Any,
    n: int,
    mean: float,
    deviation: float,
    figures: Any,
) -> None:
    """Replace logits (rows, A) and values (rows,) by the loss's gradient by them; add to the figures' sums."""
    values, pi, actions = nets.values, nets.room[0], nets.actor.sizes[-1]
    share = np.float32(1.0 / n)
    low, high = np.float32(1.0 - cfg.clip_coef), np.float32(1.0 + cfg.clip_coef)
    entropy_share = np.float32(cfg.entropy_coef) * share
    for r in range(rows.size):
        i = rows[r]
        z = nets.logits[r * actions : (r + 1) * actions]
        _softmax(z, pi)  # z is log pi now
        entropy = np.float32(0.0)
        for a in range(actions):
            entropy -= pi[a] * z[a]

        chosen = samples.actions[i]
        log_ratio = z[chosen] - samples.log_probs[i]
        ratio: Any = math.exp(log_ratio)
        clipped: Any = min(max(ratio, low), high)
        advantage = np.float32((samples.advantages[i] - mean) / deviation)
        gain = min(ratio * advantage, clipped * advantage)
        # d ratio = ratio * d log pi; the clipped branch, where it is the lower one, is constant
        d_log_pi = -share * ratio * advantage if ratio * advantage <= clipped * advantage else np.float32(0.0)
        for a in range(actions):
            # d log pi(chosen) / d z(a) = [a = chosen] - pi(a);  dH / d z(a) = -pi(a) (log pi(a) + H)
            z[a] = entropy_share * pi[a] * (z[a] + entropy) - d_log_pi * pi[a]
        z[chosen] += d_log_pi

        error, d_error = _value_error(values[r], samples.values[i], samples.returns[i], cfg.value_clip)
        values[r] = np.float32(cfg.value_coef) * d_error * share

        figures[0] -= gain
        figures[1] += 0.5 * error * error
        figures[2] += entropy
        figures[3] += ratio - np.float32(1.0) - log_ratio
        figures[4] += ratio != clipped


@compiled
def _softmax(z: Any, pi: Any) -> None:
    """From logits z to their log-probabilities, in place, and probabilities into `pi`."""
    top = z[0]
    for a in range(1, z.size):
        top = max(top, z[a])
    total = np.float32(0.0)
    for a in range(z.size):
        pi[a] = math.exp(z[a] - top)
        total += pi[a]
    log_total = top + np.float32(math.log(total))
    for a in range(z.size):
        z[a] -= log_total
        pi[a] /= total


@compiled
def _value_error(value: Any, before: Any, target: Any, clip: float) -> Any:
    """The error whose square is the loss, the larger of plain and clipped, and half the square's derivative."""
    error = value - target
    change = value - before
    if abs(change) <= clip:
        return error, error
    clipped = before + np.float32(clip if change > 0.0 else -clip) - target
    if abs(clipped) > abs(error):
        return clipped, np.float32(0.0)
    return error, error


@compiled
def _moments(numbers: Any, rows: Any) -> Any:
    """Mean and standard deviation over `rows`, the latter kept away from zero."""
    mean = 0.0
    for i in rows:
        mean += numbers[i]
    mean /= rows.size
    variance = 0.0
    for i in rows:
        variance += (numbers[i] - mean) ** 2
    return mean, math.sqrt(variance / rows.size) + 1e-8


@compiled
def _norm(gradient: Any) -> float:
    total = np.float32(0.0)
    for g in gradient:
        total += g * g
    return math.sqrt(total)


@compiled
def _descend(flat: Any, gradient: Any, m: Any, v: Any, cfg: Settings, factor: float, rate: float, count: int) -> None:
    """Adam (see `learners.adam`) with `factor` times the gradient."""
    new1, new2, kept2 = np.float32(1.0 - cfg.beta1), np.float32(1.0 - cfg.beta2), np.float32(cfg.beta2)
    unbiased = np.float32(1.0 / math.sqrt(1.0 - cfg.beta2**count))
    size, eps, scale = np.float32(rate / (1.0 - cfg.beta1**count)), np.float32(cfg.eps), np.float32(factor)
    for i in range(flat.size):
        g = scale * gradient[i]
        m[i] += new1 * (g - m[i])
        v[i] = kept2 * v[i] + new2 * g * g
        flat[i] -= size * m[i] / (math.sqrt(v[i]) * unbiased + eps)
