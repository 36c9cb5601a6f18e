"""The log file of each process: its output and tracebacks, written by itself, kept short from here."""

import os
from contextlib import suppress
from pathlib import Path

_LONGEST = 1 << 20
_KEPT = 1 << 17


def open_log(path: Path) -> int:
    """A descriptor that appends to a process's log; close it once the process has it."""
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)


def tail(path: Path, lines: int = 12) -> str:
    """The last lines of a log; empty if there is none."""
    text = _last_bytes(path, 8192).decode(errors="replace").rstrip()
    return "\n".join(text.splitlines()[-lines:])


def trim(path: Path, longest: int = _LONGEST, kept: int = _KEPT) -> bool:
    """Cut a log that grew over `longest` bytes down to its last `kept`, in place, because its writer has it open.

    The writer appends, so it goes on after what we leave. A line it writes meanwhile may be lost.
    """
    try:
        if path.stat().st_size <= longest:
            return False
    except FileNotFoundError:
        return False
    rest = _last_bytes(path, kept)
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND)
    try:
        os.ftruncate(descriptor, 0)
        os.write(descriptor, b"[cut]\n" + rest)
    finally:
        os.close(descriptor)
    return True


def _last_bytes(path: Path, count: int) -> bytes:
    with suppress(OSError), path.open("rb") as log:
        log.seek(max(0, log.seek(0, os.SEEK_END) - count))
        return log.read(count)
    return b""
