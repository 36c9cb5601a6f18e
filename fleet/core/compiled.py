"""The decorator of compiled functions: numba's `njit`, cached on disk under a fingerprint of their sources.

numba's own cache looks only at the file of the function that was called, so a kernel would go on running the old code
of a helper in another file that has been changed. Here any change of a source starts a new cache folder.
"""

import os
import shutil
from collections.abc import Callable, Iterable
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar

import numba as _numba

KEPT_VERSIONS = 4
numba: Any = _numba  # some of its versions are typed in part, and none of them as used here
F = TypeVar("F", bound=Callable[..., object])


class Compiler:
    """Compiles the functions of one set of `sources`; machine code is kept beside the first of them, under `name`.

        compiled = Compiler("kernels", [Path(__file__)])

        @compiled
        def kernel(array): ...

    `options` are `njit`'s, for all functions alike. No fastmath unless they ask for it: results are exact then.
    """

    def __init__(self, name: str, sources: Iterable[Path], **options: object) -> None:
        files = sorted(sources)
        self._prefix = f"fleet-numba-{name}-"
        self._options = {"error_model": "numpy", **options}  # division by zero isn't checked, as it never happens here
        self._folder = _folder(files[0].parent, self._prefix, f"{self._prefix}{_fingerprint(files)}")

    def __call__(self, function: F) -> F:
        """Compile `function` at its first call, or load it from the cache."""
        if self._folder is None:
            plain: F = numba.njit(**self._options)(function)
            return plain
        before = numba.config.CACHE_DIR
        numba.config.CACHE_DIR = str(self._folder)  # numba picks the cache's place while decorating
        try:
            cached: F = numba.njit(cache=True, **self._options)(function)
        finally:
            numba.config.CACHE_DIR = before
        return cached

    def is_kept(self) -> bool:
        """Whether machine code of these sources is on disk, so that a process needn't compile them first."""
        return self._folder is not None and any(self._folder.rglob("*.nbc"))


def entry_point(function: Callable[..., None], *arguments: object) -> Callable[..., None]:
    """`function` compiled for the types of `arguments`, to be called without numba looking at the types again.

    That look takes 15 microseconds for our tuples of arrays, as long as two hundred robots take to step. Whoever calls
    the result has to see to it that all later arguments have the same types.
    """
    dispatcher: Any = function
    point: Callable[..., None] = dispatcher.compile(tuple(numba.typeof(one) for one in arguments))
    return point


def _fingerprint(files: Iterable[Path]) -> str:
    digest = sha256()
    for source in files:
        digest.update(source.name.encode() + b"\0" + source.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def _folder(beside: Path, prefix: str, name: str) -> Path | None:
    """Where machine code is kept: numba's setting, beside the sources or the user's cache; None if none is writable."""
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    roots = [Path(numba.config.CACHE_DIR)] if numba.config.CACHE_DIR else [beside / "__pycache__", caches]
    for root in roots:
        folder = root / name
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError:
            continue
        if os.access(folder, os.W_OK):
            _drop_old(root, prefix, folder)
            return folder
    return None


def _drop_old(root: Path, prefix: str, used: Path) -> None:
    """Keep the machine code of the last few versions of the sources, `used` being the newest."""
    try:
        os.utime(used)
        folders = sorted(root.glob(f"{prefix}*"), key=lambda one: one.stat().st_mtime)
    except OSError:  # another process has just done it
        return
    for old in folders[:-KEPT_VERSIONS]:
        shutil.rmtree(old, ignore_errors=True)
