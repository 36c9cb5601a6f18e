"""The decorator of every compiled function here, which are compiled together with the warehouse's that they call."""

from pathlib import Path

from env_server.warehouse.compiled import SOURCES as WAREHOUSE
from fleet.core.compiled import Compiler, entry_point

__all__ = ["compiled", "entry_point", "is_kept"]

compiled = Compiler("handoff", [*Path(__file__).parent.glob("*.py"), *WAREHOUSE], _nrt=False)
is_kept = compiled.is_kept
