"""What a round looked like, as figures: one line of metrics.jsonl, and the progress that the supervisor shows."""

from collections.abc import Mapping
from dataclasses import dataclass
from time import perf_counter

import numpy as np

from env_server.collect import Collector, Round
from fleet.core.jsonl import BoundedJsonl

Figures = dict[str, float | int | str | bool]


@dataclass(frozen=True)
class Dealt:
    """What became of one round's agent-steps when they were dealt out to the learners."""

    sent: int
    withheld: int
    online: int


class Recorder:
    """Turns rounds into figures. Its counters start at `agent_steps` when a run goes on from a snapshot."""

    def __init__(self, metrics: BoundedJsonl, collector: Collector, rounds: int, agent_steps: int = 0) -> None:
        self.agent_steps = agent_steps
        self._metrics = metrics
        self._collector = collector
        self._rounds = rounds
        self._deliveries = collector.world.metrics()["deliveries"].copy()
        self._diagnostics: dict[int, Mapping[str, float]] = {}
        self._began = perf_counter()
        self._trained = 0
        self._lags: list[int] = []

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

        Seconds are this round's, deliveries are per robot per 1,000 steps, `episode_return` is the mean over the
        robots' episodes that ended in the round (absent when none did; with `stagger` a copy's first is a short one).
        """
        now = perf_counter()
        wall, self._began = now - self._began, now
        spec = self._collector.world.spec
        self.agent_steps += taken.steps * spec.robots * spec.worlds
        deliveries = self._collector.world.metrics()["deliveries"]
        per_robot = (deliveries - self._deliveries) / (taken.steps * spec.worlds) * 1000.0
        self._deliveries = deliveries.copy()
        figures: Figures = {
            "round": number + 1,
            "rounds": self._rounds,
            "agent_steps": self.agent_steps,
            "agent_steps_per_s": taken.steps * spec.robots * spec.worlds / wall,
            "trained_per_s": self._trained / wall,
            "deliveries_per_1000": float(per_robot.mean()),
            "reward_per_step": float(taken.rewards.mean()),
            "online": dealt.online,
            "withheld": dealt.withheld,
            "policy_lag": float(np.mean(self._lags)) if self._lags else 0.0,
            "wall_s": wall,
            "world_s": taken.world_s,
            "acting_s": taken.acting_s,
            **{f"{name}_s": seconds for name, seconds in times.items()},
        }
        if self._collector.episode_returns:
            figures["episode_return"] = float(np.concatenate(self._collector.episode_returns).mean())
        figures.update({f"eval_{name}": value for name, value in evaluation.items()})
        learners = {str(learner): dict(values) for learner, values in sorted(self._diagnostics.items())}
        robots = [round(float(value), 3) for value in per_robot]
        self._metrics.append({**figures, "deliveries": robots, "learners": learners})
        self._diagnostics, self._trained, self._lags = {}, 0, []
        return figures
