"""The run in one process."""

from pathlib import Path

import pytest

from fleet.core.config import Config
from fleet.core.config.load import load_config
from fleet.core.config.write import to_toml
from fleet.core.ledger_file import audit, resolve_outstanding
from fleet.core.rundir import RunDirectory
from fleet.study.prepare import prepare
from fleet.study.reference import SingleProcess


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
