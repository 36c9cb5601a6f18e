"""What the harness does and says at each moment. Broken by fencing only what it is told of, and by telling too late."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from env_server.afflictions import Afflictions
from env_server.faults import Faults
from env_server.harness import Harness
from env_server.protocol import Body
from env_server.roster import Roster
from fleet.core.faults.strike import Strike
from fleet.core.ledger_file import Ledger
from fleet.core.messages import Hello, Inject, Lost, Policy
from fleet.core.session import Phase
from fleet.core.spec import WorldSpec

RUN = "0" * 32
SPEC = WorldSpec(3, 2, 4, np.dtype(np.int8), 5, np.ones(4, np.float32))


class Scene:
    """A harness with three learners that are there, and what it says and does."""

    def __init__(
        self,
        ledger: Ledger,
        *plan: Strike,
        first: int = 0,
        restored: bool = False,
        struck: tuple[int, ...] = (),
    ) -> None:
        self.told: list[tuple[str, dict[str, Any]]] = []
        self.suffered: list[tuple[Afflictions, dict[int, Body]]] = []
        self.roster = Roster(RUN, 0, [(0,), (1,), (2,)], SPEC, ledger, 1, lockstep=True)
        self.harness = Harness(
            Faults(plan, first),
            self.roster,
            self,
            lambda name, details: self.told.append((name, details)),
            first,
            restored=restored,
            struck=struck,
        )
        for learner in range(3):
            self.publish(learner, 0)

    def suffer(self, afflictions: Afflictions, bodies: Mapping[int, Body]) -> None:
        self.suffered.append((afflictions, dict(bodies)))

    def load(self, robots: object, weights: object) -> None:
        pass

    def learned(self, learner: int, agent_steps: int, lag: int, diagnostics: object) -> None:
        pass

    def publish(self, learner: int, incarnation: int) -> None:
        welcome = self.roster.greet(Hello(RUN, learner, incarnation, -1, -1))
        if welcome is not None:
            weights = {"w": np.zeros(1, np.float32)}
            first = Policy(RUN, 0, learner, incarnation, welcome.accepted + 1, (), weights, {})
            assert self.roster.take(first, self, self)

    def names(self) -> list[str]:
        return [name for name, _ in self.told]


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "ledger.jsonl")


def strike(kind: str, robot: int = 1, **rest: Any) -> Strike:
    return Strike(rest.pop("number", 0), kind, **{"learner": robot, "robots": (robot,), "round": 0} | rest)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("kind", "reason"), [("kill", "learner_died"), ("zombie", "learner_frozen"), ("freeze", "learner_frozen")]
)
def test_the_supervisors_kinds_are_fenced_in_the_round(ledger: Ledger, kind: str, reason: str) -> None:
    scene = Scene(ledger, strike(kind))
    scene.harness.settle()
    assert scene.harness.begin("before") == []
    assert len(scene.harness.begin("during")) == 1
    assert scene.names() == ["due", "fenced"]
    assert scene.told[1][1]["reason"] == reason
    assert scene.roster.sessions[1].phase is Phase.ABSENT
    assert scene.roster.sessions[1].expected


@pytest.mark.parametrize("kind", ["exit", "hang", "slow", "pause", "cut"])
def test_nobody_is_fenced_who_does_it_alone_or_lives_on(ledger: Ledger, kind: str) -> None:
    scene = Scene(ledger, strike(kind))
    scene.harness.begin("during")
    assert scene.names() == (["due"] if kind == "pause" else [])
    assert scene.roster.sessions[1].phase is Phase.READY


@pytest.mark.parametrize("target", ["env_server", "zygote", "supervisor"])
def test_what_all_need_is_struck_after_the_round(ledger: Ledger, target: str) -> None:
    scene = Scene(ledger, strike("kill", -1, robots=(), target=target))
    assert scene.harness.begin("before") == scene.harness.begin("during") == []
    assert len(scene.harness.begin("after")) == 1
    assert scene.told == [("due", {"round": 0, "moment": "after", "begin": [0], "end": [], "accepted": {}})]


def test_what_was_done_for_a_life_before_is_not_done_again_when_its_round_is_repeated(ledger: Ledger) -> None:
    """Broken by fencing again: whom the supervisor doesn't kill twice was shut out for ever."""
    scene = Scene(ledger, strike("kill", round=4, body="stalled"), first=4, struck=(0,))
    scene.harness.begin("during")
    assert scene.names() == ["due"]
    assert scene.roster.sessions[1].phase is Phase.READY
    assert scene.harness.offline == frozenset()


def test_the_first_round_of_a_later_life_has_the_strikes_that_no_life_before_has_begun(ledger: Ledger) -> None:
    """Broken by taking that round for a repeated one: the robot drove on, and its learner was fenced any time."""
    scene = Scene(ledger, strike("kill", round=4, body="stalled", number=1), first=4, struck=(0,))
    scene.harness.begin("during")
    assert scene.names() == ["due", "fenced"]
    assert scene.roster.sessions[1].phase is Phase.ABSENT
    assert scene.harness.offline == {1}


def test_bodies_change_just_before_a_round_and_not_for_what_leaves_no_trace(ledger: Ledger) -> None:
    scene = Scene(ledger, strike("kill", body="towed"), strike("blind", 2, number=1, until=2))
    scene.harness.begin("before")
    scene.harness.settle()
    assert scene.suffered == [(Afflictions(zero=(2,)), {})]
    scene.harness.begin("during")
    assert scene.harness.offline == {1}
    scene.publish(1, 1)
    scene.harness.online(1)
    assert scene.harness.offline == frozenset()
    scene.harness.round = 1
    scene.harness.settle()
    assert scene.suffered[1:] == [(Afflictions(zero=(2,)), {})]
    scene.harness.settle()
    assert len(scene.suffered) == 2


def test_with_no_faults_nothing_is_done_to_the_world_but_after_a_snapshot(ledger: Ledger) -> None:
    """Broken by settling every round."""
    plain, restored = Scene(ledger), Scene(ledger, restored=True)
    for scene in (plain, restored):
        for _ in range(3):
            scene.harness.arrive()
            scene.harness.begin("before")
            scene.harness.settle()
    assert plain.suffered == []
    assert restored.suffered == [(Afflictions(), {})]


def test_a_life_that_begins_in_the_middle_finds_who_is_out_and_who_has_left(ledger: Ledger) -> None:
    plan = [strike("kill", 0, until=9), strike("leave", 1, number=1), strike("offline", 2, number=2, body="stalled")]
    scene = Scene(ledger, *plan, first=5)
    assert [session.expected for session in scene.roster.sessions] == [False, True, True]
    assert scene.roster.sessions[1].phase is Phase.GONE
    assert scene.harness.settle() == {1, 2}
    assert scene.suffered == [(Afflictions(), {1: "towed", 2: "stalled"})]
    assert scene.told == []


def test_a_learner_out_till_a_round_is_waited_for_from_then_on(ledger: Ledger) -> None:
    scene = Scene(ledger, strike("hang", until=2))
    scene.harness.begin("during")
    assert not scene.roster.sessions[1].expected
    scene.harness.lost(Lost(RUN, 1, 0, "learner_stuck"))
    scene.harness.round = 2
    scene.harness.arrive()
    assert scene.roster.sessions[1].expected
    assert scene.told[-1] == ("due", {"round": 2, "moment": "before", "begin": [], "end": [0], "accepted": {"1": 0}})


def test_every_loss_is_answered_also_of_one_that_is_known(ledger: Ledger) -> None:
    scene = Scene(ledger)
    for _ in range(2):
        scene.harness.lost(Lost(RUN, 2, 0, "learner_died"))
    assert scene.names() == ["fenced", "fenced"]
    assert scene.told[0][1] == scene.told[1][1]


def test_a_live_leave_is_for_good(ledger: Ledger) -> None:
    scene = Scene(ledger)
    scene.harness.injected(Inject(RUN, strike("leave", 2, number=1000, round=None).as_dict()))
    assert scene.roster.sessions[2].phase is Phase.GONE
    assert scene.harness.offline == {2}
    assert scene.told == [("struck", {"number": 1000, "round": 0, "kind": "leave"})]
