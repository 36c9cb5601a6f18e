import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.core.config import Config, LearnerConfig, RunConfig, WorldConfig
from fleet.core.config.load import load_config, shipped_configs
from fleet.core.config.write import describe, to_toml, toml_value


def back(config: Config, folder) -> Config:
    path = folder / "config.toml"
    path.write_text(to_toml(config))
    return load_config(path)


@pytest.mark.parametrize("name", sorted(shipped_configs()))
def test_what_is_written_loads_back_equal(name, tmp_path):
    config = load_config(name)
    assert back(config, tmp_path) == config
    assert to_toml(back(config, tmp_path)) == to_toml(config)


def test_unset_values_floats_groups_and_layouts_come_back(tmp_path):
    config = Config(
        run=RunConfig(seed=2**63 - 1),
        world=WorldConfig(layout='..x\n.g.\n"\\', robots=1),
        learner=LearnerConfig(max_grad_norm=None, learning_rate=1e-7, gamma=0.1 + 0.2),
        mapping=((0, 2), (1,)),
    )
    assert back(config, tmp_path) == config


@given(st.text())
def test_any_text_comes_back(text):
    assert tomllib.loads(f"x = {toml_value(text)}")["x"] == text


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_any_number_comes_back(value):
    assert tomllib.loads(f"x = {toml_value(value)}")["x"] == value


def test_every_setting_is_described():
    settings = {setting.key: setting for setting in describe(load_config("demo"))}
    assert len(settings) > 50
    assert all(setting.meaning and setting.allowed for setting in settings.values())
    assert not settings["world.robots"].is_default
    assert settings["learner.gamma"].is_default
    assert settings["run.quorum"].allowed == "above 0 to 1"
    assert settings["network.hidden"].allowed == "an array of whole numbers"
