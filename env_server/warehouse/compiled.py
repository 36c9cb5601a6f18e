"""The decorator of every compiled function here: `Compiler` over all the sources that compiled code is made of.

Compiled functions here can use arrays, but not make them.
"""

from pathlib import Path

from fleet.core.compiled import Compiler, entry_point

__all__ = ["SOURCES", "compiled", "entry_point", "is_kept"]

_TYPES = ("blocks.py", "dispatch.py", "reference.py", "state.py")
SOURCES = [
    source
    for source in Path(__file__).parent.glob("*.py")
    if source.name in _TYPES or b"@compiled" in source.read_bytes()
]
# Counting references to arrays took four fifths of a step; nothing here makes or keeps an array, so nothing is counted.
compiled = Compiler("warehouse", SOURCES, _nrt=False)
is_kept = compiled.is_kept
