"""`fleet bench peers`: RLlib and BenchMARL training with our network, epochs, minibatch, agents and observations.

Ours and each peer run one after the other, each in a process of its own, timed and weighed in the same way. The peers
are no dependency of ours: they live in a Python environment of their own, which `make peers` makes.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from env_server.worlds import make_world
from fleet.core.config import Config
from fleet.core.config.load import load_config
from fleet.core.errors import FleetError
from fleet.core.platform import usable_cores
from fleet.study.bench.bench import Measured, Row
from fleet.study.bench.peer_process import Figures, PeerFailed, measured
from fleet.study.prepare import prepare

PYTHON = Path(".venv-peers/bin/python")
_HERE = Path(__file__).parent
_STOP_S = 30.0
"""A peer that still runs this long after the time in which it was to have ended is killed."""


@dataclass(frozen=True)
class Peer:
    """A system: its package, the script that measures it, how it is set, and its bounds in rounds and seconds.

    `differs`: what isn't the same as ours although the settings are.
    """

    package: str
    script: Path
    differs: str
    settings: Mapping[str, Any]
    rounds: int
    warm: int
    seconds: float


_FREE = "the environment costs nothing"
_RLLIB = f"a module and an optimizer each, learning one after the other in one process; {_FREE}"
_STACKED = f"one process, all agents stacked in one network, their losses, optimizers and clipped norms joint; {_FREE}"
_APART = f"one process, a network, losses, optimizers and clipped norms each, one after the other; {_FREE}"
_BENCHMARL = _HERE / "peer_benchmarl.py"
PEERS = {
    "rllib": Peer("ray", _HERE / "peer_rllib.py", _RLLIB, {"runners": 0}, 3, 1, 130.0),
    "rllib_runners": Peer(
        "ray", _HERE / "peer_rllib.py", f"two processes that sample; {_RLLIB}", {"runners": 2}, 3, 1, 130.0
    ),
    "benchmarl": Peer("benchmarl", _BENCHMARL, _STACKED, {"groups": 1}, 8, 2, 60.0),
    "benchmarl_threads": Peer(
        "benchmarl", _BENCHMARL, f"a thread per core; {_STACKED}", {"groups": 1, "threads": usable_cores()}, 8, 2, 60.0
    ),
    "benchmarl_apart": Peer("benchmarl", _BENCHMARL, _APART, {"groups": 40}, 2, 1, 90.0),
}


def measure(
    *,
    python: Path = PYTHON,
    config: str = "warehouse40",
    overrides: Sequence[str] = (),
    rounds: int = 12,
    limit_s: float = 180.0,
    peers: Mapping[str, Peer] | None = None,
) -> Measured:
    """Rows of ours and of each peer that `python` has: rate, its extremes, time to the first update, memory.

    A peer that isn't installed there, or breaks, has no rows and a line that says so. `rounds` and `limit_s` bound our
    own run. Raises FleetError if that fails.
    """
    settings = prepare(load_config(config, overrides))
    order = _order(settings) | {"config": config, "overrides": list(overrides), "warm": 3, "rounds": rounds}
    command = [sys.executable, "-P", "-m", "fleet.study.bench.peer_ours"]
    path = os.pathsep.join(map(os.path.abspath, sys.path))
    try:
        ours = _run(command, order, limit_s, {**os.environ, "PYTHONPATH": path})
    except PeerFailed as error:
        raise FleetError(f"ours: {error}") from error
    found: dict[str, Figures] = {}
    lines = [_line("ours", ours, f"{settings.run.name} as configured, learners in processes of their own")]
    for name, peer in (PEERS if peers is None else peers).items():
        try:
            found[name] = _run_peer(python, peer, order)
        except PeerFailed as error:
            lines.append(f"{name}: {error}")
        else:
            lines.append(_line(name, found[name], peer.differs))
    return Measured(_how(order, lines), _all_rows(ours, found))


def _order(config: Config) -> dict[str, Any]:
    """What peers are to match, as JSON."""
    spec, learner = make_world(config.world).spec, config.learner
    return {
        "agents": spec.robots,
        "observations": spec.observation_size,
        "actions": spec.actions,
        "copies": spec.worlds,
        "steps": learner.rollout_steps,
        "episode": config.world.max_steps,
        "hidden": list(config.network.hidden),
        "activation": config.network.activation,
        "threads": 1,
        **learner.model_dump(
            include={"epochs", "minibatch", "learning_rate", "adam_eps", "gamma", "gae_lambda", "clip_coef"}
            | {"value_coef", "entropy_coef", "max_grad_norm"}
        ),
    }


def _run_peer(python: Path, peer: Peer, order: Mapping[str, Any]) -> Figures:
    if not _has(python, peer.package):
        raise PeerFailed(f"not installed in {python}: run `make peers`, or name a Python that has it: --peers-python")
    settings = {**order, **peer.settings, "rounds": peer.rounds, "warm": peer.warm, "seconds": peer.seconds}
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "RAY_", "HOME"))}
    return _run([str(python.absolute()), "-P", str(peer.script)], settings, peer.seconds + _STOP_S, environment)


def _has(python: Path, package: str) -> bool:
    """Whether that Python finds the package; it isn't imported."""
    asks = "import importlib.util, sys; sys.exit(importlib.util.find_spec(sys.argv[1]) is None)"
    try:
        return subprocess.run([python, "-P", "-c", asks, package], capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def _run(command: Sequence[str], order: Mapping[str, Any], limit_s: float, environment: Mapping[str, str]) -> Figures:
    """Run it in a folder of its own that is removed, with one thread per process and nothing told to anyone."""
    with tempfile.TemporaryDirectory(prefix="fleet-") as folder:  # short: Ray puts sockets deep below it
        threads = str(order["threads"])
        quiet = {
            **dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), threads),
            "RAY_USAGE_STATS_ENABLED": "0",
            "WANDB_MODE": "disabled",
            "TMPDIR": folder,
        }
        text = json.dumps({**order, "folder": folder, "began": time.monotonic()})
        # Peers leave files in the home folder, so they come without one and get this.
        environment = {"HOME": folder, **environment, **quiet}
        return measured([*command, text], limit_s=limit_s, folder=Path(folder), environment=environment)


def _all_rows(ours: Figures, peers: Mapping[str, Figures]) -> list[Row]:
    """Ours against the fastest peer, and each peer against ours."""
    rates = {name: statistics.median(figures.rates) for name, figures in {"ours": ours, **peers}.items()}
    fastest = max(peers, key=lambda name: rates[name], default=None)
    rows = _rows("ours", ours, fastest, rates)
    for name, figures in peers.items():
        rows += _rows(name, figures, "ours", rates)
    return rows


def _rows(name: str, figures: Figures, other: str | None, rates: Mapping[str, float]) -> list[Row]:
    against, ratio = None, None
    if other is not None:
        against, ratio = f"{other}: {rates[other]:,.0f} agent-steps/s", rates[name] / rates[other]
    return [
        Row(f"peers_{name}", rates[name], "agent-steps/s", against, ratio),
        Row(f"peers_{name}_min", min(figures.rates), "agent-steps/s"),
        Row(f"peers_{name}_max", max(figures.rates), "agent-steps/s"),
        Row(f"peers_{name}_first_update", float(figures.printed["first_update_s"]), "s"),
        Row(f"peers_{name}_memory_peak", figures.memory / 1e9, "GB"),
    ]


def _how(order: Mapping[str, Any], lines: Sequence[str]) -> str:
    told = (
        f"Median over rounds, {order['agents']} agents with an actor and a critic of {order['hidden']} each, "
        f"{order['observations']} observed numbers, {order['actions']} actions, {order['copies']} copies x "
        f"{order['steps']} steps, {order['epochs']} epochs, minibatch {order['minibatch']:,}, one thread per process "
        "unless said. The first update is counted from the start of the process. Memory is the largest sum of PSS of "
        "all processes."
    )
    return "\n".join((told, *lines))


def _line(name: str, figures: Figures, note: str) -> str:
    printed = figures.printed
    versions = ", ".join(f"{package} {version}" for package, version in printed["versions"].items())
    return f"{name}: {len(figures.rates)} rounds; {printed['checked']}; {note}; {versions}."
