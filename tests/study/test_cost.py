"""What faults cost a run, on hand-made run directories whose answers are known."""

import json

import pytest

from fleet.core.config.faults import FaultConfig, FaultPlan
from fleet.core.config.load import load_config
from fleet.core.config.write import to_toml
from fleet.core.errors import BadInput
from fleet.core.ledger import RolloutName
from fleet.core.ledger_file import Ledger
from fleet.core.rundir import RunDirectory
from fleet.study.cost.cost import check_baseline, measure, write_cost

EACH, ROUNDS = 128, 8  # smoke: 32 steps x 4 copies
KILL = FaultConfig(kind="kill", robots=(1,), round=3, rounds=2, body="towed")


def make(path, faults=(), rate=10.0, hit=(), seed=1, rounds=ROUNDS):
    """A run of `rounds` rounds of 2 s (the first 10 s); rounds in `hit` deliver half, stand still for 3 of 4 s."""
    config = load_config("smoke", [f"run.seed={seed}", f"run.rounds={rounds}"])
    config = config.model_copy(update={"faults": FaultPlan(fault=tuple(faults))})
    with RunDirectory.create(path, to_toml(config), ["fleet", "run"]) as run:
        lines = [
            {
                "round": number + 1,
                "deliveries_per_1000": rate / 2 if number in hit else rate,
                "wall_s": 10.0 if number == 0 else 4.0 if number in hit else 2.0,
                "waiting_s": 1.0 if number in hit else 0.25,
                "learning_s": 2.0 if number in hit else 0.25,
            }
            for number in range(rounds)
        ]
        run.metrics.write_text("".join(json.dumps(line) + "\n" for line in lines))
        run.write_json("summary.json", {"outcome": "done", "restarts": {"learner-1": 1}})
    return run


def events(run, *lines):
    start = {"at": 0.0, "event": "start", "process": "supervisor", "life": 0}
    run.events.write_text("".join(json.dumps({"at": 1.0, **line}) + "\n" for line in (start, *lines)))


def killed(run, lost=EACH, out=(4,)):
    """Learner 1 is killed while it has round 3, is away in the rounds `out`, and is back in round 5."""
    ledger = Ledger(run.ledger)
    incarnation = 0
    for number in range(ROUNDS):
        there = [learner for learner in range(3) if not (learner == 1 and number in out)]
        if number == 5:
            ledger.undone(1, after=2)
        names = [RolloutName(0, k, incarnation if k == 1 else 0, number) for k in there]
        ledger.produced(number, EACH, [(name, [name.learner]) for name in names])
        if 1 not in there:
            ledger.withheld(number, [1], EACH, "learner_away")
        for name in names:
            if name.learner == 1 and number == 3:
                ledger.lost([name], "learner_died")
                incarnation = 1
            else:
                ledger.trained([name], number + 1)
    ledger.close()
    about = {"number": 0, "kind": "kill", "target": "robots", "learner": 1, "robots": [1]}
    times = {"cause": "learner_died", "inject": 20.0, "suspect": 20.001, "declare": 20.002, "number": 0}
    fenced = {"learner": 1, "incarnation": 0, "round": 3, "accepted": 3, "lost": lost, "during": True}
    online = {"learner": 1, "incarnation": 1, "round": 5, "version": 3}
    events(
        run,
        {"event": "inject", "process": "learner-1", **about, "round": 3, "at": 20.0},
        {"event": "fenced", "process": "env_server", "details": fenced},
        {"event": "declare", "process": "learner-1", "incarnation": 0, **times},
        {"event": "restart", "process": "learner-1", "incarnation": 1, "checkpoint": "x/v00000002.safetensors"},
        {"event": "online", "process": "env_server", "details": online, "at": 30.0},
        {"event": "recover", "process": "learner-1", "incarnation": 1, **times, "recover": 30.5},
    )


def test_a_planned_kill_fault_by_fault(tmp_path):
    """Broken by leaving the run's first round in `before`, and by one of the two times that a round stands still."""
    run = make(tmp_path / "run", [KILL], hit=(4, 5))
    killed(run)
    cost = measure(run.path)
    assert cost is not None
    (fault,) = cost.faults
    assert (fault.number, fault.kind, fault.process, fault.robots) == (0, "kill", "learner-1", (1,))
    assert (fault.inject, fault.suspect, fault.declare, fault.recover) == (20.0, 20.001, 20.002, 30.5)
    assert (fault.round, fault.back, fault.lost, fault.updates_lost, fault.withheld) == (3, 5, EACH, 1, EACH)
    assert fault.before is not None
    assert fault.during is not None
    assert (fault.before.rounds, fault.before.waiting_s) == (2, 0.5)
    assert fault.before.agent_steps_per_s == pytest.approx(2 * EACH * 2 / 4.0)  # rounds 1 and 2, two learners
    assert (fault.during.rounds, fault.during.waiting_s) == (3, pytest.approx(6.5 / 3))
    assert fault.during.agent_steps_per_s == pytest.approx(3 * EACH * 2 / 10.0)  # rounds 3, 4 and 5


def central(path, walls, trained, fault=None, told=None):
    """A run under one learner for all robots, killed while it has round 3 and back in round 5; or what else is told."""
    config = load_config("smoke", ["mapping=central", "learner.algorithm=mappo", f"run.rounds={ROUNDS}"])
    kill = KILL.model_copy(update={"robots": (0, 1, 2), "body": "drives-on"})
    config = config.model_copy(update={"faults": FaultPlan(fault=(fault or kill,))})
    with RunDirectory.create(path, to_toml(config), ["fleet", "run"]) as run:
        lines = [
            {"round": number + 1, "deliveries_per_1000": 1.0, "wall_s": wall, "trained_per_s": 100.0 * rate}
            for number, (wall, rate) in enumerate(zip(walls, trained, strict=True))
            if wall
        ]
        run.metrics.write_text("".join(json.dumps(line) + "\n" for line in lines))
    about = {"number": 0, "kind": "kill", "target": "robots", "learner": 0, "robots": [0, 1, 2]}
    online = {"learner": 0, "incarnation": 1, "round": 5, "version": 3}
    if told is not None:
        events(run, *told)
        return run
    events(
        run,
        {"event": "inject", "process": "learner-0", **about, "round": 3, "at": 20.0},
        {"event": "declare", "process": "learner-0", "incarnation": 0, "cause": "learner_died", "number": 0},
        {"event": "online", "process": "env_server", "details": online, "at": 30.0},
    )
    return run


@pytest.mark.parametrize(
    ("walls", "trained", "idle"),
    [
        ((9, 2, 4, 1, 1, 7, 2, 2), (1, 1, 1, 0, 0, 1, 1, 1), 6.0),  # rounds 3 to 5 took 9 s, one like 1 and 2 takes 3
        ((9, 2, 4, 1, 1, 7, 2, 2), (1, 1, 1, 0, 0, 0, 1, 1), 8.0),  # back in round 5, and learned again in round 6
        ((9, 2, 4, 5, 5, 5, 2, 2), (1, 1, 1, 1, 1, 1, 1, 1), 6.0),  # slowed down: three rounds, each 2 s longer
        ((9, 2, 4, 1, 1, 7, 2, 2), (1, 1, 1, 0, 0, 0, 0, 0), None),
        ((9, 2, 4, 1, 0, 7, 2, 2), (1, 1, 1, 0, 0, 1, 1, 1), None),  # round 4 was thinned out
        ((9, 2, 4, 1, 1, 1, 2, 2), (1, 1, 1, 0, 0, 1, 1, 1), 0.0),
    ],
)
def test_a_fault_that_hits_all_robots_tells_how_long_training_stood_still(tmp_path, walls, trained, idle):
    """Broken by ending at the return, by counting no trained round, and by counting the run's first among the usual."""
    cost = measure(central(tmp_path / "run", walls, trained).path)
    assert cost is not None
    (fault,) = cost.faults
    assert (fault.round, fault.back, fault.during) == (3, 5, None)
    assert fault.idle_s == (None if idle is None else pytest.approx(idle))


def test_what_waited_for_a_link_cut_by_the_clock_may_be_the_next_round(tmp_path):
    """Broken by looking only at the round in which it was mended, which was dealt out before it was cut."""
    cut = FaultConfig(kind="cut", robots=(0, 1, 2), round=3, for_s=2.0)
    about = {"number": 0, "kind": "cut", "target": "robots", "learner": 0, "robots": [0, 1, 2], "round": 3}
    seen = {"number": 0, "round": 3, "kind": "cut"}
    told = [
        {"event": "inject", "process": "learner-0", **about, "at": 20.0},
        {"event": "struck", "process": "env_server", "details": seen, "at": 20.0},
        {"event": "mended", "process": "env_server", "details": seen, "at": 22.0},
    ]
    run = central(tmp_path / "run", (9, 2, 2, 2, 4, 2, 2, 2), (1,) * 8, cut, told)
    cost = measure(run.path)
    assert cost is not None
    (fault,) = cost.faults
    assert (fault.round, fault.back) == (3, 3)
    assert fault.idle_s == pytest.approx(2.0)


def test_a_fault_with_survivors_is_told_by_them(tmp_path):
    run = make(tmp_path / "run", [KILL], hit=(4, 5))
    killed(run)
    cost = measure(run.path)
    assert cost is not None
    assert cost.faults[0].idle_s is None


def test_what_is_withheld_once_it_is_back_is_none_of_the_fault_s(tmp_path):
    """Broken by counting `back` among its rounds."""
    run = make(tmp_path / "run", [KILL])
    killed(run, out=(4, 5))
    cost = measure(run.path)
    assert cost is not None
    assert (cost.faults[0].withheld, cost.withheld) == (EACH, {"learner_away": 2 * EACH})


def test_over_the_run(tmp_path):
    run = make(tmp_path / "run", [KILL], hit=(4, 5))
    killed(run)
    cost = measure(run.path)
    assert cost is not None
    assert (cost.lost, cost.withheld) == ({"learner_died": EACH}, {"learner_away": EACH})
    assert (cost.undone, cost.restarts, cost.missed, cost.unrecorded) == (EACH, 1, 0, 0)
    assert (cost.rounds, cost.recorded, cost.against) == (ROUNDS, ROUNDS, None)


def test_against_the_same_run_without_faults(tmp_path):
    """Broken by taking a robot that was towed for one on the floor."""
    run, baseline = make(tmp_path / "run", [KILL], hit=(4, 5)), make(tmp_path / "baseline")
    killed(run)
    cost = measure(run.path, baseline.path)
    assert cost is not None
    assert cost.against is not None
    assert cost.against.retention == pytest.approx(70 / 80)
    # on the floor: two of three in round 4; round 3 had been collected when it was struck
    shares = [1, 1, 1, 1, 0.5 / (2 / 3), 0.5, 1, 1]
    assert cost.against.per_capita == pytest.approx(sum(shares) / ROUNDS)
    assert cost.against.area_lost == pytest.approx(10 * 128 / 1000)
    assert cost.against.recovered_after is None  # rounds 5 to 7, all that are left, make 25 of 30


def per_capita(tmp_path, fault):
    run, baseline = make(tmp_path / "run", [fault]), make(tmp_path / "baseline")
    killed(run)
    cost = measure(run.path, baseline.path)
    assert cost is not None
    assert cost.against is not None
    return cost.against.per_capita


def test_a_robot_struck_before_its_round_is_off_the_floor_in_it(tmp_path):
    """Broken by taking every learner for struck when its round has been collected, and none."""
    both = pytest.approx((ROUNDS - 2 + 2 / (2 / 3)) / ROUNDS)
    assert per_capita(tmp_path, KILL.model_copy(update={"before": True})) == both


def test_a_live_fault_s_robot_is_off_the_floor_when_the_server_says_so(tmp_path):
    """Broken by counting from the round in which it was fenced to the one in which its learner was back."""
    run, baseline = make(tmp_path / "run"), make(tmp_path / "baseline")
    killed(run)
    strike = {"kind": "kill", "robots": [1], "learner": 1, "body": "towed", "held": True, "number": 0}
    told = [
        {"event": "inject", "process": "learner-1", "number": 0, "kind": "kill", "strike": strike},
        {"event": "struck", "process": "env_server", "details": {"number": 0, "round": 1, "kind": "kill"}},
        {"event": "mended", "process": "env_server", "details": {"number": 0, "round": 3, "kind": "kill"}},
    ]
    start, *rest = run.events.read_text().splitlines()
    run.events.write_text("\n".join([start, *(json.dumps({"at": 1.0, **line}) for line in told), *rest, ""]))
    cost = measure(run.path, baseline.path)
    assert cost is not None
    assert cost.against is not None
    assert cost.against.per_capita == pytest.approx((ROUNDS - 2 + 2 / (2 / 3)) / ROUNDS)


def test_a_robot_that_drives_on_is_on_the_floor(tmp_path):
    """Broken by taking every robot without a learner for one off the floor."""
    run, baseline = make(tmp_path / "run", [KILL.model_copy(update={"body": "drives-on"})]), make(tmp_path / "baseline")
    killed(run)
    cost = measure(run.path, baseline.path)
    assert cost is not None
    assert cost.against is not None
    assert cost.against.per_capita == pytest.approx(1.0)


def test_the_time_to_recover_counts_from_the_last_return(tmp_path):
    """Broken by counting from the first fault's round, and from round 0."""
    run, baseline = make(tmp_path / "run", [KILL], hit=(3, 4)), make(tmp_path / "baseline")
    killed(run)
    cost = measure(run.path, baseline.path)
    assert cost is not None
    assert cost.against is not None
    assert cost.against.recovered_after == 0


def test_holes_in_the_files(tmp_path):
    """Rounds 1 and 4 are thinned out of metrics.jsonl and the injection out of events.jsonl; nothing else changes."""
    run = make(tmp_path / "run", [KILL], hit=(4, 5))
    killed(run)
    for path, gone in ((run.metrics, (1, 4)), (run.events, (1,))):
        lines = path.read_text().splitlines(keepends=True)
        path.write_text("".join(line for number, line in enumerate(lines) if number not in gone))
    cost = measure(run.path)
    assert cost is not None
    (fault,) = cost.faults
    assert (cost.recorded, cost.rounds) == (ROUNDS - 2, ROUNDS)
    assert (fault.inject, fault.round, fault.back, fault.withheld) == (20.0, 3, 5, EACH)
    assert fault.before is not None
    assert fault.during is not None
    assert (fault.before.rounds, fault.before.agent_steps_per_s) == (1, pytest.approx(EACH * 2 / 2.0))
    assert (fault.during.rounds, fault.during.waiting_s) == (2, pytest.approx(3.5 / 2))


def test_what_a_folded_ledger_no_longer_tells_is_none(tmp_path):
    """Broken by summing over rounds that the folded ledger does not have: 0 in place of None."""
    run = make(tmp_path / "run", [KILL], hit=(4, 5))
    killed(run)
    Ledger(run.ledger, max_bytes=1).close()
    cost = measure(run.path)
    assert cost is not None
    (fault,) = cost.faults
    assert (fault.lost, fault.withheld) == (EACH, None)
    assert fault.during is not None
    assert (fault.during.agent_steps_per_s, fault.during.waiting_s) == (None, pytest.approx(6.5 / 3))
    assert cost.withheld == {"learner_away": EACH}


def test_a_due_strike_without_any_record_is_counted(tmp_path):
    other = FaultConfig(kind="blind", robots=(2,), round=1, rounds=1)
    run = make(tmp_path / "run", [KILL, other])
    killed(run)
    text = run.events.read_text()
    run.events.write_text(text.replace('"number": 0', '"number": 1'))  # in order of time the kill is the second
    cost = measure(run.path)
    assert cost is not None
    assert (len(cost.faults), cost.unrecorded) == (1, 1)


def test_a_server_s_death_is_told_from_the_ledger(tmp_path):
    run = make(tmp_path / "run")
    ledger = Ledger(run.ledger)
    for life, rounds in ((0, range(4)), (1, range(3, ROUNDS))):
        for number in rounds:
            name = RolloutName(life, 0, 0, number)
            ledger.produced(number, EACH, [(name, [0])])
            if (life, number) == (0, 3):
                ledger.lost([name], "server_died")
            else:
                ledger.trained([name], number + 1)
    ledger.close()
    times = {"cause": "server_died", "suspect": 9.0, "declare": 9.1}
    events(run, {"event": "declare", "process": "env_server", "incarnation": 0, **times})
    cost = measure(run.path)
    assert cost is not None
    (fault,) = cost.faults
    assert (fault.kind, fault.lost, fault.withheld, fault.round, fault.back) == ("server_died", EACH, 0, 3, 3)


def test_without_a_fault_there_is_no_cost(tmp_path):
    run = make(tmp_path / "run")
    events(run)
    assert measure(run.path) is None
    write_cost(run, None)
    assert "cost" not in run.read_json("summary.json")


def test_the_summary_has_it_and_says_what_cannot_be_read(tmp_path):
    run = make(tmp_path / "run", [KILL])
    killed(run)
    write_cost(run, None)
    assert run.read_json("summary.json")["cost"]["faults"][0]["kind"] == "kill"
    run.metrics.write_text("no json\n")
    write_cost(run, None)
    assert "not JSON" in run.read_json("summary.json")["cost"]["error"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"seed": 2}, "run.seed is 2 there, 1 here"),
        ({"faults": [KILL]}, "has a fault plan of its own"),
        ({"rounds": ROUNDS + 4}, ""),
    ],
)
def test_only_the_same_run_without_faults_is_a_baseline(tmp_path, arguments, said):
    baseline = make(tmp_path / "baseline", **arguments)
    config = load_config(make(tmp_path / "run", [KILL]).config)
    if not said:
        check_baseline(config, baseline.path)
        return
    with pytest.raises(BadInput, match=said):
        check_baseline(config, baseline.path)


def test_a_baseline_without_rounds_or_without_a_run_is_refused(tmp_path):
    run = make(tmp_path / "run")
    run.metrics.unlink()
    config = load_config(run.config)
    with pytest.raises(BadInput, match="no round"):
        check_baseline(config, run.path)
    with pytest.raises(BadInput, match="no such folder"):
        check_baseline(config, tmp_path / "none")
