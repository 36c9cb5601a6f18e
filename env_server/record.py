"""What a round looked like, as figures: one line of metrics.jsonl, and the progress that the supervisor shows."""

import logging
from collections.abc import Mapping
from pathlib import Path
from time import perf_counter

import numpy as np
import numpy.typing as npt

from env_server.collect import Collector, Round
from env_server.dealt import Dealt
from env_server.totals import Totals
from fleet.core.jsonl import BoundedJsonl, read_jsonl

log = logging.getLogger(__name__)

Figures = dict[str, float | int | str | bool]
MOST_LEARNERS = 64
"""Learners whose own figures are in one line. Of more, each line has the next so many that were heard of."""


class Recorder:
    """Turns rounds into figures. Its counters start at `agent_steps` when a run goes on from a snapshot."""

    def __init__(self, metrics: BoundedJsonl, collector: Collector, rounds: int, agent_steps: int = 0) -> None:
        self.agent_steps = agent_steps
        self._metrics = metrics
        self._collector = collector
        self._rounds = rounds
        counted = collector.world.metrics()
        self._deliveries = _delivered(counted)
        self._illegal = _illegal(counted)
        self._diagnostics: dict[int, Mapping[str, float]] = {}
        self._next = 0
        self._began = perf_counter()
        self._trained = 0
        self._lags: list[int] = []
        self._totals = Totals(collector.world.spec.robots, rounds)

    def learned(self, learner: int, agent_steps: int, lag: int, diagnostics: Mapping[str, float]) -> None:
        """A learner's policy was accepted: it trained `agent_steps`, on data `lag` versions old."""
        self._diagnostics[learner] = diagnostics
        self._trained += agent_steps
        self._lags.append(lag)

    def round_done(
        self,
        number: int,
        taken: Round,
        dealt: Dealt,
        times: Mapping[str, float],
        evaluation: Mapping[str, float],
    ) -> Figures:
        """Write the line of round `number` (a whole one, counted from 0) and return the figures for the display.

        Those are the line's and the run's totals so far (`Totals.figures`).

        Seconds are this round's, deliveries are per robot per 1,000 steps, `episode_return` is the mean over the
        robots' episodes that ended in the round (absent when none did; with `stagger` a copy's first is a short one).
        `illegal_actions`, absent if there was none, are what the world was given and has no meaning there. `drift_...`
        are as `Movement.since` has them.

        A line that can't be written is left out: the record of a round isn't worth the run.
        """
        now = perf_counter()
        wall, self._began = now - self._began, now
        spec = self._collector.world.spec
        self.agent_steps += taken.steps * spec.robots * spec.worlds
        counted = self._collector.world.metrics()
        illegal = _illegal(counted)
        measures_s = self._totals.add(number, taken.rewards, taken.moved, self._lags, taken.measures_s)
        figures: Figures = {
            "round": number + 1,
            "rounds": self._rounds,
            "agent_steps": self.agent_steps,
            "agent_steps_per_s": taken.steps * spec.robots * spec.worlds / wall,
            "trained_per_s": self._trained / wall,
            "reward_per_step": float(taken.rewards.mean()),
            "online": dealt.online,
            "withheld": dealt.withheld,
            "policy_lag": float(np.mean(self._lags)) if self._lags else 0.0,
            "wall_s": wall,
            "world_s": taken.world_s,
            "acting_s": taken.acting_s,
            "measures_s": measures_s,
            **{f"{name}_s": seconds for name, seconds in times.items()},
            **taken.moved,
        }
        delivered, robots = _delivered(counted), {}
        if delivered is not None and self._deliveries is not None:
            per_robot = (delivered - self._deliveries) / (taken.steps * spec.worlds) * 1000.0
            figures["deliveries_per_1000"] = float(per_robot.mean())
            robots["deliveries"] = [round(float(value), 3) for value in per_robot]
        self._deliveries = delivered
        if self._collector.episode_returns:
            figures["episode_return"] = float(np.concatenate(self._collector.episode_returns).mean())
        if illegal > self._illegal:
            figures["illegal_actions"] = illegal - self._illegal
        self._illegal = illegal
        figures.update({f"eval_{name}": value for name, value in evaluation.items()})
        learners = {str(learner): dict(self._diagnostics[learner]) for learner in self._told()}
        try:
            self._metrics.append({**figures, **robots, "learners": learners})
        except OSError as error:
            log.warning("round %d is missing in the record: %s", number + 1, error)
        self._diagnostics, self._trained, self._lags = {}, 0, []
        return figures | self._totals.figures

    def _told(self) -> list[int]:
        """Whose figures this line has, so that a thousand learners' don't drive out the record of all but 30 rounds."""
        known = sorted(self._diagnostics)
        if len(known) <= MOST_LEARNERS:
            return known
        ahead = [learner for learner in known if learner >= self._next]
        told = (ahead + known)[:MOST_LEARNERS]
        self._next = told[-1] + 1
        return sorted(told)


def recorded(metrics: Path) -> tuple[int, int]:
    """Rounds and agent-steps done as of the last line in metrics.jsonl; (0, 0) without one. Raises BadInput."""
    lines = read_jsonl(metrics) if metrics.exists() else []
    return (int(lines[-1]["round"]), int(lines[-1]["agent_steps"])) if lines else (0, 0)


def _delivered(counted: Mapping[str, npt.NDArray[np.int64]]) -> npt.NDArray[np.int64] | None:
    return counted["deliveries"].copy() if "deliveries" in counted else None


def _illegal(counted: Mapping[str, npt.NDArray[np.int64]]) -> int:
    return int(counted["illegal"].sum()) if "illegal" in counted else 0
