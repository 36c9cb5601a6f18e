"""What is known of a run before it starts."""

import pytest

from fleet.core.config.load import load_config, shipped_configs
from fleet.study.prepare import prepare, settle


@pytest.mark.parametrize("name", sorted(shipped_configs()))
def test_every_shipped_config_can_be_run_wherever_there_is_memory(name):
    config = load_config(name, ["control.memory_limit_gb=1000.0"])
    prepared = prepare(config)
    assert prepared.world.robots is not None
    assert prepared == settle(config)
