"""From the config to a learner: the one place that knows which algorithms there are."""

import torch

from fleet.core.config import Config
from fleet.core.spec import WorldSpec
from learners.ippo import Ippo
from learners.protocol import Learner


def build_learner(config: Config, spec: WorldSpec, learner: int) -> Learner:
    """Learner number `learner` of the run, at version 0, with initial weights that its seed alone decides.

    Makes torch use one thread in this process: forty learners share the cores, and sums over several threads would
    round as the number of threads has it.
    """
    torch.set_num_threads(1)
    return Ippo(config, spec, learner)
