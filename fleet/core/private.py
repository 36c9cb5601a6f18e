"""The folder of a run's sockets, which only its user can enter: made for the supervisor, swept once that is dead."""

import contextlib
import os
import re
import secrets
import shutil
import stat
import tempfile
from pathlib import Path

from fleet.core.errors import BadInput
from fleet.core.files import try_lock

_LONGEST_PATH = 107  # of a Unix socket, in bytes (sun_path less its final 0)
LONGEST_NAME = 16  # of a socket in the folder
_NAME = re.compile(r"fleet-run-[0-9a-f]{8}-[0-9a-f]{8}")
_LONGEST_BASE = _LONGEST_PATH - len("/fleet-run-01234567-01234567/") - LONGEST_NAME


def sweep_private() -> list[Path]:
    """Remove the private folders of this user whose supervisor is dead, and say which.

    Its life is told by the lock it holds on the folder, which no pid used again and no other container can fake.
    """
    swept = []
    for base in _private_bases():
        for entry in sorted(base.glob("fleet-run-*")):
            if not _NAME.fullmatch(entry.name) or not _is_own_folder(entry):
                continue
            lock = try_lock(entry)
            if lock is not None:
                shutil.rmtree(entry, ignore_errors=True)
                os.close(lock)
                swept.append(entry)
    return swept


def make_private(run: str) -> tuple[Path, int]:
    """A new folder, mode 0700, and the descriptor that holds its lock. Raises BadInput if there is no place for it."""
    bases = _private_bases()
    for base in bases:
        if len(os.fsencode(base)) > _LONGEST_BASE:
            continue
        # The lock has to be there before a sweep finds the folder; if one was quicker, another name is tried.
        for _ in range(10):
            folder = base / f"fleet-run-{run[:8]}-{secrets.token_hex(4)}"
            try:
                folder.mkdir(mode=0o700)
            except OSError:
                break
            lock = try_lock(folder)
            if lock is not None and folder.is_dir():
                return folder, lock
            if lock is not None:
                os.close(lock)
    tried = ", ".join(map(str, bases))
    raise BadInput(
        f"no place for the run's sockets: it has to be writable and its path at most {_LONGEST_BASE} bytes long; "
        f"tried {tried}; set TMPDIR to another"
    )


def _private_bases() -> list[Path]:
    """Where private folders may be, best first."""
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    own = [Path(runtime)] if runtime.startswith("/") and _is_own_folder(Path(runtime)) else []
    return list(dict.fromkeys([*own, Path(os.path.abspath(tempfile.gettempdir())), Path("/tmp")]))


def _is_own_folder(path: Path) -> bool:
    with contextlib.suppress(OSError):
        status = path.lstat()
        return stat.S_ISDIR(status.st_mode) and status.st_uid == os.getuid()
    return False
