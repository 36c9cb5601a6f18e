"""What it costs a learner that the others learn too, and how it depends on how large a step an update may take.

For each seed both agents of a game learn (live). Then each learns once more against the other frozen at the policy that
it came to: afresh, from the same first weights, by the same draws, for as many agent-steps (frozen). With V_i(p) the
return per step that agent i can expect of an episode of the policies p, B_i(p) what its best response to the other's
policy in p would get, both exact, and p_t the policies of round t of T:

    in training   the mean of V_i(p_t) over t < T
    in the end    V_i(p_T)
    behind        the mean of B_i(p_t) - V_i(p_t) over t < T
    short         B_i(p_T) - V_i(p_T)

The tax on learning against one who learns is what is got against the frozen less what is got against the live. In
training it holds two things: that the other moves, and that frozen it is from the first round on what it came to be.
`behind` measures either learner against the best response to the other as it is now.

Drift is that of one agent in one update, over states as often as an episode of the old policies visits them: the mean
over updates of KL(old || new), and the largest total variation. (Of that the mean says little: it is mostly how far a
policy has come in all, divided by the number of updates.)
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import numpy.typing as npt

from env_server.games.payoffs import AGENTS
from env_server.games.setup import make_stages
from env_server.games.stages import Stages
from fleet.core.config import Config
from fleet.core.drift import kl, total_variation
from fleet.core.errors import BadInput
from fleet.study.compare.interval import Spread, spread
from fleet.study.games.playing import Played, config_of, play
from fleet.study.games.response import best_response, visits, worth

F64 = npt.NDArray[np.float64]
CLIPS = (0.05, 0.1, 0.2, 0.4, 0.8)
SEEDS, MOST_SEEDS = 10, 100


@dataclass(frozen=True)
class Terms:
    """How it is learned: seeds 0 to `seeds` - 1, under each of the clip ranges `clips`."""

    seeds: int = SEEDS
    clips: tuple[float, ...] = CLIPS

    def check(self) -> None:
        """Raise BadInput, naming the command's option, for what can't be learned with."""
        if not 1 <= self.seeds <= MOST_SEEDS:
            raise BadInput(f"--seeds {self.seeds}; allowed with --study tax are 1 to {MOST_SEEDS}")


@dataclass(frozen=True)
class Sides:
    """A figure of a learner against a live other and against a frozen one, per step; `difference`: frozen less live."""

    live: Spread
    frozen: Spread
    difference: Spread


@dataclass(frozen=True)
class Point:
    """One clip range, over seeds; a seed's figures are means over the agents. See above for what they mean."""

    clip: float
    training: Sides
    end: Sides
    behind: Sides
    short: Sides
    divergence: Spread
    variation: Spread


@dataclass(frozen=True)
class Study:
    """One game's points, by clip range; `agent_steps` of each learner in each training."""

    game: str
    terms: Terms
    agent_steps: int
    points: tuple[Point, ...]


def study_tax(
    name: str,
    terms: Terms,
    payoffs: Mapping[str, float] | None = None,
    on_done: Callable[[int, int], None] = lambda done, total: None,
) -> Study:
    """Train the game of that name, some of its payoffs changed, with independent PPO. Raises BadInput."""
    terms.check()
    plain = config_of(name, payoffs)
    total, points = len(terms.clips) * terms.seeds, list[Point]()
    for clip in terms.clips:
        learner = plain.learner.model_copy(update={"clip_coef": clip})
        rows = []
        for seed in range(terms.seeds):
            run = plain.run.model_copy(update={"seed": seed})
            rows.append(_one_seed(plain.model_copy(update={"learner": learner, "run": run})))
            on_done(len(points) * terms.seeds + len(rows), total)
        points.append(_point(clip, rows))
    steps = plain.run.rounds * plain.learner.rollout_steps * plain.world.worlds
    return Study(name, terms, steps, tuple(points))


@dataclass(frozen=True)
class _Row:
    """One seed: (training, end, behind, short) against a live and a frozen other, and the drift of the live."""

    live: tuple[float, ...]
    frozen: tuple[float, ...]
    divergence: float
    variation: float


def _one_seed(config: Config) -> _Row:
    with TemporaryDirectory() as folder:
        live = play(config, Path(folder) / "live")
        alone = [
            play(config, Path(folder) / f"agent-{agent}", {1 - agent: live.checkpoints[1 - agent]})
            for agent in range(AGENTS)
        ]
    stages, steps = make_stages(config.world), config.world.max_steps
    return _Row(
        _figures(stages, [live] * AGENTS, steps), _figures(stages, alone, steps), *_drift(stages, live.policies, steps)
    )


def _figures(stages: Stages, plays: Sequence[Played], steps: int) -> tuple[float, ...]:
    """Of agent i in the i-th of `plays`, means over the two: training, end, behind, short."""
    rows = []
    for agent, played in enumerate(plays):
        got = worth(stages, played.policies, steps)[:, agent] / steps
        best = best_response(stages, agent, played.policies[:, 1 - agent], steps) / steps
        missed = best - got
        rows.append((got[:-1].mean(), got[-1], missed[:-1].mean(), missed[-1]))
    return tuple(float(value) for value in np.mean(rows, axis=0))


def _drift(stages: Stages, policies: F64, steps: int) -> tuple[float, float]:
    """Of the agents, means over the two: KL(old || new) of the mean update, total variation of the largest."""
    old, new = policies[:-1], policies[1:]
    shares = np.array([visits(stages, pair, steps) for pair in old])[:, None]
    divergence, variation = ((shares * measure(old, new)).sum(-1) for measure in (kl, total_variation))
    return float(divergence.mean()), float(variation.max(axis=0).mean())


def _point(clip: float, rows: Sequence[_Row]) -> Point:
    live, frozen = (np.array([getattr(row, side) for row in rows]) for side in ("live", "frozen"))
    training, end, behind, short = (
        Sides(_spread(live[:, k]), _spread(frozen[:, k]), _spread(frozen[:, k] - live[:, k])) for k in range(4)
    )
    divergence, variation = (_spread([getattr(row, name) for row in rows]) for name in ("divergence", "variation"))
    return Point(clip, training, end, behind, short, divergence, variation)


def _spread(samples: Sequence[float] | F64) -> Spread:
    found = spread([float(value) for value in samples])
    assert found is not None
    return found
