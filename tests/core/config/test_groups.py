"""Which robots share a process, and which share weights."""

import pytest

from fleet.core.config.compare import check_resume
from fleet.core.config.load import ConfigError, load_config, placing_faults
from fleet.core.errors import BadInput
from fleet.study.prepare import prepare


@pytest.mark.parametrize(
    ("settings", "robots", "groups"),
    [
        ([], 3, ((0,), (1,), (2,))),
        (["mapping=shared"], 3, ((0, 1, 2),)),
        (["mapping=[[2, 0], [1]]"], 3, ((0, 2), (1,))),
        (["mapping=central", "learner.algorithm=mappo"], 3, ((0, 1, 2),)),
        (["mapping=central", "learner.algorithm=joint"], 8, (tuple(range(8)),)),
        (["learners.per_process=2"], 5, ((0, 1), (2, 3), (4,))),
        (["learners.per_process=2"], 4, ((0, 1), (2, 3))),
        (["learners.per_process=9"], 3, ((0, 1, 2),)),
    ],
)
def test_the_robots_of_each_process(settings, robots, groups):
    assert load_config("demo", settings).groups(robots) == groups


@pytest.mark.parametrize("mapping", ["shared", "[[0, 1], [2, 3]]"])
def test_only_learners_of_one_robot_each_are_packed(mapping):
    config = ["learners.per_process=2", f"mapping={mapping}"]
    with pytest.raises(ConfigError, match=r"learners.per_process = 2 .*allowed is 1, unless mapping = .per-robot"):
        load_config("demo", config)
    assert load_config("demo", ["learners.per_process=1", f"mapping={mapping}"]).packed is False


@pytest.mark.parametrize("device", ["gpu", "cuda:", "cuda:01", "cuda:100", "CUDA", "cpu:0", "cuda\n", 3])
def test_a_device_that_is_none_is_refused(device):
    value = f'"{device}"' if isinstance(device, str) else device
    with pytest.raises(ConfigError, match=r'learners.device = .*; allowed: "cpu", "cuda", or "cuda:N"'):
        load_config("demo", [f"learners.device={value!s}".replace("\n", "\\n")])


@pytest.mark.parametrize("device", ["cpu", "cuda", "cuda:0", "cuda:12"])
def test_devices(device):
    assert load_config("demo", [f"learners.device={device}"]).learners.device == device


def test_processes_are_counted_from_one():
    with pytest.raises(ConfigError, match="learners.per_process = 0; allowed: 1 or more"):
        load_config("demo", ["learners.per_process=0"])


@pytest.mark.parametrize("change", ["learners.per_process=2", "learners.device=cuda"])
def test_a_resumed_run_keeps_its_processes(change):
    with pytest.raises(BadInput, match=f"{change.partition('=')[0]}: the run has"):
        check_resume(load_config("smoke"), load_config("smoke", [change]))


@pytest.mark.parametrize(
    ("settings", "robots", "learners"),
    [
        ([], set(), set()),
        (["learners.frozen=[2, 0]"], {0, 2}, {0, 2}),
        (["learners.frozen=[0, 1]", "mapping=[[0, 1], [2]]"], {0, 1}, {0}),
        (["learners.frozen=[1]", "learners.per_process=2"], {1}, set()),
        (["learners.frozen=[1, 0]", "learners.per_process=2"], {0, 1}, {0}),
    ],
)
def test_who_never_learns(settings, robots, learners):
    config = load_config("demo", settings)
    assert config.frozen_robots(3) == robots
    assert config.frozen_learners(3) == learners


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (["learners.frozen=[3]"], "learners.frozen names robot 3; allowed are 0 to 2"),
        (["learners.frozen=[-1]"], "learners.frozen names robot -1; allowed are 0 to 2"),
        (["learners.frozen=[1, 0, 1]"], "learners.frozen names robot 1 twice"),
        (["learners.frozen=[0, 2, 1]"], "learners.frozen names all 3 robots; allowed are fewer"),
        (["learners.frozen=[1]", "mapping=[[0, 1], [2]]"], "names robot 1, which shares a learner with robot 0"),
        (["learners.frozen=[0]", "mapping=shared"], "names robot 0, which shares a learner with robot 1"),
        (["learners.frozen=[2]", "mapping=central", "learner.algorithm=mappo"], "robot 2, which shares a learner with"),
    ],
)
def test_who_cannot_be_frozen(settings, said):
    with pytest.raises(ValueError, match=said):
        load_config("demo", settings).frozen_robots(3)


def test_a_frozen_robot_that_is_not_there_is_refused_where_it_was_given():
    config = load_config("smoke", ["learners.frozen=[7]"])
    with (
        pytest.raises(ConfigError, match=r"^--set learners.frozen=\[7\]: .*robot 7; allowed are 0 to 2"),
        placing_faults("smoke", config, ["learners.frozen=[7]"]),
    ):
        prepare(config)
