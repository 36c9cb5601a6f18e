"""What befell a run as a plan of rounds."""

import pytest

from fleet.core.config.faults import FaultConfig, FaultPlan, RatesConfig
from fleet.core.config.load import load_config
from fleet.core.config.write import to_toml
from fleet.core.errors import BadInput
from fleet.core.faults.resolve import resolve
from fleet.core.faults.strike import Strike
from fleet.core.rundir import RunDirectory
from fleet.study.cost.events import Case, Fenced
from fleet.study.cost.ledger import Book, Rollout
from fleet.study.prepare import prepare
from fleet.study.replay.fault import as_planned, happened
from fleet.study.replay.replay import plan_of, prepare_replay

ROUNDS = 12
BASE = prepare(load_config("smoke", [f"run.rounds={ROUNDS}"]))


def config(*faults, rates=None):
    return BASE.model_copy(update={"faults": FaultPlan(fault=faults, rates=rates)})


def dead(round_=4, back=6, during=True, version=3, number=None, strike=None, learner=1):
    """Learner 1 was fenced in `round_`, and is back from round `back` on with the checkpoint of `version`."""
    return Case(
        0,
        number,
        "learner_died",
        f"learner-{learner}",
        (learner,),
        strike,
        round=round_,
        back=back,
        incarnations=[0],
        fenced=[Fenced(round_, round_, 128, during)],
        origin="restart",
        version=version,
    )


def one(case, book=None):
    notes: list[str] = []
    faults = happened(case, ROUNDS, Book() if book is None else book, notes)
    return (faults[0] if faults else None), notes


def test_a_death_while_it_learned_is_a_kill_of_that_round():
    """Broken by leaving out `checkpoint` or `rounds`: the replay would come back with another, or in another round."""
    assert one(dead()) == (FaultConfig(kind="kill", robots=(1,), round=4, rounds=2, checkpoint=3), [])


def test_a_death_while_its_round_was_collected_strikes_before_it_is_dealt():
    wanted = FaultConfig(kind="kill", robots=(1,), round=4, rounds=1, checkpoint=3, before=True)
    assert one(dead(back=5, during=False)) == (wanted, [])


def test_a_death_after_it_had_published_strikes_before_the_next_round():
    """Broken by striking before the round that it had learned from."""
    book = Book()
    book.dealt_to[4] = {0: 0, 1: 0, 2: 0}
    fault, _ = one(dead(back=6, during=False), book)
    assert fault == FaultConfig(kind="kill", robots=(1,), round=5, rounds=1, checkpoint=3, before=True)


def test_a_death_before_a_round_that_went_to_its_next_life_strikes_before_that_round():
    """Broken by asking only whether anybody got the robot's steps of that round."""
    book = Book()
    book.dealt_to[4] = {0: 0, 1: 1, 2: 0}
    fault, _ = one(dead(back=4, during=False), book)
    assert fault == FaultConfig(kind="kill", robots=(1,), round=4, checkpoint=3, before=True)


@pytest.mark.parametrize("unreachable", [(4,), (3,), (3, 4), (2, 3)])
def test_a_rollout_that_found_its_socket_gone_is_lost_in_its_round(unreachable):
    """Broken by looking only at the round in which it was fenced, and by taking what was lost for learned."""
    book = Book()
    for round_ in unreachable:
        book.dealt_to[round_] = {0: 0, 1: 0, 2: 0}
        book.lost.append(Rollout(round_, 0, 1, 0, 128, (1,), "unreachable"))
    book.lost.append(Rollout(0, 0, 1, 0, 128, (1,), "unreachable"))  # it was reached again after that
    first = unreachable[0]
    fault, _ = one(dead(back=6, during=False, version=1), book)
    assert fault == FaultConfig(kind="kill", robots=(1,), round=first, rounds=6 - first, checkpoint=1)


def test_a_death_and_a_return_between_two_rounds_has_no_rounds():
    fault, _ = one(dead(back=4, during=False))
    assert fault == FaultConfig(kind="kill", robots=(1,), round=4, checkpoint=3, before=True)


def test_who_never_came_back_is_away_to_the_end():
    fault, _ = one(dead(back=None, version=None))
    assert fault == FaultConfig(kind="kill", robots=(1,), round=4, rounds=ROUNDS - 4)


def test_who_came_back_fresh_has_no_checkpoint():
    fault, _ = one(dead(version=-1))
    assert fault == FaultConfig(kind="kill", robots=(1,), round=4, rounds=2)


def test_a_live_kill_takes_its_body_along():
    strike = Strike(1000, "kill", learner=1, robots=(1,), body="towed", held=True)
    fault, notes = one(dead(number=1000, strike=strike))
    assert fault == FaultConfig(kind="kill", robots=(1,), round=4, rounds=2, checkpoint=3, body="towed")
    assert notes == []
    _, notes = one(dead(during=False, number=1000, strike=strike))
    assert "not exact" in notes[0]


def test_a_body_that_was_off_in_just_those_rounds_is_exact():
    """Broken by saying of every death between two rounds that its body is not exact."""
    strike = Strike(1000, "kill", learner=1, robots=(1,), body="towed", held=True)
    case = dead(during=False, number=1000, strike=strike)
    case.off, case.on = 4, 6
    assert one(case)[1] == []
    case.on = 5
    assert "its body was off from round 4 to before 5, now from 4 to before 6, so not exact" in one(case)[1][0]


@pytest.mark.parametrize("kind", ["slow", "delay", "cut", "pause"])
def test_what_lost_nothing_is_left_out_and_said(kind):
    case = Case(0, 1000, kind, "learner-1", (1,), Strike(1000, kind, learner=1, robots=(1,)), round=3, back=5)
    fault, notes = one(case)
    assert fault is None
    assert "nothing was lost by it" in notes[0]
    assert one(dead(strike=case.strike))[0] is not None  # unless it died of it


def test_a_timed_sensor_fault_gets_its_rounds():
    strike = Strike(0, "slow_wheels", learner=2, robots=(2,), at_s=3.0, for_s=2.0, probability=0.3, entry=0)
    case = Case(0, 0, "slow_wheels", "learner-2", (2,), strike, round=3, back=5)
    wanted = FaultConfig(kind="slow_wheels", robots=(2,), round=3, rounds=2, probability=0.3)
    assert one(case) == (wanted, [])


def test_a_body_offline_keeps_how():
    strike = Strike(0, "offline", learner=2, robots=(2,), at_s=3.0, body="stalled", entry=0)
    fault, _ = one(Case(0, 0, "offline", "learner-2", (2,), strike, round=3))
    assert fault == FaultConfig(kind="offline", robots=(2,), round=3, body="stalled")


def test_the_server_strikes_after_the_round_before_its_next_life():
    fault, notes = one(Case(0, None, "server_died", "env_server", round=5, back=5, incarnations=[0]))
    assert fault == FaultConfig(kind="kill", target="env_server", round=4)
    assert "exact only if" in notes[0]


def test_the_zygote_s_and_the_supervisor_s_deaths_change_nothing():
    for process in ("zygote", "supervisor"):
        fault, notes = one(Case(0, None, "died", process, incarnations=[0]))
        assert fault is None
        assert "changes nothing" in notes[0]


def test_a_second_death_before_it_was_back_is_covered_by_the_first():
    """Broken by planning both: the plan would be refused, since the first still has the robot."""
    again = dead(round_=5, during=False)
    again.incarnations = [1]
    plan, _ = plan_of(BASE, (), [dead(), again], Book())
    assert plan.fault == (FaultConfig(kind="kill", robots=(1,), round=4, rounds=2, checkpoint=3),)
    again.back = 8  # but one after it was back is not
    again.fenced = [Fenced(6, 6, 0, False)]
    plan, _ = plan_of(BASE, (), [dead(), again], Book())
    assert [fault.round for fault in plan.fault] == [4, 6]


PLANS = [
    FaultConfig(kind="kill", robots="random:2", round=3, rounds=2, spread=3),
    FaultConfig(kind="offline", robots=(0, 2), round=2, rounds=3, body="towed"),
    FaultConfig(kind="crash_loop", robots=(1,), round=5, times=2),
    FaultConfig(kind="bad_checkpoint", robots=(0,), round=8, damage="truncate", before=True),
    FaultConfig(kind="kill", target="env_server", round=6),
    FaultConfig(kind="blind", robots="50%", round=7, mode="frozen"),
]


def same(strike):
    """A strike without what says where in the plan it stands."""
    return {name: value for name, value in strike.as_dict().items() if name not in ("number", "entry")}


def strikes(plan_config):
    return sorted(map(str, map(same, resolve(plan_config))))


@pytest.mark.parametrize("fault", PLANS)
def test_a_planned_fault_of_rounds_stays_as_it_is(fault):
    """Also when others came before it: broken by leaving `random:2` as it is, whose draw depends on its place."""
    before = config(fault)
    plan, notes = plan_of(before, resolve(before), [], Book())
    assert strikes(before.model_copy(update={"faults": plan})) == strikes(before)
    assert notes == []
    moved = FaultPlan(fault=(FaultConfig(kind="corrupt", robots=(1,), round=0), *plan.fault))
    assert set(strikes(before)) <= set(strikes(before.model_copy(update={"faults": moved})))


@pytest.mark.parametrize("fault", PLANS)
def test_one_strike_as_a_plan_comes_to_the_same_strike(fault):
    for strike in resolve(config(fault)):
        (again,) = resolve(config(as_planned(strike)))
        assert same(again) == same(strike)


def test_a_strike_that_was_missed_is_left_out_and_its_neighbours_stay():
    before = config(FaultConfig(kind="kill", robots=(0, 1), round=3, rounds=2))
    plan = resolve(before)
    missed = Case(0, plan[1].number, "kill", "learner-1", (1,), plan[1], round=3, missed=True)
    found, _ = plan_of(before, plan, [missed, dead(round_=2, back=6)], Book())
    after = before.model_copy(update={"faults": found})
    assert [(strike.learner, strike.round, strike.until) for strike in resolve(after)] == [(1, 2, 6), (0, 3, 5)]


def test_timed_faults_become_what_came_of_them():
    timed = FaultConfig(kind="freeze", robots=(1,), at_s=2.0)
    before = config(timed, FaultConfig(kind="blind", robots="random:1", round=1, rounds=1))
    plan = resolve(before)
    strike = next(strike for strike in plan if strike.at_s is not None)
    found, _ = plan_of(before, plan, [dead(number=strike.number, strike=strike)], Book())
    assert found.fault[0] == FaultConfig(kind="kill", robots=(1,), round=4, rounds=2, checkpoint=3)
    assert strikes(before.model_copy(update={"faults": found}))[0] == str(same(plan[1 - plan.index(strike)]))


def test_rates_stay_rates_unless_something_else_happened():
    """Else the failures would be drawn around faults that weren't in the plan. Broken by keeping `rates` always."""
    before = config(rates=RatesConfig(failure=6.0, repair=2.0))
    plan = resolve(before)
    assert plan
    assert plan_of(before, plan, [], Book())[0].rates is not None
    free = next(k for k in range(3) if not any(s.learner == k and s.round < 6 and s.until > 4 for s in plan))
    found, _ = plan_of(before, plan, [dead(learner=free)], Book())
    assert found.rates is None
    assert len(found.fault) == len(plan) + 1
    assert set(strikes(before)) <= set(strikes(before.model_copy(update={"faults": found})))


def test_more_than_a_plan_can_hold_is_refused():
    with pytest.raises(BadInput, match="501 faults befell it; a plan has at most 500"):
        plan_of(BASE, (), [dead() for _ in range(501)], Book())


def stopped(path, schedule, outcome="interrupted", rounds=3):
    """A run of ROUNDS rounds that was stopped after `rounds`, with a plan for before and after that."""
    plan = FaultPlan(
        fault=(
            FaultConfig(kind="kill", robots=(1,), round=1, rounds=1),
            FaultConfig(kind="kill", robots="all", round=2, spread=2, before=True),
            FaultConfig(kind="slow", robots=(0,), round=8, rounds=1),
        )
    )
    settled = prepare(load_config("smoke", [f"run.rounds={ROUNDS}", f"learner.lr_schedule={schedule}"]))
    with RunDirectory.create(path, to_toml(settled.model_copy(update={"faults": plan})), ["fleet", "run"]) as run:
        run.metrics.write_text("".join(f'{{"round": {number + 1}}}\n' for number in range(rounds)))
        run.write_json("summary.json", {"outcome": outcome})
    return prepare_replay(path)


@pytest.mark.parametrize(("schedule", "horizon"), [("constant", None), ("linear", ROUNDS)])
def test_the_replay_of_a_stopped_run_ends_where_that_did(tmp_path, schedule, horizon):
    """Broken by running all the rounds, by keeping faults after the end, and by a step size that falls sooner."""
    replay = stopped(tmp_path / "run", schedule)
    assert replay.config.run.rounds == 3
    assert replay.config.learner.lr_horizon == horizon
    assert [(strike.kind, strike.round) for strike in resolve(replay.config)] == [("kill", 1), ("kill", 2)]
    assert "stopped after 3 of 12 rounds" in replay.notes[0]


@pytest.mark.parametrize(("outcome", "rounds"), [("failed", 3), ("done", ROUNDS), ("interrupted", 0)])
def test_the_replay_of_any_other_run_has_all_its_rounds(tmp_path, outcome, rounds):
    replay = stopped(tmp_path / "run", "constant", outcome, rounds)
    assert (replay.config.run.rounds, replay.notes) == (ROUNDS, ())
