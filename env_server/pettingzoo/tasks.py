"""The line that `fleet tasks` has of other people's tasks."""

from env_server.kinds import Task

TASKS = (
    Task(
        "PettingZoo",
        'kind = "pettingzoo"',
        "any parallel environment with discrete actions: pettingzoo.env = MODULE:CALLABLE, pettingzoo.args = {...}",
    ),
)
