import pytest

from fleet.core.config.compare import check_resume, differences
from fleet.core.config.load import load_config
from fleet.core.errors import BadInput


def test_equal_configs_have_no_differences():
    assert differences(load_config("smoke"), load_config("smoke")) == []


@pytest.mark.parametrize(
    "change",
    ["run.rounds=99", "run.name=x", "run.patience_s=1.0", "checkpoint.every=7", "eval.every=2", "control.restarts=1"],
)
def test_what_does_not_change_the_weights_may_differ(change):
    check_resume(load_config("smoke"), load_config("smoke", [change]))


@pytest.mark.parametrize(
    "change",
    [
        "run.seed=9",
        "world.robots=2",
        "learner.gamma=0.9",
        "mapping=shared",
        "run.credit=2",
        "learners.policies=float16",
    ],
)
def test_what_changes_the_weights_may_not(change):
    with pytest.raises(BadInput, match=change.partition("=")[0]) as caught:
        check_resume(load_config("smoke"), load_config("smoke", [change, "run.rounds=99"]))
    assert "run.rounds:" not in str(caught.value)


def test_a_linear_schedule_ties_the_rounds_unless_it_has_a_horizon():
    linear = ["learner.lr_schedule=linear"]
    with pytest.raises(BadInput, match="lr_horizon"):
        check_resume(load_config("smoke", linear), load_config("smoke", [*linear, "run.rounds=99"]))
    tied = [*linear, "learner.lr_horizon=50"]
    check_resume(load_config("smoke", tied), load_config("smoke", [*tied, "run.rounds=99"]))
