"""What the zygote runs once before it forks learners, so that no learner imports or sets up anything for itself.

python -m learners.warm does it too, to have the gradient steps compiled and kept on disk: `make setup`.
"""

import os

import numpy as np
import torch

from fleet.core.config import Config
from fleet.core.spec import RolloutBatch, WorldSpec
from learners.build import build_learner
from learners.protocol import LearnerError


def warm() -> None:
    """Make one tiny update of each kind, so that all that torch sets up at first use is there to be shared.

    Raises LearnerError if the process has more than one OS thread afterwards: the others would be missing after a fork,
    with the locks they hold. OMP_NUM_THREADS=1 must have been set before numpy was imported.
    """
    torch.set_num_threads(1)
    if torch.get_num_interop_threads() != 1:
        torch.set_num_interop_threads(1)
    for scaling, update, per_process in (("range", "auto", 1), ("running", "autograd", 1), ("range", "auto", 2)):
        config = {
            "world": {"map": "rware-tiny-2ag"},
            "network": {"observation_scaling": scaling},
            "learner": {"minibatch": 8, "update": update},
            "learners": {"per_process": per_process},
        }
        learner = build_learner(Config.model_validate(config), _SPEC, 0)
        learner.update(_rollout())
        learner.restore(*learner.save())
    threads = len(os.listdir("/proc/self/task"))
    if threads != 1:
        raise LearnerError(f"{threads} OS threads before forking; wanted 1: is OMP_NUM_THREADS=1 set?")


_SPEC = WorldSpec(
    robots=2,
    worlds=2,
    observation_size=64,
    observation_dtype=np.dtype(np.int8),
    actions=5,
    bound=np.ones(64, np.float32),
)


def _rollout() -> RolloutBatch:
    step = (1, 8, _SPEC.worlds)
    truncated = np.zeros(step, np.bool_)
    truncated[0, 3] = True
    return RolloutBatch(
        robots=(0,),
        obs=np.ones((1, 9, _SPEC.worlds, _SPEC.observation_size), np.int8),
        actions=np.zeros(step, np.uint8),
        log_probs=np.full(step, -1.6, np.float32),
        rewards=np.ones(step, np.float32),
        terminated=np.zeros(step, np.bool_),
        truncated=truncated,
        final_obs=np.ones((np.count_nonzero(truncated), _SPEC.observation_size), np.int8),
    )


if __name__ == "__main__":
    warm()
