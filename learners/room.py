"""Buffers for the numbers of an update, kept from one to the next: fresh ones would be fresh pages every time."""

from typing import Any

import torch


class Room:
    """Buffers by name. Learners that take turns in one process may share them: nothing in them outlasts an update."""

    def __init__(self) -> None:
        self._buffers: dict[str, torch.Tensor] = {}

    def take(self, name: str, shape: int | tuple[int, ...], dtype: torch.dtype = torch.float32) -> Any:
        """The buffer of that name, a numpy array with whatever it holds; a new one of zeros if its shape changes.

        Aligned to cache lines, as torch aligns its memory.
        """
        wanted = (shape,) if isinstance(shape, int) else shape
        buffer = self._buffers.get(name)
        if buffer is None or buffer.shape != wanted or buffer.dtype != dtype:
            buffer = self._buffers[name] = torch.zeros(wanted, dtype=dtype)
        return buffer.numpy()
