"""What robots do on any floor: turn, and move where RWARE's rules let them. How a step of a copy begins."""

from env_server.warehouse.compiled import compiled
from env_server.warehouse.moves import resolve
from env_server.warehouse.rules import heed, move
from env_server.warehouse.state import U8, Layout, Scratch, State


@compiled
def drive(state: State, layout: Layout, scratch: Scratch, e: int, actions: U8) -> None:
    """Take in `actions` (N, E) for copy `e`, turn and move its robots, and start `scratch.rewards` at 0."""
    scratch.goes[:] = 0
    scratch.waiting[:] = 0
    scratch.depth[:] = 0
    scratch.rewards[:] = 0.0
    asking = heed(state, layout, scratch, e, actions)
    move(state, layout, scratch, e, resolve(state, layout, scratch, e, asking))
