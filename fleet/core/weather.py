"""What a link suffers on purpose: a planned fault's cuts, delays and damaged bytes. Consulted by link.py.

Pure: bytes and times come in as parameters. sabotage.py decides what the weather is and for how long.
"""

import random
from collections import deque
from collections.abc import Callable, Sequence
from math import inf
from typing import NamedTuple

Frames = Sequence[bytes | memoryview]
Spoil = Callable[[str, list[bytes]], None]


class Held(NamedTuple):
    """A message on its way, that leaves at `due` if all before it have."""

    due: float
    kind: str
    frames: Frames


class Weather:
    """One link's.

        weather = Weather(seed)
        weather.cut_out = True                          # nothing leaves
        frames = weather.leaving("policy", frames, now)  # None

    As it is made it changes nothing.
    """

    def __init__(self, seed: int = 0) -> None:
        self.cut_in = self.cut_out = False
        """Whether what comes in, or goes out, is dropped."""
        self.delay_s = 0.0
        """By how much what goes out leaves late. What is held when it shrinks still leaves in its order."""
        self.corrupt = 0
        """How many more messages leave with a byte flipped: of their header or their arrays, at random by the seed."""
        self.spoil: Spoil | None = None
        """Changes, in place, the frames of every message that leaves; told its kind as it is counted."""
        self._random = random.Random(seed)
        self._held: deque[Held] = deque()

    @property
    def next_due(self) -> float:
        """When the next held message leaves; `inf`: there is none."""
        return self._held[0].due if self._held else inf

    def leaving(self, kind: str, frames: Frames, now: float) -> Frames | None:
        """The frames that leave now in place of `frames`; None: they don't leave now, or never."""
        if self.cut_out:
            return None
        frames = self._changed(kind, frames)
        if self.delay_s <= 0.0 and not self._held:
            return frames
        # Bytes of its own: the arrays may change before they leave.
        self._held.append(Held(now + self.delay_s, kind, [bytes(frame) for frame in frames]))
        return None

    def due(self, now: float) -> list[Held]:
        """What was held and leaves now, in order; lost if the link has been cut meanwhile."""
        out: list[Held] = []
        while self._held and self._held[0].due <= now:
            out.append(self._held.popleft())
        return [] if self.cut_out else out

    def _changed(self, kind: str, frames: Frames) -> Frames:
        if self.spoil is not None:
            copied = [bytes(frame) for frame in frames]
            self.spoil(kind, copied)
            frames = copied
        if self.corrupt > 0:
            self.corrupt -= 1
            frames = self._flipped(frames)
        return frames

    def _flipped(self, frames: Frames) -> Frames:
        """A copy with one byte changed. Header and arrays are hit equally often, whatever their sizes."""
        copied = [bytearray(frame) for frame in frames]
        arrays = [frame for frame in copied[1:] if frame]
        hit = self._random.choice(arrays) if arrays and self._random.random() < 0.5 else copied[0]
        hit[self._random.randrange(len(hit))] ^= self._random.randrange(1, 256)
        return [bytes(frame) for frame in copied]
