"""The lines that `fleet tasks` has of the handoff task."""

from env_server.kinds import Task

TASKS = (
    Task(
        "handoff",
        'kind = "handoff"',
        "pairs of robots pass loads through a wall: both toggle in the same step, or who did pays the penalty",
    ),
)
