import json

import pytest

from fleet.commands.main import main


def evaluated(capsys, *options: str) -> dict[str, float]:
    assert main(["eval", *options, "--json"]) == 0
    value: dict[str, float] = json.loads(capsys.readouterr().out)
    return value


@pytest.mark.parametrize("planner", ["greedy", "pibt"])
def test_planners_beat_random_actions_on_the_same_episodes_but_not_their_bound(planner, capsys):
    planned = evaluated(capsys, "demo", "--actor", planner, "--episodes", "4")
    drawn = evaluated(capsys, "demo", "--actor", "random", "--episodes", "4")
    assert planned.keys() == drawn.keys()
    assert planned["deliveries_per_1000"] > 20 > drawn["deliveries_per_1000"]
    assert planned["bound_per_1000"] > planned["deliveries_per_1000"]
    assert planned["share_of_bound"] == planned["deliveries_per_1000"] / planned["bound_per_1000"]
    assert evaluated(capsys, "demo", "--actor", planner, "--episodes", "4") == planned
    stalled = evaluated(capsys, "demo", "--actor", planner, "--episodes", "4", "--offline", "8")
    assert stalled["deliveries_per_1000"] == stalled["bound_per_1000"] == stalled["share_of_bound"] == 0


def test_without_orders_there_is_no_bound(capsys):
    drawn = evaluated(capsys, "rware-tiny-4ag", "--actor", "random", "--episodes", "2")
    assert not {"bound_per_1000", "bound_ci95", "share_of_bound"} & drawn.keys()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["demo", "--actor", "gredy"], "--actor gredy; allowed are learned, greedy, pibt, random"),
        (["demo", "--actor", "greedy", "--greedy"], "--greedy is for trained policies; --actor greedy has none"),
        (["demo", "--actor", "random", "--snapshot", "best"], "--snapshot is for trained policies"),
        (["rware-tiny-4ag", "--actor", "greedy"], 'dispatch = "off"'),
        (["demo", "--actor", "greedy", "--offline", "9"], "9 robots offline; allowed are 0 to 8"),
        (["nowhere", "--actor", "greedy"], "nowhere"),
        (["demo"], "no such folder"),
    ],
)
def test_what_an_actor_cannot_take_is_bad_input(options, said, capsys):
    assert main(["eval", *options, "--episodes", "1"]) == 2
    assert said in capsys.readouterr().err
