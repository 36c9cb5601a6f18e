"""What a moving target costs: the study's figures against the same put together by hand from single trainings."""

from pathlib import Path

import numpy as np
import pytest

from env_server.games.setup import make_stages
from fleet.core.errors import BadInput
from fleet.core.ledger_file import audit
from fleet.study.games.playing import config_of, play
from fleet.study.games.response import best_response, worth
from fleet.study.games.tax_plot import plot_tax
from fleet.study.games.tax_study import Terms, study_tax

SHORT = ["run.rounds=3", "world.worlds=4", "learner.minibatch=64"]


def test_a_frozen_agent_keeps_its_policy_and_the_other_begins_as_it_did(tmp_path: Path) -> None:
    """Broken by starting the learner from the checkpoint too."""
    config = config_of("penalty", settings=SHORT)
    live = play(config, tmp_path / "live")
    assert live.policies.shape == (4, 2, 1, 3)
    again = play(config, tmp_path / "again", {1: live.checkpoints[1]})
    assert (again.policies[:, 1] == live.policies[-1, 1]).all()
    assert (again.policies[0, 0] == live.policies[0, 0]).all()
    assert (again.policies[1:, 0] != live.policies[1:, 0]).any()
    assert audit(tmp_path / "again" / "ledger.jsonl").withheld == {"frozen": 3 * 32 * 4}


def test_games_without_a_config_are_trained_as_coordination_is() -> None:
    assert config_of("rendezvous").run.name == "rendezvous"
    assert config_of("pennies").run.name == "coordination"
    assert config_of("two-state").learner.gamma == 0.9
    assert make_stages(config_of("penalty", {"k": -7.0}).world).payoffs.min() == -7.0


@pytest.mark.slow
def test_the_figures_are_those_of_three_trainings_per_seed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of pennies, in which the two agents are paid differently. Broken by giving both what agent 0 gets."""
    plain = config_of("pennies", settings=["run.rounds=3"])
    monkeypatch.setattr("fleet.study.games.tax_study.config_of", lambda name, payoffs: plain)
    found = study_tax("pennies", Terms(seeds=2, clips=(0.1, 0.4)))
    assert (found.agent_steps, [point.clip for point in found.points]) == (3 * 32 * 16, [0.1, 0.4])
    point = found.points[1]
    stages, steps = make_stages(plain.world), plain.world.max_steps
    learner = plain.learner.model_copy(update={"clip_coef": 0.4})
    run = plain.run.model_copy(update={"seed": 1})
    config = plain.model_copy(update={"learner": learner, "run": run})
    live = play(config, tmp_path / "live")
    got, behind, moved = [], [], []
    for agent in range(2):
        alone = play(config, tmp_path / f"{agent}", {1 - agent: live.checkpoints[1 - agent]})
        got.append([worth(stages, pair, steps)[agent] / steps for pair in alone.policies])
        best = best_response(stages, agent, live.policies[-1, 1 - agent], steps) / steps
        behind.append(best - np.array(got[-1]))
        chances = live.policies[:, agent, 0]
        moved.append(max(np.abs(old - new).sum() / 2 for old, new in zip(chances[:-1], chances[1:], strict=True)))
    assert point.training.frozen.samples[1] == pytest.approx(np.mean(got, axis=0)[:-1].mean())
    assert point.end.frozen.samples[1] == pytest.approx(np.mean(got, axis=0)[-1])
    assert point.end.live.samples[1] == pytest.approx(0.0, abs=1e-12)
    assert point.end.difference.samples[1] == pytest.approx(np.mean(got, axis=0)[-1])
    assert point.behind.frozen.samples[1] == pytest.approx(np.mean(behind, axis=0)[:-1].mean())
    assert point.short.frozen.samples[1] == pytest.approx(np.mean(behind, axis=0)[-1])
    assert point.variation.samples[1] == pytest.approx(np.mean(moved))
    assert 0 < found.points[0].divergence.mean < point.divergence.mean
    plot_tax(found, tmp_path / "tax.png")
    assert (tmp_path / "tax.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("seeds", [0, 101])
def test_seeds_that_cannot_be_are_refused(seeds: int) -> None:
    with pytest.raises(BadInput, match=f"--seeds {seeds}; allowed with --study tax are 1 to 100"):
        study_tax("pennies", Terms(seeds))
