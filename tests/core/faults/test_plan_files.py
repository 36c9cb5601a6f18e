"""Plans as files: what is refused and how, what is written and read back, and those that come with the package."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from fleet.core.config import Config, WorldConfig
from fleet.core.config.compare import check_resume
from fleet.core.config.faults import FaultConfig, FaultPlan, RatesConfig
from fleet.core.config.load import (
    ConfigError,
    Override,
    load_config,
    load_plan,
    names_config,
    placing_faults,
    shipped_configs,
    shipped_plans,
)
from fleet.core.config.write import describe, plan_to_toml, to_toml
from fleet.core.faults.kinds import KINDS, settings
from fleet.core.faults.resolve import resolve
from fleet.study.prepare import settle

GOOD = '[[fault]]\nkind = "kill"\nrobots = [0]\nround = 1\n\n'
WORLD = "[world]\nshelf_columns = 3\nshelf_rows = 1\ncolumn_height = 2\nrobots = 3\n"


def fault(text: str) -> str:
    return f"{GOOD}[[fault]]\n" + "\n".join(part.strip() for part in text.split(";")) + "\n"


@pytest.fixture
def refused(tmp_path):
    def refused(text: str) -> str:
        path = tmp_path / "plan.toml"
        path.write_text(text)
        with pytest.raises(ConfigError) as caught:
            load_plan(path)
        return str(caught.value).replace(str(path), "plan.toml")

    return refused


@pytest.mark.parametrize(
    ("text", "line", "parts"),
    [
        ('kind = "kil"; robots = [0]; round = 2', 7, ['fault 2: kind = "kil"', '"kill", "exit"']),
        ('kind = "kill"; robts = [0]; round = 2', 8, ["unknown key fault 2: robts", "did you mean robots?"]),
        ('kind = "kill"; robots = [0]; round = -2', 9, ["fault 2: round = -2", "0 to 9999999"]),
        ('kind = "kill"; robots = [0]; at_s = -0.5', 9, ["fault 2: at_s = -0.5", "0 to 31536000"]),
        ('kind = "kill"; robots = [0]; at_s = nan', 9, ["fault 2: at_s = NaN"]),
        ('kind = "kill"; robots = [0]; at_s = inf', 9, ["fault 2: at_s = Infinity"]),
        ('kind = "kill"; robots = [0]; round = 1.5', 9, ["fault 2: round = 1.5", "a whole number"]),
        ('kind = "kill"; robots = [-1]; round = 1', 8, ["fault 2: robots = [-1]", "from 0 up"]),
        ('kind = "kill"; robots = []; round = 1', 8, ["fault 2: robots = []", '"random:2"']),
        ('kind = "kill"; robots = "some"; round = 1', 8, ['fault 2: robots = "some"', '"25%"']),
        ('kind = "kill"; robots = "0.0%"; round = 1', 8, ['fault 2: robots = "0.0%"']),
        ('kind = "kill"; robots = "101%"; round = 1', 8, ['fault 2: robots = "101%"']),
        ('kind = "kill"; robots = "random:0"; round = 1', 8, ['fault 2: robots = "random:0"']),
        ('kind = "kill"; robots = "../../etc"; round = 1', 8, ['fault 2: robots = "../../etc"']),
        ('kind = "kill"; robots = 3; round = 1', 8, ["fault 2: robots = 3"]),
        ('kind = "kill"; round = 1', 6, ["fault 2: kill: robots is missing"]),
        ('kind = "kill"; robots = [0]', 6, ["fault 2: kill: when it strikes is missing", "round and at_s"]),
        ('kind = "kill"; robots = [0]; round = 1; at_s = 2', 10, ["at_s and round are both given"]),
        ('kind = "slow"; robots = [0]; round = 1; rounds = 2; for_s = 2', 11, ["for_s and rounds are both given"]),
        ('kind = "kill"; robots = [0]; at_s = 2; rounds = 2', 10, ["rounds has no meaning with at_s"]),
        ('kind = "kill"; robots = [0]; round = 1; factor = 3', 10, ["factor has no meaning here; allowed are at_s"]),
        ('kind = "slow"; robots = [0]; round = 1; checkpoint = 3', 10, ["checkpoint has no meaning here"]),
        ('kind = "kill"; target = "zygote"; robots = [0]; round = 1', 9, ['no meaning with target = "zygote"']),
        ('kind = "slow"; target = "zygote"; round = 1', 8, ['target = "zygote"', "allowed are robots"]),
        ('kind = "join"; robots = [0]; at_s = 1', 9, ["at_s has no meaning here, a robot joins in a round"]),
        ('kind = "cut"; robots = [0]; round = 1', 6, ["fault 2: cut: for_s is missing"]),
        ('kind = "offline"; robots = [0]; round = 1; body = "drives-on"', 10, ["leaves nothing offline"]),
        ("robots = [0]; round = 1", 6, ["fault 2: kind is missing"]),
        ('kind = "kill"; robots = [0]; round = 0x' + "f" * 5000, 9, ["fault 2: round = a number of thousands"]),
    ],
)
def test_a_bad_entry_names_file_line_fault_value_and_what_is_allowed(text, line, parts, refused):
    message = refused(fault(text))
    assert message.startswith(f"plan.toml, line {line}: ")
    for part in parts:
        assert part in message


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ('[[faults.fault]]\nkind = "kill"\n', ["unknown key faults", "itself: fault, rates"]),
        ("[rate]\nfailure = 3\n", ["unknown key rate; did you mean rates?"]),
        ("[rates]\nfailure = 0\nrepair = 1\n", ["line 2: rates.failure = 0; allowed: above 0 to 1000000000"]),
        ("[rates]\nfailure = 3\n", ["line 1: rates.repair is missing"]),
        ('[rates]\nfailure = 3\nrepair = 1\nkind = "offline"\n', ["leaves nothing offline"]),
        ("fault = 3\n", ["line 1: fault = 3", "up to 500 tables"]),
        ("fault = [3]\n", ["line 1: fault 1 = 3", "a table"]),
        ("rates = 3\n", ["line 1: rates = 3", "a table"]),
        (GOOD * 501, ["up to 500 tables"]),
        ("[[fault]\n", ["not valid TOML"]),
        ("x = " + "9" * 5000, ["not valid TOML"]),
    ],
)
def test_a_bad_plan_as_a_whole(text, parts, refused):
    message = refused(text)
    for part in parts:
        assert part in message


def test_all_faults_of_a_plan_are_told_at_once(refused):
    lines = refused(GOOD + fault('kind = "kil"; round = 1') + "x = 1\n").splitlines()
    assert [re.sub(r": .*", "", line) for line in lines] == ["plan.toml, line 12", "plan.toml, line 14"]


@pytest.mark.parametrize("name", ["../demo", "x" * 200, "x" * 5000, "a\0b", "no/such.toml", "demo"])
def test_a_name_that_is_no_plan(name):
    with pytest.raises(ConfigError, match="no fault plan .*"):
        load_plan(name)


def test_a_near_name_and_a_folder(tmp_path):
    with pytest.raises(ConfigError, match="did you mean crash-loop?"):
        load_plan("crash-lop")
    with pytest.raises(ConfigError, match="is not a file; a fault plan is"):
        load_plan(tmp_path)


def test_a_pickle_is_not_read(tmp_path):
    (tmp_path / "plan.toml").write_bytes(b"\x80\x04\x95\x0b\x00\x00\x00\x00\x00\x00\x00}\x94.")
    with pytest.raises(ConfigError, match="not UTF-8"):
        load_plan(tmp_path / "plan.toml")


def test_faults_in_a_config_are_placed_in_it(tmp_path):
    path = tmp_path / "config.toml"
    path.write_text(
        f'{WORLD}[[faults.fault]]\nkind = "kill"\nrobots = [0]\nround = 1\n[[faults.fault]]\nkind = "kil"\n'
    )
    with pytest.raises(ConfigError, match=r"config.toml, line 11: faults.fault 2: kind = "):
        load_config(path)
    path.write_text(f'{WORLD}[[faults.fault]]\nkind = "kill"\nrobots = [7]\nround = 1\n')
    config = load_config(path)
    with (
        pytest.raises(ConfigError, match=r"config.toml, line 8: fault 1 \(kill\): .*0 to 2"),
        placing_faults(path, config),
    ):
        settle(config)
    path.write_text(f'{WORLD}[[fault]]\nkind = "kill"\n')
    with pytest.raises(ConfigError, match=r"unknown key fault; did you mean faults\.fault\?"):
        load_config(path)


def test_what_shows_when_it_is_resolved_is_placed_in_the_plan_s_file_or_option(tmp_path):
    path = tmp_path / "plan.toml"
    path.write_text(f"{GOOD}[rates]\nfailure = 3\nrepair = 1\nrobots = [5]\n")
    config = load_config("smoke").model_copy(update={"faults": load_plan(path)})
    with (
        pytest.raises(ConfigError, match=r"plan.toml, line 9: rates: robots names robot 5; allowed are 0 to 2"),
        placing_faults("smoke", config, (), path),
    ):
        settle(config)
    rate = Override("--set faults.rates.failure=1", ("faults", "rates"), {"failure": 1, "repair": 1, "robots": (9,)})
    with pytest.raises(ConfigError, match=r"^--set faults.rates"), placing_faults("smoke", config, [rate]):
        settle(load_config("smoke", [rate]))


VALUES: dict[str, st.SearchStrategy[Any]] = {
    "rounds": st.integers(1, 10**7),
    "for_s": st.floats(0.001, 1e6),
    "body": st.sampled_from(["stalled", "towed"]),
    "checkpoint": st.integers(0, 10**7),
    "before": st.booleans(),
    "times": st.integers(1, 1000),
    "factor": st.floats(1.001, 1000),
    "probability": st.floats(0.001, 1),
    "mode": st.sampled_from(["zero", "frozen"]),
    "direction": st.sampled_from(["in", "out", "both"]),
    "delay_s": st.floats(0.001, 60),
    "damage": st.sampled_from(["truncate", "flip"]),
}


@st.composite
def faults(draw) -> FaultConfig:
    kind = draw(st.sampled_from(sorted(KINDS)))
    given: dict[str, Any] = {"kind": kind, "round": draw(st.integers(0, 9))}
    given["robots"] = draw(
        st.sampled_from(["all", "random:3", "12.5%"]) | st.lists(st.integers(0, 99), min_size=1).map(tuple)
    )
    for name in settings(kind):
        if name in KINDS[kind].needs or (draw(st.booleans()) and not (name == "for_s" and "rounds" in given)):
            given[name] = draw(VALUES[name])
    return FaultConfig(**given)


RATES = st.none() | st.builds(
    RatesConfig, failure=st.floats(1e-3, 1e9), repair=st.floats(1e-3, 1e9), body=st.sampled_from(["stalled", "towed"])
)


@pytest.mark.slow
@given(st.lists(faults(), max_size=4), RATES)
def test_every_plan_that_is_written_loads_back_equal_in_a_config_and_as_a_file(tmp_path_factory, some, rates):
    plan = FaultPlan(fault=tuple(some), rates=rates)
    folder = tmp_path_factory.getbasetemp()
    (folder / "plan.toml").write_text(plan_to_toml(plan))
    assert load_plan(folder / "plan.toml") == plan
    config = Config(world=WorldConfig(map="rware-tiny-4ag"), faults=plan)
    (folder / "config.toml").write_text(to_toml(config))
    assert load_config(folder / "config.toml") == config
    assert to_toml(load_config(folder / "config.toml")) == to_toml(config)


def test_a_plan_is_one_setting_and_may_differ_when_a_run_is_resumed():
    config = load_config("demo")
    broken = config.model_copy(update={"faults": load_plan("failure-rate")})
    assert [setting.key for setting in describe(config)] == [setting.key for setting in describe(broken)]
    check_resume(config, broken)


def test_a_robot_that_one_cannot_have_twice_is_refused_in_python_too():
    with pytest.raises(ValidationError, match="factor has no meaning here"):
        FaultConfig(kind="kill", robots=(0,), round=1, factor=3.0)


def test_configs_and_plans_are_told_apart(tmp_path):
    (tmp_path / "a.toml").write_text(WORLD)
    (tmp_path / "b.toml").write_text(GOOD)
    assert names_config(tmp_path / "a.toml")
    assert names_config("demo")
    assert not names_config(tmp_path / "b.toml")
    assert not names_config("crash-loop")
    assert not names_config("nonsense")


READY = {
    "crash-loop", "failure-rate", "frozen-learner", "one-lost-robot", "quarter-at-once", "rolling-restart",
    "server-killed", "slow-learner",
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("config", sorted(shipped_configs()))
@pytest.mark.parametrize("name", sorted(shipped_plans()))
def test_shipped_plans_strike_in_every_shipped_config(name, config):
    loaded = load_config(config)
    settled = settle(loaded.model_copy(update={"faults": load_plan(name)}))
    strikes = resolve(settled)
    assert strikes
    assert all(strike.round is not None and strike.round >= 1 for strike in strikes)


def test_shipped_plans_say_what_they_show():
    assert set(shipped_plans()) >= READY
    for path in shipped_plans().values():
        first = path.read_text().splitlines()[0]
        assert first.startswith("# ")
        assert first.endswith(".")
