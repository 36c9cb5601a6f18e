"""The decorator of every compiled function here: numba's `njit`, cached on disk under a fingerprint of the sources.

numba's own cache looks only at the file of the function that was called, so a kernel would go on running the old code
of a helper in another file that has been changed. Here any change of a compiled file starts a new cache folder.
"""

import os
import shutil
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar

import numba as _numba

KEPT_VERSIONS = 4
_HERE = Path(__file__).parent
numba: Any = _numba  # some of its versions are typed in part, and none of them as used here
# Counting references to arrays took four fifths of a step; nothing here makes or keeps an array, so nothing is counted.
# Division by zero isn't checked, as it never happens here.
_OPTIONS = {"error_model": "numpy", "_nrt": False}
F = TypeVar("F", bound=Callable[..., object])


def _fingerprint() -> str:
    digest = sha256()
    for source in sorted(_HERE.glob("*.py")):
        text = source.read_bytes()
        if b"@compiled" in text or source.name in ("dispatch.py", "reference.py", "state.py"):
            digest.update(source.name.encode() + b"\0" + text + b"\0")
    return digest.hexdigest()[:16]


def _folder() -> Path | None:
    """Where machine code is kept: numba's setting, beside the sources or the user's cache; None if none is writable."""
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    roots = [Path(numba.config.CACHE_DIR)] if numba.config.CACHE_DIR else [_HERE / "__pycache__", caches]
    for root in roots:
        folder = root / f"fleet-numba-{_fingerprint()}"
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError:
            continue
        if os.access(folder, os.W_OK):
            _drop_old(root, folder)
            return folder
    return None


def _drop_old(root: Path, used: Path) -> None:
    """Keep the machine code of the last few versions of the sources, `used` being the newest."""
    try:
        os.utime(used)
        folders = sorted(root.glob("fleet-numba-*"), key=lambda one: one.stat().st_mtime)
    except OSError:  # another process has just done it
        return
    for old in folders[:-KEPT_VERSIONS]:
        shutil.rmtree(old, ignore_errors=True)


_FOLDER = _folder()


def is_kept() -> bool:
    """Whether machine code of these sources is on disk, so that a process that needs it needn't compile it first."""
    return _FOLDER is not None and any(_FOLDER.rglob("*.nbc"))


def compiled(function: F) -> F:
    """Compile `function` at its first call, or load it from the cache.

    No fastmath: results are exact. Compiled functions here can use arrays, but not make them.
    """
    if _FOLDER is None:
        plain: F = numba.njit(**_OPTIONS)(function)
        return plain
    before = numba.config.CACHE_DIR
    numba.config.CACHE_DIR = str(_FOLDER)  # numba picks the cache's place while decorating
    try:
        cached: F = numba.njit(cache=True, **_OPTIONS)(function)
    finally:
        numba.config.CACHE_DIR = before
    return cached


def entry_point(function: Callable[..., None], *arguments: object) -> Callable[..., None]:
    """`function` compiled for the types of `arguments`, to be called without numba looking at the types again.

    That look takes 15 microseconds for our tuples of arrays, as long as 64 robots take to step. Whoever calls the
    result has to see to it that all later arguments have the same types.
    """
    dispatcher: Any = function
    point: Callable[..., None] = dispatcher.compile(tuple(numba.typeof(one) for one in arguments))
    return point
