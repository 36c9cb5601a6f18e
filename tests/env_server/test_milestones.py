"""The end of a round: an evaluation that faults don't touch, a snapshot and a record that may fail.

Broken by evaluating in the run's own world, and by letting the errors of a full disk through.
"""

from pathlib import Path

import pytest

from actors.stacked import StackedPolicy
from env_server import milestones
from env_server.afflictions import Afflictions
from env_server.collect import Collector
from env_server.dealt import Dealt
from env_server.milestones import Milestones
from env_server.record import Figures, Recorder, recorded
from env_server.worlds import make_world
from fleet.core.checkpoint import CheckpointError
from fleet.core.config import Config
from fleet.core.config.write import to_toml
from fleet.core.jsonl import BoundedJsonl
from fleet.core.rundir import RunDirectory

CONFIG = Config.model_validate(
    {
        "run": {"rounds": 4},
        "world": {"layout": "x.x.g\n.....", "robots": 2, "worlds": 2, "max_steps": 30, "request_queue": 1},
        "network": {"hidden": (4,)},
        "eval": {"every": 1, "episodes": 3},
        "checkpoint": {"every": 1},
    }
)


class Ended:
    """One run's rounds, ended one after the other."""

    def __init__(self, folder: Path, **given: object) -> None:
        with RunDirectory.create(folder, to_toml(CONFIG), []) as self.directory:
            pass
        world = make_world(CONFIG.world)
        self.collector = Collector(world, StackedPolicy(world.spec, CONFIG.network), seed=1, steps=4)
        self.collector.reset()
        self.metrics = BoundedJsonl(self.directory.metrics)
        recorder = Recorder(self.metrics, self.collector, 4)
        self.milestones = Milestones(self.directory, CONFIG, self.collector, recorder, **given)  # type: ignore[arg-type]

    def round(self, number: int = 0) -> Figures:
        taken = self.collector.collect(number)
        return self.milestones.finish(number, taken, Dealt(sent=0, withheld=0, online=0), {}, {})


def test_an_evaluation_knows_no_faults(tmp_path: Path) -> None:
    healthy, broken = Ended(tmp_path / "a"), Ended(tmp_path / "b")
    broken.collector.suffer(Afflictions(zero=(0,), commands=((1, 1.0),)), {0: "towed"})
    one, other = healthy.round(), broken.round()
    assert {k: v for k, v in one.items() if k.startswith("eval_")} == {
        k: v for k, v in other.items() if k.startswith("eval_")
    }
    assert "eval_return" in one
    assert "illegal_actions" not in one
    assert other["illegal_actions"] == 4 * 2


def test_each_step_of_an_evaluation_is_progress(tmp_path: Path) -> None:
    ticks: list[int] = []
    Ended(tmp_path / "a", tick=lambda: ticks.append(0)).round()
    assert len(ticks) == CONFIG.world.max_steps


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), CheckpointError("can't be written")])
def test_a_snapshot_that_fails_is_swept_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def fails(*_: object) -> None:
        raise error

    failed: list[tuple[int, str]] = []
    lenient, strict = Ended(tmp_path / "a", failed=lambda *what: failed.append(what)), Ended(tmp_path / "b")
    lenient.round(0)
    monkeypatch.setattr("env_server.snapshot.save_arrays", fails)
    lenient.round(1)
    assert failed == [(2, str(error))]
    assert [folder.name for folder in lenient.directory.snapshots.iterdir()] == ["round-00000001"]
    with pytest.raises(type(error)):
        strict.round(0)
    monkeypatch.undo()
    lenient.round(2)
    assert len(failed) == 1
    assert milestones.SnapshotStore(lenient.directory.snapshots).get("newest").round == 3


def test_a_line_that_cannot_be_written_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = Ended(tmp_path / "a")
    assert recorded(run.directory.metrics) == (0, 0)
    run.round(0)

    def fails(_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(run.metrics, "append", fails)
        run.round(1)
    assert recorded(run.directory.metrics) == (1, 16)
    run.round(2)
    assert recorded(run.directory.metrics) == (3, 48)
