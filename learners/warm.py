"""What the zygote runs once before it forks learners, so that no learner imports or sets up anything for itself.

Each page that a learner writes to is its own from then on: what is left to a learner costs its memory, every time.

python -m learners.warm does it too, to have the gradient steps compiled and kept on disk: `make setup`.
"""

import os

import numpy as np
import torch

import learners.process  # noqa: F401 - what the forks run
from fleet.core.config import Config
from fleet.core.config.load import load_config
from fleet.core.faults.resolve import resolve
from fleet.core.messages import Policy, Welcome
from fleet.core.spec import RolloutBatch, WorldSpec
from fleet.core.start import LearnerStart, read_learner_start, write_start
from fleet.core.wire import decode, encode
from learners.build import build_learner
from learners.protocol import Learner, LearnerError

_RUN = "0" * 32


def warm() -> None:
    """Make tiny updates of each kind, and all of a start that needs no socket.

    Raises LearnerError if the process has more than one OS thread afterwards: the others would be missing after a fork,
    with the locks they hold. OMP_NUM_THREADS=1 must have been set before numpy was imported.
    """
    torch.set_num_threads(1)
    if torch.get_num_interop_threads() != 1:
        torch.set_num_interop_threads(1)
    _rehearse()
    for scaling, update, per_process in (("range", "auto", 1), ("running", "autograd", 1), ("range", "auto", 2)):
        learner = _learner(scaling, update, per_process)
        learner.update(_rollout())
        learner.restore(*learner.save())
    threads = len(os.listdir("/proc/self/task"))
    if threads != 1:
        raise LearnerError(f"{threads} OS threads before forking; wanted 1: is OMP_NUM_THREADS=1 set?")


def _rehearse() -> None:
    """One learner's way from its start to its first policy."""
    start = read_learner_start(write_start(LearnerStart(_RUN, "", 0, 0, "", "")))
    config = load_config("demo")
    resolve(config)
    welcome = decode(encode(Welcome(_RUN, 0, 0, 0, -1, (0,), _SPEC)))
    assert isinstance(welcome, Welcome)
    learner = build_learner(config, welcome.spec, start.learner)
    encode(Policy(_RUN, 0, 0, 0, 0, (), dict(learner.weights()), {}))


def _learner(scaling: str, update: str, per_process: int) -> Learner:
    config = {
        "world": {"map": "rware-tiny-2ag"},
        "network": {"observation_scaling": scaling},
        "learner": {"minibatch": 8, "update": update},
        "learners": {"per_process": per_process},
    }
    return build_learner(Config.model_validate(config), _SPEC, 0)


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
