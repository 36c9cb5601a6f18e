"""Config: typed tables with their meanings, loaded from TOML with errors that name file, key and line."""

from fleet.core.config.learners import LearnersConfig
from fleet.core.config.learning import LearnerConfig, NetworkConfig
from fleet.core.config.replay import ReplayConfig
from fleet.core.config.root import Config
from fleet.core.config.running import CheckpointConfig, ControlConfig, EvalConfig, RunConfig
from fleet.core.config.wire import WireConfig
from fleet.core.config.world import WorldConfig

__all__ = [
    "CheckpointConfig",
    "Config",
    "ControlConfig",
    "EvalConfig",
    "LearnerConfig",
    "LearnersConfig",
    "NetworkConfig",
    "ReplayConfig",
    "RunConfig",
    "WireConfig",
    "WorldConfig",
]
