"""The kinds of worlds: each but the warehouse has a table of its own, and none has another's settings."""

import pytest

from fleet.core.config import Config, WorldConfig
from fleet.core.config.compare import check_resume, differences
from fleet.core.config.handoff import HandoffConfig
from fleet.core.config.load import ConfigError, load_config
from fleet.core.config.write import describe, to_toml
from fleet.core.errors import BadInput

KIND = '[world]\nkind = "handoff"\n'


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "x.toml"
    path.write_text(KIND)
    return path


def test_a_kind_s_table_is_there_whenever_the_kind_is(path):
    assert load_config(path).world.handoff == HandoffConfig()
    assert load_config(path, ["world.handoff=unset"]).world.handoff == HandoffConfig()
    assert load_config(path, ["world.handoff.penalty=2.0"]).world.handoff == HandoffConfig(penalty=2.0)
    assert load_config("smoke").world.handoff is None
    assert WorldConfig(kind="handoff").handoff == HandoffConfig()


def test_its_settings_are_listed_one_by_one_and_load_back(path, tmp_path):
    config = load_config(path, ["world.handoff.pairs=2"])
    settings = {setting.key: setting for setting in describe(config)}
    assert settings["world.handoff.pairs"].value == "2"
    assert settings["world.handoff.penalty"].is_default
    assert "world.handoff" not in settings
    (tmp_path / "written.toml").write_text(to_toml(config))
    assert load_config(tmp_path / "written.toml") == config


def test_arguments_of_any_plain_value_are_written_as_they_load(tmp_path):
    """Broken by writing keys of inner tables without quotes."""
    path = tmp_path / "x.toml"
    args = 'N = 4\nnames = ["a", "b\\"c"]\nrate = 0.5\nfar = { "two words" = [1, [true]], plain = { deep = "x" } }\n'
    path.write_text(f'[world]\nkind = "pettingzoo"\n[world.pettingzoo.args]\n{args}')
    config = load_config(path, ["world.pettingzoo.args.N=5"])
    assert config.world.pettingzoo.args["N"] == 5
    assert config.world.pettingzoo.args["far"] == {"two words": (1, (True,)), "plain": {"deep": "x"}}
    (tmp_path / "written.toml").write_text(to_toml(config))
    assert load_config(tmp_path / "written.toml") == config
    setting = next(each for each in describe(config) if each.key == "world.pettingzoo.args")
    assert setting.allowed == "a table"
    path.write_text('[world]\nkind = "pettingzoo"\n[world.pettingzoo.args]\nfar = 1979-05-27\n')
    with pytest.raises(ConfigError, match=r"x.toml, line 4: args: far = 1979-05-27; allowed are finite numbers"):
        load_config(path)


def test_another_kind_has_no_such_settings():
    settings = {setting.key: setting for setting in describe(load_config("smoke"))}
    assert settings["world.handoff"].value == '"unset"'
    assert not any(key.startswith("world.handoff.") for key in settings)


def test_a_resumed_run_keeps_its_stakes_and_its_kind(path):
    config = load_config(path)
    with pytest.raises(BadInput, match=r"world.handoff.penalty: the run has 0.5, you ask for 1.0"):
        check_resume(config, load_config(path, ["world.handoff.penalty=1.0"]))
    other = Config(world=WorldConfig(layout="xg.x", robots=1))
    found = {item.key: (item.saved, item.wanted) for item in differences(config, other)}
    assert found["world.kind"] == ('"handoff"', '"warehouse"')
    assert found["world.handoff.pairs"] == ("1", '"unset"')
    assert "world.handoff" not in found


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('map = "rware-tiny-2ag"', '`map` is a setting of a warehouse; kind = "handoff" has [world.handoff]'),
        ("stations = 3", "`stations` is a setting of a warehouse"),
        ('dispatch = "nearest"', "`dispatch` is a setting of a warehouse"),
        ('reward = "global"', 'reward = "global" with kind = "handoff"; allowed is "dense"'),
        ("handoff = 3", "world.handoff = 3; allowed: a table"),
        ("handoff.penalty = -1.0", "world.handoff.penalty = -1.0; allowed: 0 to 1000"),
        ("handoff.pealty = 1.0", "unknown key world.handoff.pealty; did you mean penalty?"),
        ("penalty = 1.0", "unknown key world.penalty; did you mean world.handoff.penalty?"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_line(path, line, said):
    path.write_text(f"{KIND}{line}\n")
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    assert str(caught.value).startswith(f"{path}, line 3: ")
    assert said in str(caught.value)


def test_a_warehouse_has_no_other_world_s_table():
    with pytest.raises(
        ConfigError, match='`handoff` has the settings of another world; allowed only with kind = "hand'
    ):
        load_config("smoke", ["world.handoff.penalty=1.0"])


def test_an_unknown_kind_is_refused(path):
    with pytest.raises(ConfigError, match='world.kind = "games"; allowed: "warehouse", "handoff"'):
        load_config(path, ["world.kind=games"])
