"""The rows of a summary that say how robots moved each other's target.

Broken by printing what isn't known, by rounding a rare lag to 0%, and by letting a resumed run's totals pass for all.
"""

from fleet.commands.moving import moving_rows

FIGURES = {
    "round": 40,
    "totalled_rounds": 40,
    "total_drift_others_kl": 0.0421,
    "total_drift_others_tv": 0.31,
    "late_drift_others_kl": 0.004,
    "late_drift_others_tv": 0.08,
    "total_lag_0": 970,
    "total_lag_1": 29,
    "total_lag_16": 1,
    "total_reward_density": 0.12,
    "total_own_team_correlation": 0.314,
    "total_own_others_correlation": -0.02,
}


def test_a_row_for_each_measure():
    assert moving_rows(FIGURES) == [
        ("others' drift per round", "0.042 nats, TV at most 0.31; 0.004 nats, TV at most 0.08 in the last tenth"),
        ("policy lag", "0: 97%, 1: 3%, 16: <1%"),
        ("reward density", "12% of agent-steps"),
        ("own reward's correlation", "0.31 with team, -0.02 with others"),
    ]


def test_of_what_is_not_known_there_is_no_row():
    assert moving_rows({}) == []
    assert moving_rows({"round": 4, "totalled_rounds": 4, "total_reward_density": 0.0}) == [
        ("reward density", "0% of agent-steps")
    ]
    early = {name: value for name, value in FIGURES.items() if not name.startswith("late")}
    assert moving_rows(early)[0][1] == "0.042 nats, TV at most 0.31"
    assert moving_rows(early | {"total_drift_others_kl": None})[0][1] == "infinite nats, TV at most 0.31"


def test_totals_of_a_part_of_a_run_say_so():
    names = [name for name, _ in moving_rows(FIGURES | {"totalled_rounds": 12})]
    assert names[0] == "others' drift per round (last 12 rounds)"
    assert all(name.endswith("(last 12 rounds)") for name in names)
