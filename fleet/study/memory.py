"""How much memory a run will take, from its config's figures given as numbers, and a refusal where it would not fit.

The constants are private memory (USS) as measured with torch 2.13 on Linux; the estimate is meant to be a little high.
"""

from dataclasses import dataclass

from fleet.core.errors import BadInput
from fleet.core.platform import available_memory

_MIB = 1 << 20
_SUPERVISOR = 80 * _MIB
_ZYGOTE = 320 * _MIB  # torch, once, shared by all learners
_SERVER = 220 * _MIB  # numpy, numba and the compiled kernels
_LEARNER = 10 * _MIB  # what a fork of the warm zygote comes to own, before any data
_SAMPLE_BYTES = 24  # action, log prob, reward, two end flags, value, advantage, return
_REMEMBERED_BYTES = 7  # action, reward, end flag, whether it was there
_SAVING_FACTOR = 5  # a memory, and its copies while a checkpoint is put together: taken, packed, joined and hashed
_VALUE_MODELS = 8  # weights, target, gradient, Adam's moments, and the last three and the weights to fall back on
_WORKING_FACTOR = 6  # activations and their gradients of one minibatch, against its inputs in f32


@dataclass(frozen=True)
class Figures:
    """What decides a run's memory. `groups`: robots of each learner; `world_bytes`: what the world says it needs.

    `packed`: each robot of a learner has weights of its own. `central`: numbers in a sample of a centralized learner,
    which is of all robots at once, as are then `parameters`; 0 without one. A learner with a memory remembers
    `remembered` steps, takes `batch` of them at once, and has weights for each of its robots and `mixer` more.
    """

    groups: tuple[int, ...]
    worlds: int
    rollout_steps: int
    minibatch: int
    observation_size: int
    observation_bytes: int
    parameters: int
    credit: int
    world_bytes: int
    packed: bool = False
    remembered: int = 0
    batch: int = 0
    mixer: int = 0
    central: int = 0


def estimate_bytes(figures: Figures) -> int:
    """Private memory of all the run's processes together, in bytes."""
    learners = sum(_learner_bytes(figures, robots) for robots in figures.groups)
    return _SUPERVISOR + _ZYGOTE + _server_bytes(figures) + learners


def require_memory(figures: Figures, limit_gb: float | None = None, free_bytes: int | None = None) -> int:
    """The estimate. Raises BadInput if it is above `limit_gb`, or with that unset above what memory is free."""
    needed = estimate_bytes(figures)
    if limit_gb is not None:
        allowed, what = int(limit_gb * 1e9), f"control.memory_limit_gb = {limit_gb:g}"
    else:
        allowed = available_memory() if free_bytes is None else free_bytes
        what = f"the {allowed / 1e9:.1f} GB that are free"
    if needed > allowed:
        raise BadInput(
            f"this run would take about {needed / 1e9:.1f} GB ({len(figures.groups)} learners, {figures.worlds} worlds "
            f"x {figures.rollout_steps} steps), more than {what}; lower world.worlds, learner.rollout_steps"
            f"{', replay.capacity' if figures.remembered else ''} or world.robots"
        )
    return needed


def _rollout_bytes(figures: Figures, robots: int) -> int:
    samples = robots * figures.worlds * figures.rollout_steps
    return samples * (figures.observation_size * figures.observation_bytes + _SAMPLE_BYTES)


def _server_bytes(figures: Figures) -> int:
    robots = sum(figures.groups)
    rounds = 1 + figures.credit  # the one being collected, and copies on their way
    parameters = figures.parameters * (1 if figures.central else robots)
    return _SERVER + figures.world_bytes + rounds * _rollout_bytes(figures, robots) + 4 * parameters


def _learner_bytes(figures: Figures, robots: int) -> int:
    if figures.remembered:
        return _remembering_bytes(figures, robots)
    is_one_each = figures.packed or figures.central
    samples = (1 if is_one_each else robots) * figures.worlds * figures.rollout_steps
    minibatch = min(figures.minibatch, samples)
    working = 4 * minibatch * (figures.central or figures.observation_size) * _WORKING_FACTOR
    # weights, gradients and Adam's two moments, f32; a pack keeps copies of all while it updates one after another
    models = 2 * robots if figures.packed else 1
    model = 4 * figures.parameters * 4 * models
    # one rollout being learned from and `credit` more waiting; a centralized learner has one more, side by side
    rollouts = (2 if figures.central else 1) + figures.credit
    return _LEARNER + rollouts * _rollout_bytes(figures, robots) + working + model


def _remembering_bytes(figures: Figures, robots: int) -> int:
    """A learner with a memory, all its robots' steps side by side."""
    step = robots * (figures.observation_size * figures.observation_bytes + _REMEMBERED_BYTES)
    # two observations of each step, and what networks and mixer make of them
    working = 4 * figures.batch * robots * figures.observation_size * 2 * _WORKING_FACTOR
    model = 4 * _VALUE_MODELS * (robots * figures.parameters + figures.mixer)
    # a rollout is laid out and what it overwrites kept, besides the one learned from and `credit` more waiting
    rollouts = (3 + figures.credit) * _rollout_bytes(figures, robots)
    return _LEARNER + _SAVING_FACTOR * figures.remembered * step + rollouts + working + model
