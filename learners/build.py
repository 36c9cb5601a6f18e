"""From the config to a learner: the one place that knows which algorithms there are."""

import torch

from fleet.core.config import Config
from fleet.core.spec import WorldSpec
from learners.halved import Halved
from learners.ippo import Ippo
from learners.joint import Joint
from learners.mappo import Mappo
from learners.packed import Packed, one_by_one
from learners.protocol import Learner, LearnerError
from learners.room import Room
from learners.stacked import OnDevice, Stacked
from learners.values import Values


def build_learner(config: Config, spec: WorldSpec, learner: int) -> Learner:
    """Learner number `learner` of the run, at version 0, with initial weights that its seed alone decides.

    Makes torch use one thread in this process: forty learners share the cores, and sums over several threads would
    round as the number of threads has it. Raises LearnerError if there is no such device as `learners.device` here.
    """
    torch.set_num_threads(1)
    _require(config.learners.device)
    built = _build(config, spec, learner)
    return Halved(built) if config.learners.policies == "float16" else built


def _build(config: Config, spec: WorldSpec, learner: int) -> Learner:
    device = config.learners.device
    if config.learner.algorithm == "mappo":
        return Mappo(config, spec)
    if config.learner.algorithm == "joint":
        return Joint(config, spec)
    if config.packed:
        room = Room()
        members = {robot: Ippo(config, spec, robot, room) for robot in config.groups(spec.robots)[learner]}
        return Packed(members, spec, one_by_one if device == "cpu" else Stacked(device))
    if config.learner.by_values:
        return Values(config, spec, learner)
    if device == "cpu":
        return Ippo(config, spec, learner)
    return OnDevice(config, spec, learner, Stacked(device))


def _require(device: str) -> None:
    """Raise LearnerError unless torch can compute on `device`."""
    if device == "cpu":
        return
    if torch.version.cuda is None:
        raise LearnerError(f'learners.device = "{device}": this build of torch knows no CUDA; allowed is "cpu"')
    count, number = torch.cuda.device_count(), torch.device(device).index or 0
    if number >= count:
        raise LearnerError(f'learners.device = "{device}": torch finds {count} CUDA devices here')
