"""Centralized learners in one process's loop: resumed, started from others, and what is refused before it starts."""

from pathlib import Path

import numpy as np
import pytest

from env_server.worlds import make_world
from fleet.core.checkpoint import load_arrays
from fleet.core.config.load import load_config
from fleet.core.errors import BadInput
from fleet.core.ledger_file import audit
from fleet.core.rundir import RunDirectory
from fleet.core.snapshots import SnapshotStore, learner_file
from fleet.study.evaluate import evaluate
from fleet.study.memory import Figures, estimate_bytes
from fleet.study.message_size import policies, policy_bytes
from fleet.study.prepare import prepare
from fleet.study.run import resume, run
from learners.build import build_learner

CENTRAL = {
    name: ["mapping=central", f"learner.algorithm={algorithm}", *more]
    for name, algorithm, more in (
        ("mappo", "mappo", []),
        ("shared", "mappo", ["learner.actors=shared"]),
        ("joint", "joint", []),
    )
}


def tiny(name, *settings):
    more = ["learner.rollout_steps=8", "learner.epochs=1", "run.rounds=3", "checkpoint.every=1"]
    return load_config("smoke", [*CENTRAL.get(name, []), *more, *settings])


def alone(folder: Path, name: str, *settings: str, init_from: Path | None = None) -> Path:
    finished = run(tiny(name, *settings), folder, single_process=True, init_from=init_from)
    assert audit(finished.path / "ledger.jsonl").balanced
    return finished.path


def saved(path: Path) -> dict[str, np.ndarray]:
    return load_arrays(SnapshotStore(RunDirectory.open(path).snapshots).get("newest").folder / learner_file(0))[0]


@pytest.fixture(scope="module", params=list(CENTRAL))
def trained(request, tmp_path_factory):
    return request.param, alone(tmp_path_factory.mktemp("central") / "run", request.param)


def test_a_resumed_run_comes_to_the_weights_of_one_never_stopped(trained, tmp_path):
    name, path = trained
    stopped = alone(tmp_path / "run", name, "run.rounds=1")
    resume(stopped, tiny(name), single_process=True)
    a, b = saved(stopped), saved(path)
    assert a.keys() == b.keys()
    assert all(np.array_equal(a[part], b[part]) for part in a)
    assert evaluate(stopped, episodes=1) == evaluate(path, episodes=1)


def test_starts_from_its_like_and_from_nothing_else(trained, tmp_path):
    name, path = trained
    after = saved(alone(tmp_path / "run", name, "run.seed=5", "run.rounds=1", init_from=path))
    fresh = saved(alone(tmp_path / "fresh", name, "run.seed=5", "run.rounds=1"))
    before = saved(path)
    for part in ("actor.0.weight", "critic.0.weight"):
        assert np.abs(after[part] - before[part]).max() < 0.01 < np.abs(fresh[part] - before[part]).max()

    others = [(other, ()) for other in (*CENTRAL, "ippo") if other != name]
    for other, settings in [*others, (name, ("world.robots=2",))]:
        with pytest.raises(BadInput, match="allowed is only the same where one is centralized"):
            run(tiny(other, *settings), tmp_path / "refused", init_from=path, single_process=True)
    assert not (tmp_path / "refused").exists()


def test_a_policys_size_is_known_before_it_is_sent(trained):
    name, _ = trained
    config = prepare(tiny(name))
    spec = make_world(config.world).spec
    weights = build_learner(config, spec, 0).weights()
    estimate = policies(config, spec.robots) * policy_bytes(config, spec.observation_size, spec.actions)
    assert estimate == sum(array.nbytes for array in weights.values())


def test_a_joint_policy_of_nine_robots_is_refused_before_anything_is_written(tmp_path):
    with pytest.raises(BadInput, match='"joint" with 9 robots; allowed are 1 to 8'):
        run(tiny("joint", "world.robots=9", "world.shelf_rows=2"), tmp_path / "run", single_process=True)
    assert not (tmp_path / "run").exists()


def test_memory_grows_with_the_joint_state_and_not_with_copies_of_the_critic():
    figures = Figures((40,), 32, 128, 1024, 100, 1, 900_000, 1, 0, central=4000)
    apart = Figures((1,) * 40, 32, 128, 1024, 100, 1, 22_000, 1, 0)
    assert 0.1e9 < estimate_bytes(figures) - estimate_bytes(Figures((), 32, 128, 1024, 100, 1, 0, 1, 0)) < 0.4e9
    assert estimate_bytes(apart) > estimate_bytes(figures)
