"""The decorator of every compiled function here: numba's `njit`, cached on disk under a fingerprint of the sources.

numba's own cache looks only at the file of the function that was called, so a kernel would go on running the old code of
a helper in another file that has been changed. Here any change of a compiled file starts a new cache folder.
"""

import os
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import TypeVar

import numba

_HERE = Path(__file__).parent
F = TypeVar("F", bound=Callable[..., object])


def _fingerprint() -> str:
    digest = sha256()
    for source in sorted(_HERE.glob("*.py")):
        text = source.read_bytes()
        if b"@compiled" in text or source.name == "state.py":  # state.py's constants are compiled in
            digest.update(source.name.encode() + b"\0" + text + b"\0")
    return digest.hexdigest()[:16]


def _folder() -> Path | None:
    """Where machine code is kept: numba's setting, beside the sources, or the user's cache; None if none can be written."""
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    roots = [Path(numba.config.CACHE_DIR)] if numba.config.CACHE_DIR else [_HERE / "__pycache__", caches]
    for root in roots:
        folder = root / f"fleet-numba-{_fingerprint()}"
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError:
            continue
        if os.access(folder, os.W_OK):
            return folder
    return None


_FOLDER = _folder()


def compiled(function: F) -> F:
    """Compile `function` at its first call, or load it from the cache.

    No fastmath: results are exact. Division by zero isn't checked (numpy's error model), as it never happens here.
    """
    if _FOLDER is None:
        plain: F = numba.njit(function, error_model="numpy", _nrt=False)
        return plain
    before = numba.config.CACHE_DIR
    numba.config.CACHE_DIR = str(_FOLDER)  # numba picks the cache's place while decorating
    try:
        cached: F = numba.njit(cache=True, error_model="numpy", _nrt=False)(function)
    finally:
        numba.config.CACHE_DIR = before
    return cached
