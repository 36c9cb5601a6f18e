"""Bytes and messages over one link, counted at the wire by direction and kind; rejected ones by reason.

The channels count; the server's metrics, the report and the communication comparison read `as_dict()`.
"""

from collections import Counter
from typing import Literal

Direction = Literal["sent", "received"]


class Counters:
    """Grows only. One thread's own."""

    def __init__(self) -> None:
        self._messages: Counter[tuple[Direction, str]] = Counter()
        self._bytes: Counter[tuple[Direction, str]] = Counter()
        self._rejected: Counter[str] = Counter()
        self.disconnects = 0
        """Connections that ended, and handshakes that failed."""

    def add(self, direction: Direction, kind: str, size: int) -> None:
        """One message of `size` bytes: header and arrays, without ZeroMQ's own framing."""
        self._messages[direction, kind] += 1
        self._bytes[direction, kind] += size

    def reject(self, reason: str) -> int:
        """One message that came in and was thrown away whole; gives how many have been for this reason."""
        self._rejected[reason] += 1
        return self._rejected[reason]

    @property
    def rejected(self) -> dict[str, int]:
        """Messages thrown away, by reason."""
        return dict(self._rejected)

    def bytes(self, direction: Direction, kind: str | None = None) -> int:
        """Bytes of one kind, or of all."""
        return sum(size for (way, name), size in self._bytes.items() if way == direction and kind in (None, name))

    def messages(self, direction: Direction, kind: str | None = None) -> int:
        """Messages of one kind, or of all."""
        return sum(count for (way, name), count in self._messages.items() if way == direction and kind in (None, name))

    def as_dict(self) -> dict[str, dict[str, int]]:
        """All counts as JSON: {"messages_sent": {kind: n}, "bytes_sent": ..., "rejected": {reason: n}, "link": ...}."""
        counts: dict[str, dict[str, int]] = {f"{what}_{way}": {} for way in ("sent", "received") for what in _WHAT}
        for (way, kind), count in self._messages.items():
            counts[f"messages_{way}"][kind] = count
        for (way, kind), size in self._bytes.items():
            counts[f"bytes_{way}"][kind] = size
        return {**counts, "rejected": self.rejected, "link": {"disconnects": self.disconnects}}


_WHAT = ("messages", "bytes")
