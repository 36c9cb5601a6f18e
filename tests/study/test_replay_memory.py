"""How much memory a learner with a replay memory is said to take."""

import pytest

from env_server.worlds import make_world
from fleet.core.config.load import load_config
from fleet.core.errors import BadInput
from fleet.study import prepare as preparing
from fleet.study.memory import estimate_bytes
from fleet.study.prepare import prepare
from learners.build import build_learner

CENTRAL = ["mapping=central", "control.memory_limit_gb=100.0"]


def estimated(monkeypatch: pytest.MonkeyPatch, *settings: str) -> int:
    seen = []
    monkeypatch.setattr(preparing, "require_memory", lambda figures, limit: seen.append(estimate_bytes(figures)))
    prepare(load_config("warehouse40", [*CENTRAL, *settings]))
    return seen[0]


def test_a_memory_counts_and_so_do_its_copies_while_it_is_saved(monkeypatch: pytest.MonkeyPatch) -> None:
    small = estimated(monkeypatch, "learner.algorithm=vdn")
    large = estimated(monkeypatch, "learner.algorithm=vdn", "replay.capacity=120000")
    step = 40 * (100 + 7)
    assert large - small == 5 * 100_000 * step


def test_the_weights_of_qmixs_mixer_count(monkeypatch: pytest.MonkeyPatch) -> None:
    vdn, qmix = (estimated(monkeypatch, f"learner.algorithm={name}") for name in ("vdn", "qmix"))
    config = prepare(load_config("warehouse40", [*CENTRAL, "learner.algorithm=qmix"]))
    named = build_learner(config, make_world(config.world).spec, 0).save()[0]
    weights = sum(array.size for name, array in named.items() if name.startswith("mixer."))
    assert (qmix - vdn) / (4 * 8) == pytest.approx(weights, rel=0.01)


def test_a_memory_that_does_not_fit_is_refused_by_its_setting() -> None:
    settings = ["learner.algorithm=vdn", "control.memory_limit_gb=2.0", "mapping=central", "replay.capacity=1000000"]
    with pytest.raises(BadInput, match="replay.capacity or world.robots"):
        prepare(load_config("warehouse40", settings))
