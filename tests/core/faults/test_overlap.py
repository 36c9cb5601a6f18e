"""Which strikes go together and which don't, as sentences about a fleet of eight robots and twenty rounds."""

from typing import Any

import pytest

from fleet.core.config import Config, RunConfig, WorldConfig
from fleet.core.config.faults import FaultConfig, FaultPlan, RatesConfig
from fleet.core.faults.errors import PlanError
from fleet.core.faults.resolve import resolve


def config(*faults: dict[str, Any], rates: RatesConfig | None = None, mapping: Any = "per-robot") -> Config:
    return Config(
        run=RunConfig(rounds=20),
        world=WorldConfig(shelf_columns=3, shelf_rows=2, column_height=6, robots=8),
        mapping=mapping,
        faults=FaultPlan(fault=tuple(FaultConfig(**fault) for fault in faults), rates=rates),
    )


def one(kind: str, **settings: Any) -> dict[str, Any]:
    given = {"kind": kind, "robots": (0,), "round": 5, **settings}
    return {name: value for name, value in given.items() if value is not None}


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [
        # two faults of one process at once
        (one("kill", rounds=4), one("freeze", round=8), "robot 0, which fault 1 (kill) has until round 9"),
        (one("kill"), one("kill", round=6), "which fault 1 (kill) has until round 7"),
        (one("slow"), one("kill", round=19), "which fault 1 (slow) has to the end of the run"),
        (one("slow", rounds=3), one("delay", round=7), "which fault 1 (slow) has until round 8"),
        (one("slow", for_s=3.0), one("corrupt", round=6), "until round 7"),
        (one("corrupt"), one("nan_weights"), "until round 6"),
        # on a learner that is away
        (one("kill", rounds=4), one("blind", round=8), "until round 9"),
        (one("kill"), one("blind"), "until round 7"),
        (one("join", round=9), one("blind", round=8), "which joins in round 9 only, by fault 1 (join)"),
        (one("join", round=9), one("kill", round=8), "which joins in round 9 only, by fault 1 (join)"),
        (one("leave"), one("kill", round=9), "which has left by fault 1 (leave); allowed is before round 5"),
        (one("leave"), one("blind", round=5), "which has left by fault 1"),
        (one("slow"), one("leave", round=9), "to the end of the run"),
        # the body: two of a kind, and two that say where it is
        (one("blind"), one("blind", round=19), "which fault 1 (blind) has to the end"),
        (one("offline", body="towed", rounds=5), one("kill", round=8, body="stalled"), "until round 10"),
        (one("offline", body="towed", rounds=5), one("leave", round=8), "until round 10"),
        # the run's own processes
        (one("kill", robots=None, target="zygote"), one("kill", robots=None, target="zygote"), "another round"),
        # by the clock
        (one("kill", round=None, at_s=3.0), one("kill", round=None, at_s=3.0), "at the same time"),
        (one("kill", round=None, at_s=3.0, for_s=2.0), one("slow", round=None, at_s=4.5), "until at_s 5 s"),
    ],
)
@pytest.mark.parametrize("turned", [False, True])
def test_refused_in_whatever_order_the_plan_has_them(first, second, said, turned):
    faults = [second, first] if turned else [first, second]
    with pytest.raises(PlanError) as caught:
        resolve(config(*faults))
    text = str(caught.value)
    if turned and [first.get("round"), first.get("at_s")] == [second.get("round"), second.get("at_s")]:
        first, second = second, first  # at the same time, the plan's order decides which is the one too many
        assert text.startswith(f"fault 2 ({second['kind']})")
        return
    assert said.replace("fault 1", "fault 2" if turned else "fault 1") in text
    assert text.startswith(f"fault {1 if turned else 2} ({second['kind']})")
    assert "allowed is" in text or "end that one earlier" in text
    assert caught.value.at == ("faults", "fault", "0" if turned else "1", "at_s" if "at_s" in second else "round")


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (one("kill", rounds=4), one("kill", round=9, rounds=4)),
        (one("kill", rounds=4), one("kill", robots=(1,), round=6)),
        (one("kill"), one("kill", round=7)),
        (one("blind"), one("slow_wheels", round=9)),
        (one("blind"), one("kill", round=9)),
        (one("offline", body="towed", rounds=5), one("slow", round=6)),
        (one("join", round=9), one("kill", round=9)),
        (one("leave", round=9), one("kill", round=7)),
        (one("kill", robots=None, target="zygote"), one("kill", robots=None, target="env_server")),
        (one("kill"), one("kill", round=None, at_s=5.0)),
        (one("kill", round=None, at_s=3.0), one("kill", round=None, at_s=3.5)),
    ],
)
def test_accepted(first, second):
    assert len(resolve(config(first, second))) == 2


def test_who_joins_twice_is_refused():
    with pytest.raises(PlanError, match=r"round = 11 has robot 0 join, which joins in round 9 by fault 1 \(join\)"):
        resolve(config(one("join", round=9), one("join", round=11)))


def test_robots_of_one_learner_are_one_victim():
    with pytest.raises(PlanError, match="which fault 1"):
        resolve(config(one("kill", rounds=4), one("kill", robots=(1,), round=6), mapping="shared"))
    assert len(resolve(config(one("blind", rounds=4), one("blind", robots=(1,), round=6), mapping="shared"))) == 2


def test_nobody_there_between_the_last_leave_and_the_first_join():
    halves = ((0, 1, 2, 3), (4, 5, 6, 7))
    with pytest.raises(PlanError, match="no robot is there in round 6"):
        resolve(config(one("join", round=9), one("leave", robots=(4,), round=6), mapping=halves))
    assert len(resolve(config(one("join", round=6), one("leave", robots=(4,), round=6), mapping=halves))) == 2


def test_a_rate_s_failure_gives_way_to_the_plan_s_own_faults():
    rates = RatesConfig(failure=2, repair=2)
    alone = [strike for strike in resolve(config(rates=rates)) if 0 in strike.robots]
    plan = resolve(config(one("leave", round=6), one("kill", robots=(1,), round=3, rounds=9), rates=rates))
    mine = [strike for strike in plan if strike.robots == (0,) and strike.kind == "kill"]
    assert mine
    assert [(strike.round, strike.until) for strike in mine] == [
        (strike.round, strike.until) for strike in alone if strike.until <= 6
    ]
    taken = [strike for strike in plan if strike.robots == (1,) and strike.entry == -1]
    assert all(strike.until <= 3 or strike.round >= 12 for strike in taken)
