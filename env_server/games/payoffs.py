"""The payoff tables of two-agent matrix games, which sweeps play in-process and worlds can be made of."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from inspect import signature

import numpy as np
import numpy.typing as npt

from fleet.core.errors import BadInput

F64 = npt.NDArray[np.float64]
AGENTS = 2


@dataclass(frozen=True, eq=False)
class Game:
    """A game in normal form. `payoffs` f64 (2, A, A): agent i is paid payoffs[i, a0, a1] for the joint action (a0, a1).

    The array is a copy that can't be written to. Raises BadInput if it has another shape or isn't finite.
    """

    name: str
    payoffs: F64
    description: str

    def __post_init__(self) -> None:
        payoffs = np.array(self.payoffs, np.float64)
        actions = payoffs.shape[-1] if payoffs.ndim else 0
        if actions < 2 or payoffs.shape != (AGENTS, actions, actions):
            raise BadInput(
                f"{self.name}: payoffs have shape {payoffs.shape}; allowed are (2, A, A) with at least 2 actions A"
            )
        if not np.isfinite(payoffs).all():
            at = tuple(int(k) for k in np.argwhere(~np.isfinite(payoffs))[0])
            raise BadInput(f"{self.name}: payoffs{list(at)} is {payoffs[at]}; allowed are finite numbers")
        payoffs.flags.writeable = False
        object.__setattr__(self, "payoffs", payoffs)

    @property
    def actions(self) -> int:
        """How many actions A each agent has."""
        return int(self.payoffs.shape[-1])

    @property
    def common(self) -> bool:
        """Whether both agents are paid the same, whatever they do."""
        return bool((self.payoffs[0] == self.payoffs[1]).all())

    @cached_property
    def optima(self) -> tuple[tuple[int, int], ...]:
        """The joint actions that pay most; none in a game without common payoffs, where the agents disagree on them."""
        if not self.common:
            return ()
        best = np.argwhere(self.payoffs[0] == self.payoffs[0].max())
        return tuple((int(first), int(second)) for first, second in best)


def coordination(best: float = 5.0, second: float = 3.0, miss: float = 0.0) -> Game:
    """Both had better do the same: (1, 1) pays `best`, (0, 0) pays `second`, anything else `miss`."""
    return _common("coordination", [[second, miss], [miss, best]], "two equilibria, (1, 1) the better one")


def climbing() -> Game:
    """The climbing game of Claus and Boutilier (1998): two penalties guard the optimum (0, 0)."""
    table = [[11.0, -30.0, 0.0], [-30.0, 7.0, 6.0], [0.0, 0.0, 5.0]]
    return _common("climbing", table, "the optimum (0, 0) is next to the worst that can happen")


def penalty(k: float = -100.0) -> Game:
    """The penalty game of Claus and Boutilier (1998): two optima, and `k` for who mixes them up."""
    table = [[10.0, 0.0, k], [0.0, 2.0, 0.0], [k, 0.0, 10.0]]
    return _common("penalty", table, "two optima, (0, 0) and (2, 2), and a safe (1, 1)")


def pennies() -> Game:
    """Matching pennies: agent 0 wins if both do the same, agent 1 if not. Zero-sum, no equilibrium in pure actions."""
    table = np.array([[1.0, -1.0], [-1.0, 1.0]])
    return Game("pennies", np.stack([table, -table]), "competitive: what one wins the other loses")


MAKERS: Mapping[str, Callable[..., Game]] = {
    maker.__name__: maker for maker in (coordination, climbing, penalty, pennies)
}


def make_game(name: str, payoffs: Mapping[str, float] | None = None) -> Game:
    """The game of that name, with some of its named payoffs changed. Raises BadInput for what it doesn't have."""
    if name not in MAKERS:
        raise BadInput(f"game {name}; allowed are {', '.join(MAKERS)}")
    maker, changed = MAKERS[name], dict(payoffs or {})
    known = signature(maker).parameters
    for key, value in changed.items():
        if key not in known:
            raise BadInput(f"{name}: payoff {key}; allowed are {', '.join(known) or 'none'}")
        if not math.isfinite(value):
            raise BadInput(f"{name}: payoff {key}={value}; allowed are finite numbers")
    return maker(**changed)


def _common(name: str, table: list[list[float]], description: str) -> Game:
    return Game(name, np.array([table, table]), description)
