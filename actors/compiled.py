"""The decorators of the planner's compiled functions: `Compiler`, without counting references to arrays.

Nothing here makes or keeps an array, and the counting takes longer than the planning.
"""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from fleet.core.compiled import Compiler, numba

F = TypeVar("F", bound=Callable[..., object])
_HERE = Path(__file__).parent

_SOURCES = ("ways.py", "scene.py", "right_of_way.py", "inheritance.py", "free_flow.py", "view.py")

compiled = Compiler("planner", [_HERE / name for name in _SOURCES], _nrt=False)


def inner(function: F) -> F:
    """Compile `function` for other compiled ones, not for Python: its way in from there is half the compiling."""
    fast: F = numba.njit(error_model="numpy", _nrt=False, no_cpython_wrapper=True, no_cfunc_wrapper=True)(function)
    return fast
