import json

import pytest

from fleet.commands.main import main


def evaluated(capsys, *options: str) -> dict[str, float]:
    assert main(["eval", *options, "--json"]) == 0
    value: dict[str, float] = json.loads(capsys.readouterr().out)
    return value


def test_the_planner_beats_random_actions_on_the_same_episodes(capsys):
    planned = evaluated(capsys, "demo", "--actor", "greedy", "--episodes", "4")
    drawn = evaluated(capsys, "demo", "--actor", "random", "--episodes", "4")
    assert planned.keys() == drawn.keys()
    assert planned["deliveries_per_1000"] > 20 > drawn["deliveries_per_1000"]
    assert evaluated(capsys, "demo", "--actor", "greedy", "--episodes", "4") == planned
    stalled = evaluated(capsys, "demo", "--actor", "greedy", "--episodes", "4", "--offline", "8")
    assert stalled["deliveries_per_1000"] == 0


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["demo", "--actor", "gredy"], "--actor gredy; allowed are learned, greedy, random"),
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
