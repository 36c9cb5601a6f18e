"""What a run leaves of its plan before it starts. The supervisor is a stand-in: nothing is started here."""

import json
from pathlib import Path

import pytest

from fleet.core.config.load import load_config, load_plan
from fleet.core.faults.resolve import resolve
from fleet.core.faults.strike import strike_of
from fleet.study import run as study
from fleet.study.prepare import prepare


class StopHereError(Exception):
    pass


def test_the_resolved_plan_is_written_before_the_run_starts(tmp_path, monkeypatch):
    seen = {}

    class Supervisor:
        def __init__(self, directory, *_, **__):
            self.directory = directory

        def run(self):
            seen.update(json.loads((Path(self.directory.path) / "faults.json").read_text()))
            raise StopHereError

    monkeypatch.setattr(study, "Supervisor", Supervisor)
    config = load_config("smoke", ["run.seed=5"]).model_copy(update={"faults": load_plan("quarter-at-once")})
    with pytest.raises(StopHereError):
        study.run(config, tmp_path / "run")
    strikes = tuple(strike_of(strike) for strike in seen["strikes"])
    assert strikes == resolve(prepare(config)) == resolve(load_config(tmp_path / "run" / "config.toml"))
    assert (seen["seed"], seen["rounds"]) == (5, 6)
