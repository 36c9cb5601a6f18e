"""What is shipped can be run: every config passes all that is checked before anything is started."""

import pytest

from fleet.core.config.load import load_config, shipped_configs
from fleet.study.prepare import prepare


@pytest.mark.parametrize("name", shipped_configs())
def test_every_shipped_config_can_be_run(name: str) -> None:
    """One that leaves the number of robots to its preset was refused by a check that had been given it unresolved."""
    prepared = prepare(load_config(name))
    assert prepared.world.robots is not None
