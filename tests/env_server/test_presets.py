"""Every task that RWARE registers, by its name and in its shape; and the list that `fleet tasks` shows."""

import gymnasium
import numpy as np
import pytest
import rware  # noqa: F401 - registers its tasks
from rware.warehouse import Warehouse as Rware

from env_server.errors import SetupError
from env_server.warehouse.floor import grid
from env_server.warehouse.presets import PRESETS, SIZES, is_preset, preset
from env_server.warehouse.tasks import tasks

REGISTERED = sorted(name for name in gymnasium.registry if name.startswith("rware"))


def test_names_are_rwares() -> None:
    assert sorted(PRESETS) == sorted(name.removesuffix("-v2") for name in REGISTERED)
    assert len(PRESETS) == 4 * 3 * 19


def test_settings_are_rwares() -> None:
    for name in REGISTERED:
        ours, theirs = preset(name), gymnasium.spec(name).kwargs
        assert ours.robots == theirs["n_agents"]
        assert ours.request_queue == theirs["request_queue_size"]
        assert (ours.shelf_columns, ours.shelf_rows) == (theirs["shelf_columns"], theirs["shelf_rows"])
        assert ours.column_height == theirs["column_height"]


@pytest.mark.slow
def test_floors_are_rwares() -> None:
    for name in REGISTERED:
        ours, theirs = preset(name), Rware(**gymnasium.spec(name).kwargs | {"request_queue_size": 1})
        floor = grid(ours.shelf_columns, ours.shelf_rows, ours.column_height)
        theirs.reset(seed=0)
        assert (floor.height, floor.width) == theirs.grid_size
        assert np.array_equal(floor.highway, theirs.highways.astype(bool))
        assert floor.goals.tolist() == [row * floor.width + column for column, row in theirs.goals]
        assert floor.shelves.tolist() == [shelf.y * floor.width + shelf.x for shelf in theirs.shelfs]


def test_version_suffix_is_optional() -> None:
    assert preset("rware-small-4ag-hard-v2") == preset("rware-small-4ag-hard")
    assert is_preset("rware-large-19ag")
    assert is_preset("rware-large-19ag-easy-v2")
    assert not is_preset("rware-large-20ag")
    assert not is_preset("rware-large-19ag-v1")


@pytest.mark.parametrize(
    ("name", "near"),
    [("rware-tiny-2agents", "rware-tiny-2ag"), ("rware-large-20ag", "rware-large-2ag"), ("rware-smal-4ag", "small")],
)
def test_an_unknown_name_suggests_near_ones(name: str, near: str) -> None:
    with pytest.raises(SetupError, match=f"{name}.* Did you mean .*{near}.*N from 1 to 19"):
        preset(name)


def test_a_name_far_from_all_suggests_nothing() -> None:
    with pytest.raises(SetupError) as error:
        preset("qqq")
    assert "Did you mean" not in str(error.value)


def test_tasks_list_every_preset_once_with_a_line() -> None:
    listed = tasks()
    names = [task.name for task in listed]
    assert len(set(names)) == len(names)
    assert set(PRESETS) <= set(names)
    assert all(task.description and "\n" not in task.description for task in listed)
    one = next(task for task in listed if task.name == "rware-tiny-1ag-hard")
    assert one.description.startswith("1 robot on 11 x 10 cells, 32 shelves, no requests")
    asking = {task.name for task in listed if "set to" in task.description and task.name in PRESETS}
    assert asking == {f"rware-{size}-1ag-hard" for size in SIZES} | {f"rware-tiny-{n}ag-easy" for n in range(16, 20)}
