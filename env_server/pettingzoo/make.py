"""From the import path in a config to an environment, and to what can be said of one. In a worker, never in the world.

What a user's module prints, imports and does to its process is thereby no affair of the server's or the command's.
"""

import resource
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

import numpy as np

from env_server.errors import SetupError
from env_server.pettingzoo.job import Outline
from env_server.pettingzoo.spaces import Reader, first_and_count, make_reader

_DEFAULT = "parallel_env"
_MOST_AGENTS = 1000
_INSTALL = "pip install 'fleet[pettingzoo]'"


def make_env(path: str, args: Mapping[str, Any]) -> Any:
    """The parallel environment that `path`, MODULE:CALLABLE, makes of `args`.

    Raises SetupError if it can't be imported, has no such callable, refuses its arguments, or makes something else.
    """
    try:
        from pettingzoo import AECEnv, ParallelEnv
    except ModuleNotFoundError:
        raise SetupError(f'kind = "pettingzoo": PettingZoo isn\'t installed; {_INSTALL}') from None
    name, _, maker = path.partition(":")
    maker = maker or _DEFAULT
    make = _find(path, name, maker)
    try:
        env = make(**args)
    except Exception as error:
        raise SetupError(f'env = "{path}" with args = {dict(args)}: {_told(error)}') from error
    if isinstance(env, AECEnv):
        raise SetupError(
            f'env = "{path}" is an AEC environment, whose agents take turns; allowed is a parallel one, which most '
            f"modules have as {_DEFAULT}"
        )
    if not isinstance(env, ParallelEnv):
        raise SetupError(f'env = "{path}" makes a {type(env).__name__}; allowed is a ParallelEnv of PettingZoo')
    return env


def outline(env: Any, path: str) -> Outline:
    """What is to be known of `env`. Raises SetupError if a fleet can't take its agents or spaces."""
    agents = tuple(str(agent) for agent in getattr(env, "possible_agents", ()))
    if not 1 <= len(agents) <= _MOST_AGENTS:
        raise SetupError(f'env = "{path}" has {len(agents)} possible_agents; allowed are 1 to {_MOST_AGENTS}')
    try:
        actions = tuple(first_and_count(env.action_space(agent), str(agent))[1] for agent in env.possible_agents)
        seen = readers(env)
    except SetupError as error:
        raise SetupError(f'env = "{path}": {error}') from None
    features = tuple(reader.size for reader in seen)
    bound = np.zeros(max(features), np.float32)
    for reader in seen:  # of agents that differ, the widest; a feature that one of them lacks is a 0 there
        np.maximum(bound[: reader.size], reader.bound, out=bound[: reader.size])
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return Outline(agents, actions, features, tuple(bound.tolist()), memory)


def readers(env: Any) -> list[Reader]:
    """How each of its agents' observations is read. Raises SetupError."""
    return [make_reader(env.observation_space(agent), str(agent)) for agent in env.possible_agents]


def _find(path: str, name: str, maker: str) -> Callable[..., Any]:
    try:
        found: Any = import_module(name)
    except ModuleNotFoundError as error:
        hint = f"; {_INSTALL}" if error.name in ("mpe2", "pettingzoo") else "; install it, or put it on PYTHONPATH"
        raise SetupError(f'env = "{path}": no module {error.name}{hint}') from error
    except Exception as error:
        raise SetupError(f'env = "{path}": {name} can\'t be imported: {_told(error)}') from error
    for part in maker.split("."):
        found = getattr(found, part, None)
    if not callable(found):
        near = [each for each in vars(import_module(name)) if "env" in each.lower() and not each.startswith("_")]
        raise SetupError(f'env = "{path}": {name} has no callable {maker}; it has {", ".join(near) or "none like it"}')
    return found  # type: ignore[no-any-return]


def _told(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
