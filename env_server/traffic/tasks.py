"""The line that `fleet tasks` has of the traffic grid."""

from env_server.kinds import Task

TASKS = (
    Task(
        "traffic",
        'kind = "traffic"',
        "a grid of intersections, each choosing its own signal, paid for the vehicles that wait before it",
    ),
)
