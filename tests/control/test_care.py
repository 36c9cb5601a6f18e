"""The lives of learners against everything that can happen to them, in any order: no processes, no clock.

What the processes would do is played by `Pretence`: it forks what is ordered and ends what is killed, when told to.
"""

import signal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from fleet.control.care.child import Child, Injury, Phase
from fleet.control.care.injuries import Injuries
from fleet.control.care.learners import Care
from fleet.control.care.restarts import Budget
from fleet.control.care.starts import Starts
from fleet.control.care.watch import Watch
from fleet.control.process.processes import Ended, Started
from fleet.control.process.zygote_client import Refused
from fleet.control.timing import Timing
from fleet.core.config import ControlConfig
from fleet.core.messages import Gone, Heartbeat, Lost
from fleet.core.rundir import RunDirectory

RUN = "0" * 32
ALLOWED = 3


class Pretence:
    """Stands for `Processes`."""

    def __init__(self) -> None:
        self.ordered: list[str] = []
        self.alive: dict[str, int] = {}
        self.killed: set[str] = set()
        self.stopped: set[str] = set()
        self._pid = 100

    def order_learner(self, name: str, _: str) -> None:
        assert name not in self.alive, f"{name} is ordered while it has a process"
        assert name not in self.ordered
        self.ordered.append(name)

    def fork(self, name: str) -> Started:
        self.ordered.remove(name)
        self._pid += 1
        self.alive[name] = self._pid
        return Started(name, self._pid)

    def end(self, name: str, status: int, now: float) -> Ended:
        for names in (self.killed, self.stopped):
            names.discard(name)
        return Ended(name, self.alive.pop(name), status, now)

    def signal(self, name: str, number: signal.Signals) -> bool:
        if name in self.alive and number == signal.SIGKILL:
            self.killed.add(name)
        if name in self.alive and number == signal.SIGSTOP:
            self.stopped.add(name)
        return name in self.alive

    def bar_from_files(self, name: str) -> None:
        pass

    def rename(self, name: str, other: str) -> None:
        self.alive[other] = self.alive.pop(name)
        for names in (self.killed, self.stopped):
            if name in names:
                names.remove(name)
                names.add(other)


class Forgetful:
    """Stands for `Record`: keeps the lines."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str, dict[str, Any]]] = []

    def event(self, name: str, process: str, **details: Any) -> None:
        self.lines.append((name, process, details))

    def since(self, moment: float) -> float:
        return moment

    def injured(self, child: Child) -> dict[str, Any]:
        return {} if child.injury is None else {"number": child.injury.number}

    def times(self, fault: Any, recover: float | None = None) -> dict[str, Any]:
        return {"cause": fault.cause, "number": fault.number}


class World:
    def __init__(self, folder: Path, learners: int = 1) -> None:
        budget = Budget(ALLOWED, 1e9, 0.2)
        self.children = {f"learner-{k}": Child(f"learner-{k}", k, budget) for k in range(learners)}
        self.processes, self.record = Pretence(), Forgetful()
        control = ControlConfig.model_validate({"heartbeat_s": 0.5, "dead_after_s": 3.5, "start_grace_s": 60.0})
        directory = RunDirectory(folder, RUN)
        directory.endpoint = lambda name: f"ipc://{name}"  # type: ignore[method-assign]
        starts = Starts(directory, None, {}, 2)
        watch = Watch(control, self.record, control.heartbeat_s)  # type: ignore[arg-type]
        self.care = Care(RUN, self.children, self.processes, self.record, watch, starts, Timing())  # type: ignore[arg-type]
        self.injuries = Injuries(RUN, self.care, self.processes, watch, 1.0, lambda *_: True)  # type: ignore[arg-type]
        self.child = self.children["learner-0"]
        self.now = 0.0

    def later(self, seconds: float) -> None:
        self.now += seconds
        self.care.act(self.now)

    def start(self) -> None:
        """Until it beats."""
        self.later(3.0)
        if self.child.name in self.processes.ordered:
            self.care.started(self.processes.fork(self.child.name), self.now)
        self.beat()

    def beat(self, progress: int = 1, working: bool = True) -> None:
        if self.child.name in self.processes.alive:
            beat = Heartbeat(RUN, self.child.name, self.child.incarnation, 100, progress, 1, 0.1, working)
            self.care.heard(self.child, beat, self.now, self.now)

    def die(self, status: int = -9) -> None:
        self.care.ended(self.processes.end(self.child.name, status, self.now), self.now)


class Anything(RuleBasedStateMachine):
    """Broken to see it fail: by starting what is held; by charging a revival; by not charging a planned death; by
    ordering a second process while the first is still there."""

    folder: Path

    def __init__(self) -> None:
        super().__init__()
        self.world = World(self.folder)
        self.person = False  # holds it
        self.forks = 0
        self.granted = 0  # restarts that must have come out of the budget
        self.number = 0

    @property
    def child(self) -> Child:
        return self.world.child

    @rule(seconds=st.sampled_from([0.0, 0.3, 2.5, 40.0]))
    def time_passes(self, seconds: float) -> None:
        self.world.later(seconds)

    @precondition(lambda self: self.world.processes.ordered)
    @rule(refused=st.booleans())
    def zygote(self, refused: bool) -> None:
        name = self.child.name
        if refused:
            self.world.processes.ordered.remove(name)
            self.world.care.refused(Refused(name, "no memory"), self.world.now)
        else:
            self.world.care.started(self.world.processes.fork(name), self.world.now)

    @precondition(lambda self: self.child.name in self.world.processes.alive)
    @rule(status=st.sampled_from([-9, 1, 0]))
    def it_dies(self, status: int) -> None:
        self.world.die(status)

    @precondition(lambda self: self.world.processes.killed)
    @rule()
    def the_killed_end(self) -> None:
        name = sorted(self.world.processes.killed)[0]
        self.world.care.ended(self.world.processes.end(name, -9, self.world.now), self.world.now)

    @rule(progress=st.integers(1, 5))
    def it_beats(self, progress: int) -> None:
        if self.child.name not in self.world.processes.stopped:
            self.world.beat(progress)

    @rule()
    def it_is_judged(self) -> None:
        self.world.care.judge(self.world.now, self.world.now)

    @rule()
    def it_is_online(self) -> None:
        if self.child.phase is Phase.UP:
            self.world.care.online(0, self.child.incarnation, self.child.incarnation, self.world.now)

    @rule(how=st.sampled_from(["kill", "freeze", "zombie"]), kills=st.integers(1, 3), doomed=st.integers(0, 2))
    def the_plan_strikes(self, how: Any, kills: int, doomed: int) -> None:
        self.number += 1
        injury = Injury(self.number, how, self.world.now, kills=kills, doomed=doomed)
        self.world.injuries.take_down(self.child, how, injury, self.world.now)

    @rule()
    def a_person_kills(self) -> None:
        self.number += 1
        if self.child.wanted:
            self.person = True
        self.world.injuries.take_down(
            self.child, "kill", Injury(self.number, "kill", self.world.now, held=True), self.world.now
        )

    @rule()
    def a_person_revives(self) -> None:
        used = self.child.budget.used
        self.world.injuries.bring_back(self.child, self.world.now)
        self.person = False
        assert self.child.budget.used == used

    @rule()
    def the_server_dies(self) -> None:
        self.world.care.server_lost({0: 3})
        standing = self.world.care.standing()
        assert standing.fences["0"] == self.child.dead
        assert (standing.gone == [0]) == (not self.child.wanted)

    @rule(
        incarnation=st.integers(0, 5), name=st.sampled_from(["unanswered", "refuse", "fenced"]), wait=st.integers(0, 1)
    )
    def the_server_says(self, incarnation: int, name: str, wait: int) -> None:
        if name == "fenced":
            self.world.care.fenced(0, incarnation, 4)
        elif name == "refuse":
            self.world.care.refuse(0, incarnation, self.world.now)
        else:
            self.world.care.unanswered(0, incarnation, wait, self.world.now)

    @invariant()
    def who_is_held_is_not_started(self) -> None:
        if self.person:
            assert self.child.held
            assert self.child.phase is not Phase.WAITING
        if self.child.phase is Phase.AWAY:
            assert self.child.name not in self.world.processes.ordered
            assert self.child.name not in self.world.processes.alive

    @invariant()
    def the_budget_is_exact(self) -> None:
        assert len(self.child.budget.used) <= ALLOWED
        if self.child.phase is Phase.FAILED:
            assert len(self.child.budget.used) == ALLOWED
            assert not self.child.wanted

    @invariant()
    def every_death_was_told_to_the_server(self) -> None:
        lost = [note.incarnation for note in self.world.care.notices if isinstance(note, Lost)]
        assert lost == sorted(lost)
        assert sum(isinstance(note, Gone) for note in self.world.care.notices) <= 1

    @invariant()
    def each_incarnation_is_declared_once(self) -> None:
        declared = [line[2]["incarnation"] for line in self.world.record.lines if line[0] == "restart"]
        assert declared == sorted(set(declared))


@pytest.mark.slow
def test_whatever_happens_the_budget_is_exact_and_who_is_held_stays_out(tmp_path: Path) -> None:
    Anything.folder = tmp_path
    run_state_machine_as_test(Anything, settings=settings(max_examples=150, stateful_step_count=40, deadline=None))


def test_the_budget_is_charged_for_deaths_and_not_for_coming_back(tmp_path: Path) -> None:
    """Broken by charging for a revival, or for a planned loss that was held."""
    world = World(tmp_path)
    for _ in range(10):
        world.start()
        world.injuries.take_down(world.child, "kill", Injury(1, "kill", world.now, held=True), world.now)
        world.die()
        assert world.child.phase is Phase.AWAY
        world.later(100.0)
        assert not world.processes.ordered
        world.injuries.bring_back(world.child, world.now)
    assert world.child.budget.used == ()
    for count in range(ALLOWED):
        world.start()
        world.die()
        assert len(world.child.budget.used) == count + 1
    world.start()
    world.die()
    assert world.child.phase is Phase.FAILED


@pytest.mark.parametrize("brought_back_early", [False, True])
def test_one_that_is_held_between_its_order_and_its_fork_does_not_live(
    tmp_path: Path, brought_back_early: bool
) -> None:
    """Broken by looking at what is wanted alone when it has been forked."""
    world = World(tmp_path)
    world.later(0.0)
    world.injuries.hold(world.child)
    world.care.started(world.processes.fork("learner-0"), world.now)
    assert world.processes.killed == {"learner-0"}
    if brought_back_early:
        world.injuries.bring_back(world.child, world.now)
    world.die()
    assert world.child.phase is (Phase.WAITING if brought_back_early else Phase.AWAY)
    assert world.child.budget.used == ()


def test_one_that_is_brought_back_before_it_is_dead_is_put_down_first(tmp_path: Path) -> None:
    """A planned freeze that ends before its silence has given it away. Broken by waiting for that."""
    world = World(tmp_path)
    world.start()
    injury = Injury(1, "freeze", world.now, held=True)
    world.injuries.take_down(world.child, "freeze", injury, world.now)
    assert world.processes.stopped == {"learner-0"}
    world.injuries.bring_back(world.child, world.now)
    assert world.processes.killed == {"learner-0"}
    world.die()
    assert world.child.phase is Phase.WAITING
    assert world.child.budget.used == ()


@pytest.mark.parametrize("end", ["the run ends", "it has just died"])
def test_a_zombie_is_set_aside_only_for_a_replacement_and_only_if_it_is_there(tmp_path: Path, end: str) -> None:
    """Broken by looking at neither: a learner was ordered after the end of the run; and the loop died of a KeyError,
    its process being gone already while news of that still waited its turn."""
    world = World(tmp_path)
    world.start()
    world.injuries.take_down(world.child, "zombie", Injury(1, "zombie", world.now), world.now)
    if end == "the run ends":
        world.care.release()
    else:
        gone = world.processes.end("learner-0", -9, world.now)
    world.now += 60.0
    world.care.judge(world.now, world.now)
    if end == "the run ends":
        assert world.processes.killed == {"learner-0"}
        world.die()
    else:
        world.care.ended(gone, world.now)
    assert world.child.phase is (Phase.ENDED if end == "the run ends" else Phase.WAITING)
    world.later(5.0)
    assert len(world.processes.ordered) == (end != "the run ends")
    assert not any(line[0] == "set_aside" for line in world.record.lines)


def test_one_that_is_online_may_publish_again_what_it_has_and_one_that_is_not_yet_numbers_on(tmp_path: Path) -> None:
    """Broken by taking one from the version of both: a restarted learner would use a number again."""
    world = World(tmp_path)
    world.start()
    world.care.online(0, 0, 0, world.now)
    world.care.server_lost({0: 9})
    assert world.care.standing().accepted == {"0": 8}
    world.die()
    world.start()
    world.care.server_lost({0: 9})
    assert world.care.standing().accepted == {"0": 9}
    assert world.care.standing().fences == {"0": 0}


def test_one_that_is_asked_again_and_again_is_suspected_once_until_it_gets_on(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.start()
    for _ in range(3):
        world.care.unanswered(0, 0, 0, world.now)
        world.beat(progress=1)
    suspicions = [line for line in world.record.lines if line[0] == "suspect"]
    assert len(suspicions) == 1
    world.beat(progress=2)
    assert world.child.suspected_at is None
    assert [line[0] for line in world.record.lines].count("cleared") == 1


@pytest.mark.parametrize(
    ("waits", "idle", "dead"), [((7,), 9, False), ((7, 8), 3, False), ((7, 7), 2, False), ((7, 7), 3, True)]
)
def test_one_is_unreachable_only_if_it_is_asked_the_same_again_after_it_has_been_idle(
    tmp_path: Path, waits: tuple[int, ...], idle: int, dead: bool
) -> None:
    """The server complains as it nudges: a learner that answers that nudge and then waits for a slow mate lives.

    Broken by condemning after three idle heartbeats without asking again; by not comparing what was asked.
    """
    world = World(tmp_path)
    world.start()
    for wait in waits:
        world.care.unanswered(0, 0, wait, world.now)
        for _ in range(idle):
            world.beat(working=False)
    assert (world.child.name in world.processes.killed) == dead
    assert (world.child.fault is not None and world.child.fault.cause == "learner_unreachable") == dead


def test_a_run_is_over_when_all_who_learn_are_given_up_whoever_is_frozen(tmp_path: Path) -> None:
    world = World(tmp_path, learners=2)
    world.children["learner-1"].frozen = True
    assert not world.care.all_gone()
    world.child.wanted = False
    assert world.care.all_gone()
