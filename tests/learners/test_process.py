"""A learner process's way with the environment server, whose part the test plays."""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fleet.core.answering import AGAIN_S
from fleet.core.config import Config
from fleet.core.config.write import to_toml
from fleet.core.control_channel import ControlServer
from fleet.core.counters import Counters
from fleet.core.data_channel import DataServer
from fleet.core.faults.strike import Strike
from fleet.core.messages import Event, Heartbeat, Hello, Inject, Message, Policy, Rollout, Stop, Welcome
from fleet.core.rundir import RunDirectory
from fleet.core.spec import RolloutBatch, WorldSpec
from fleet.core.start import LearnerStart
from learners.process import LearnerProcess

TABLES = {
    "world": {"map": "rware-tiny-2ag", "robots": 2},
    "network": {"hidden": [8]},
    "control": {"heartbeat_s": 0.05},
    "checkpoint": {"learner_every": 1},
}


class Fleet:
    """A learner in a thread, and a server that can be cut off from it and come back."""

    def __init__(self, path: Path, spec: WorldSpec, **tables: Any) -> None:
        config = Config.model_validate(TABLES | tables)
        with RunDirectory.create(path / "run", to_toml(config), []) as directory:
            self.run, self.checkpoints = directory.run, directory.learner(0)
        self.spec = spec
        self.endpoint = f"ipc://{path}/data"
        self.server = DataServer(self.endpoint, self.run, Counters())
        self.supervisor = ControlServer(f"ipc://{path}/control", self.run)
        self.heard: list[Message] = []
        self.events: list[Event] = []
        self.start = LearnerStart(self.run, str(path / "run"), 0, 0, self.endpoint, f"ipc://{path}/control")
        self.learner = LearnerProcess(self.start, config)
        self.status: Any = None
        self.thread = threading.Thread(target=self.learn, daemon=True)
        self.thread.start()

    def learn(self) -> None:
        try:
            self.learner.run()
        except SystemExit as leaves:
            self.status = leaves.code

    def cut(self) -> None:
        self.server.close()
        self.server = DataServer(self.endpoint, self.run, Counters())

    def hear(self) -> Message:
        if not self.heard:
            self.heard = self.server.receive(10)
        return self.heard.pop(0)

    def beats(self, count: int) -> list[Heartbeat]:
        """The next heartbeats; what comes between them is kept in `events`."""
        beats: list[Heartbeat] = []
        deadline = time.monotonic() + 10
        while len(beats) < count:
            assert time.monotonic() < deadline
            messages = [message for _, message in self.supervisor.receive(0.1)]
            beats += [message for message in messages if isinstance(message, Heartbeat)]
            self.events += [message for message in messages if isinstance(message, Event)]
        return beats

    def event(self) -> Event:
        deadline = time.monotonic() + 10
        while not self.events:
            assert time.monotonic() < deadline
            self.beats(1)
        return self.events.pop(0)

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
        self.supervisor.close()
        assert not self.thread.is_alive()


@pytest.fixture
def make_fleet(tmp_path: Path, spec: WorldSpec) -> Iterator[Callable[..., Fleet]]:
    made: list[Fleet] = []

    def make(**tables: Any) -> Fleet:
        made.append(Fleet(tmp_path, spec, **tables))
        return made[-1]

    yield make
    for fleet in made:
        fleet.close()


@pytest.fixture
def fleet(make_fleet: Callable[..., Fleet]) -> Fleet:
    return make_fleet()


def test_a_rollout_is_answered_with_a_policy_that_names_it(
    fleet: Fleet, make_rollout: Callable[..., RolloutBatch]
) -> None:
    fleet.welcome(fleet.hello(), accepted=-1)
    first = fleet.policy()
    assert (first.version, first.rollouts) == (0, ())
    fleet.deal(4, make_rollout())
    policy = fleet.policy()
    assert (policy.version, policy.rollouts) == (1, (4,))


def test_a_policy_tells_how_long_its_rollout_was_waited_for(
    fleet: Fleet, make_rollout: Callable[..., RolloutBatch]
) -> None:
    fleet.welcome(fleet.hello(), accepted=-1)
    assert fleet.policy().diagnostics == {}
    time.sleep(0.2)
    for seq in (0, 1):
        began = time.monotonic()
        fleet.deal(seq, make_rollout(seq))
        waited = fleet.policy().diagnostics["waited_s"]
        if seq == 0:
            assert waited >= 0.1  # the learner may have come to wait some time after we had its policy
            published_after = began
    assert waited <= time.monotonic() - published_after


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


@pytest.mark.slow
def test_a_learner_that_is_nudged_sends_again_what_the_server_lacks(
    fleet: Fleet, make_rollout: Callable[..., RolloutBatch]
) -> None:
    hello = fleet.hello()
    fleet.welcome(hello, accepted=-1)
    fleet.policy()
    fleet.deal(0, make_rollout())
    before = fleet.policy()
    time.sleep(AGAIN_S)
    fleet.welcome(hello, accepted=0)
    again = fleet.policy()
    assert (again.version, again.rollouts) == (1, (0,))
    assert all((again.weights[name] == before.weights[name]).all() for name in before.weights)
    time.sleep(AGAIN_S)
    fleet.welcome(hello, accepted=1)
    assert fleet.hello().last == 0


@pytest.mark.slow
def test_heartbeats_say_whether_there_is_work_in_hand(
    make_fleet: Callable[..., Fleet], make_rollout: Callable[..., RolloutBatch]
) -> None:
    """Broken by leaving `working` True: a learner that waits for a rollout is then taken for stuck."""
    slow = {"kind": "slow", "robots": [0], "round": 0, "factor": 50.0}
    fleet = make_fleet(faults={"fault": [slow]}, learner={"minibatch": 24})
    fleet.welcome(fleet.hello(), accepted=-1)
    fleet.policy()
    fleet.beats(2)
    assert [beat.working for beat in fleet.beats(6)].count(True) <= 1  # it looks around once a second
    fleet.deal(0, make_rollout())
    assert any(beat.working for beat in fleet.beats(8))
    assert fleet.event().name == "struck"
    fleet.policy()


def test_a_learner_goes_on_without_a_checkpoint_that_cannot_be_written(
    fleet: Fleet, make_rollout: Callable[..., RolloutBatch]
) -> None:
    fleet.checkpoints.parent.mkdir(parents=True, exist_ok=True)
    fleet.checkpoints.write_text("a file where the folder should be")
    fleet.welcome(fleet.hello(), accepted=-1)
    fleet.policy()
    fleet.deal(0, make_rollout())
    assert fleet.policy().version == 1
    event = fleet.event()
    assert (event.name, event.process) == ("save_failed", "learner-0")
    assert "learner-0" in event.details["error"]
    fleet.deal(1, make_rollout())
    assert fleet.policy().version == 2
    fleet.checkpoints.unlink()
    fleet.deal(2, make_rollout())
    assert fleet.policy().version == 3
    fleet.beats(2)
    assert fleet.events == []  # each failure was told, and a full disk filled the record of the run


def test_a_learner_whose_link_the_supervisor_has_cut_is_heard_again_when_it_is_over(
    fleet: Fleet, make_rollout: Callable[..., RolloutBatch]
) -> None:
    fleet.welcome(fleet.hello(), accepted=-1)
    fleet.policy()
    fleet.deal(0, make_rollout())
    fleet.policy()
    fleet.beats(1)
    cut = Strike(1000, "cut", learner=0, robots=(0,), for_s=0.5)
    assert fleet.supervisor.send("learner-0", 0, Inject(fleet.run, cut.as_dict()))
    assert (fleet.event().name, fleet.server.receive(0.2)) == ("struck", [])
    hello = fleet.hello()
    assert (hello.greeting, hello.last) == (2, 0)
    assert fleet.event().name == "mended"
    fleet.welcome(hello, accepted=0)
    assert fleet.policy().rollouts == (0,)


def test_a_planned_exit_ends_the_process_with_status_0_and_is_announced(
    make_fleet: Callable[..., Fleet], make_rollout: Callable[..., RolloutBatch]
) -> None:
    fleet = make_fleet(faults={"fault": [{"kind": "exit", "robots": [0], "round": 1}]})
    fleet.welcome(fleet.hello(), accepted=-1)
    fleet.policy()
    fleet.deal(0, make_rollout())
    assert fleet.policy().version == 1
    fleet.deal(1, make_rollout())
    event = fleet.event()
    assert (event.name, event.details["kind"], event.details["round"]) == ("struck", "exit", 1)
    fleet.thread.join(60)
    assert fleet.status == 0
    assert fleet.server.receive(0.1) == []


def test_a_doomed_learner_raises_in_its_constructor(fleet: Fleet) -> None:
    with pytest.raises(RuntimeError, match="planned"):
        LearnerProcess(replace(fleet.start, doomed=True), Config.model_validate(TABLES))
