"""From the floor and the `[world]` table of the handoff task to the arrays that its kernel works on."""

import numpy as np

from env_server.handoff.setup import handoff_table
from env_server.handoff.state import Pairs
from env_server.warehouse.floor import Floor
from env_server.warehouse.state import DOWN, UP
from fleet.core.config.world import WorldConfig


def make_pairs(floor: Floor, config: WorldConfig) -> Pairs:
    """The pairs' arrays for `config` (resolved); nobody has an order yet."""
    table, copies = handoff_table(config), config.worlds
    robots, width = 2 * table.pairs, floor.width
    cells = np.arange(floor.cells, dtype=np.int32).reshape(floor.height, table.pairs, table.lane)
    # by side, then from the wall outwards or the edge inwards alike: (rows, pairs, columns of the lane)
    upper, lower = cells[: table.depth], cells[table.depth + 1 :]
    point = np.repeat(cells[table.depth, :, table.lane // 2], 2)
    giver = np.arange(robots) % 2 == 0
    return Pairs(
        loaded=np.zeros((copies, robots), np.uint8),
        target=np.zeros((copies, robots), np.int32),
        blocked=np.zeros((copies, table.pairs), np.int32),
        point=point,
        place=np.where(giver, point - width, point + width).astype(np.int32),
        facing=np.where(giver, DOWN, UP).astype(np.uint8),
        ends=np.stack([upper[0], lower[-1]], axis=1).reshape(robots, table.lane),
        homes=np.stack([upper, lower]).transpose(2, 0, 1, 3).reshape(robots, table.depth * table.lane),
        sides=np.stack([upper.ravel(), lower.ravel()]),
        dense_scale=config.dense_scale,
        penalty=table.penalty,
        share=table.share,
        blocked_steps=table.blocked_steps,
        absent_costs=table.absent_costs,
    )
