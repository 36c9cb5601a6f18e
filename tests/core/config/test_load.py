import re
from pathlib import Path

import pytest

from fleet.core.config.load import ConfigError, load_config, shipped_configs
from fleet.core.errors import BadInput

GRID = "shelf_columns = 3\nshelf_rows = 1\ncolumn_height = 2\n"


@pytest.fixture
def write(tmp_path):
    def write(text: str) -> Path:
        path = tmp_path / "x.toml"
        path.write_text(text)
        return path

    return write


def refused(source, *overrides: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load_config(source, overrides)
    assert isinstance(caught.value, BadInput)
    return str(caught.value)


@pytest.mark.parametrize("name", ["demo", "warehouse40", "smoke", "rware-tiny-4ag"])
def test_shipped_configs_load_by_name(name):
    assert name in shipped_configs()
    assert load_config(name).run.name == name


def test_a_path_comes_before_a_shipped_name(write, tmp_path, monkeypatch):
    write(f"[world]\n{GRID}").rename(tmp_path / "demo")
    monkeypatch.chdir(tmp_path)
    assert load_config("demo").world.shelf_columns == 3


def test_a_missing_file_names_the_near_one():
    message = refused("dmo")
    assert "did you mean demo?" in message
    assert "smoke" in message


def test_invalid_toml_names_file_and_line(write):
    path = write("[world]\nrobots = = 3\n")
    assert re.search(rf"{re.escape(str(path))}.*line 2", refused(path))


def test_bytes_that_are_no_text(tmp_path):
    path = tmp_path / "x.toml"
    path.write_bytes(b"\xff\xfe[world]")
    assert "not UTF-8" in refused(path)


@pytest.mark.parametrize(
    ("line", "parts"),
    [
        ("robts = 3", ["unknown key world.robts", "did you mean world.robots?"]),
        ("seed = 3", ["unknown key world.seed", "did you mean run.seed?"]),
        ("robots = 5000", ["world.robots = 5000", "1 to 1000"]),
        ('robots = "4"', ['world.robots = "4"', "a whole number", "1 to 1000"]),
        ("robots = 4.0", ["world.robots = 4.0", "a whole number"]),
        ("robots = true", ["world.robots = true", "a whole number"]),
        ("stagger = 1", ["world.stagger = 1", "true or false"]),
        ('dispatch = "nearst"', ['world.dispatch = "nearst"', '"off", "random", "nearest", "matching"']),
        ("dense_scale = nan", ["world.dense_scale = NaN", "0 to 1"]),
        ("map = 3", ["world.map = 3", "a string"]),
    ],
)
def test_a_fault_names_file_line_key_value_and_what_is_allowed(write, line, parts):
    path = write(f"[world]\n{GRID}{line}\n")
    message = refused(path)
    assert message.startswith(f"{path}, line 5: ")
    for part in parts:
        assert part in message


def test_all_faults_are_told_at_once(write):
    path = write(f"[run]\nseed = -1\n[world]\n{GRID}robots = 0\n[lerner]\nx = 1\n")
    lines = refused(path).splitlines()
    assert len(lines) == 3
    assert any("did you mean learner?" in line for line in lines)


def test_a_table_s_own_check_names_the_line_of_the_key_at_fault(write):
    path = write("[world]\nshelf_rows = 1\ncolumn_height = 2\nshelf_columns = 4\n")
    message = refused(path)
    assert message.startswith(f"{path}, line 4: ")
    assert "even" in message


def test_a_missing_world_is_told(write):
    assert "world is missing" in refused(write("[run]\nseed = 1\n"))


def test_a_value_where_a_table_belongs(write):
    assert "run = 3" in refused(write("run = 3\n"))


def test_overrides_are_toml_values_or_bare_words():
    config = load_config("demo", ["run.rounds=7", "world.dispatch=random", "network.hidden=[8, 8]", 'run.name="x"'])
    assert config.run.rounds == 7
    assert config.world.dispatch == "random"
    assert config.network.hidden == (8, 8)
    assert config.run.name == "x"


def test_an_override_can_unset():
    assert load_config("demo", ["learner.max_grad_norm=unset"]).learner.max_grad_norm is None
    assert load_config("demo", ["world.stations=unset"]).world.stations is None
    assert "learner.gamma" in refused("demo", "learner.gamma=unset")


@pytest.mark.parametrize(
    ("option", "parts"),
    [
        ("run.rounds=0", ["run.rounds = 0", "1 to 10000000"]),
        ("run.round=5", ["unknown key run.round", "did you mean run.rounds?"]),
        ("world.map=rware-tiny-2ag", ["give exactly one floor"]),
        ("network.hidden=[0]", ["hidden layer of 0 units"]),
        ("mapping=perrobot", ['mapping = "perrobot"', '"per-robot", "shared"']),
        ("mapping=[[0, 'x']]", ["mapping = ", "lists of robots"]),
        ("wrold.robots=3", ["unknown key wrold", "did you mean world?"]),
        ("rounds", ["expected key.sub=value"]),
        ("=3", ["expected key.sub=value"]),
        ("run.seed.deep=3", ["seed is a setting"]),
        ("run.seed=1\nrun.rounds=3", ["run.seed"]),
    ],
)
def test_a_faulty_override_is_named(option, parts):
    message = refused("demo", option)
    assert message.startswith(f"--set {option}: ")
    for part in parts:
        assert part in message


def test_map_paths_count_from_the_config_and_in_overrides_from_here(write, tmp_path, monkeypatch):
    path = write('[world]\nmap = "maps/a.map"\n')
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    assert load_config(path).world.map == str(tmp_path / "maps/a.map")
    assert load_config(path, ["world.map=b.map"]).world.map == str(elsewhere / "b.map")
    assert load_config(path, ["world.map=rware-tiny-2ag"]).world.map == "rware-tiny-2ag"


def test_a_list_of_robots_is_a_mapping():
    assert load_config("demo", ["mapping=[[0, 1], [2]]"]).mapping == ((0, 1), (2,))
