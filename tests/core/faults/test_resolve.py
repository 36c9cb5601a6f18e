from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleet.core.config import Config, ControlConfig, RunConfig, WorldConfig
from fleet.core.config.faults import FaultConfig, FaultPlan, RatesConfig
from fleet.core.errors import BadInput
from fleet.core.faults.draw import choose
from fleet.core.faults.errors import PlanError
from fleet.core.faults.kinds import KINDS, Kind
from fleet.core.faults.resolve import is_clockless, resolve
from fleet.core.faults.strike import Strike, strike_of


def fault(kind: Kind = "kill", **settings: Any) -> FaultConfig:
    return FaultConfig(kind=kind, **settings)


def config(*faults: FaultConfig, rates: RatesConfig | None = None, robots=8, rounds=20, seed=1, mapping="per-robot"):
    return Config(
        run=RunConfig(rounds=rounds, seed=seed),
        world=WorldConfig(shelf_columns=3, shelf_rows=2, column_height=6, robots=robots),
        mapping=mapping,
        control=ControlConfig(dead_after_s=3.5),
        faults=FaultPlan(fault=faults, rates=rates),
    )


def said(strikes: Iterable[Strike]) -> list[tuple[str, tuple[int, ...], int | None, int | None]]:
    return [(strike.kind, strike.robots, strike.round, strike.until) for strike in strikes]


def refused(*faults: FaultConfig, **rest: Any) -> tuple[str, tuple[str, ...]]:
    with pytest.raises(PlanError) as caught:
        resolve(config(*faults, **rest))
    assert isinstance(caught.value, BadInput)
    return str(caught.value), caught.value.at[2:]


def test_no_plan_is_no_strike_and_asks_for_nothing():
    assert resolve(config(robots=None)) == ()


def test_named_robots_one_after_the_other_in_the_order_given():
    strikes = resolve(config(fault(robots=(5, 2), round=3, rounds=4, spread=2, body="towed")))
    assert said(strikes) == [("kill", (5,), 3, 7), ("kill", (2,), 5, 9)]
    assert [strike.learner for strike in strikes] == [5, 2]
    assert {strike.body for strike in strikes} == {"towed"}


def test_strikes_are_numbered_by_time_and_then_by_entry():
    strikes = resolve(
        config(fault(robots=(0,), round=9), fault("slow", robots=(1,), at_s=4.5), fault("blind", robots="all", round=4))
    )
    assert [strike.number for strike in strikes] == list(range(10))
    assert [(strike.kind, strike.entry) for strike in strikes[7:]] == [("blind", 2), ("slow", 1), ("kill", 0)]
    assert [strike.robots for strike in strikes[:8]] == [(robot,) for robot in range(8)]


def test_all_settings_of_a_fault_are_in_its_strike():
    given = fault("freeze", robots=(3,), round=7, rounds=2, body="stalled", checkpoint=6, before=True)
    (strike,) = resolve(config(given))
    assert strike == Strike(
        0, "freeze", "robots", 3, (3,), 0, round=7, until=9, before=True, body="stalled", checkpoint=6
    )
    (cut,) = resolve(config(fault("cut", robots=(3,), at_s=2.0, for_s=1.5, direction="in")))
    assert (cut.at_s, cut.for_s, cut.direction, cut.round, cut.until) == (2.0, 1.5, "in", None, None)


def test_a_process_is_struck_once_with_all_its_robots_but_bodies_one_by_one():
    mapping = ((0, 1, 2), (3, 4), (5, 6, 7))
    strikes = resolve(config(fault(robots=(7, 1, 0), round=2, spread=3), mapping=mapping))
    assert [(strike.learner, strike.robots, strike.round) for strike in strikes] == [
        (2, (5, 6, 7), 2),
        (0, (0, 1, 2), 5),
    ]
    strikes = resolve(config(fault("blind", robots=(7, 1), round=2), mapping=mapping))
    assert [(strike.learner, strike.robots) for strike in strikes] == [(0, (1,)), (2, (7,))]
    (strike,) = resolve(config(fault("leave", robots=(3,), round=2), mapping=mapping))
    assert (strike.learner, strike.robots) == (1, (3, 4))


def test_a_process_of_the_run_has_no_robots():
    (strike,) = resolve(config(fault(target="env_server", round=2)))
    assert (strike.target, strike.learner, strike.robots) == ("env_server", -1, ())


@pytest.mark.parametrize(("share", "robots", "wanted"), [("25%", 8, 2), ("25%", 3, 1), ("1%", 40, 1), ("100%", 7, 7)])
def test_a_share_is_the_nearest_number_and_at_least_one(share, robots, wanted):
    assert len(choose(share, robots, (1, 0), "fault 1", ())) == wanted


@given(st.integers(1, 200), st.data())
def test_draws_are_distinct_robots_that_exist(robots, data):
    wanted = data.draw(st.integers(1, robots))
    seed = data.draw(st.integers(0, 2**63 - 1))
    drawn = choose(f"random:{wanted}", robots, (seed, 3), "fault 4", ())
    assert len(set(drawn)) == wanted
    assert set(drawn) <= set(range(robots))
    assert drawn == choose(f"random:{wanted}", robots, (seed, 3), "fault 4", ())


def test_every_robot_may_be_drawn_and_entries_draw_differently():
    once = {choose("random:1", 8, (seed, 0), "", ()) for seed in range(200)}
    assert once == {(robot,) for robot in range(8)}
    both = [(choose("random:3", 8, (seed, 0), "", ()), choose("random:3", 8, (seed, 1), "", ())) for seed in range(50)]
    assert any(one != other for one, other in both)


def test_who_is_drawn_depends_on_the_seed_and_the_entry_alone():
    first, second = fault(robots="random:4", round=1), fault("blind", robots="random:4", round=9)
    drawn = {}
    for seed in range(20):
        strikes = resolve(config(first, second, seed=seed))
        drawn[seed] = tuple(tuple(s.robots[0] for s in strikes if s.entry == entry) for entry in (0, 1))
        longer = resolve(config(first.model_copy(update={"round": 3}), second, seed=seed, rounds=50))
        assert tuple(s.robots[0] for s in longer if s.entry == 0) == drawn[seed][0]
    assert len(set(drawn.values())) > 10
    assert any(one != other for one, other in drawn.values())


KINDS_FOR = st.sampled_from(sorted(kind for kind, about in KINDS.items() if not about.needs and kind != "leave"))
FAULTS = st.builds(
    lambda kind, robots, round_, spread: fault(kind, robots=robots, round=round_, spread=spread),
    KINDS_FOR,
    st.sampled_from(["random:1", "random:3", "25%", (0,), (2, 1)]),
    st.integers(1, 12),
    st.integers(0, 2),
)


@settings(max_examples=150)
@given(st.lists(FAULTS, max_size=4), st.integers(0, 99), st.booleans())
def test_resolve_is_a_pure_function_whose_strikes_travel_as_plain_data(faults, seed, rates):
    plan = config(*faults, seed=seed, rates=RatesConfig(failure=6, repair=2) if rates else None)
    try:
        strikes = resolve(plan)
    except PlanError:
        return
    assert strikes == resolve(Config.model_validate(plan.model_dump(exclude_unset=True)))
    assert [strike.number for strike in strikes] == list(range(len(strikes)))
    assert tuple(strike_of(strike.as_dict()) for strike in strikes) == strikes


def test_what_goes_by_the_clock_is_known():
    assert is_clockless(resolve(config(fault(robots=(0,), round=2, rounds=2), fault("slow", robots=(1,), round=1))))
    assert is_clockless(resolve(config(fault("slow", robots=(1,), round=1, for_s=2.0))))
    assert not is_clockless(resolve(config(fault(robots=(1,), at_s=1.0))))
    assert not is_clockless(resolve(config(fault(robots=(1,), round=1, for_s=2.0))))
    assert not is_clockless(resolve(config(fault("blind", robots=(1,), round=1, for_s=2.0))))


@pytest.mark.parametrize(
    ("given", "parts", "key"),
    [
        (fault(robots=(0, 40), round=1), ["fault 2 (kill): robots names robot 40", "allowed are 0 to 7"], "robots"),
        (fault(robots=(3, 3), round=1), ["robots names robot 3 twice"], "robots"),
        (fault(robots="random:9", round=1), ['robots = "random:9"', '"random:1" to "random:8"'], "robots"),
        (fault(robots=(0,), round=20), ["round = 20", "allowed are 0 to 19"], "round"),
        (fault(robots="all", round=15, spread=1), ["round = 20 for robot 5", "0 to 19"], "spread"),
        (fault("join", robots=(0,), round=0), ["round = 0", "allowed are 1 to 19"], "round"),
        (fault("pause", robots=(0,), round=2, for_s=3.5), ["for_s = 3.5", "less than 3.5"], "for_s"),
        (fault(robots=(0,), round=2, checkpoint=3), ["checkpoint = 3", "allowed are 0 to 2"], "checkpoint"),
        (fault("leave", robots="all", round=2), ["no robot stays", "at least one"], "robots"),
        (fault("join", robots="all", round=2), ["no robot is there in round 0"], "robots"),
    ],
)
def test_what_this_fleet_can_t_do_is_refused_by_value_and_place(given, parts, key):
    sentence, at = refused(fault(target="zygote", round=1), given)
    for part in ["fault 2", *parts]:
        assert part in sentence
    assert at == ("1", key)


def test_errors_of_rates_say_so():
    sentence, at = refused(rates=RatesConfig(failure=5, repair=5, robots=(9,)))
    assert sentence == "rates: robots names robot 9; allowed are 0 to 7"
    assert at == ("robots",)
