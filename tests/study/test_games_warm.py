import pytest

from fleet.study.games import dynamics, ghosts
from fleet.study.games.warm import warm
from learners.tabular import compiled, compiled_actor_critic, compiled_replayed


@pytest.mark.slow
def test_it_runs_through_and_leaves_machine_code_of_every_kernel_behind() -> None:
    warm()
    for module in (dynamics, ghosts, compiled, compiled_actor_critic, compiled_replayed):
        assert module.compiled.is_kept()
