"""The handoff task: a wall, and pairs of robots that must toggle in the same step to get a load through it."""
