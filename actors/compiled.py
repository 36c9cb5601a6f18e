"""The decorator of the planner's compiled functions: numba's `njit` without counting references to arrays.

Nothing here makes or keeps an array, and the counting takes longer than the planning.
"""

from collections.abc import Callable
from typing import Any, TypeVar

import numba as _numba

numba: Any = _numba  # some of its versions are typed in part, and none of them as used here
F = TypeVar("F", bound=Callable[..., object])


def compiled(function: F) -> F:
    """Compile `function` at its first call, or load it from the cache, which looks at the file of that one alone.

    So a function that is called from Python has what it calls in its own file.
    """
    fast: F = numba.njit(cache=True, error_model="numpy", _nrt=False)(function)
    return fast


def inner(function: F) -> F:
    """Compile `function` for other compiled ones, not for Python: its way in from there is half the compiling."""
    fast: F = numba.njit(error_model="numpy", _nrt=False, no_cpython_wrapper=True, no_cfunc_wrapper=True)(function)
    return fast
