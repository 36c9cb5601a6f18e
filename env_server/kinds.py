"""What each kind of world tells of itself before one is made: its sizes, and what there is to choose from."""

from dataclasses import dataclass

from fleet.core.config.world import WorldConfig


@dataclass(frozen=True)
class Survey:
    """A world that could be made: `config` with nothing left open, and what a run has to have room for.

    `observation_size` numbers of `itemsize` bytes in an observation; `bytes`: about what all copies take in memory.
    """

    config: WorldConfig
    observation_size: int
    itemsize: int
    actions: int
    bytes: int


@dataclass(frozen=True)
class Task:
    """A line of `fleet tasks`: how the config names it, and what it is. `group` is the heading it stands under."""

    group: str
    name: str
    description: str
