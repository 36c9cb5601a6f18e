import pytest

from env_server.warehouse.compiled import is_kept
from env_server.warm import warm


@pytest.mark.slow
def test_it_runs_through_and_leaves_machine_code_behind() -> None:
    warm()
    assert is_kept()
