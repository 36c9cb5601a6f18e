"""The warehouse as a planner sees it: floor and traffic in the words of `actors.view`. Called by `Warehouse`."""

import numpy as np

from actors.view import FloorView, TrafficView
from env_server.errors import SetupError
from env_server.warehouse.dispatch import Dispatch
from env_server.warehouse.floor import Floor
from env_server.warehouse.state import DELIVER, NO_LEG, NOTHING, ONLINE, Layout, State


def floor_view(floor: Floor) -> FloorView:
    """The floor's walls and highways; on a .map floor nothing is lifted, so every open cell is a highway."""
    return FloorView(floor.blocked, floor.highway)


def traffic_view(state: State, layout: Layout, dispatch: Dispatch) -> TrafficView:
    """Everybody as of now. Raises SetupError without dispatch: then no robot has an order to plan for."""
    if not layout.dispatched:
        raise SetupError('planners follow orders, and dispatch = "off" hands out none; set world.dispatch')
    to_station = state.leg == DELIVER
    target = np.where(to_station, layout.goals[state.station], state.home)
    target[state.leg == NO_LEG] = NOTHING
    return TrafficView(
        cell=state.cell,
        heading=state.heading,
        loaded=state.carrying != NOTHING,
        target=target,
        lifts=~to_station & dispatch.lifts,
        delivers=to_station,
        online=state.body == ONLINE,
        standing=state.standing,
    )
