import dataclasses

import pytest

from fleet.commands.display import LiveDisplay, PlainDisplay, figures, line
from fleet.commands.screen import duration, number, print_table, size
from fleet.control.status import Status, build_status


def status(round_: int, phase: str = "running") -> Status:
    values = {"round": round_, "agent_steps": round_ * 1000, "agent_steps_per_s": 5000.0, "online": 3}
    return build_status(
        values if round_ else {}, (), phase=phase, rounds=10, robots=3, elapsed_s=1.0, eta_s=75.0 if round_ else None
    )


def test_plain_lines_come_at_changes_and_every_few_seconds(capsys):
    now = [0.0]
    display = PlainDisplay(every_s=5.0, clock=lambda: now[0])
    with display:
        for moment, shown in [(0, status(0, "starting")), (1, status(0, "starting")), (2, status(1)), (3, status(2))]:
            now[0] = moment
            display.show(shown)
        now[0] = 8
        display.show(status(2))
        display.show(status(3))
        display.show(status(4))
        now[0] = 20
        display.show(status(4))
        display.show(status(4))
    lines = [text.split(",")[0] for text in capsys.readouterr().out.splitlines()]
    assert lines == ["starting", "running: round 1/10", "running: round 2/10", "running: round 4/10"]


def test_a_start_that_compiles_says_so():
    assert line(status(0, "starting")) == "starting"
    assert "compiles world and learners" in line(status(0, "starting"), compiles=True)
    assert "compiles" not in line(status(1), compiles=True)


def test_a_line_has_every_figure():
    text = line(
        dataclasses.replace(status(1), deliveries_per_1000=7.25, episode_return=1.5, memory_bytes=2_500_000_000)
    )
    for part in ("5,000 agent-steps/s", "7.25 deliveries", "return 1.50", "3 of 3 robots", "2.50 GB", "1:15 left"):
        assert part in text


def test_the_live_table_has_every_figure():
    names = [name for name, _ in figures(status(1))]
    assert {"agent-steps/s", "robots online", "policy lag", "memory", "episode return"} <= set(names)


def test_deliveries_are_left_out_where_there_are_none_to_tell():
    told = dataclasses.replace(status(1), deliveries_per_1000=0.0)
    for each, is_told in ((told, True), (status(0), True), (status(1), False)):
        assert ("deliveries per robot per 1,000 steps" in dict(figures(each))) == is_told
    assert "deliveries" in line(told)
    assert "deliveries" not in line(status(1))


def test_the_live_display_draws(capsys):
    with LiveDisplay() as display:
        display.show(status(0, "starting"))
        display.show(status(4))
    out = capsys.readouterr().out
    assert "round 4/10" in out
    assert "1:15 left" in out


@pytest.mark.parametrize(
    ("seconds", "text"), [(None, "-"), (3.4, "3 s"), (59.9, "1:00"), (187, "3:07"), (3765, "1:02:45")]
)
def test_durations(seconds, text):
    assert duration(seconds) == text


def test_numbers_and_sizes():
    assert number(1234567) == "1,234,567"
    assert number(1.239) == "1.24"
    assert number(None) == "-"
    assert size(12_300_000) == "12 MB"


def test_tables_line_up(capsys):
    print_table([("a", "1"), ("bbb", "22")], header=("name", "n"))
    assert capsys.readouterr().out.splitlines() == ["name  n", "a      1", "bbb   22"]
    print_table([("a", "-"), ("-", "22")], header=("name", "n"))
    assert capsys.readouterr().out.splitlines() == ["name  n", "a      -", "-     22"]


def test_who_is_frozen_is_counted_where_there_is_somebody():
    shown = dict(figures(dataclasses.replace(status(1), frozen=(0, 2))))
    assert (shown["robots online"], shown["of these frozen"]) == ("3 of 3", "2")
    assert "of these frozen" not in dict(figures(status(1)))
