"""Writing files so that a kill at any moment leaves the old content or the new, and never a piece of either.

What the run directory, the checkpoints, the ledger and the line files are written with.
"""

import contextlib
import errno
import fcntl
import os
import re
import secrets
from collections.abc import Callable, Iterable
from pathlib import Path

_TEMPORARY = re.compile(r"\.(.+)\.[0-9]+-[0-9a-f]{8}\.tmp")


def sync_folder(folder: Path) -> None:
    """Make the names in `folder` durable: a rename is only safe from a power cut once its folder is synced."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_all(descriptor: int, data: bytes | memoryview) -> None:
    """Write every byte of `data`; raises OSError where that can't be done."""
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def write_atomic(
    path: Path,
    parts: Iterable[bytes | memoryview],
    mode: int = 0o644,
    *,
    durable: bool = True,
    half: Callable[[], None] | None = None,
) -> None:
    """Put `parts` into `path` by way of a hidden temporary file beside it. Raises OSError; then `path` is as it was.

    Not `durable`, it isn't waited for the disk: a power cut may take it, a kill never does. `half` is called when half
    of each part is written: what it raises is met as a failing disk would be.
    """
    os.close(replace(path, parts, mode, durable=durable, half=half))


def replace(
    path: Path,
    parts: Iterable[bytes | memoryview],
    mode: int = 0o644,
    *,
    lock: bool = False,
    durable: bool = True,
    half: Callable[[], None] | None = None,
) -> int:
    """As `write_atomic`, but hand back the descriptor, open for appending; if asked, locked before the name exists."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}.tmp")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, mode)
    try:
        if lock:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        for part in parts:
            rest = memoryview(part)
            if half is not None:
                write_all(descriptor, rest[: len(rest) // 2])
                half()
                rest = rest[len(rest) // 2 :]
            write_all(descriptor, rest)
        if durable:
            os.fsync(descriptor)
        temporary.rename(path)
        if durable:
            sync_folder(path.parent)
    except BaseException:
        os.close(descriptor)
        temporary.unlink(missing_ok=True)
        raise
    return descriptor


def sweep_temporaries(folder: Path, name: str | None = None) -> int:
    """Remove what a writer killed inside `write_atomic` left in `folder`, and say how many.

    Only for who alone writes that folder, or alone the file `name` in it.
    """
    swept = 0
    for entry in list(folder.iterdir()) if folder.is_dir() else []:
        match = _TEMPORARY.fullmatch(entry.name)
        if match and name in (None, match[1]) and not entry.is_dir():
            entry.unlink(missing_ok=True)
            swept += 1
    return swept


def try_lock(folder: Path) -> int | None:
    """A descriptor that holds the folder's lock, which ends with the process; None if another has it or it is gone."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


class LineFile:
    """A file that one process appends whole lines to, each in one write, so that a kill loses none already written.

    A partial last line, left by a kill or a full disk, is cut off when the file is opened.
    """

    def __init__(self, path: Path, *, lock: bool = False) -> None:
        """Open or create `path`. Raises OSError; BlockingIOError if `lock` and another process has it locked."""
        self.path = path
        self._lock = lock
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o644)
        try:
            if lock:
                fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if os.fstat(self._descriptor).st_ino != path.stat().st_ino:
                    raise BlockingIOError(errno.EAGAIN, "replaced by another process just now", str(path))
            self.size = _whole_lines(self._descriptor)
            os.ftruncate(self._descriptor, self.size)
        except BaseException:
            os.close(self._descriptor)
            raise

    def append(self, line: bytes) -> None:
        """Add `line`, which ends in its only newline. Raises OSError, and then the file is as it was."""
        try:
            write_all(self._descriptor, line)
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(self._descriptor, self.size)
            raise
        self.size += len(line)

    def replace(self, lines: Iterable[bytes]) -> None:
        """Have `lines` instead of all that is there, atomically, and go on appending after them."""
        descriptor = replace(self.path, lines, lock=self._lock)
        os.close(self._descriptor)
        self._descriptor = descriptor
        self.size = os.fstat(descriptor).st_size

    def close(self) -> None:
        """Make it durable and let go of it; a second call does nothing."""
        if self._descriptor < 0:
            return
        try:
            os.fsync(self._descriptor)
        finally:
            os.close(self._descriptor)
            self._descriptor = -1


def _whole_lines(descriptor: int) -> int:
    """Bytes up to and including the last newline."""
    end = os.fstat(descriptor).st_size
    while end > 0:
        start = max(0, end - 65_536)
        found = os.pread(descriptor, end - start, start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        end = start
    return 0
