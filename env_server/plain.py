"""What worlds share beside their dynamics: first clocks, counts, a state of plain arrays, and having no floor."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from env_server.arguments import BODIES, check_alike, check_ranges
from env_server.errors import SetupError
from fleet.core.config.world import WorldConfig
from fleet.core.spec import Array


def first_clock(config: WorldConfig) -> npt.NDArray[np.int64]:
    """Steps that each copy's first episode is short of, (E,): with `stagger` they don't all end at once."""
    copies = np.arange(config.worlds)
    return copies * config.max_steps // config.worlds if config.stagger else 0 * copies


def read_arrays(kept: Mapping[str, Array]) -> dict[str, Array]:
    """A copy of each."""
    return {name: array.copy() for name, array in kept.items()}


def write_arrays(
    kept: Mapping[str, Array], given: Mapping[str, Array], config: WorldConfig, ranges: Mapping[str, tuple[int, int]]
) -> None:
    """Copy `given` into `kept`, all of it or nothing.

    Raises WorldError if a name, shape or type isn't that of `kept`, or a number is out of its range, first up to second
    (`clock` and `body` are known).
    """
    check_alike(given, kept)
    check_ranges(given, {"clock": (0, config.max_steps), "body": (0, len(BODIES)), **ranges})
    for name, array in kept.items():
        array[...] = given[name]


def counted(by_copy: npt.NDArray[np.int64], illegal: npt.NDArray[np.int64]) -> dict[str, npt.NDArray[np.int64]]:
    """`World.metrics` from deliveries (N, E) and illegal actions (N,)."""
    return {"deliveries": by_copy.sum(axis=1), "deliveries_by_copy": by_copy.copy(), "illegal": illegal.copy()}


def no_floor(what: str) -> SetupError:
    """What to raise where somebody asks for a floor to plan on; `what`: the kind of world, and what it doesn't have."""
    return SetupError(f"world.kind = {what} for a planner; allowed are actors that learned and random ones")
