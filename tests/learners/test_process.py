"""A learner process's way with the environment server, whose part the test plays."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fleet.core.config import Config
from fleet.core.config.write import to_toml
from fleet.core.counters import Counters
from fleet.core.data_channel import DataServer
from fleet.core.messages import Hello, Message, Policy, Rollout, Stop, Welcome
from fleet.core.rundir import RunDirectory
from fleet.core.spec import RolloutBatch, WorldSpec
from fleet.core.start import LearnerStart
from learners.process import LearnerProcess

CONFIG = Config.model_validate({"world": {"map": "rware-tiny-2ag"}, "network": {"hidden": [8]}})


class Fleet:
    """A learner in a thread, and a server that can be cut off from it and come back."""

    def __init__(self, path: Path, spec: WorldSpec) -> None:
        with RunDirectory.create(path / "run", to_toml(CONFIG), []) as directory:
            self.run = directory.run
        self.spec = spec
        self.endpoint = f"ipc://{path}/data"
        self.server = DataServer(self.endpoint, self.run, Counters())
        self.heard: list[Message] = []
        start = LearnerStart(self.run, str(path / "run"), 0, 0, self.endpoint, f"ipc://{path}/control")
        self.learner = LearnerProcess(start, CONFIG)
        self.thread = threading.Thread(target=self.learner.run)
        self.thread.start()

    def cut(self) -> None:
        self.server.close()
        self.server = DataServer(self.endpoint, self.run, Counters())

    def hear(self) -> Message:
        if not self.heard:
            self.heard = self.server.receive(10)
        return self.heard.pop(0)

    def hello(self) -> Hello:
        heard = self.hear()
        assert isinstance(heard, Hello)
        return heard

    def policy(self) -> Policy:
        heard = self.hear()
        assert isinstance(heard, Policy)
        return heard

    def welcome(self, hello: Hello, accepted: int, life: int = 0) -> None:
        welcome = Welcome(self.run, life, 0, 0, accepted, (0,), self.spec, greeting=hello.greeting)
        assert self.server.send(0, 0, welcome)

    def deal(self, seq: int, batch: RolloutBatch) -> None:
        assert self.server.send(0, 0, Rollout(self.run, 0, 0, 0, seq, seq, 0, batch))

    def close(self) -> None:
        self.server.send(0, 0, Stop(self.run, "done"))
        self.thread.join(10)
        self.server.close()
        assert not self.thread.is_alive()


@pytest.fixture
def fleet(tmp_path: Path, spec: WorldSpec) -> Iterator[Fleet]:
    made = Fleet(tmp_path, spec)
    yield made
    made.close()


def test_a_rollout_is_answered_with_a_policy_that_names_it(
    fleet: Fleet, make_rollout: Callable[..., RolloutBatch]
) -> None:
    fleet.welcome(fleet.hello(), accepted=-1)
    first = fleet.policy()
    assert (first.version, first.rollouts) == (0, ())
    fleet.deal(4, make_rollout())
    policy = fleet.policy()
    assert (policy.version, policy.rollouts) == (1, (4,))


def test_versions_go_on_from_the_last_that_was_accepted(fleet: Fleet) -> None:
    fleet.welcome(fleet.hello(), accepted=6)
    assert fleet.policy().version == 7


@pytest.mark.parametrize("arrived", [True, False])
def test_a_learner_whose_link_was_cut_says_hello_and_what_may_not_have_arrived(
    fleet: Fleet, make_rollout: Callable[..., RolloutBatch], arrived: bool
) -> None:
    fleet.welcome(fleet.hello(), accepted=-1)
    fleet.policy()
    fleet.deal(0, make_rollout())
    before = fleet.policy()
    fleet.cut()
    hello = fleet.hello()
    assert (hello.version, hello.last, hello.life) == (1, 0, 0)
    fleet.welcome(hello, accepted=1 if arrived else 0)
    fleet.deal(1, make_rollout(1))
    if not arrived:
        again = fleet.policy()
        assert (again.version, again.rollouts) == (1, (0,))
        assert all((again.weights[name] == before.weights[name]).all() for name in before.weights)
    after = fleet.policy()
    assert (after.version, after.rollouts) == (2, (1,))


def test_another_life_of_the_server_is_given_a_first_policy(fleet: Fleet) -> None:
    fleet.welcome(fleet.hello(), accepted=-1)
    fleet.policy()
    fleet.cut()
    fleet.welcome(fleet.hello(), accepted=4, life=1)
    policy = fleet.policy()
    assert (policy.life, policy.version, policy.rollouts) == (1, 5, ())
