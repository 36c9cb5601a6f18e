"""Head-on meetings, and who is to give way: what `world.head_on` charges for.

Two loaded robots that face each other in a lane between shelves can't get past each other, and each gains if the other
drives back. Left to themselves, independent learners wait for that, as in any war of attrition. Here the one that has
been on its leg for less time pays for every step in which they face each other, which tells them apart: the planners'
right of way, which `window = "turned"` shows to both. They meet in the cells next to each other anywhere, and from
further away in a lane; who turns aside has met nobody.
"""

from env_server.warehouse.compiled import compiled
from env_server.warehouse.dispatch import SIGHT, Dispatch
from env_server.warehouse.state import F32, NOTHING, ONLINE, State


@compiled
def charge(s: State, d: Dispatch, e: int, rewards: F32) -> None:
    """Take `d.head_on` from every robot of copy `e` that has to give way. Changes `rewards` f32 (N,)."""
    for n in range(rewards.size):
        if s.body[n] == ONLINE and s.carrying[e, n] != NOTHING:
            other = _meets(s, d, e, n)
            if other != NOTHING and is_senior(s, e, other, n):
                rewards[n] -= d.head_on


@compiled
def is_senior(s: State, e: int, one: int, other: int) -> bool:
    """Whether `one` has been on its leg for longer than `other`; of equals the lower number has."""
    mine, theirs = s.age[e, one], s.age[e, other]
    return bool(mine > theirs or (mine == theirs and one < other))


@compiled
def _meets(s: State, d: Dispatch, e: int, n: int) -> int:
    """The loaded robot on the highway that robot `n` faces and that faces it, at most SIGHT cells away; or NOTHING.

    No cell between them may have a way out to the side.
    """
    heading, there = s.heading[e, n], s.cell[e, n]
    out = d.exits[there, heading]
    for steps in range(1, SIGHT + 1):
        there = d.distances.neighbours[there, heading]
        if there == NOTHING or d.distances.highway[there] == 0:
            return NOTHING
        other: int = s.robot_at[e, there]
        if other != NOTHING:
            faces = s.body[other] == ONLINE and s.carrying[e, other] != NOTHING and s.heading[e, other] == heading ^ 1
            return other if faces else NOTHING
        if steps == out:
            return NOTHING
    return NOTHING
