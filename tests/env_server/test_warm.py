import pytest

from actors.compiled import compiled as planner
from env_server.warm import warm
from fleet.study.kernels import are_kept


@pytest.mark.slow
def test_it_runs_through_and_leaves_machine_code_behind() -> None:
    warm()
    assert are_kept()
    assert planner.is_kept()
