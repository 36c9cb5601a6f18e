"""Random numbers inside compiled code: xoshiro256** (Blackman and Vigna, 2018) on a state that the caller holds.

numba's global generator can't be written into a snapshot, so each copy of the world has its own 4 words in `State.rng`.
"""

import numpy as np
import numpy.typing as npt

from env_server.warehouse.compiled import compiled

U64 = npt.NDArray[np.uint64]


@compiled
def _rotate(x: np.uint64, left: int) -> np.uint64:
    return (x << np.uint64(left)) | (x >> np.uint64(64 - left))


@compiled
def next_word(words: U64) -> np.uint64:
    """The next 64 bits of the generator with the state `words` (4,); a literal that isn't uint64 would give floats."""
    result = _rotate(words[1] * np.uint64(5), 7) * np.uint64(9)
    shifted = words[1] << np.uint64(17)
    words[2] ^= words[0]
    words[3] ^= words[1]
    words[1] ^= words[2]
    words[0] ^= words[3]
    words[2] ^= shifted
    words[3] = _rotate(words[3], 45)
    return result


@compiled
def below(words: U64, count: int) -> int:
    """A whole number 0 <= x < count, each exactly equally likely (Lemire, 2019); 1 <= count < 2**32."""
    n = np.uint64(count)
    low_half = np.uint64(0xFFFFFFFF)
    product = (next_word(words) >> np.uint64(32)) * n
    if (product & low_half) < n:
        threshold = (np.uint64(1 << 32) - n) % n
        while (product & low_half) < threshold:
            product = (next_word(words) >> np.uint64(32)) * n
    return np.int64(product >> np.uint64(32))  # type: ignore[return-value] # int() would keep it unsigned
