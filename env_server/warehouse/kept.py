"""Distance fields that are kept: measured when first asked for, and held while a robot is on its way by one."""

from env_server.warehouse.compiled import compiled
from env_server.warehouse.distance import Distances, measure
from env_server.warehouse.state import NOTHING
from env_server.warehouse.timed import measure_timed


@compiled
def field(d: Distances, family: int, target: int) -> int:
    """The row of `d.fields` with the distances to `target`, measured now if it isn't kept.

    It may be thrown out at the next call unless somebody holds it (`hold`) or `d.complete`.
    """
    row: int = d.field_of[family, target]
    if row < 0:
        row = _make_room(d)
        d.field_of[family, target] = row
        d.holds[row] = family * d.highway.size + target
        if d.timed:
            measure_timed(d, family, target, d.fields[row])
        else:
            measure(d, family, target, d.fields[row])
    d.recent[row] = 1
    return row


@compiled
def hold(d: Distances, family: int, target: int) -> int:
    """`field`, kept until `release` is called as often as this."""
    row = field(d, family, target)
    d.users[row] += 1
    return row


@compiled
def release(d: Distances, row: int) -> None:
    """Give back a field that was held."""
    d.users[row] -= 1


@compiled
def release_all(d: Distances) -> None:
    """Nobody holds anything any more."""
    d.users[:] = 0


@compiled
def _make_room(d: Distances) -> int:
    """A row nobody holds: the first one the hand meets that wasn't asked for since it last passed (CLOCK)."""
    rows = d.holds.size
    for _ in range(2 * rows):
        row: int = d.hand[0]
        d.hand[0] = (row + 1) % rows
        if d.users[row] > 0:
            continue
        if d.recent[row] == 1:
            d.recent[row] = 0
            continue
        if d.holds[row] >= 0:
            d.field_of[d.holds[row] // d.highway.size, d.holds[row] % d.highway.size] = NOTHING
        return row
    raise RuntimeError("more distance fields in use than there is room for")
