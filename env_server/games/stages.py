"""Games of two agents with states: what each joint action pays in each state, and where it leads.

A stochastic game (Shapley 1953) with nothing left to chance. A matrix game is one of a single state.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from env_server.games.payoffs import AGENTS, Game

_MOVES = ((0, 0), (-1, 0), (1, 0), (0, -1), (0, 1))  # stay, up, down, left, right


@dataclass(frozen=True, eq=False)
class Stages:
    """S states with A actions per agent; each episode begins in state 0.

    payoffs f64 (S, 2, A, A): payoffs[s, i, a0, a1] is what agent i gets; following int32 (S, A, A), the next state;
    seen int8 (2, S, D), what each agent observes in each state; `names`: a short label of each action.
    """

    name: str
    payoffs: npt.NDArray[np.float64]
    following: npt.NDArray[np.int32]
    seen: npt.NDArray[np.int8]
    names: tuple[str, ...]

    @property
    def states(self) -> int:
        """How many states S."""
        return len(self.following)

    @property
    def actions(self) -> int:
        """How many actions A each agent has."""
        return len(self.names)


def single(game: Game) -> Stages:
    """A matrix game, played again and again: there is one state, and all that is observed is a 1."""
    return Stages(
        name=game.name,
        payoffs=game.payoffs[None],
        following=np.zeros((1, game.actions, game.actions), np.int32),
        seen=np.ones((AGENTS, 1, 1), np.int8),
        names=tuple(map(str, range(game.actions))),
    )


def two_state() -> Stages:
    """Both agents see the state. (1, 1) leads to state 1, in which it pays 5; anything else leads back to state 0.

    In state 0 the tempting (0, 0) pays 3 at once and (1, 1) only 2. To choose differently pays nothing anywhere, and
    (0, 0) in state 1 pays 1. For discounts above 1/3, (1, 1) in both states is best.
    """
    table = np.array([[[3.0, 0.0], [0.0, 2.0]], [[1.0, 0.0], [0.0, 5.0]]])
    following = np.zeros((2, 2, 2), np.int32)
    following[:, 1, 1] = 1
    return Stages(
        name="two-state",
        payoffs=np.stack([table, table], axis=1),
        following=following,
        seen=np.stack([np.eye(2, dtype=np.int8)] * AGENTS),
        names=("0", "1"),
    )


def rendezvous(size: int) -> Stages:
    """Two agents on a square of `size` x `size` cells, who may share one. Both see both.

    Agent 0 begins in the upper left corner and is due in the lower right one, agent 1 the other way round. Where both
    are due in the same step each gets 1 and both begin again; nothing else pays. An agent observes its own row and
    column, then the other's, each one-hot: 4 x size numbers.
    """
    cells = size * size
    corner = cells - 1
    at = np.stack(np.divmod(np.arange(cells), size), axis=1)
    moved = np.clip(at[:, None] + np.array(_MOVES), 0, size - 1) @ (size, 1)  # (cells, A)
    # State 0 is where both begin, so positions are counted from there: agent 1's from its own corner.
    first, second = np.divmod(np.arange(cells * cells), cells)
    second = corner - second
    there = moved[first][:, :, None], moved[second][:, None, :]
    met = (there[0] == corner) & (there[1] == 0)
    following = np.where(met, 0, there[0] * cells + corner - there[1]).astype(np.int32)
    one_hot = np.eye(size, dtype=np.int8)
    own = [np.concatenate([one_hot[at[where, 0]], one_hot[at[where, 1]]], axis=1) for where in (first, second)]
    return Stages(
        name="rendezvous",
        payoffs=np.stack([met, met], axis=1).astype(np.float64),
        following=following,
        seen=np.stack([np.concatenate(own, axis=1), np.concatenate(own[::-1], axis=1)]),
        names=("stay", "up", "down", "left", "right"),
    )
