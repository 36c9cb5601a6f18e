"""The run in one process."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from env_server.worlds import make_world
from fleet.core.checkpoint import load_arrays
from fleet.core.config import Config
from fleet.core.config.load import load_config
from fleet.core.config.write import to_toml
from fleet.core.ledger_file import audit, resolve_outstanding
from fleet.core.rundir import RunDirectory
from fleet.core.snapshots import SnapshotStore, learner_file
from fleet.study.prepare import prepare
from fleet.study.reference import SingleProcess
from fleet.study.run import run
from learners.build import build_learner


def smoke(root: Path) -> Config:
    return prepare(load_config(root / "configs" / "smoke.toml"))


def test_a_run_that_fails_leaves_its_ledger_to_whoever_settles_it(root: Path, tmp_path: Path) -> None:
    config = smoke(root)
    with RunDirectory.create(tmp_path / "run", to_toml(config), []) as directory:
        reference = SingleProcess(directory, config)

        def fail(figures: object) -> bool:
            raise RuntimeError("the display failed")

        with pytest.raises(RuntimeError):
            reference.run(fail)
        resolve_outstanding(directory.ledger, "server_died")
        assert audit(directory.ledger).balanced


def saved(path: Path, round_: int) -> list[dict[str, np.ndarray]]:
    """All that each learner saved in that round's snapshot, its file's arrays by name."""
    folder = SnapshotStore(RunDirectory.open(path).snapshots).get(round_).folder
    return [load_arrays(folder / learner_file(k))[0] for k in range(len(list(folder.glob("learner-*"))))]


def trained(root: Path, path: Path, *settings: str, source: str = "smoke") -> list[dict[str, np.ndarray]]:
    config = prepare(load_config(root / "configs" / f"{source}.toml", ["run.rounds=2", *settings]))
    with RunDirectory.create(path, to_toml(config), []) as directory:
        assert SingleProcess(directory, config).run()
    assert audit(path / "ledger.jsonl").balanced
    return saved(path, 2)


def same(one: Mapping[str, np.ndarray], other: Mapping[str, np.ndarray]) -> bool:
    return one.keys() == other.keys() and all(np.array_equal(one[name], other[name]) for name in one)


def test_freezing_one_changes_nothing_for_another_before_it_acts_otherwise(root: Path, tmp_path: Path) -> None:
    """Everybody acts by first weights in the first round; from the second on one who learns is met by other actions."""
    live, frozen = tmp_path / "live", tmp_path / "frozen"
    last = trained(root, live, "checkpoint.every=1", source="coordination")
    after = trained(root, frozen, "checkpoint.every=1", "learners.frozen=[1]", source="coordination")
    assert same(saved(live, 1)[0], saved(frozen, 1)[0])
    assert not same(saved(live, 1)[1], saved(frozen, 1)[1])
    assert not same(last[0], after[0])
    each = audit(live / "ledger.jsonl").total.produced // 2
    balance = audit(frozen / "ledger.jsonl")
    assert (balance.total.trained, balance.withheld) == (each, {"frozen": each})


def test_a_frozen_robot_keeps_the_policy_it_starts_with(root: Path, tmp_path: Path) -> None:
    frozen = ["learners.frozen=[0, 1]"]
    config = prepare(load_config(root / "configs" / "smoke.toml"))
    spec = make_world(config.world).spec
    after = trained(root, tmp_path / "run", *frozen)
    for robot in (0, 1):
        assert same(after[robot], build_learner(config, spec, robot).save()[0])
    inherited = trained(root, tmp_path / "more")
    run(
        prepare(load_config(root / "configs" / "smoke.toml", ["run.rounds=2", *frozen])),
        tmp_path / "again",
        init_from=tmp_path / "more",
        single_process=True,
    )
    again = saved(tmp_path / "again", 2)
    networks = [name for name in inherited[0] if not name.startswith("adam")]
    for robot in (0, 1, 2):
        kept = all(np.array_equal(inherited[robot][name], again[robot][name]) for name in networks)
        assert kept == (robot != 2)


def test_packed_and_single_learners_with_a_frozen_robot_come_to_the_same(root: Path, tmp_path: Path) -> None:
    single = trained(root, tmp_path / "single", "learners.frozen=[1]")
    packed = trained(root, tmp_path / "packed", "learners.frozen=[1]", "learners.per_process=2")
    apart = [{name: array[place] for name, array in packed[k].items()} for k, place in ((0, 0), (0, 1), (1, 0))]
    assert all(map(same, single, apart))


def test_a_frozen_robot_that_acts_by_values_explores_no_more_than_in_the_end(root: Path, tmp_path: Path) -> None:
    settings = ["learner.algorithm=iql", "learners.frozen=[1]", "replay.explore_end=0.125"]
    after = trained(root, tmp_path / "run", *settings)
    assert float(after[1]["explore"]) == 0.125
    assert float(after[0]["explore"]) > 0.9
