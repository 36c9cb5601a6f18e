"""What of a plan is in force in which round, held to a slow version that looks at every strike anew for each round."""

import random

import pytest

from env_server.afflictions import Afflictions
from env_server.faults import Faults, moment_of, numbers
from fleet.core.faults.kinds import KINDS
from fleet.core.faults.strike import Strike

ROBOTS, ROUNDS = 4, 12
BODIES = ["drives-on", "stalled", "towed"]
LASTING = ["offline", "blind", "slow_wheels", "illegal_action", "kill", "freeze", "exit", "hang", "leave", "join"]


def strike(kind: str, robot: int = 0, round: int | None = 3, number: int = 0, **rest: object) -> Strike:
    return Strike(number, kind, learner=robot, robots=(robot,), round=round, **rest)  # type: ignore[arg-type]


def a_plan(seed: int) -> list[Strike]:
    """Strikes at random, one after the other on each robot, as a plan that was resolved has them."""
    rng, plan = random.Random(seed), list[Strike]()
    for robot in range(ROBOTS):
        at = 0
        while (at := at + rng.randrange(1, 4)) < ROUNDS:
            kind = rng.choice(LASTING)
            until = None if kind in ("leave", "join") else at + rng.randrange(1, 4)
            body = rng.choice(BODIES[1:] if kind == "offline" else BODIES if KINDS[kind].fatal else BODIES[:1])
            before = KINDS[kind].doer == "supervisor" and KINDS[kind].fatal and rng.random() < 0.5
            found = strike(kind, robot, at, len(plan), until=until, body=body, before=before)
            plan.append(found)
            if kind in ("leave", "join"):
                break
            at = until or at
    return plan


def in_force(plan: list[Strike], round: int) -> list[Strike]:
    """The slow version: as round `round` is collected."""
    found = []
    for one in plan:
        assert one.round is not None
        first = one.round + (moment_of(one) == "during")
        if one.kind == "join":
            within = round < one.round
        else:
            within = first <= round and (one.until is None or round < one.until)
        if within:
            found.append(one)
    return found


def wanted(plan: list[Strike], round: int) -> tuple[set[int], set[int], dict[int, str], set[int]]:
    now = in_force(plan, round)
    away = {one.learner for one in now if one.kind == "join" or KINDS[one.kind].fatal}
    bodies = {
        one.robots[0]: "towed" if one.kind in ("join", "leave") else one.body
        for one in now
        if one.kind in ("join", "leave") or one.body != "drives-on"
    }
    return away, {one.learner for one in now if one.kind == "leave"}, bodies, {
        one.robots[0] for one in now if one.kind == "blind"
    }  # fmt: skip


def seen(faults: Faults) -> tuple[set[int], set[int], dict[int, str], set[int]]:
    return faults.away, faults.left, dict(faults.bodies), set(faults.afflictions.blind)


@pytest.mark.parametrize("seed", range(40))
def test_a_plan_is_in_force_as_it_says_and_a_life_that_begins_later_finds_it_so(seed: int) -> None:
    """Broken by `<=` at the end, by striking "during" at once, and by forgetting what began before the life did."""
    plan = a_plan(seed)
    running = Faults(plan)
    for round in range(ROUNDS):
        running.arrive(round)
        running.begin(round, "before")
        assert seen(running) == wanted(plan, round)
        late = Faults(plan, round)
        late.arrive(round)
        late.begin(round, "before")
        assert seen(late) == wanted(plan, round)
        running.begin(round, "during")
        running.begin(round, "after")


def test_every_strike_begins_once_and_in_its_moment() -> None:
    plan = [
        strike("kill", 0, number=0),
        strike("kill", 1, number=1, before=True),
        strike("blind", 2, number=2),
        strike("leave", 3, number=3),
        Strike(4, "kill", "env_server", round=3),
        Strike(5, "freeze", "zygote", round=3),
        strike("hang", 0, number=6, round=4),
        strike("kill", 0, number=7, round=None, at_s=2.0),
    ]
    faults, begun = Faults(plan), dict[tuple[int, str], list[int]]()
    for round in range(6):
        for moment in ("before", "during", "after"):
            if found := faults.begin(round, moment):
                begun[round, moment] = numbers(found)
    assert begun == {(3, "before"): [1, 2, 3], (3, "during"): [0], (3, "after"): [4, 5], (4, "during"): [6]}


def test_what_ends_is_told_in_its_round_and_a_robot_that_joins_is_among_it() -> None:
    plan = [strike("kill", 0, number=0, until=6), strike("join", 1, number=1, round=6), strike("blind", 2, number=2)]
    faults = Faults(plan)
    assert [numbers(faults.arrive(round)) for round in range(8)] == [[]] * 6 + [[0, 1], []]


def test_a_lost_learners_body_is_off_until_its_replacement_is_in_use() -> None:
    """Broken by ending it with the round."""
    faults = Faults([strike("kill", 1, body="stalled")])
    faults.begin(3, "during")
    for round in range(4, 9):
        faults.arrive(round)
        assert faults.bodies == {1: "stalled"}
    assert faults.away == set()
    assert not faults.returned(0)
    assert faults.returned(1)
    assert faults.bodies == {}


def test_a_policy_brings_nobody_back_who_stays_out() -> None:
    faults = Faults([strike("kill", 1, until=9, body="towed")])
    faults.begin(3, "during")
    assert not faults.returned(1)
    assert faults.away == {1}


def test_a_live_fault_begins_once_and_ends_when_told() -> None:
    faults, live = Faults([]), strike("offline", 2, None, 1000, body="stalled")
    assert faults.inject(live)
    assert not faults.inject(live)
    assert faults.bodies == {2: "stalled"}
    assert not faults.returning
    assert faults.end(1000) == live
    assert faults.end(1000) is None
    assert faults.bodies == {}


def test_who_a_person_took_out_stays_out() -> None:
    faults = Faults([])
    faults.inject(strike("kill", 2, None, 1000, held=True))
    assert faults.away == {2}
    assert not faults.returned(2)
    faults.end(1000)
    assert faults.away == set()


def test_rounds_bring_back_only_who_is_away_until_a_round() -> None:
    assert not Faults([strike("blind", until=9)], 5).returning
    assert not Faults([strike("kill", for_s=4.0)], 5).returning
    assert Faults([strike("kill", until=9)], 5).returning
    assert Faults([strike("offline", until=9, body="towed")], 5).returning
    assert Faults([strike("join", round=9)], 5).returning


def test_what_ends_by_the_clock_is_for_the_supervisor_to_say_again() -> None:
    assert Faults([strike("blind", for_s=4.0)], 5).afflictions == Afflictions()


def test_the_tow_truck_beats_the_breakdown() -> None:
    for bodies in (["towed", "stalled"], ["stalled", "towed"]):
        faults = Faults([])
        for number, body in enumerate(bodies):
            faults.inject(strike("offline", 0, None, number, body=body))
        assert faults.bodies == {0: "towed"}
