"""From the `[world]` table to a floor: which one it names, what is filled in, and what is refused."""

from pathlib import Path

import pytest

from env_server.errors import FloorError, SetupError
from env_server.warehouse.setup import build_floor, estimate_bytes, observation_shape, resolve
from fleet.core.config.world import WorldConfig
from fleet.core.errors import BadInput

MAP = "type octile\nheight 2\nwidth 3\nmap\nS.E\n...\n"


def world(**settings: object) -> WorldConfig:
    return WorldConfig.model_validate(settings)


@pytest.fixture
def map_file(tmp_path: Path) -> str:
    path = tmp_path / "m.map"
    path.write_text(MAP)
    return str(path)


def test_each_way_to_name_a_floor(map_file: str, tmp_path: Path) -> None:
    layout = tmp_path / "floor.txt"
    layout.write_text("xg.x")
    assert build_floor(world(map="rware-small-2ag-v2")).height == 20
    assert build_floor(world(layout="g.x")).width == 3
    assert build_floor(world(shelf_columns=9, shelf_rows=5, column_height=8)).height == 47
    assert len(build_floor(world(shelf_columns=9, shelf_rows=5, column_height=8, stations=20)).goals) == 20
    assert build_floor(world(map=map_file)).service.size == 1
    assert build_floor(world(map=str(layout))).shelves.size == 2


def test_a_relative_path_counts_from_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "floor").write_text("xg.x")
    monkeypatch.chdir(tmp_path)
    assert build_floor(world(map="floor")).shelves.size == 2


def test_a_preset_fills_in_its_robots_and_queue() -> None:
    settled = resolve(world(map="rware-tiny-4ag-hard"))
    assert (settled.robots, settled.request_queue, settled.reward) == (4, 2, "individual")


def test_what_the_table_says_goes_before_the_preset() -> None:
    settled = resolve(world(map="rware-tiny-4ag-hard", robots=9, request_queue=5, reward="two-stage"))
    assert (settled.robots, settled.request_queue, settled.reward) == (9, 5, "two-stage")


def test_elsewhere_there_is_one_request_per_robot() -> None:
    settled = resolve(world(layout="xg.x\nx..x", robots=3, dispatch="nearest"))
    assert (settled.request_queue, settled.reward) == (3, "dense")
    assert resolve(settled) == settled


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"layout": "xg.x"}, "robots is not set; only an RWARE preset says how many"),
        ({"layout": "xg.x", "robots": 5}, "robots = 5 do not fit on layout, which has 4 free cells .* 1 to 4"),
        ({"map": "rware-tiny-2ag", "robots": 111}, "robots = 111 do not fit .* allowed are 1 to 110"),
        ({"map": "rware-tiny-1ag-hard"}, '"rware-tiny-1ag-hard" has a request queue of 0 .* allowed are 1 to 31'),
        ({"map": "rware-tiny-2ag", "request_queue": 32}, "request_queue = 32; .* 32 shelves .* allowed are 1 to 31"),
        ({"map": "rware-tiny-19ag-easy"}, "request_queue = 38; .* allowed are 1 to 31"),
        ({"layout": "xg.x", "robots": 2}, "request_queue = 2; layout has 2 shelves .* allowed are 1 to 1"),
        ({"layout": "gx.", "robots": 1}, "layout has 1 shelf; .* needs at least 2"),
        ({"map": "rware-tny-2ag"}, "Did you mean rware-tiny-2ag"),
        ({"map": "rware-tiny-20ag"}, "N from 1 to 19"),
    ],
)
def test_what_does_not_fit_is_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(SetupError, match=message) as error:
        resolve(world(**settings))
    assert isinstance(error.value, BadInput)


def test_the_longest_queue_that_fits_is_accepted() -> None:
    assert resolve(world(map="rware-tiny-2ag", request_queue=31)).request_queue == 31
    assert resolve(world(map="rware-tiny-1ag-hard", request_queue=1)).request_queue == 1


def test_every_free_cell_may_hold_a_robot() -> None:
    assert resolve(world(map="rware-tiny-2ag", robots=110)).robots == 110


def test_a_map_file_needs_dispatch(map_file: str) -> None:
    with pytest.raises(SetupError, match=r'dispatch = "off" with map = .* allowed are random, nearest and matching'):
        resolve(world(map=map_file, robots=2))
    assert resolve(world(map=map_file, robots=2, dispatch="random")).reward == "dense"


def test_dispatch_needs_a_way_from_every_shelf_to_every_goal() -> None:
    parted = {"layout": "gx.\nxxg", "robots": 1}
    assert resolve(world(**parted)).robots == 1
    with pytest.raises(FloorError, match="the goal at row 1, column 2 can't be reached"):
        resolve(world(**parted, dispatch="random"))


def test_robots_must_fit_a_map_file(map_file: str) -> None:
    Path(map_file).write_text(MAP.replace("...", "@.@"))
    with pytest.raises(SetupError, match=r"robots = 5 do not fit .* allowed are 1 to 4"):
        resolve(world(map=map_file, robots=5, dispatch="random"))


@pytest.mark.parametrize("name", ["maps/none.map", "none.map", "maps/none", "none.txt"])
def test_a_missing_file_is_refused(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FloorError, match=f"{name}: no such file"):
        build_floor(world(map=name))


def test_the_estimate_grows_with_copies_robots_and_sight() -> None:
    small = estimate_bytes(world(map="rware-tiny-4ag", worlds=8))
    assert estimate_bytes(world(map="rware-tiny-4ag", worlds=16)) == 2 * small
    assert estimate_bytes(world(map="rware-tiny-4ag", worlds=8, robots=8)) > small
    assert estimate_bytes(world(map="rware-tiny-4ag", worlds=8, sensor_range=5)) > small
    assert estimate_bytes(world(map="rware-tiny-4ag", worlds=8, dispatch="random")) > small


def test_the_observation_is_rwares_and_grows_with_sight_and_dispatch() -> None:
    def shape(**settings: object) -> tuple[int, int]:
        table = world(**settings)
        return observation_shape(table, build_floor(table))

    assert shape(map="rware-tiny-4ag") == (71, 1)
    assert shape(map="rware-tiny-4ag", sensor_range=5) == (8 + 7 * 121, 1)
    assert shape(map="rware-tiny-4ag", dispatch="random")[0] > 71
    assert shape(shelf_columns=43, shelf_rows=1, column_height=2, robots=1) == (71, 2)  # 130 cells wide
