"""From the `[world]` table to a floor and a table with nothing left open. The world and the command start here."""

from pathlib import Path

from env_server.errors import SetupError
from env_server.kinds import Survey
from env_server.warehouse.ascii_layout import ascii_floor, load_layout
from env_server.warehouse.floor import Floor, check_ways, grid
from env_server.warehouse.movingai import load_map
from env_server.warehouse.presets import Preset, is_preset, preset
from env_server.warehouse.state import ACTIONS
from fleet.core.config.world import WorldConfig


def build_floor(world: WorldConfig) -> Floor:
    """The floor that the table names. A relative path in `map` counts from the working directory.

    Raises FloorError or SetupError (both BadInput) for a floor that can't be used or an unknown preset.
    """
    if world.layout is not None:
        return ascii_floor(world.layout)
    if world.map is None:
        sizes = _known(world.shelf_columns), _known(world.shelf_rows), _known(world.column_height)
        return grid(*sizes, world.stations)
    if world.is_map_file:
        return load_map(world.map)
    named = _preset_of(world)
    if named is not None:
        return grid(named.shelf_columns, named.shelf_rows, named.column_height)
    return load_layout(world.map)


def resolve(world: WorldConfig, floor: Floor | None = None) -> WorldConfig:
    """The same table with `robots`, `request_queue` and `reward` filled in, and checked against its floor.

    `floor` saves building it again. Raises SetupError (a BadInput) naming the value and the allowed ones if the robots
    don't fit, the request queue is empty or as long as the shelves, or a .map has no `dispatch`, and FloorError if with
    `dispatch` some goal can't be reached from some shelf.
    """
    floor = build_floor(world) if floor is None else floor
    named = _preset_of(world)
    robots = _robots(world, named, floor)
    queue = _request_queue(world, named, robots, floor)
    if world.is_map_file and world.dispatch == "off":
        raise SetupError(
            f'dispatch = "off" with map = "{world.map}"; nothing is lifted off a .map floor, its robots are sent from '
            "service points to stations: allowed are random, nearest and matching"
        )
    if world.dispatch != "off":
        check_ways(floor, floor.goals[:1])  # an order may go from any shelf to any goal
    reward = world.reward or ("individual" if world.dispatch == "off" else "dense")
    return world.model_copy(update={"robots": robots, "request_queue": queue, "reward": reward})


def survey(world: WorldConfig) -> Survey:
    """What is known of the warehouse without making it. Raises as `build_floor` and `resolve`."""
    floor = build_floor(world)
    resolved = resolve(world, floor)
    size, itemsize = observation_shape(resolved, floor)
    return Survey(resolved, size, itemsize, ACTIONS, estimate_bytes(resolved, floor))


def estimate_bytes(world: WorldConfig, floor: Floor | None = None) -> int:
    """About how much memory the world takes in all copies, in bytes: state, observations and kept distances.

    Raises as `resolve` does.
    """
    # here and not above: it loads the compiler, which takes a second that `fleet tasks` should not wait
    from env_server.warehouse.distance import distance_bytes, poses

    floor = build_floor(world) if floor is None else floor
    world = resolve(world, floor)
    robots, queue = _known(world.robots), _known(world.request_queue)
    shelves, dispatched, timed = len(floor.shelves), world.dispatch != "off", world.way == "time"
    features, itemsize = observation_shape(world, floor)
    per_copy = copy_bytes(world, floor, robots, features * itemsize) + 5 * shelves + 4 * queue
    # a shelf's slot is fetched from by unloaded robots and returned to by loaded ones, a goal only delivered to
    targets = (2 * shelves if shelves else len(floor.service)) + len(floor.goals)
    kept = distance_bytes(poses(timed) * floor.cells, targets, robots * world.worlds) if dispatched else 0
    return world.worlds * per_copy + kept


def copy_bytes(world: WorldConfig, floor: Floor, robots: int, observation: int) -> int:
    """About what one copy takes in memory for its robots, with observations of that many bytes, and their floor."""
    from env_server.warehouse.observe import look_bytes

    # twelve int32, a uint16, eight bytes and a counter; this observation and the one in which an episode ended
    per_robot = 12 * 4 + 2 + 8 + 8 + 2 * observation
    window = look_bytes(floor.height, floor.width, world.sensor_range, world.dispatch != "off")
    return robots * per_robot + 2 * 4 * floor.cells + window + 36


def observation_shape(world: WorldConfig, floor: Floor) -> tuple[int, int]:
    """How many numbers a robot observes, and the bytes of each."""
    from env_server.warehouse.features import way_size

    features = window_size(world) + (0 if world.dispatch == "off" else way_size(world.way == "time"))
    return features, 1 if max(floor.height, floor.width) <= 127 else 2


def window_size(world: WorldConfig) -> int:
    """How many of these numbers are of what a robot sees around itself; what dispatch shows follows."""
    from env_server.warehouse.observe import rware_size
    from env_server.warehouse.turned import TURNED_SIZE

    return TURNED_SIZE if world.window == "turned" else rware_size(world.sensor_range)


def _known(value: int | None) -> int:
    assert value is not None
    return value


def _preset_of(world: WorldConfig) -> Preset | None:
    """The preset that `map` names, None if it names none but a file; a bare name that is no file must be one."""
    if world.map is None or world.is_map_file:
        return None
    path = Path(world.map)
    meant_as_one = path.name == world.map and not path.suffix and not path.exists()
    return preset(world.map) if is_preset(world.map) or meant_as_one else None


def _robots(world: WorldConfig, named: Preset | None, floor: Floor) -> int:
    robots = world.robots if world.robots is not None or named is None else named.robots
    if robots is None:
        raise SetupError("robots is not set; only an RWARE preset says how many there are: allowed are 1 to 1000")
    if robots > len(floor.starts):
        raise SetupError(
            f"robots = {robots} do not fit on {floor.name}, which has {len(floor.starts)} free cells to start on; "
            f"allowed are 1 to {len(floor.starts)}"
        )
    return robots


def _request_queue(world: WorldConfig, named: Preset | None, robots: int, floor: Floor) -> int:
    queue = world.request_queue
    if queue is None:
        queue = robots if named is None else named.request_queue
    if len(floor.shelves) == 0:
        return queue
    most = len(floor.shelves) - 1
    if most == 0:
        raise SetupError(f"{floor.name} has 1 shelf; the next request is drawn from the others, so it needs at least 2")
    if queue == 0 and named is not None:
        raise SetupError(
            f'map = "{named.name}" has a request queue of 0 (RWARE halves its {named.robots} robot), so nothing could '
            f"ever be delivered; set request_queue, allowed are 1 to {most}"
        )
    if not 1 <= queue <= most:
        raise SetupError(
            f"request_queue = {queue}; {floor.name} has {len(floor.shelves)} shelves and one must always be left to "
            f"request next: allowed are 1 to {most}"
        )
    return queue
