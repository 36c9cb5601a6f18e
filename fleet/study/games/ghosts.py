"""How far what two replaying agents remember of each other is from what the other does now."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from fleet.core.compiled import Compiler
from learners.tabular.replayed import Played

F64 = npt.NDArray[np.float64]
compiled = Compiler("ghosts", [Path(__file__)])


def gaps(played: Played, memories: tuple[int, int], epsilon: float) -> F64:
    """After each step, of each agent's memory of its newest steps: f64 (steps, 2, 2), the gap and its stale part.

    Agent i's effective kernel is what it is paid and where it gets to for its own action, the other's drawn from the
    other's policy. In a memory the other's action has the frequencies that it has there beside the same state and own
    action. The *gap* is the total variation distance between those frequencies and the other's policy now, a mean over
    the steps of the memory (as they are drawn). It is that of the kernels themselves where no two actions of the other
    come to the same, and else an upper bound.

    Part of it is chance, since few steps are a poor sample of any policy, and part is *stale*: the same distance with
    the policies by which the other chose in place of what it chose. Policies are epsilon-greedy on `played.tables`, so
    that this is (1 - epsilon) times the share of steps in whose state the other then preferred another action than now.
    """
    found = np.empty((len(played.states), 2, 2))
    preferred = np.argmax(played.tables, axis=-1)
    _gaps(preferred, played.states, played.actions, memories, epsilon, played.tables.shape[-1], found)
    return found


@compiled
def _gaps(
    preferred: Any, states: Any, joints: Any, memories: tuple[int, int], epsilon: float, actions: int, found: Any
) -> None:
    """Of each (agent, state, own action) how often the other did, and preferred, what: counts of the memory, moved on.

    preferred (steps + 1, 2, S): before the first and after each step.
    """
    shape = (2, preferred.shape[2], actions, actions)
    did, liked = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
    for step in range(len(states)):
        for i in range(2):
            for at, change in ((step, 1), (step - memories[i], -1)):  # what comes in, and what is forgotten
                if at >= 0:
                    s, own, other = states[at], joints[at, i], joints[at, 1 - i]
                    did[i, s, own, other] += change
                    liked[i, s, own, preferred[at, 1 - i, s]] += change
            gap, stale = 0.0, 0
            for s in range(shape[1]):
                now = preferred[step + 1, 1 - i, s]
                for own in range(actions):
                    count = did[i, s, own].sum()
                    stale += count - liked[i, s, own, now]
                    for other in range(actions):
                        chance = epsilon / actions + (1 - epsilon) * (other == now)
                        gap += abs(did[i, s, own, other] - count * chance) / 2
            held = min(step + 1, memories[i])
            found[step, i, 0], found[step, i, 1] = gap / held, (1 - epsilon) * stale / held
