"""Compiled gradient steps of small multi-layer perceptrons without autograd: forward, loss, backward, clip and Adam."""

from pathlib import Path

from fleet.core.compiled import Compiler

compiled = Compiler(
    "update",
    [*Path(__file__).parent.glob("*.py"), Path(__file__).parents[2] / "actors" / "kernels.py"],
    # Sums may be split over vector lanes: always in the same way on one machine, as bit-for-bit runs need.
    fastmath={"contract", "reassoc", "nsz"},
    nogil=True,
)
is_kept = compiled.is_kept
