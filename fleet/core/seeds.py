"""Every random stream of a run, as a pure function of the seed and of what the stream is for."""

import numpy as np

_PURPOSES = ("world", "acting", "learner", "minibatch", "eval", "faults", "init", "afflictions", "life", "replay")


def stream(seed: int, purpose: str, *indices: int) -> np.random.SeedSequence:
    """The seed sequence of one stream, independent of all others (numpy's spawn keys).

    `indices` tell streams of one purpose apart: the robot or learner, the round, the version. Since nothing is carried
    from one to the next, no generator state has to be saved for a stream that is made anew each round.
    """
    return np.random.SeedSequence(seed, spawn_key=(_PURPOSES.index(purpose), *indices))


def generator(seed: int, purpose: str, *indices: int) -> np.random.Generator:
    """A PCG64 generator on that stream."""
    return np.random.Generator(np.random.PCG64(stream(seed, purpose, *indices)))
