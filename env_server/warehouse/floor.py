"""The floor of a warehouse: what is fixed while robots drive. A cell is row * width + column.

Made from a grid, an ASCII layout or a map; read by the kernel, dispatch and the renderer.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from env_server.errors import FloorError

Mask = npt.NDArray[np.bool_]
Cells = npt.NDArray[np.int32]

MAX_SIDE = 32_767  # observations hold a row or column as int16 at most
MAX_FILE_BYTES = 64 * 2**20


@dataclass(frozen=True, eq=False)
class Floor:
    """A validated floor; make one with `make_floor`, `grid`, `ascii_floor` or `load_map`.

    `blocked` and `highway` are bool (height, width); a shelf may be put down only off the highway. `shelves` int32 (S,)
    are the shelves' first cells in RWARE's order of shelf ids, `goals` int32 (G,) the cells where they are delivered in
    RWARE's order, `service` int32 (K,) the cells of a .map where an item is loaded. A floor has shelves or service
    points, not both. `starts` int32 (M,) are the cells a robot may start on, ascending.
    """

    name: str
    height: int
    width: int
    blocked: Mask
    highway: Mask
    shelves: Cells
    goals: Cells
    service: Cells
    starts: Cells

    @property
    def cells(self) -> int:
        """Number of cells, blocked ones too."""
        return self.height * self.width


def make_floor(
    name: str,
    blocked: Mask,
    highway: Mask,
    *,
    shelves: npt.ArrayLike = (),
    goals: npt.ArrayLike = (),
    service: npt.ArrayLike = (),
    first_line: int | None = None,
) -> Floor:
    """Check the parts of a floor and put them together.

    `first_line` is the file's line that holds row 0, for the messages. Raises FloorError if there is no goal, nothing
    to fetch, a shelf without a way to any goal, or a service point or goal without a way to all others.
    """
    height, width = blocked.shape
    _check_size(name, height, width)
    shelf_cells, goal_cells, service_cells = (np.asarray(cells, dtype=np.int32) for cells in (shelves, goals, service))
    if goal_cells.size == 0:
        raise FloorError(f"{name}: no goal; at least one cell must be a goal (`g` in a layout, `E` in a .map)")
    if shelf_cells.size == 0 and service_cells.size == 0:
        raise FloorError(
            f"{name}: nothing to fetch; it needs a shelf (`x` in a layout) or a service point (`S` in a .map)"
        )
    starts = np.flatnonzero(reachable(~blocked, goal_cells)).astype(np.int32)
    floor = Floor(name, height, width, blocked, highway, shelf_cells, goal_cells, service_cells, starts)
    # RWARE's floors may fall into parts, each with its goal; an order goes from any service point to any goal
    check_ways(floor, goal_cells if shelf_cells.size else goal_cells[:1], first_line)
    return floor


def check_ways(floor: Floor, goals: Cells, first_line: int | None = None) -> None:
    """Raise FloorError unless a loaded robot gets from each shelf, service point and goal to one of `goals`."""
    way = reachable(floor.highway, goals)
    for what, cells, near in (
        ("goal", floor.goals, way),
        ("service point", floor.service, way),
        ("shelf", floor.shelves, beside(way)),
    ):
        lost = cells[~near.ravel()[cells]]
        if lost.size:
            raise FloorError(f"{floor.name}: {_cut_off(what, lost, len(cells), goals, floor.width, first_line)}")


def grid(shelf_columns: int, shelf_rows: int, column_height: int, stations: int | None = None) -> Floor:
    """RWARE's grid of shelf blocks two shelves wide, (column_height + 1) * shelf_rows + 2 by 3 * shelf_columns + 1.

    `stations` puts that many goals evenly along the top and bottom rows, in place of RWARE's two at the bottom. Raises
    FloorError for sizes that RWARE refuses, a grid without shelves, and more stations than the two rows have cells.
    """
    name = f"grid {shelf_columns}x{shelf_rows}x{column_height}"
    sizes = {"shelf_columns": shelf_columns, "shelf_rows": shelf_rows, "column_height": column_height}
    for key, size in sizes.items():
        if size < 1:
            raise FloorError(f"{key} = {size}; allowed is 1 or more")
    if shelf_columns % 2 == 0:
        raise FloorError(f"shelf_columns = {shelf_columns} is even; RWARE's grid needs an odd number")
    height, width = (column_height + 1) * shelf_rows + 2, 3 * shelf_columns + 1
    _check_size(name, height, width)
    row, column = np.indices((height, width))
    middle = (column == width // 2 - 1) | (column == width // 2)
    queue = middle & (row > height - (column_height + 3))  # RWARE clears the block above its goals for robots to wait
    highway = (column % 3 == 0) | (row % (column_height + 1) == 0) | (row == height - 1) | queue
    return make_floor(
        name,
        np.zeros((height, width), np.bool_),
        highway,
        shelves=np.flatnonzero(~highway),
        goals=_two_goals(height, width) if stations is None else _spread(stations, height, width),
    )


def reachable(passable: Mask, cells: Cells) -> Mask:
    """The cells (height, width) that can be reached from any of `cells` through `passable` ones, by one flood fill."""
    height, width = passable.shape
    padded = np.pad(passable, 1).ravel()  # a closed border, so that no step wraps into the next row
    steps = np.array([-(width + 2), width + 2, -1, 1])
    edge = (cells // width + 1) * (width + 2) + cells % width + 1
    seen = np.zeros_like(padded)
    seen[edge] = padded[edge]
    edge = edge[seen[edge]]
    while edge.size:
        ahead = (edge[:, None] + steps).ravel()
        edge = np.unique(ahead[padded[ahead] & ~seen[ahead]])
        seen[edge] = True
    return seen.reshape(height + 2, width + 2)[1:-1, 1:-1]


def beside(cells: Mask) -> Mask:
    """The cells (height, width) with at least one of `cells` above, below, left or right of them."""
    padded = np.pad(cells, 1)
    near: Mask = padded[:-2, 1:-1] | padded[2:, 1:-1] | padded[1:-1, :-2] | padded[1:-1, 2:]
    return near


def read_floor_file(path: Path) -> str:
    """The text of a map or layout file. Raises FloorError if it is missing, unreadable, too big or not text."""
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise FloorError(f"{path}: {path.stat().st_size} bytes; allowed are at most {MAX_FILE_BYTES}")
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise FloorError(f"{path}: no such file") from None
    except UnicodeDecodeError:
        raise FloorError(f"{path}: not a text file") from None
    except OSError as error:
        raise FloorError(f"{path}: can't be read: {error.strerror}") from None


def _check_size(name: str, height: int, width: int) -> None:
    if max(height, width) > MAX_SIDE:
        raise FloorError(f"{name}: {height} x {width} cells; allowed are at most {MAX_SIDE} rows and columns")


def _cut_off(what: str, lost: Cells, of: int, goals: Cells, width: int, first_line: int | None) -> str:
    row, column = divmod(int(lost[0]), width)
    line = "" if first_line is None else f"line {row + first_line}, column {column + 1}: "
    goal_row, goal_column = divmod(int(goals[0]), width)
    goal = f"the goal at row {goal_row}, column {goal_column}" if len(goals) == 1 else "any goal"
    more = f" ({len(lost)} of its {of} are cut off)" if len(lost) > 1 else ""
    return (
        f"{line}the {what} at row {row}, column {column} can't be reached: no way for a loaded robot between it and "
        f"{goal}{more}"
    )


def _two_goals(height: int, width: int) -> list[int]:
    bottom = (height - 1) * width
    return [bottom + width // 2 - 1, bottom + width // 2]


def _spread(stations: int, height: int, width: int) -> list[int]:
    """Cells of the top row, then of the bottom row; an odd one goes to the bottom, where RWARE has its goals."""
    if not 1 <= stations <= 2 * width:
        raise FloorError(f"stations = {stations}; allowed are 1 to {2 * width}, the cells of the top and bottom rows")
    top, bottom = stations // 2, stations - stations // 2
    along_top = [(2 * k + 1) * width // (2 * top) for k in range(top)]
    along_bottom = [(2 * k + 1) * width // (2 * bottom) for k in range(bottom)]
    return along_top + [(height - 1) * width + column for column in along_bottom]
