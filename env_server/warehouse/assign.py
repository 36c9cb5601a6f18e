"""Who gets which open order. Dispatch fills the table of costs (distances) and reads the pairs; no floor is known here.

Each function pairs `rows` idle robots with `columns` open orders and writes the column of every row into `chosen`
(rows,), NOTHING for a row that goes empty. min(rows, columns) pairs are always made. `cost` is flat and row-major.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from env_server.warehouse.compiled import compiled
from env_server.warehouse.random import U64, below
from env_server.warehouse.state import I32, NOTHING, U8

I64 = npt.NDArray[np.int64]


class Table(NamedTuple):
    """The costs of up to R robots and C orders, and the scratch for pairing them."""

    cost: I32  # (R * C,)
    turned: I32  # (R * C,) the same, columns first
    chosen: I32  # (R,)
    shuffled: I32  # (max + 1,)
    row_price: I64  # (max + 1,) the dual variables u and v of the assignment problem, and its search tree
    column_price: I64
    slack: I64
    row_of: I32
    came_from: I32
    seen: U8


def make_table(rows: int, columns: int) -> Table:
    """Room for that many idle robots and open orders."""
    size = max(rows, columns) + 1
    return Table(
        cost=np.zeros(rows * columns, np.int32),
        turned=np.zeros(rows * columns, np.int32),
        chosen=np.zeros(rows, np.int32),
        shuffled=np.zeros(size, np.int32),
        row_price=np.zeros(size, np.int64),
        column_price=np.zeros(size, np.int64),
        slack=np.zeros(size, np.int64),
        row_of=np.zeros(size, np.int32),
        came_from=np.zeros(size, np.int32),
        seen=np.zeros(size, np.uint8),
    )


@compiled
def pair_at_random(t: Table, rows: int, columns: int, rng: U64) -> None:
    """Every way of pairing them is equally likely."""
    t.chosen[:rows] = NOTHING
    longer = max(rows, columns)
    for i in range(longer):
        t.shuffled[i] = i
    for i in range(min(rows, columns)):  # Fisher-Yates on the longer side, as far as there are partners
        j = i + below(rng, longer - i)
        t.shuffled[i], t.shuffled[j] = t.shuffled[j], t.shuffled[i]
        if rows < columns:
            t.chosen[i] = t.shuffled[i]
        else:
            t.chosen[t.shuffled[i]] = i


@compiled
def pair_nearest(t: Table, rows: int, columns: int, rng: U64) -> None:
    """Again and again the closest pair of those left. Of equals a random robot's is first: no number is favoured."""
    t.chosen[:rows] = NOTHING
    t.seen[:columns] = 0
    first = below(rng, rows) if rows > 1 else 0
    for i in range(rows):
        t.came_from[i] = _nearest_left(t, i, columns)
    for _ in range(min(rows, columns)):
        row = NOTHING
        for k in range(rows):
            i = (first + k) % rows
            if t.chosen[i] != NOTHING:
                continue
            if t.seen[t.came_from[i]] == 1:
                t.came_from[i] = _nearest_left(t, i, columns)
            if row < 0 or t.cost[i * columns + t.came_from[i]] < t.cost[row * columns + t.came_from[row]]:
                row = i
        t.chosen[row] = t.came_from[row]
        t.seen[t.came_from[row]] = 1


@compiled
def _nearest_left(t: Table, row: int, columns: int) -> int:
    """The first of the nearest columns that nobody has; NOTHING if all are taken."""
    nearest = NOTHING
    for j in range(columns):
        if t.seen[j] == 0 and (nearest < 0 or t.cost[row * columns + j] < t.cost[row * columns + nearest]):
            nearest = j
    return nearest


@compiled
def pair_matching(t: Table, rows: int, columns: int) -> None:
    """The pairing of least total cost (Hungarian method, O(n^2 m))."""
    t.chosen[:rows] = NOTHING
    if rows <= columns:
        _match(t, t.cost, rows, columns)
        for j in range(1, columns + 1):
            if t.row_of[j] > 0:
                t.chosen[t.row_of[j] - 1] = j - 1
        return
    for i in range(rows):
        for j in range(columns):
            t.turned[j * rows + i] = t.cost[i * columns + j]
    _match(t, t.turned, columns, rows)
    for j in range(1, rows + 1):
        t.chosen[j - 1] = t.row_of[j] - 1  # row_of is 0 where the robot goes empty: NOTHING


@compiled
def _match(t: Table, cost: I32, rows: int, columns: int) -> None:
    """Give each row a column of its own at least cost; rows <= columns. Result in `row_of` (1-based, 0 for none).

    Shortest augmenting paths with prices, one row at a time, as in Jonker and Volgenant (1987); index 0 is the
    imaginary column in which the row being placed stands.
    """
    t.row_price[: rows + 1] = 0
    t.column_price[: columns + 1] = 0
    t.row_of[: columns + 1] = 0
    for row in range(1, rows + 1):
        t.row_of[0] = row
        column = _cheapest_path(t, cost, columns)
        while column != 0:
            before = t.came_from[column]
            t.row_of[column] = t.row_of[before]
            column = before


@compiled
def _cheapest_path(t: Table, cost: I32, columns: int) -> int:
    """Grow the tree of tight pairs from the imaginary column until it meets a column without a row; that column."""
    t.slack[: columns + 1] = np.iinfo(np.int64).max
    t.seen[: columns + 1] = 0
    column = 0
    while t.row_of[column] != 0:
        t.seen[column] = 1
        row = t.row_of[column]
        step, nearest = np.iinfo(np.int64).max, 0
        for j in range(1, columns + 1):
            if t.seen[j] == 1:
                continue
            reduced = cost[(row - 1) * columns + j - 1] - t.row_price[row] - t.column_price[j]
            if reduced < t.slack[j]:
                t.slack[j] = reduced
                t.came_from[j] = column
            if t.slack[j] < step:
                step, nearest = t.slack[j], j
        for j in range(columns + 1):
            if t.seen[j] == 1:
                t.row_price[t.row_of[j]] += step
                t.column_price[j] -= step
            else:
                t.slack[j] -= step
        column = nearest
    return column
