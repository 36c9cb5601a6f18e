"""The public library, loaded on first use: importing `fleet` or `fleet.core` brings in neither torch nor numba."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from env_server.worlds import make_world
    from fleet.core.config import Config
    from fleet.core.config.load import load_config
    from fleet.core.errors import BadInput, FleetError
    from fleet.core.ledger_file import audit
    from fleet.study.evaluate import evaluate
    from fleet.study.run import resume, run

__all__ = ["BadInput", "Config", "FleetError", "audit", "evaluate", "load_config", "make_world", "resume", "run"]

_WHERE = {
    "BadInput": "fleet.core.errors",
    "Config": "fleet.core.config",
    "FleetError": "fleet.core.errors",
    "audit": "fleet.core.ledger_file",
    "evaluate": "fleet.study.evaluate",
    "load_config": "fleet.core.config.load",
    "make_world": "env_server.worlds",
    "resume": "fleet.study.run",
    "run": "fleet.study.run",
}


def __getattr__(name: str) -> Any:
    """Load a public name from where it lives (PEP 562)."""
    if name not in _WHERE:
        raise AttributeError(f"module 'fleet' has no attribute {name!r}")
    return getattr(import_module(_WHERE[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
