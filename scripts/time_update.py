"""How long one learner's update takes, compiled and through autograd in turn, in one thread of this process.

    OMP_NUM_THREADS=1 python scripts/time_update.py [CONFIG] [UPDATES]

Milliseconds of processor time for an update of made-up rollouts of the config's size: least and median.
"""

import statistics
import sys
import time

import numpy as np

from env_server.worlds import make_world
from fleet.core.config.load import load_config
from fleet.core.spec import RolloutBatch, WorldSpec
from learners.build import build_learner


def rollout(spec: WorldSpec, steps: int, rng: np.random.Generator) -> RolloutBatch:
    shape = (1, steps, spec.worlds)
    truncated = rng.random(shape) < 0.002

    def observed(*leading: int) -> np.ndarray:
        return rng.integers(-1, 3, (*leading, spec.observation_size)).astype(spec.observation_dtype)

    return RolloutBatch(
        robots=(0,),
        obs=observed(1, steps + 1, spec.worlds),
        actions=rng.integers(0, spec.actions, shape).astype(np.uint8),
        log_probs=np.full(shape, -np.log(spec.actions), np.float32),
        rewards=rng.normal(size=shape).astype(np.float32),
        terminated=np.zeros(shape, np.bool_),
        truncated=truncated,
        final_obs=observed(int(truncated.sum())),
    )


def main() -> None:
    name = sys.argv[1] if len(sys.argv) > 1 else "warehouse40"
    updates = int(sys.argv[2]) if len(sys.argv) > 2 else 60
    rng = np.random.default_rng(0)
    learners, spec = {}, make_world(load_config(name).world).spec
    for update in ("auto", "autograd"):
        config = load_config(name, [f"learner.update={update}"])
        learners[update] = build_learner(config, spec, 0)
    rollouts = [rollout(spec, config.learner.rollout_steps, rng) for _ in range(4)]
    times: dict[str, list[float]] = {update: [] for update in learners}
    for number in range(updates + 2):
        for update, learner in learners.items():
            began = time.process_time()
            learner.update(rollouts[number % 4])
            times[update].append(1e3 * (time.process_time() - began))
    for update, spent in times.items():
        print(f"{update:9s} least {min(spent[2:]):6.1f} ms, median {statistics.median(spent[2:]):6.1f} ms")


if __name__ == "__main__":
    main()
