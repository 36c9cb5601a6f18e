"""Replay fingerprints (Foerster et al. 2017, section 4.2): what tells the times apart at which steps were taken.

They are the share of random actions and how far training is, of the learner's version that remembered a step: in
lockstep that of the policy that took it. A value network has them as two more inputs, so that it can hold what others
did then apart from what they do now. One policy has one fingerprint, which only shifts its first layer: x @ w + f @ wf
+ b = x @ w + (b + f @ wf). So actors get ordinary weights, and know of none.
"""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from fleet.core.config import ReplayConfig
from fleet.core.spec import Array
from learners.protocol import F32
from learners.schedule import exploration

SIZE = 2
_WEIGHT, _BIAS = "fingerprint.weight", "fingerprint.bias"
_FIRST_WEIGHT, _FIRST_BIAS = "actor.0.weight", "actor.0.bias"
NAMES = frozenset([_WEIGHT, _BIAS])
"""Of what a checkpoint holds beside the weights that actors get."""


def fingerprints(versions: npt.NDArray[np.int64], replaying: ReplayConfig, horizon: int) -> F32:
    """Of each of `versions` (B,), f32 (B, SIZE): its share of random actions, and its part of `horizon` updates."""
    start, end, updates = replaying.explore_start, replaying.explore_end, replaying.explore_updates
    rows = [(exploration(start, end, updates, version), min(1.0, version / horizon)) for version in versions.tolist()]
    return np.array(rows, np.float32).reshape(-1, SIZE)


def folded(networks: Mapping[str, F32], fingerprint: F32) -> dict[str, F32]:
    """What actors get of networks with fingerprints, for one `fingerprint` (SIZE,); beside it, in NAMES, the rest."""
    weight, bias = networks[_FIRST_WEIGHT], networks[_FIRST_BIAS]
    shift = fingerprint.astype(np.float64) @ weight[-SIZE:].astype(np.float64)
    parts = {
        _FIRST_WEIGHT: weight[:-SIZE],
        _FIRST_BIAS: (bias + shift).astype(np.float32),
        _WEIGHT: weight[-SIZE:],
        _BIAS: bias,
    }
    return {**networks, **parts}


def unfolded(arrays: Mapping[str, Array]) -> dict[str, Array]:
    """The networks whose `folded` is in `arrays`, bit for bit."""
    first = {
        _FIRST_WEIGHT: np.concatenate([arrays[_FIRST_WEIGHT], arrays[_WEIGHT]]),
        _FIRST_BIAS: arrays[_BIAS],
    }
    return {**{name: array for name, array in arrays.items() if name not in NAMES}, **first}


def begun(arrays: Mapping[str, Array]) -> dict[str, Array]:
    """Networks for which all times are alike yet, as `folded` gives them, from ordinary ones: they act as these."""
    return {
        **arrays,
        _WEIGHT: np.zeros((SIZE, arrays[_FIRST_WEIGHT].shape[1]), np.float32),
        _BIAS: arrays[_FIRST_BIAS],
    }
