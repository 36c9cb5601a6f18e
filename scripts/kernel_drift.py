"""How far the kernel that each agent of a game faces moved between a run's snapshots: exactly, over all its states.

python scripts/kernel_drift.py RUN

A run keeps a snapshot of each of its rounds, up to 101, with --set checkpoint.every=1 --set checkpoint.keep=100. Each
row is of one agent from one snapshot to the next: the total variation of P_eff (`fleet.core.drift.kernel_drift`), mean
and largest over states and own actions; that of the other's policy, which bounds it, mean over states; and the largest
change of what an own action is paid on average in a state.
"""

import argparse
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt

from env_server.games.payoffs import AGENTS
from env_server.games.setup import make_stages
from env_server.games.stages import Stages
from fleet.commands.screen import print_table
from fleet.core.config.load import load_config
from fleet.core.drift import kernel_drift, total_variation
from fleet.core.errors import FleetError
from fleet.core.rundir import RunDirectory
from fleet.core.snapshots import SnapshotStore
from fleet.study.policies import load_policies

HEADER = ("rounds", "agent", "P_eff moves by", "at most", "the other's policy by", "average pay by")
F64 = npt.NDArray[np.float64]


def in_all_states(run: Path, rounds: int, stages: Stages) -> F64:
    """Both agents' probabilities (2, S, A) as of the snapshot after so many rounds."""
    policy = load_policies(run, str(rounds)).policy
    return policy.probabilities(stages.seen, np.zeros(stages.seen.shape[:2], np.uint8))


def moved(stages: Stages, agent: int, old: F64, new: F64) -> tuple[float, float, float, float]:
    """One agent's figures of a row; `old` and `new` (S, A) are the other's probabilities."""
    kernel = kernel_drift(stages.payoffs, stages.following, old, new, agent)
    paid = stages.payoffs[:, agent] if agent == 0 else stages.payoffs[:, agent].swapaxes(1, 2)
    change = np.einsum("sab,sb->sa", paid, new - old)
    return kernel.mean(), kernel.max(), total_variation(old, new).mean(), np.abs(change).max()


def table(run: Path) -> Iterator[tuple[str, ...]]:
    """Raises FleetError if it is no run of a game or can't be read."""
    directory = RunDirectory.open(run)
    config = load_config(directory.config)
    if config.world.kind != "game" or config.learner.algorithm == "joint":
        raise FleetError(f"{run}: allowed are runs of games in which each agent has a policy of its own")
    stages = make_stages(config.world)
    rounds = [snapshot.round for snapshot in SnapshotStore(directory.snapshots).snapshots()]
    policies = [in_all_states(run, number, stages) for number in rounds]
    for (first, old), (then, new) in pairwise(zip(rounds, policies, strict=True)):
        for agent in range(AGENTS):
            figures = moved(stages, agent, old[1 - agent], new[1 - agent])
            yield f"{first} to {then}", str(agent), *(f"{value:.4f}" for value in figures)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    try:
        print_table(table(parser.parse_args().run), header=HEADER)
    except FleetError as error:
        raise SystemExit(f"error: {error}") from error


if __name__ == "__main__":
    main()
