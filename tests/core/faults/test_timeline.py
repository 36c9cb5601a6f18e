from fleet.core.faults.strike import Strike
from fleet.core.faults.timeline import ASCII, details, how_long, picture, when, whom


def strike(kind="kill", robots=(0,), **rest) -> Strike:
    return Strike(number=0, kind=kind, learner=0, robots=robots, **rest)


def test_words():
    lost = strike(round=3, until=5, body="towed", times=3, before=True)
    said = (when(lost), whom(lost), how_long(lost), details(lost))
    assert said == ("before round 3", "robot 0", "for 2 rounds", "body towed, times 3")
    slow = strike("slow", robots=tuple(range(12)), at_s=2.5, for_s=4.0, factor=10)
    said = (when(slow), whom(slow), how_long(slow), details(slow))
    assert said == ("at 2.5 s", "robots 0 1 2 3 4 5 6 7 ...", "for 4 s", "factor 10")
    server = Strike(0, "kill", "env_server", round=3)
    assert (when(server), whom(server), how_long(server), details(server)) == (
        "after round 3",
        "env_server",
        "until mended",
        "",
    )
    assert how_long(strike("blind", round=1)) == "to the end"
    assert how_long(strike("corrupt", round=1)) == "once"
    assert how_long(strike("leave", round=1)) == "for good"
    assert how_long(Strike(0, "kill", "supervisor", round=3)) == "for good"


def test_a_column_per_round_and_a_row_per_robot():
    strikes = [
        strike(round=2, until=5),
        strike("blind", robots=(3,), round=0, until=2),
        strike("freeze", robots=(10,), round=4),
        strike("join", robots=(11,), round=3),
        Strike(0, "kill", "env_server", round=1),
    ]
    assert picture(strikes, 8, marks=ASCII) == [
        "rounds 0 to 7 of 8",
        "     robot  0",
        "         0  ..###...",
        "         3  oo......",
        "        10  ....X...",
        "        11  ###.....",
        "env_server  .X......",
        "",
        "# away   X struck, until mended   o body or sensors fail   . well",
    ]


def test_it_ends_soon_after_the_last_strike_or_goes_on_to_the_end():
    assert picture([strike(round=2, until=5)], 700, marks=ASCII)[0] == "rounds 0 to 6 of 700"
    assert picture([strike("leave", round=2)], 700, marks=ASCII)[0] == "rounds 0 to 699 of 700, 8 a column"


def test_no_strike_is_lost_and_no_line_too_long_in_a_long_run():
    strikes = [strike(robots=(robot,), round=997 * robot, until=997 * robot + 1) for robot in range(100)]
    lines = picture(strikes, 10_000_000, width=100, marks=ASCII)
    rows = [line for line in lines if line.lstrip()[:1].isdigit()]
    assert len(rows) == 100
    assert all("#" in row for row in rows)
    assert max(map(len, lines)) <= 100


def test_seconds_have_a_picture_of_their_own():
    lines = picture([strike(round=1, until=2), strike("cut", at_s=3.0, for_s=2.0)], 20, marks=ASCII)
    assert lines[:3] == ["rounds 0 to 3 of 20", "robot  0", "    0  .#.."]
    assert lines[4:7] == ["seconds 0 to 7", "robot  0", "    0  ...~~.."]


def test_no_strikes_no_picture():
    assert picture([], 20) == []
