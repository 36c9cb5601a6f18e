"""Compiles the kernels of games and keeps them on disk, so that no study need wait: `make setup` does it.

python -m fleet.study.games.warm
"""

from env_server.games.payoffs import make_game
from fleet.study.games.replay_study import ReplayTerms, study_replay
from fleet.study.games.sweep import Terms, sweep


def warm() -> None:
    """Play two episodes with each kind of compiled learner, with its mean dynamics or what its memory holds."""
    brief = Terms(seeds=2, episodes=2)
    sweep(make_game("coordination"), brief)
    study_replay(ReplayTerms(brief, capacities=(1,)))


if __name__ == "__main__":
    warm()
